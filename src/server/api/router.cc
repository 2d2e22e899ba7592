#include "server/api/router.h"

#include <algorithm>

#include "base/json.h"
#include "server/api/api_error.h"

namespace fathom {
namespace {

constexpr std::string_view kWildcard = "{id}";
constexpr std::string_view kRest = "{rest}";

bool IsExact(std::string_view pattern) {
  return !pattern.ends_with(kRest) && pattern.find(kWildcard) == std::string_view::npos;
}

bool PathMatches(std::string_view pattern, std::string_view path) {
  if (pattern.ends_with(kRest)) {
    const std::string_view before = pattern.substr(0, pattern.size() - kRest.size());
    return path.size() > before.size() && path.starts_with(before);
  }
  const size_t at = pattern.find(kWildcard);
  if (at == std::string_view::npos) return pattern == path;
  const std::string_view before = pattern.substr(0, at);
  const std::string_view after = pattern.substr(at + kWildcard.size());
  if (path.size() <= before.size() + after.size() || !path.starts_with(before) || !path.ends_with(after)) return false;
  const std::string_view segment = path.substr(at, path.size() - before.size() - after.size());
  return segment.find('/') == std::string_view::npos;
}

struct ErrorShape {
  int status;
  const char* openai_type;
  const char* openai_code;
  const char* anthropic_type;
};

ErrorShape ShapeOf(ApiErrorKind kind) {
  switch (kind) {
    case ApiErrorKind::kInvalidRequest:
      return {400, "invalid_request_error", "invalid_request_error", "invalid_request_error"};
    case ApiErrorKind::kContextTooLong:
      return {400, "invalid_request_error", "context_length_exceeded", "invalid_request_error"};
    case ApiErrorKind::kAuthentication:
      return {401, "authentication_error", "invalid_api_key", "authentication_error"};
    case ApiErrorKind::kPermission:
      return {403, "permission_error", "permission_denied", "permission_error"};
    case ApiErrorKind::kNotFound:
      return {404, "invalid_request_error", "not_found", "not_found_error"};
    case ApiErrorKind::kModelNotFound:
      return {404, "invalid_request_error", "model_not_found", "not_found_error"};
    case ApiErrorKind::kMethodNotAllowed:
      return {405, "invalid_request_error", "method_not_allowed", "invalid_request_error"};
    case ApiErrorKind::kTooLarge:
      return {413, "invalid_request_error", "request_too_large", "request_too_large"};
    case ApiErrorKind::kRateLimited:
      return {429, "rate_limit_error", "rate_limit_exceeded", "rate_limit_error"};
    case ApiErrorKind::kInternal:
      return {500, "server_error", "server_error", "api_error"};
    case ApiErrorKind::kDeadline:
      return {504, "server_error", "deadline_exceeded", "timeout_error"};
    case ApiErrorKind::kOverloaded:
      return {503, "server_error", "server_overloaded", "overloaded_error"};
  }
  return {500, "server_error", "server_error", "api_error"};
}

Json TextOrNull(const std::string& text) { return text.empty() ? Json() : Json::String(text); }

}  // namespace

Router::Match Router::Find(std::string_view method, std::string_view path) const {
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  Match match;
  bool exact = false;
  std::vector<std::string> methods;
  for (const Route& route : routes_) {
    if (!PathMatches(route.path, path)) continue;
    if (std::ranges::find(methods, route.method) == methods.end()) methods.push_back(route.method);
    if (route.method != wanted || exact) continue;
    // An exact path comes before one with a wildcard.
    exact = IsExact(route.path);
    if (match.route == nullptr || exact) match.route = &route;
  }
  for (const std::string& allowed : methods) {
    match.allowed_methods += (match.allowed_methods.empty() ? "" : ", ") + allowed;
    if (allowed == "GET") match.allowed_methods += ", HEAD";
  }
  if (!methods.empty()) match.allowed_methods += ", OPTIONS";
  return match;
}

std::string ErrorBody(Protocol protocol, const ApiError& error) {
  const ErrorShape shape = ShapeOf(error.kind);
  if (protocol == Protocol::kAnthropic) {
    const bool too_long =
        error.kind == ApiErrorKind::kContextTooLong && !error.message.starts_with("prompt is too long");
    const std::string message = (too_long ? "prompt is too long: " : "") + error.message;
    return Json::Object({{"type", Json::String("error")},
                         {"error", Json::Object({{"type", Json::String(shape.anthropic_type)},
                                                 {"message", Json::String(message)}})}})
        .Dump();
  }
  return Json::Object(
             {{"error", Json::Object({{"message", Json::String(error.message)},
                                      {"type", Json::String(shape.openai_type)},
                                      {"param", TextOrNull(error.param)},
                                      {"code", Json::String(error.code.empty() ? shape.openai_code : error.code)}})}})
      .Dump();
}

void RespondError(HttpExchange& exchange, Protocol protocol, const ApiError& error) {
  const bool anthropic = protocol == Protocol::kAnthropic;
  constexpr int kAnthropicOverloaded = 529;
  const bool overloaded = error.kind == ApiErrorKind::kOverloaded;
  HttpResponse response;
  response.status = anthropic && overloaded ? kAnthropicOverloaded : ShapeOf(error.kind).status;
  response.headers.emplace_back("Content-Type", "application/json");
  // The official clients would ask again after any 5xx.
  if (error.kind == ApiErrorKind::kDeadline) response.headers.emplace_back("x-should-retry", "false");
  if (error.retry_after_s) response.headers.emplace_back("Retry-After", std::to_string(*error.retry_after_s));
  response.body = ErrorBody(protocol, error);
  exchange.Respond(std::move(response));
}

}  // namespace fathom
