#include "server/cors.h"

#include <algorithm>

#include "base/strings.h"
#include "server/api/api_error.h"

namespace fathom {

HttpHeaders CorsHeaders(const HttpRequest& request, const std::vector<std::string>& origins) {
  const std::string* origin = request.FindHeader("origin");
  if (origin == nullptr || origins.empty()) return {};
  const bool all = std::find(origins.begin(), origins.end(), "*") != origins.end();
  if (!all && std::find(origins.begin(), origins.end(), *origin) == origins.end()) return {};
  HttpHeaders headers = {{"Access-Control-Allow-Origin", all ? "*" : *origin},
                         {"Access-Control-Expose-Headers", "x-request-id, request-id, retry-after, x-should-retry"}};
  if (!all) headers.emplace_back("Vary", "Origin");
  if (request.method != "OPTIONS") return headers;
  // Keys come in headers and never in cookies, so pages need no credentials and any header is harmless.
  const std::string* wanted = request.FindHeader("access-control-request-headers");
  headers.emplace_back("Access-Control-Allow-Methods", "GET, HEAD, POST, DELETE, OPTIONS");
  headers.emplace_back("Access-Control-Allow-Headers", wanted != nullptr ? *wanted : "authorization, content-type");
  headers.emplace_back("Access-Control-Max-Age", "86400");
  return headers;
}

void RespondNoRoute(HttpExchange& exchange, Protocol protocol, const std::string& allowed_methods) {
  const HttpRequest& request = exchange.request();
  if (allowed_methods.empty()) {
    return RespondError(exchange, protocol,
                        {ApiErrorKind::kNotFound, StrCat("there is no path ", Printable(request.path, 100),
                                                         "; docs/api.md lists those of this server")});
  }
  if (request.method == "OPTIONS") return exchange.Respond({204, {{"Allow", allowed_methods}}, ""});
  const ApiError error = {ApiErrorKind::kMethodNotAllowed,
                          StrCat(Printable(request.path, 100), " does not take ", Printable(request.method, 20),
                                 "; it takes ", allowed_methods)};
  exchange.Respond(
      {405, {{"Content-Type", "application/json"}, {"Allow", allowed_methods}}, ErrorBody(protocol, error)});
}

}  // namespace fathom
