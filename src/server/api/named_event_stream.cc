#include "server/api/named_event_stream.h"

#include <random>

#include "base/strings.h"

namespace fathom {

void NamedEventStream::Begin(const std::function<void()>& first) {
  const std::lock_guard lock(mutex_);
  if (begun_) return;
  begun_ = true;
  exchange_->StartStream(200,
                         {{"Content-Type", "text/event-stream; charset=utf-8"},
                          {"Cache-Control", "no-cache"},
                          {"X-Accel-Buffering", "no"}},
                         heartbeat_);
  first();
}

bool NamedEventStream::begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

bool NamedEventStream::Event(std::string_view name, std::string_view data) {
  return exchange_->Write(StrCat("event: ", name, "\ndata: ", data, "\n\n"));
}

bool NamedEventStream::Prefill(const PrefillProgress& progress) {
  return exchange_->Write(
      StrCat(": prefill ", progress.done, "/", progress.total, " tokens, ", progress.cached, " cached\n\n"));
}

std::string RandomId(std::string_view prefix) {
  static constexpr std::string_view kBase62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  constexpr int kLength = 24;
  thread_local std::mt19937_64 random{std::random_device{}()};
  std::uniform_int_distribution<size_t> letter(0, kBase62.size() - 1);
  std::string id(prefix);
  for (int n = 0; n < kLength; ++n) id += kBase62[letter(random)];
  return id;
}

}  // namespace fathom
