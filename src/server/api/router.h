// router.h - which function answers which path.
#ifndef FATHOM_SERVER_API_ROUTER_H_
#define FATHOM_SERVER_API_ROUTER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/chat_request.h"
#include "server/http/http.h"

namespace fathom {

// The shape in which a path's errors are written.
enum class Protocol { kOpenAi, kAnthropic };

// What a key must be allowed to do to use a route.
enum class Scope { kNone, kInference, kMetrics, kAdmin };  // kNone: no key is asked for

using RouteHandler = std::function<void(const std::shared_ptr<HttpExchange>&, const Caller&)>;

struct Route {
  std::string method;
  // Exact, or with one segment "{id}" that matches any non-empty segment, or with "{rest}" at its end, which matches
  // one or more of them.
  std::string path;
  Protocol protocol = Protocol::kOpenAi;
  Scope scope = Scope::kInference;
  RouteHandler handler;
};

class Router {
 public:
  void Add(Route route) { routes_.push_back(std::move(route)); }
  struct Match {
    const Route* route = nullptr;      // null: no such path, or not with this method
    std::string allowed_methods = {};  // of the path, for 405 and OPTIONS; empty if the path is unknown
  };
  // HEAD finds GET's route.
  Match Find(std::string_view method, std::string_view path) const;

 private:
  std::vector<Route> routes_;
};

// Answers with an error in the protocol's shape.
struct ApiError;
void RespondError(HttpExchange& exchange, Protocol protocol, const ApiError& error);
// The body alone, for errors inside streams.
std::string ErrorBody(Protocol protocol, const ApiError& error);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_ROUTER_H_
