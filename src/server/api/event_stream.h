// event_stream.h - a stream of events that begins when there is something to say or the request is accepted.
//
// A handler submits first and begins the stream when that succeeded, so that a refusal can still have an HTTP status.
// The engine may be faster: its first callback begins the stream then, or answers with an error instead of a stream.
#ifndef FATHOM_SERVER_API_EVENT_STREAM_H_
#define FATHOM_SERVER_API_EVENT_STREAM_H_

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "server/api/api_error.h"
#include "server/api/openai_shapes.h"
#include "server/api/router.h"
#include "server/http/http.h"

namespace fathom {

struct EventStreamOptions {
  Protocol protocol = Protocol::kOpenAi;                                // of errors
  std::string heartbeat{kKeepAliveComment};                             // sent when nothing else is for a while
  std::function<std::string()> opening = [] { return std::string(); };  // what the stream begins with
};

class EventStream {
 public:
  explicit EventStream(std::shared_ptr<HttpExchange> exchange, EventStreamOptions options = {})
      : exchange_(std::move(exchange)), options_(std::move(options)) {}

  // Any number of times, from any thread: the first begins the stream, the others return after it.
  void Begin();
  // Complete events or comments. False if the client has gone.
  bool Write(std::string_view bytes);
  // An event with a name; `data` is JSON text on one line.
  bool Event(std::string_view name, std::string_view data);
  void End();
  // As an HTTP error if nothing has begun; else `last_events` is called for what the stream ends with.
  void Fail(const ApiError& error, const std::function<std::string()>& last_events);
  // The same, with the error's body as the last event.
  void Fail(const ApiError& error);

 private:
  const std::shared_ptr<HttpExchange> exchange_;
  const EventStreamOptions options_;
  std::mutex mutex_;
  bool begun_ = false;
};

// "event: NAME", "data: DATA" and an empty line.
std::string NamedEvent(std::string_view name, std::string_view data);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_EVENT_STREAM_H_
