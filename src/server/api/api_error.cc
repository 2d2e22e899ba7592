#include "server/api/api_error.h"

namespace fathom {

ApiError ApiErrorFrom(const Status& status) {
  constexpr int kRetryAfterSeconds = 5;
  switch (status.code()) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kDataLoss:
      return {ApiErrorKind::kInvalidRequest, status.message()};
    case ErrorCode::kNotFound:
      return {ApiErrorKind::kNotFound, status.message()};
    case ErrorCode::kResource:
      return {ApiErrorKind::kRateLimited, status.message(), {}, kRetryAfterSeconds};
    default:
      return {ApiErrorKind::kInternal, status.message()};
  }
}

}  // namespace fathom
