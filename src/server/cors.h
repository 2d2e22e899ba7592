// cors.h - which web pages of other origins may use the server.
#ifndef FATHOM_SERVER_CORS_H_
#define FATHOM_SERVER_CORS_H_

#include <string>
#include <vector>

#include "server/api/router.h"
#include "server/http/http.h"

namespace fathom {

// Headers for every answer to `request`; none if it comes from no page, or from one that is not among `origins` ("*" is
// all).
HttpHeaders CorsHeaders(const HttpRequest& request, const std::vector<std::string>& origins);

// Answers what no route does: OPTIONS of a known path with its methods, 405 or 404.
void RespondNoRoute(HttpExchange& exchange, Protocol protocol, const std::string& allowed_methods);

}  // namespace fathom

#endif  // FATHOM_SERVER_CORS_H_
