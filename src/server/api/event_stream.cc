#include "server/api/event_stream.h"

#include <utility>

#include "base/strings.h"

namespace fathom {

void EventStream::Begin() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(begun_, true)) return;
  exchange_->StartStream(200, EventStreamHeaders(), options_.heartbeat);
  if (const std::string opening = options_.opening(); !opening.empty()) exchange_->Write(opening);
}

bool EventStream::Write(std::string_view bytes) {
  Begin();
  return exchange_->Write(bytes);
}

bool EventStream::Event(std::string_view name, std::string_view data) { return Write(NamedEvent(name, data)); }

void EventStream::End() {
  Begin();
  exchange_->End();
}

void EventStream::Fail(const ApiError& error, const std::function<std::string()>& last_events) {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(begun_, true)) {
      RespondError(*exchange_, options_.protocol, error);
      return;
    }
  }
  exchange_->Write(last_events());
  exchange_->End();
}

void EventStream::Fail(const ApiError& error) {
  Fail(error, [&] { return StrCat("data: ", ErrorBody(options_.protocol, error), "\n\n"); });
}

std::string NamedEvent(std::string_view name, std::string_view data) {
  return StrCat("event: ", name, "\ndata: ", data, "\n\n");
}

}  // namespace fathom
