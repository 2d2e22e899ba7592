// thread_pool.h - fork-join parallel loops over a fixed set of threads.
//
// The pool decides only who computes an item, never how: every item is computed whole by one thread, so results do not
// depend on the number of threads. Items are claimed in chunks from a shared counter, and a loop waits only for the
// workers that have claimed one: a thread that loses its core to a neighbour delays one chunk at most and not the whole
// loop. Between loops workers spin for a tenth of a millisecond (decode issues hundreds of loops per token) and then
// sleep.
#ifndef FATHOM_BASE_THREAD_POOL_H_
#define FATHOM_BASE_THREAD_POOL_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace fathom {

class ThreadPool {
 public:
  // `threads` >= 1, the caller of ParallelFor included. The own threads are held to the CPUs that `cpus` (empty, or one
  // list per thread; base/topology.h) gives them; a list may be empty. The caller's thread, which is the first, is left
  // as it is: the system finds the place that the others leave. Where the system allows fewer threads there are fewer.
  explicit ThreadPool(int threads, const std::vector<std::vector<int>>& cpus = {});
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }
  // False if the system refused to hold one of them: it runs wherever it may.
  bool holds() const { return holds_; }

  // Calls body(begin, end, worker) for ranges of at most `grain` items that together cover [0, count), and returns when
  // all are done. Each worker goes through a contiguous share in ascending order, as memory likes best; who is done
  // helps the others. `worker` is in [0, threads()): an index for per-thread scratch. Not reentrant: one loop at a
  // time, and `body` must not throw.
  template <typename Body>
  void ParallelFor(int64_t count, int64_t grain, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    Run(
        count, grain,
        [](void* context, int64_t begin, int64_t end, int worker) {
          (*static_cast<Plain*>(context))(begin, end, worker);
        },
        const_cast<void*>(static_cast<const void*>(&body)));
  }

 private:
  using Function = void (*)(void* context, int64_t begin, int64_t end, int worker);

  void Run(int64_t count, int64_t grain, Function function, void* context);
  void BeginLoop(uint64_t open);
  void WorkerLoop(int worker);
  void DrainLoop(size_t worker);

  // What is left of a worker's items: [next, end). On a line of its own, since its worker writes it all the time.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  std::vector<std::thread> workers_;
  std::vector<Share> shares_;  // one per worker, the caller first
  bool holds_ = true;
  // The loop in progress. Written by Run() before `state_` has its number, read by workers that joined it.
  Function function_ = nullptr;
  void* context_ = nullptr;
  int64_t grain_ = 1;
  // The number of the loop, whether workers may still join it, and how many are in it, in one word: so that nobody
  // joins a loop whose end was seen, or a later one by mistake.
  std::atomic<uint64_t> state_{0};
  std::atomic<bool> stop_{false};
  std::mutex mutex_;  // for sleeping workers
  std::condition_variable wake_;
};

}  // namespace fathom

#endif  // FATHOM_BASE_THREAD_POOL_H_
