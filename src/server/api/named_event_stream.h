// named_event_stream.h - server-sent events that have names, begun when the request is accepted.
//
// A handler submits first and calls Begin() when that succeeded, so that a refusal can still have an HTTP status. The
// engine may be faster: its first callback begins the stream then.
#ifndef FATHOM_SERVER_API_NAMED_EVENT_STREAM_H_
#define FATHOM_SERVER_API_NAMED_EVENT_STREAM_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "engine/request.h"
#include "server/http/http.h"

namespace fathom {

class NamedEventStream {
 public:
  // `heartbeat` is sent when nothing else is for a while.
  NamedEventStream(std::shared_ptr<HttpExchange> exchange, std::string heartbeat)
      : exchange_(std::move(exchange)), heartbeat_(std::move(heartbeat)) {}

  // Starts the answer and calls `first`, which writes what every stream begins with. Any number of times, from any
  // thread: only the first counts, and the others return after it.
  void Begin(const std::function<void()>& first);
  bool begun() const;

  // `data` is JSON text on one line. False if the client has gone.
  bool Event(std::string_view name, std::string_view data);
  // A comment that tells how far the prompt has been read.
  bool Prefill(const PrefillProgress& progress);
  void End() { exchange_->End(); }

 private:
  const std::shared_ptr<HttpExchange> exchange_;
  const std::string heartbeat_;
  mutable std::mutex mutex_;
  bool begun_ = false;
};

// `prefix` and 24 random letters and digits.
std::string RandomId(std::string_view prefix);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_NAMED_EVENT_STREAM_H_
