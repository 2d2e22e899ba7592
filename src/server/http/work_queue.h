// work_queue.h - requests on their way from the I/O thread to the workers, which call the handler.
#ifndef FATHOM_SERVER_HTTP_WORK_QUEUE_H_
#define FATHOM_SERVER_HTTP_WORK_QUEUE_H_

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>

#include "server/http/http.h"

namespace fathom {

class WorkQueue {
 public:
  explicit WorkQueue(HttpHandler handler);

  // False if too many wait already, or after Stop().
  bool Push(std::shared_ptr<HttpExchange> exchange);
  // A worker's life: until Stop(). What the handler throws ends that request only.
  void Run();
  // Handles what waits now, for who is their own worker.
  void RunWaiting();
  // Drops what waits.
  void Stop();

 private:
  void Handle(std::shared_ptr<HttpExchange> exchange);

  const HttpHandler handler_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::shared_ptr<HttpExchange>> waiting_;
  bool stopped_ = false;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_HTTP_WORK_QUEUE_H_
