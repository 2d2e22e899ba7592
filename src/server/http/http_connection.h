// http_connection.h - one client's connection, over TCP or TLS: reads a request, hands it over, sends the answer,
// again.
//
// Belongs to the I/O thread of its core, which knows it from StartConnection() until it is closed.
#ifndef FATHOM_SERVER_HTTP_HTTP_CONNECTION_H_
#define FATHOM_SERVER_HTTP_HTTP_CONNECTION_H_

#include <chrono>
#include <memory>

#include "server/http/asio.h"

namespace fathom {

class HttpCore;

// A connection as the core sees it.
class HttpConnection {
 public:
  virtual ~HttpConnection() = default;
  virtual void Close() = 0;
  // Closes it if it is between two requests; otherwise after the present answer.
  virtual void CloseWhenIdle() = 0;
  // Appends its heartbeat to a stream in which nothing happened since `before`.
  virtual void Heartbeat(std::chrono::steady_clock::time_point before) = 0;
};

// Serves the client at the other end of `socket`, with TLS unless `tls` is null. The connection lives until one side
// ends it or Close().
void StartConnection(const std::shared_ptr<HttpCore>& core, Tcp::socket socket, ssl::context* tls);

}  // namespace fathom

#endif  // FATHOM_SERVER_HTTP_HTTP_CONNECTION_H_
