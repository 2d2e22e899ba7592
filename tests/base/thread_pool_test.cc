#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>
#include <vector>

namespace fathom {
namespace {

TEST(ThreadPool, EveryItemOnceForAnyCountGrainAndThreads) {
  for (const int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const int64_t count : {0, 1, 2, 7, 64, 1000}) {
      for (const int64_t grain : {1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> visits(static_cast<size_t>(count));
        pool.ParallelFor(count, grain, [&](int64_t begin, int64_t end, int worker) {
          EXPECT_LT(begin, end);
          EXPECT_LE(end - begin, grain);
          EXPECT_TRUE(worker >= 0 && worker < threads) << worker;
          for (int64_t item = begin; item < end; ++item) ++visits[static_cast<size_t>(item)];
        });
        for (const std::atomic<int>& visit : visits)
          ASSERT_EQ(visit.load(), 1) << count << " " << grain << " " << threads;
      }
    }
  }
}

TEST(ThreadPool, AWorkerGoesThroughItsShareInOrderAndThenHelps) {
  ThreadPool pool(2);
  std::vector<int> worker_of(1000, -1);
  std::vector<int64_t> order[2];
  std::atomic<bool> second_has_begun{false};
  pool.ParallelFor(1000, 1, [&](int64_t begin, int64_t, int worker) {
    worker_of[static_cast<size_t>(begin)] = worker;
    order[worker].push_back(begin);
    // The caller waits at its first item: so the other one ends its own share and takes most of this.
    if (worker == 1) second_has_begun = true;
    if (begin == 0) {
      while (!second_has_begun) std::this_thread::yield();
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  });
  EXPECT_EQ(std::count(worker_of.begin(), worker_of.end(), -1), 0);
  ASSERT_FALSE(order[1].empty());
  EXPECT_EQ(order[1].front(), 500);
  const auto wrap = std::find_if(order[1].begin(), order[1].end(), [](int64_t item) { return item < 500; });
  EXPECT_TRUE(std::is_sorted(order[1].begin(), wrap));
  EXPECT_TRUE(std::is_sorted(wrap, order[1].end()));
}

TEST(ThreadPool, WorkerIndexIsExclusive) {
  constexpr int kThreads = 4;
  ThreadPool pool(kThreads);
  // Not atomic on purpose: two threads with the same index would race, which ThreadSanitizer reports.
  std::vector<int64_t> sums(kThreads * 16);
  for (int loop = 0; loop < 200; ++loop) {
    pool.ParallelFor(100, 1,
                     [&](int64_t begin, int64_t, int worker) { sums[static_cast<size_t>(worker) * 16] += begin; });
  }
  int64_t total = 0;
  for (const int64_t sum : sums) total += sum;
  EXPECT_EQ(total, 200 * 4950);
}

TEST(ThreadPool, WritesAreVisibleAfterTheLoop) {
  ThreadPool pool(3);
  std::vector<int64_t> squares(10'000);
  for (int64_t loop = 0; loop < 50; ++loop) {
    pool.ParallelFor(std::ssize(squares), 7, [&](int64_t begin, int64_t end, int) {
      for (int64_t item = begin; item < end; ++item) squares[static_cast<size_t>(item)] = item * item + loop;
    });
    for (int64_t item = 0; item < std::ssize(squares); ++item)
      ASSERT_EQ(squares[static_cast<size_t>(item)], item * item + loop);
  }
}

TEST(ThreadPool, SleepingWorkersWakeUp) {
  ThreadPool pool(3);
  std::atomic<int> items{0};
  for (int loop = 0; loop < 5; ++loop) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // far beyond the spinning time
    pool.ParallelFor(64, 1, [&](int64_t, int64_t, int) { ++items; });
  }
  EXPECT_EQ(items.load(), 5 * 64);
}

// A thread that gets this signal stands still, like one whose core a neighbour took.
std::atomic<bool> held{false};
std::atomic<bool> let_go{false};
void Hold(int) {
  held = true;
  while (!let_go) continue;
}

TEST(ThreadPool, ALoopDoesNotWaitForAWorkerThatHasClaimedNothing) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "ThreadSanitizer puts signals off";
#endif
  ThreadPool pool(2);
  pthread_t threads[2];
  const auto both_take_one = [&] {
    std::atomic<int> begun{0};
    pool.ParallelFor(2, 1, [&](int64_t, int64_t, int worker) {
      threads[worker] = pthread_self();
      ++begun;
      while (begun < 2) std::this_thread::yield();
    });
  };
  both_take_one();
  struct sigaction action = {};
  action.sa_handler = Hold;
  struct sigaction before = {};
  ASSERT_EQ(sigaction(SIGUSR1, &action, &before), 0);
  ASSERT_EQ(pthread_kill(threads[1], SIGUSR1), 0);
  while (!held) std::this_thread::yield();
  for (int loop = 0; loop < 3; ++loop) {
    int items = 0;
    pool.ParallelFor(100, 1, [&](int64_t, int64_t, int worker) {
      EXPECT_EQ(worker, 0);
      ++items;
    });
    EXPECT_EQ(items, 100);
  }
  let_go = true;
  both_take_one();
  ASSERT_EQ(sigaction(SIGUSR1, &before, nullptr), 0);
}

TEST(ThreadPool, SaysWhetherTheSystemHoldsItsThreads) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  int cpu = 0;
  while (!CPU_ISSET(cpu, &allowed)) ++cpu;
  EXPECT_TRUE(ThreadPool(2).holds());
  EXPECT_TRUE(ThreadPool(2, {{}, {cpu}}).holds());
  EXPECT_FALSE(ThreadPool(2, {{}, {CPU_SETSIZE}}).holds()) << "there is none of that number";
}

TEST(ThreadPool, StartAndStopWithoutWork) {
  for (int round = 0; round < 50; ++round) ThreadPool pool(4);
}

// A worker may come to a loop that is over just as the pool ends.
TEST(ThreadPool, EndsRightAfterALoop) {
  std::atomic<int> items{0};
  for (int round = 0; round < 2000; ++round) {
    ThreadPool pool(4);
    pool.ParallelFor(4, 1, [&](int64_t, int64_t, int) { ++items; });
  }
  EXPECT_EQ(items.load(), 4 * 2000);
}

TEST(ThreadPool, PoolsOfSeveralThreadsAreIndependent) {
  std::atomic<int64_t> items{0};
  std::vector<std::thread> owners;
  for (int owner = 0; owner < 3; ++owner) {
    owners.emplace_back([&items] {
      ThreadPool pool(2);
      for (int loop = 0; loop < 100; ++loop) {
        pool.ParallelFor(32, 4, [&](int64_t begin, int64_t end, int) { items += end - begin; });
      }
    });
  }
  for (std::thread& owner : owners) owner.join();
  EXPECT_EQ(items.load(), 3 * 100 * 32);
}

}  // namespace
}  // namespace fathom
