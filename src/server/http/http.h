// http.h - requests and answers as plain values; http_server.h moves them over sockets.
#ifndef FATHOM_SERVER_HTTP_HTTP_H_
#define FATHOM_SERVER_HTTP_HTTP_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom {

using HttpHeaders = std::vector<std::pair<std::string, std::string>>;

// Why the server does not read a request's body to its end.
struct HttpRefusal {
  int status = 0;
  std::string message;  // one sentence
};

struct HttpRequest {
  std::string method;  // upper case
  std::string path;    // of the target, percent-decoded, without the query
  std::string query;   // raw, without '?'
  HttpHeaders headers;
  std::string body;
  std::string peer;  // the client's address without its port
  std::string id;    // unique in this process; answers carry it as x-request-id and request-id
  // The body is missing, and this is the answer unless there is more to say against the request.
  std::optional<HttpRefusal> refusal = {};

  // The first header of that name (any case); null if there is none.
  const std::string* FindHeader(std::string_view name) const;
  // The decoded value of a query parameter; empty if it is absent.
  std::string QueryValue(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  HttpHeaders headers = {};  // Content-Type and what else the body needs; length, date and connection are added
  std::string body = {};
};

// One request and its answer: either Respond() once, or StartStream(), any number of Write(), End(). All are
// thread-safe, never block and may be called after the client has gone. An exchange that is dropped without an answer
// is answered with 500.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  virtual const HttpRequest& request() const = 0;
  virtual void Respond(HttpResponse response) = 0;

  // Begins a streamed answer. When nothing was written for the server's heartbeat interval, `heartbeat` is sent, if it
  // is not empty (an SSE comment or ping event).
  virtual void StartStream(int status, HttpHeaders headers, std::string heartbeat) = 0;
  // Appends to the stream. False if the client has gone or reads too slowly (more unsent than the server's limit, or
  // nothing taken for too long: the connection is closed then): the caller should end its work.
  virtual bool Write(std::string_view bytes) = 0;
  virtual void End() = 0;

  // `callback` is called once, on the server's I/O thread, if the client goes away before the answer is complete; at
  // once if it has already gone. Must be quick.
  virtual void OnDisconnect(std::function<void()> callback) = 0;
};

// Called on one of the server's worker threads; it may parse, render and compile, but should not wait for the engine.
using HttpHandler = std::function<void(std::shared_ptr<HttpExchange>)>;

}  // namespace fathom

#endif  // FATHOM_SERVER_HTTP_HTTP_H_
