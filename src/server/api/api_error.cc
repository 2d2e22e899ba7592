#include "server/api/api_error.h"

#include <string_view>

namespace fathom {
namespace {

// Messages begin with the path of the field they are about: "tools[0].function.name is ...". Empty if this one doesn't.
std::string FieldIn(std::string_view message) {
  const size_t end = message.find_first_of(" :");
  if (end == 0 || end == std::string_view::npos) return {};
  const std::string_view word = message.substr(0, end);
  for (const char c : word) {
    const bool part = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '[' || c == ']';
    if (!part) return {};
  }
  const std::string_view rest = message.substr(end);
  const bool about = rest[0] == ':' || rest.starts_with(" is ") || rest.starts_with(" has ") ||
                     rest.starts_with(" asks ") || rest.starts_with(" cannot ") || rest.starts_with(" of ");
  return about ? std::string(word) : std::string();
}

}  // namespace

ApiError ApiErrorFrom(const Status& status) {
  switch (status.code()) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kDataLoss:
      return {ApiErrorKind::kInvalidRequest, status.message(), FieldIn(status.message())};
    case ErrorCode::kNotFound:
      return {ApiErrorKind::kNotFound, status.message()};
    case ErrorCode::kResource:
      return {ApiErrorKind::kRateLimited, status.message(), {}, kRetryAfterSeconds};
    case ErrorCode::kDeadline:
      return {ApiErrorKind::kDeadline, status.message()};
    default:
      return {ApiErrorKind::kInternal, status.message()};
  }
}

}  // namespace fathom
