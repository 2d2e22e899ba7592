// route_helpers.h - what handlers begin and end with.
#ifndef FATHOM_SERVER_API_ROUTE_HELPERS_H_
#define FATHOM_SERVER_API_ROUTE_HELPERS_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/json.h"
#include "server/api/generation.h"
#include "server/api/router.h"
#include "server/http/http.h"

namespace fathom {

// The body as JSON; after an error the exchange is answered.
inline std::optional<Json> ParseBody(HttpExchange& exchange, Protocol protocol) {
  Result<Json> body = ParseJson(exchange.request().body);
  if (body.ok()) return std::move(*body);
  RespondError(exchange, protocol, {ApiErrorKind::kInvalidRequest, "the body is not JSON: " + body.status().message()});
  return std::nullopt;
}

// The parsed request; after an error the exchange is answered.
template <typename T>
std::optional<T> ValueOrRespond(HttpExchange& exchange, Protocol protocol, Result<T> result) {
  if (result.ok()) return std::move(*result);
  RespondError(exchange, protocol, ApiErrorFrom(result.status()));
  return std::nullopt;
}

// What GET .../models/{rest} asks about; a model's id may have slashes.
inline std::string ModelIdOf(const HttpRequest& request) {
  constexpr std::string_view kModels = "/models/";
  return request.path.substr(request.path.find(kModels) + kModels.size());
}

// Ends the generation when the client goes away.
inline void CancelOnDisconnect(HttpExchange& exchange, const Generation& generation) {
  exchange.OnDisconnect([generation] { generation.Cancel(); });
}

}  // namespace fathom

#endif  // FATHOM_SERVER_API_ROUTE_HELPERS_H_
