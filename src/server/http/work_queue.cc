#include "server/http/work_queue.h"

#include <cstddef>
#include <exception>
#include <utility>

#include "base/log.h"

namespace fathom {
namespace {

constexpr size_t kMaxWaitingRequests = 4096;

}  // namespace

WorkQueue::WorkQueue(HttpHandler handler) : handler_(std::move(handler)) {}

bool WorkQueue::Push(std::shared_ptr<HttpExchange> exchange) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMaxWaitingRequests || stopped_) return false;
  waiting_.push_back(std::move(exchange));
  arrived_.notify_one();
  return true;
}

void WorkQueue::Run() {
  while (true) {
    std::shared_ptr<HttpExchange> exchange;
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [&] { return stopped_ || !waiting_.empty(); });
      if (stopped_) return;
      exchange = std::move(waiting_.front());
      waiting_.pop_front();
    }
    Handle(std::move(exchange));
  }
}

void WorkQueue::RunWaiting() {
  std::deque<std::shared_ptr<HttpExchange>> waiting;
  {
    const std::lock_guard lock(mutex_);
    waiting.swap(waiting_);
  }
  for (std::shared_ptr<HttpExchange>& exchange : waiting) Handle(std::move(exchange));
}

void WorkQueue::Handle(std::shared_ptr<HttpExchange> exchange) {
  try {
    handler_(std::move(exchange));
  } catch (const std::exception& exception) {  // most likely memory; the exchange is dropped, which answers it
    Log(LogLevel::kError, "a request could not be handled", {{"reason", exception.what()}});
  }
}

void WorkQueue::Stop() {
  std::deque<std::shared_ptr<HttpExchange>> dropped;  // outside the lock
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  dropped.swap(waiting_);
  arrived_.notify_all();
}

}  // namespace fathom
