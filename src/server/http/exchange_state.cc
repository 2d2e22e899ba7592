#include "server/http/exchange_state.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include "base/json.h"
#include "base/strings.h"

namespace fathom {
namespace {

// "Sun, 06 Nov 1994 08:49:37 GMT", in English whatever the locale.
std::string HttpDate() {
  static constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  return StrFormat("%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[static_cast<size_t>(utc.tm_wday)], utc.tm_mday,
                   kMonths[static_cast<size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

// A value with a line break would begin another header.
bool Sendable(std::string_view text) { return text.find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos; }

bool HasBody(int status) { return status >= 200 && status != 204 && status != 304; }

}  // namespace

std::string_view HttpReason(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 402:
      return "Payment Required";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 413:
      return "Payload Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    case 529:
      return "Overloaded";
    default:
      return "";
  }
}

HttpResponse HttpErrorResponse(int status, std::string_view message) {
  const char* type = "invalid_request_error";
  if (status >= 500) type = status == 503 ? "overloaded_error" : "server_error";
  const Json error = Json::Object({{"message", Json::String(std::string(message))},
                                   {"type", Json::String(type)},
                                   {"param", Json()},
                                   {"code", Json()}});
  HttpResponse response{.status = status,
                        .headers = {{"Content-Type", "application/json"}},
                        .body = Json::Object({{"error", error}}).Dump()};
  if (status == 503) response.headers.emplace_back("Retry-After", "5");
  return response;
}

ExchangeState::ExchangeState(HttpRequest request, const Framing& framing, std::function<void()> wake)
    : request_(std::move(request)),
      head_(framing.head),
      chunked_(framing.chunked),
      max_unsent_(framing.max_unsent),
      wake_(std::move(wake)),
      keep_alive_(framing.keep_alive),
      last_write_(Clock::now()) {}

std::string ExchangeState::Head(int status, const HttpHeaders& headers, bool has_length, size_t length) const {
  std::string text = StrCat("HTTP/1.1 ", status, " ", HttpReason(status), "\r\nServer: fathom\r\nDate: ", HttpDate(),
                            "\r\nx-request-id: ", request_.id, "\r\nrequest-id: ", request_.id, "\r\n");
  for (const auto& [name, value] : headers) {
    if (Sendable(name) && Sendable(value)) text += StrCat(name, ": ", value, "\r\n");
  }
  if (has_length) {
    if (HasBody(status)) text += StrCat("Content-Length: ", length, "\r\n");
  } else if (chunked_) {
    text += "Transfer-Encoding: chunked\r\n";
  }
  text += keep_alive_ ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return text;
}

void ExchangeState::Respond(const HttpResponse& response) {
  std::unique_lock lock(mutex_);
  if (started_ || gone_) return;
  started_ = complete_ = true;
  on_disconnect_ = nullptr;
  pending_ = Head(response.status, response.headers, true, response.body.size());
  if (!head_ && HasBody(response.status)) pending_ += response.body;
  Wake(&lock);
}

void ExchangeState::StartStream(int status, const HttpHeaders& headers, std::string heartbeat) {
  std::unique_lock lock(mutex_);
  if (started_ || gone_) return;
  started_ = streaming_ = true;
  if (!chunked_) keep_alive_ = false;  // the end of the connection is the end of the answer
  heartbeat_ = std::move(heartbeat);
  last_write_ = Clock::now();
  pending_ = Head(status, headers, false, 0);
  Wake(&lock);
}

void ExchangeState::AppendChunk(std::string_view bytes) {
  if (head_ || bytes.empty()) return;
  last_write_ = Clock::now();
  if (chunked_) pending_ += StrFormat("%zx\r\n", bytes.size());
  pending_ += bytes;
  if (chunked_) pending_ += "\r\n";
}

bool ExchangeState::Write(std::string_view bytes) {
  std::unique_lock lock(mutex_);
  if (gone_ || broken_) return false;
  if (!streaming_ || complete_) return true;
  if (bytes.size() > max_unsent_) largest_write_ = std::max(largest_write_, bytes.size());
  if (pending_.size() + in_flight_ + bytes.size() > max_unsent_ + largest_write_) {
    broken_ = slow_ = true;
    pending_.clear();
    woken_ = false;  // the connection may be in the middle of a write that the client does not let end
    Wake(&lock);
    return false;
  }
  AppendChunk(bytes);
  Wake(&lock);
  return true;
}

void ExchangeState::End() {
  std::unique_lock lock(mutex_);
  if (!streaming_ || complete_ || gone_) return;
  complete_ = true;
  on_disconnect_ = nullptr;
  if (chunked_ && !head_) pending_ += "0\r\n\r\n";
  Wake(&lock);
}

void ExchangeState::OnDisconnect(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (complete_) return;
    if (!gone_) {
      on_disconnect_ = std::move(callback);
      return;
    }
  }
  callback();
}

void ExchangeState::Abandon() {
  std::unique_lock lock(mutex_);
  if (complete_ || gone_) return;
  if (!started_) {
    lock.unlock();
    return Respond(HttpErrorResponse(500, "the server gave no answer to this request"));
  }
  broken_ = true;
  on_disconnect_ = nullptr;
  Wake(&lock);
}

void ExchangeState::Wake(std::unique_lock<std::mutex>* lock) {
  const bool wake = !std::exchange(woken_, true);
  lock->unlock();
  if (wake) wake_();
}

ExchangeState::Output ExchangeState::Take() {
  const std::lock_guard lock(mutex_);
  woken_ = false;
  Output output;
  output.broken = broken_ || gone_;
  if (output.broken) return output;
  output.bytes = std::exchange(pending_, {});
  output.complete = complete_;
  in_flight_ += output.bytes.size();
  return output;
}

void ExchangeState::Sent(size_t bytes) {
  const std::lock_guard lock(mutex_);
  in_flight_ -= bytes;
}

void ExchangeState::Disconnect() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    pending_.clear();
    callback = std::exchange(on_disconnect_, nullptr);
  }
  if (callback) callback();
}

void ExchangeState::Heartbeat(Clock::time_point before) {
  std::unique_lock lock(mutex_);
  if (!streaming_ || complete_ || gone_ || broken_ || heartbeat_.empty()) return;
  if (last_write_ > before || !pending_.empty() || in_flight_ > 0) return;
  AppendChunk(heartbeat_);
  Wake(&lock);
}

void ExchangeState::ForbidKeepAlive() {
  const std::lock_guard lock(mutex_);
  keep_alive_ = false;
}

bool ExchangeState::keep_alive() const {
  const std::lock_guard lock(mutex_);
  return keep_alive_;
}

bool ExchangeState::slow_reader() const {
  const std::lock_guard lock(mutex_);
  return slow_;
}

}  // namespace fathom
