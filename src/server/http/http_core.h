// http_core.h - what the connections of one server share: the I/O thread's queue, acceptors, TLS, counters.
//
// Exchanges hold on to it, and may do so beyond the server's life. Where nothing else is said, for the I/O thread only.
#ifndef FATHOM_SERVER_HTTP_HTTP_CORE_H_
#define FATHOM_SERVER_HTTP_HTTP_CORE_H_

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "server/http/asio.h"
#include "server/http/http_connection.h"
#include "server/http/http_server.h"
#include "server/http/work_queue.h"

namespace fathom {

class HttpCore : public std::enable_shared_from_this<HttpCore> {
 public:
  HttpCore(const HttpServerOptions& options, HttpHandler handler);

  // ---- of the server, from its thread

  // Reads the TLS files and binds; an error names the file or the address.
  Status Listen();
  // Accepts connections and sends heartbeats from now on.
  void Run();
  uint16_t port() const { return port_; }
  Status ReloadTls();
  bool Drain(std::chrono::milliseconds limit);
  // Closes everything; the I/O thread ends when all connections have.
  void Close();

  // ---- of the connections

  const HttpServerOptions& options() const { return options_; }
  asio::io_context& io() { return io_; }
  WorkQueue& work() { return work_; }
  bool draining() const { return draining_.load(); }
  std::string NextId();
  // Runs `work` on the I/O thread, unless that has ended. Thread-safe.
  void Post(std::function<void()> work);
  void Add(HttpConnection* connection);
  void Remove(HttpConnection* connection);

  // Room for `bytes` more of a body that is arriving; false if all such bodies together have too many.
  bool ReserveBody(size_t bytes);
  void ReleaseBody(size_t bytes);

  // ---- counters, thread-safe

  void BeginExchange();
  void EndExchange(bool disconnected, bool slow);
  void CountRejected();
  void CountStreamed(size_t bytes);
  HttpServerStats stats() const;

 private:
  Status ListenAt(const asio::ip::address& address, uint16_t port, error_code* error);
  Status ListenAtLoopbacks();
  asio::awaitable<void> AcceptLoop(Tcp::acceptor& acceptor);
  void Refuse(Tcp::socket socket);
  void CloseAcceptors();
  void Sweep();
  void RunPosted();

  const HttpServerOptions options_;
  const std::string prefix_;  // of request ids
  std::atomic<uint64_t> next_id_{1};
  asio::io_context io_{1};
  std::vector<Tcp::acceptor> acceptors_;
  asio::steady_timer sweep_timer_;
  std::shared_ptr<ssl::context> tls_;  // null: plain TCP
  uint16_t port_ = 0;
  std::unordered_set<HttpConnection*> connections_;
  std::atomic<bool> draining_{false};
  bool closing_ = false;

  std::mutex post_mutex_;
  std::vector<std::function<void()>> posted_;
  bool closed_ = false;

  WorkQueue work_;

  mutable std::mutex stats_mutex_;
  std::condition_variable stats_changed_;
  HttpServerStats stats_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_HTTP_HTTP_CORE_H_
