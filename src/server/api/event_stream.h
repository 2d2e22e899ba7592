// event_stream.h - a stream of events that begins when there is something to say or the request is accepted.
//
// A handler submits first and begins the stream when that succeeded, so that a refusal can still have an HTTP status.
// The engine may be faster: its first callback begins the stream then.
#ifndef FATHOM_SERVER_API_EVENT_STREAM_H_
#define FATHOM_SERVER_API_EVENT_STREAM_H_

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "server/api/api_error.h"
#include "server/api/openai_shapes.h"
#include "server/api/router.h"
#include "server/http/http.h"

namespace fathom {

class EventStream {
 public:
  explicit EventStream(std::shared_ptr<HttpExchange> exchange) : exchange_(std::move(exchange)) {}

  // Any number of times, from any thread.
  void Begin() {
    const std::lock_guard lock(mutex_);
    if (begun_) return;
    begun_ = true;
    exchange_->StartStream(200, EventStreamHeaders(), std::string(kKeepAliveComment));
  }
  // Complete events or comments. False if the client has gone.
  bool Write(std::string_view bytes) {
    Begin();
    return exchange_->Write(bytes);
  }
  void End() {
    Begin();
    exchange_->End();
  }
  // As an HTTP error if nothing has begun, else as the last event.
  void Fail(const ApiError& error) {
    {
      const std::lock_guard lock(mutex_);
      if (!std::exchange(begun_, true)) {
        RespondError(*exchange_, Protocol::kOpenAi, error);
        return;
      }
    }
    exchange_->Write("data: " + ErrorBody(Protocol::kOpenAi, error) + "\n\n");
    exchange_->End();
  }

 private:
  const std::shared_ptr<HttpExchange> exchange_;
  std::mutex mutex_;
  bool begun_ = false;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_EVENT_STREAM_H_
