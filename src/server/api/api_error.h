// api_error.h - a refused request before it has the shape of a protocol.
#ifndef FATHOM_SERVER_API_API_ERROR_H_
#define FATHOM_SERVER_API_API_ERROR_H_

#include <optional>
#include <string>

#include "base/result.h"

namespace fathom {

enum class ApiErrorKind {
  kInvalidRequest,    // 400
  kContextTooLong,    // 400; OpenAI: code context_length_exceeded; Anthropic: message begins "prompt is too long"
  kAuthentication,    // 401
  kPermission,        // 403
  kNotFound,          // 404
  kModelNotFound,     // 404; OpenAI: code model_not_found
  kMethodNotAllowed,  // 405
  kTooLarge,          // 413
  kRateLimited,       // 429, with Retry-After
  kInternal,          // 500
  kDeadline,          // 504, with x-should-retry: false; the same would be too late again
  kOverloaded,        // 503 (Anthropic: 529), with Retry-After
};

// For errors that pass by themselves, when nothing better is known.
inline constexpr int kRetryAfterSeconds = 5;

struct ApiError {
  ApiErrorKind kind = ApiErrorKind::kInvalidRequest;
  std::string message;                    // one sentence: field, found, accepted
  std::string param = {};                 // the field's path, such as messages[2].role; may be empty
  std::optional<int> retry_after_s = {};  // for 429 and 503
  std::string code = {};                  // OpenAI's, where it is not the kind's own
};

// What a Status of the parsers or the engine means for a client: kInvalidArgument and kDataLoss 400, kNotFound 404,
// kResource 429 with Retry-After, kDeadline 504, others 500.
ApiError ApiErrorFrom(const Status& status);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_API_ERROR_H_
