// blocking_queue.h - hands values from threads that produce them to one that waits for them.
#ifndef FATHOM_BASE_BLOCKING_QUEUE_H_
#define FATHOM_BASE_BLOCKING_QUEUE_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace fathom {

// Unbounded: for readers that keep up, such as a terminal. Whoever pops the last value may be done before the Push()
// that brought it returns, so producers and consumer share ownership (std::shared_ptr).
template <typename T>
class BlockingQueue {
 public:
  void Push(T value) {
    const std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    arrived_.notify_one();
  }

  // The next value; nothing if none arrives in time.
  std::optional<T> Pop(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, timeout, [&] { return !values_.empty(); })) return std::nullopt;
    std::optional<T> value = std::move(values_.front());
    values_.pop_front();
    return value;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<T> values_;
};

}  // namespace fathom

#endif  // FATHOM_BASE_BLOCKING_QUEUE_H_
