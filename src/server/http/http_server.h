// http_server.h - HTTP/1.1 over TCP or TLS: one I/O thread, a few workers, bounded everything.
//
//   FATHOM_ASSIGN_OR_RETURN(std::unique_ptr<HttpServer> server, HttpServer::Start({.port = 8000}, handler));
//   ...
//   server->Drain(std::chrono::seconds(30));  // no new requests; waits for the running ones
//
// Requests of one connection are handled one after the other; connections are independent. Malformed and late requests
// are answered by the server itself with a JSON body {"error": {...}} and never reach the handler; nor do those whose
// bodies are refused, which have a handler of their own.
#ifndef FATHOM_SERVER_HTTP_HTTP_SERVER_H_
#define FATHOM_SERVER_HTTP_HTTP_SERVER_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "server/http/http.h"

namespace fathom {

struct HttpServerOptions {
  std::string host = "127.0.0.1";  // an address, or "localhost": 127.0.0.1 and, where there is one, ::1
  uint16_t port = 8000;            // 0: any free one
  int workers = 2;                 // threads that run the handler

  std::string tls_certificate = {};  // PEM files; both or neither
  std::string tls_key = {};

  size_t max_connections = 4096;  // more are answered with 503 and closed
  size_t max_header_bytes = size_t{64} * 1024;
  size_t max_body_bytes = size_t{64} * 1024 * 1024;
  size_t max_bodies_bytes = size_t{256} * 1024 * 1024;  // of all that are still arriving
  size_t max_unsent_bytes = size_t{1024} * 1024;        // of one stream
  std::chrono::seconds header_timeout{30};
  std::chrono::seconds body_timeout{120};
  std::chrono::seconds idle_timeout{300};  // of a connection between requests
  std::chrono::seconds write_timeout{30};  // a client that takes nothing for so long is dropped
  std::chrono::seconds heartbeat{10};

  // Why the body of a request, of which the headers are there, is not to be read; nothing: it is. Called on the I/O
  // thread, so it must be quick. Not asked about bodies that came with their headers.
  std::function<std::optional<HttpRefusal>(const HttpRequest&)> check_head = {};
  // Answers requests with a refusal: of check_head, 413 for a body over the limit, 503 where there is no room for it.
  // Called as the handler is. Null: the server itself does.
  HttpHandler refuse = {};
};

struct HttpServerStats {
  int64_t connections = 0;        // open now
  int64_t connections_total = 0;  // accepted since the start
  int64_t exchanges = 0;          // requests being answered now
  int64_t requests_total = 0;
  int64_t rejected = 0;      // malformed, too large, too late, or no room for them
  int64_t body_bytes = 0;    // of bodies that are still arriving
  int64_t disconnects = 0;   // clients that went away before their answer was complete
  int64_t slow_readers = 0;  // dropped for not reading
  int64_t streamed_bytes = 0;
};

class HttpServer {
 public:
  // Binds, listens and starts its threads. An error names the address or the TLS file.
  static Result<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options, HttpHandler handler);
  // Closes everything at once and joins the threads.
  virtual ~HttpServer() = default;

  virtual uint16_t port() const = 0;
  virtual HttpServerStats stats() const = 0;
  // Stops accepting connections and requests (keep-alive connections are closed after their answer) and waits until all
  // answers are complete or `limit` has passed. True if all are.
  virtual bool Drain(std::chrono::milliseconds limit) = 0;
  // Reads certificate and key again, for connections from now on. After an error the old ones stay in use.
  virtual Status ReloadTls() = 0;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_HTTP_HTTP_SERVER_H_
