#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>

#include "base/check.h"

namespace fathom {
namespace {

// About 20 us on a 3 GHz core: longer than the gap between two loops of a decode step, shorter than a scheduler tick.
constexpr int kSpins = 4000;

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Where it fails, in a container that forbids it for one, the thread runs wherever it may.
void HoldTo(std::thread& thread, const std::vector<int>& cpus) {
  if (cpus.empty()) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) {
    if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
  }
  pthread_setaffinity_np(thread.native_handle(), sizeof set, &set);
}

}  // namespace

ThreadPool::ThreadPool(int threads, const std::vector<std::vector<int>>& cpus)
    : shares_(static_cast<size_t>(std::max(1, threads))) {
  FATHOM_CHECK(threads >= 1 && (cpus.empty() || cpus.size() == static_cast<size_t>(threads)));
  workers_.reserve(static_cast<size_t>(threads - 1));
  for (int worker = 1; worker < threads; ++worker) {
    workers_.emplace_back([this, worker] { WorkerLoop(worker); });
    if (!cpus.empty()) HoldTo(workers_.back(), cpus[static_cast<size_t>(worker)]);
  }
}

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stop_.store(true);
    epoch_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::Run(int64_t count, int64_t grain, Function function, void* context) {
  if (count <= 0) return;
  FATHOM_CHECK(grain >= 1);
  if (workers_.empty() || count <= grain) {
    for (int64_t begin = 0; begin < count; begin += grain) function(context, begin, std::min(count, begin + grain), 0);
    return;
  }
  function_ = function;
  context_ = context;
  grain_ = grain;
  const int64_t pieces = (count + grain - 1) / grain;
  const auto threads = static_cast<int64_t>(shares_.size());
  for (int64_t worker = 0; worker < threads; ++worker) {
    Share& share = shares_[static_cast<size_t>(worker)];
    share.next.store(pieces * worker / threads * grain, std::memory_order_relaxed);
    share.end = std::min(count, pieces * (worker + 1) / threads * grain);
  }
  busy_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  {
    // The lock orders the new epoch against a worker that is about to sleep.
    const std::lock_guard<std::mutex> lock(mutex_);
    epoch_.fetch_add(1, std::memory_order_release);
  }
  wake_.notify_all();
  DrainLoop(0);
  for (int spins = 0; busy_.load(std::memory_order_acquire) != 0; ++spins) {
    if (spins < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
}

void ThreadPool::DrainLoop(size_t worker) {
  for (size_t i = 0; i < shares_.size(); ++i) {
    Share& share = shares_[(worker + i) % shares_.size()];
    // The look before saves those who come to help a write to a line that others use.
    while (share.next.load(std::memory_order_relaxed) < share.end) {
      const int64_t begin = share.next.fetch_add(grain_, std::memory_order_relaxed);
      if (begin >= share.end) break;
      function_(context_, begin, std::min(share.end, begin + grain_), static_cast<int>(worker));
    }
  }
}

void ThreadPool::WorkerLoop(int worker) {
  uint64_t seen = 0;
  for (;;) {
    int spins = 0;
    while (epoch_.load(std::memory_order_acquire) == seen) {
      if (++spins < kSpins) {
        Pause();
        continue;
      }
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return epoch_.load(std::memory_order_acquire) != seen; });
    }
    // Run() waits for every worker before it starts the next loop, so no epoch is skipped.
    ++seen;
    if (stop_.load()) return;
    DrainLoop(static_cast<size_t>(worker));
    busy_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace fathom
