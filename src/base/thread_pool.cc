#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <system_error>

#include "base/check.h"

namespace fathom {
namespace {

// Longer than the gap between two loops of a decode step, shorter than a scheduler tick.
constexpr std::chrono::microseconds kSpinTime{100};

// The fields of `state_`: workers in the loop, whether it is open, and from kLoop on its number.
constexpr uint64_t kInLoop = 0xFFFF;
constexpr uint64_t kOpen = kInLoop + 1;
constexpr uint64_t kLoop = kOpen << 1;

uint64_t LoopOf(uint64_t state) { return state / kLoop; }

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Spins for as long as `waiting` says, kSpinTime at most (an instruction that pauses takes 10 to 140 cycles, so it is
// the clock that is asked, now and then). False if it still waits.
template <typename Waiting>
bool SpinWhile(Waiting waiting) {
  constexpr int kPauses = 32;
  const auto start = std::chrono::steady_clock::now();
  do {
    for (int pause = 0; pause < kPauses; ++pause) {
      if (!waiting()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() - start < kSpinTime);
  return false;
}

// Where it fails, in a container that forbids it for one, the thread runs wherever it may.
bool HoldTo(std::thread& thread, const std::vector<int>& cpus) {
  if (cpus.empty()) return true;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int cpu : cpus) {
    if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(cpu, &set);
  }
  return pthread_setaffinity_np(thread.native_handle(), sizeof set, &set) == 0;
}

}  // namespace

ThreadPool::ThreadPool(int threads, const std::vector<std::vector<int>>& cpus)
    : shares_(static_cast<size_t>(std::max(1, threads))) {
  FATHOM_CHECK(threads >= 1 && threads <= static_cast<int>(kInLoop) &&
               (cpus.empty() || cpus.size() == static_cast<size_t>(threads)));
  workers_.reserve(static_cast<size_t>(threads - 1));
  for (int worker = 1; worker < threads; ++worker) {
    try {
      workers_.emplace_back([this, worker] { WorkerLoop(worker); });
    } catch (const std::system_error&) {  // the system allows no more of them (ulimit -u, a control group's pids.max)
      while (shares_.size() > workers_.size() + 1) shares_.pop_back();
      break;
    }
    if (!cpus.empty() && !HoldTo(workers_.back(), cpus[static_cast<size_t>(worker)])) holds_ = false;
  }
}

ThreadPool::~ThreadPool() {
  stop_.store(true);
  BeginLoop(0);
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
  BeginLoop(kOpen);
  DrainLoop(0);
  // All items are claimed: who comes now finds nothing to do, and is not waited for.
  state_.fetch_and(~kOpen, std::memory_order_relaxed);
  const auto others_are_in_it = [&] { return (state_.load(std::memory_order_acquire) & kInLoop) != 0; };
  if (SpinWhile(others_are_in_it)) return;
  while (others_are_in_it()) std::this_thread::yield();
}

// Advances the number, with `open` kOpen or 0. Nobody is in the loop before.
void ThreadPool::BeginLoop(uint64_t open) {
  {
    // The lock orders the new number against a worker that is about to sleep.
    const std::lock_guard<std::mutex> lock(mutex_);
    state_.store((LoopOf(state_.load(std::memory_order_relaxed)) + 1) * kLoop + open, std::memory_order_release);
  }
  wake_.notify_all();
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
    const auto nothing_new = [&] { return LoopOf(state_.load(std::memory_order_acquire)) == seen; };
    if (!SpinWhile(nothing_new)) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [&] { return !nothing_new(); });
    }
    uint64_t state = state_.load(std::memory_order_acquire);
    // One that waited for its core comes when the loop is over, or finds a later one.
    bool joined = false;
    while (!joined && (state & kOpen) != 0) {
      joined = state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel, std::memory_order_acquire);
    }
    seen = LoopOf(state);
    if (!joined) {
      // Looked at after the number: it may be that of the end, which is told once.
      if (stop_.load()) return;
      continue;
    }
    DrainLoop(static_cast<size_t>(worker));
    state_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace fathom
