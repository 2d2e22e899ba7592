#include "server/http/http_core.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/strings.h"
#include "server/http/exchange_state.h"
#include "server/http/tls_context.h"

namespace fathom {
namespace {

// Of a socket, where the system would let it grow to megabytes: what a client does not take shows soon as unsent.
constexpr int kSocketSendBytes = 128 * 1024;

// What the workers run: requests whose bodies were refused do not reach `handler`.
HttpHandler WithRefusals(HttpHandler handler, HttpHandler refuse) {
  return [handler = std::move(handler), refuse = std::move(refuse)](std::shared_ptr<HttpExchange> exchange) {
    const std::optional<HttpRefusal>& refusal = exchange->request().refusal;
    if (!refusal) return handler(std::move(exchange));
    if (refuse) return refuse(std::move(exchange));
    exchange->Respond(HttpErrorResponse(refusal->status, refusal->message));
  };
}

}  // namespace

HttpCore::HttpCore(const HttpServerOptions& options, HttpHandler handler)
    : options_(options),
      prefix_(StrFormat("%08x", std::random_device{}())),
      sweep_timer_(io_),
      work_(WithRefusals(std::move(handler), options.refuse)) {}

Status HttpCore::Listen() {
  if (!options_.tls_certificate.empty() || !options_.tls_key.empty()) {
    FATHOM_ASSIGN_OR_RETURN(tls_, MakeTlsContext(options_.tls_certificate, options_.tls_key));
  }
  acceptors_.reserve(2);  // they are referred to
  if (options_.host == "localhost") return ListenAtLoopbacks();
  error_code error;
  const asio::ip::address address = asio::ip::make_address(options_.host, error);
  if (error) {
    return InvalidArgument(
        StrCat("the host to listen on is \"", options_.host, "\"; an IP address or localhost is accepted"));
  }
  return ListenAt(address, options_.port, &error);
}

// A machine without IPv6 has 127.0.0.1 only. A port chosen there may be somebody else's at ::1.
Status HttpCore::ListenAtLoopbacks() {
  constexpr int kTries = 16;
  std::vector<Tcp::acceptor> unusable;  // kept bound, so that other ports are chosen
  for (int tries = 1;; ++tries) {
    error_code error;
    FATHOM_RETURN_IF_ERROR(ListenAt(asio::ip::address_v4::loopback(), options_.port, &error));
    Status second = ListenAt(asio::ip::address_v6::loopback(), port_, &error);
    const bool absent = error == asio::error::address_family_not_supported || error == asio::error::bad_descriptor ||
                        error == boost::system::errc::address_not_available;
    if (second.ok() || absent) return {};
    if (options_.port != 0 || error != asio::error::address_in_use || tries == kTries) return second;
    unusable.push_back(std::move(acceptors_.back()));
    acceptors_.pop_back();
  }
}

Status HttpCore::ListenAt(const asio::ip::address& address, uint16_t port, error_code* error) {
  const Tcp::endpoint endpoint(address, port);
  Tcp::acceptor acceptor(io_);
  acceptor.open(endpoint.protocol(), *error);
  if (!*error) acceptor.set_option(asio::socket_base::reuse_address(true), *error);
  // Accepted sockets inherit it.
  if (!*error) acceptor.set_option(asio::socket_base::send_buffer_size(kSocketSendBytes), *error);
  if (!*error) acceptor.bind(endpoint, *error);
  if (!*error) acceptor.listen(asio::socket_base::max_listen_connections, *error);
  if (*error) return IoError(StrCat("cannot listen on ", address.to_string(), " port ", port, ": ", error->message()));
  port_ = acceptor.local_endpoint(*error).port();
  acceptors_.push_back(std::move(acceptor));
  return {};
}

Status HttpCore::ReloadTls() {
  if (options_.tls_certificate.empty()) return {};
  FATHOM_ASSIGN_OR_RETURN(std::unique_ptr<ssl::context> loaded,
                          MakeTlsContext(options_.tls_certificate, options_.tls_key));
  // Open connections hold on to what OpenSSL needs of the old one.
  Post([self = shared_from_this(), next = std::shared_ptr<ssl::context>(std::move(loaded))] { self->tls_ = next; });
  return {};
}

void HttpCore::CloseAcceptors() {
  error_code ignored;
  for (Tcp::acceptor& acceptor : acceptors_) acceptor.close(ignored);
}

void HttpCore::Run() {
  for (Tcp::acceptor& acceptor : acceptors_) {
    asio::co_spawn(
        io_, [self = shared_from_this(), &acceptor] { return self->AcceptLoop(acceptor); }, asio::detached);
  }
  Sweep();
}

asio::awaitable<void> HttpCore::AcceptLoop(Tcp::acceptor& acceptor) {
  while (acceptor.is_open()) {
    error_code error;
    Tcp::socket socket = co_await acceptor.async_accept(Awaiting(error));
    if (error == asio::error::operation_aborted || !acceptor.is_open()) co_return;
    if (error) {  // out of file descriptors: wait for some to be closed
      asio::steady_timer pause(io_, std::chrono::milliseconds(100));
      co_await pause.async_wait(Awaiting(error));
      continue;
    }
    {
      const std::lock_guard lock(stats_mutex_);
      ++stats_.connections_total;
    }
    if (connections_.size() >= options_.max_connections) {
      Refuse(std::move(socket));
    } else {
      StartConnection(shared_from_this(), std::move(socket), tls_.get());
    }
  }
}

void HttpCore::Refuse(Tcp::socket socket) {
  CountRejected();
  if (tls_ != nullptr) return;
  HttpRequest nothing;
  ExchangeState state(std::move(nothing), {.keep_alive = false}, [] {});
  state.Respond(HttpErrorResponse(503, "the server has too many connections; try again later"));
  const std::string bytes = state.Take().bytes;
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(bytes), ignored);  // a few hundred bytes fit into an empty socket
}

// Heartbeats of all streams: one timer for all of them.
void HttpCore::Sweep() {
  const auto interval = std::max(std::chrono::milliseconds(options_.heartbeat) / 4, std::chrono::milliseconds(50));
  sweep_timer_.expires_after(interval);
  sweep_timer_.async_wait([self = shared_from_this()](const error_code& error) {
    if (error || self->closing_) return;
    const auto before = std::chrono::steady_clock::now() - self->options_.heartbeat;
    for (HttpConnection* connection : self->connections_) connection->Heartbeat(before);
    self->Sweep();
  });
}

std::string HttpCore::NextId() { return StrCat("req-", prefix_, "-", next_id_.fetch_add(1)); }

// What comes before the I/O thread gets to it wakes it once: a step of the engine writes to hundreds of connections.
void HttpCore::Post(std::function<void()> work) {
  const std::lock_guard lock(post_mutex_);
  if (closed_) return;
  posted_.push_back(std::move(work));
  if (posted_.size() > 1) return;
  asio::post(io_, [this] { RunPosted(); });  // io_ does not outlive this
}

void HttpCore::RunPosted() {
  std::vector<std::function<void()>> works;
  {
    const std::lock_guard lock(post_mutex_);
    works.swap(posted_);
  }
  for (const std::function<void()>& work : works) work();
}

void HttpCore::Add(HttpConnection* connection) {
  connections_.insert(connection);
  const std::lock_guard lock(stats_mutex_);
  ++stats_.connections;
}

void HttpCore::Remove(HttpConnection* connection) {
  connections_.erase(connection);
  const std::lock_guard lock(stats_mutex_);
  --stats_.connections;
}

bool HttpCore::Drain(std::chrono::milliseconds limit) {
  draining_ = true;
  Post([self = shared_from_this()] {
    self->CloseAcceptors();
    const std::vector<HttpConnection*> connections(self->connections_.begin(), self->connections_.end());
    for (HttpConnection* connection : connections) connection->CloseWhenIdle();
  });
  std::unique_lock lock(stats_mutex_);
  return stats_changed_.wait_for(lock, limit, [&] { return stats_.exchanges == 0; });
}

void HttpCore::Close() {
  Post([self = shared_from_this()] {
    self->CloseAcceptors();
    self->closing_ = true;
    self->sweep_timer_.cancel();
    const std::vector<HttpConnection*> connections(self->connections_.begin(), self->connections_.end());
    for (HttpConnection* connection : connections) connection->Close();
  });
  // From here on exchanges that outlive the server wake nobody; the I/O thread ends when all connections have.
  const std::lock_guard lock(post_mutex_);
  closed_ = true;
}

bool HttpCore::ReserveBody(size_t bytes) {
  const std::lock_guard lock(stats_mutex_);
  if (static_cast<size_t>(stats_.body_bytes) + bytes > options_.max_bodies_bytes) return false;
  stats_.body_bytes += static_cast<int64_t>(bytes);
  return true;
}

void HttpCore::ReleaseBody(size_t bytes) {
  const std::lock_guard lock(stats_mutex_);
  stats_.body_bytes -= static_cast<int64_t>(bytes);
}

void HttpCore::BeginExchange() {
  const std::lock_guard lock(stats_mutex_);
  ++stats_.exchanges;
  ++stats_.requests_total;
}

void HttpCore::EndExchange(bool disconnected, bool slow) {
  const std::lock_guard lock(stats_mutex_);
  --stats_.exchanges;
  stats_.disconnects += disconnected && !slow ? 1 : 0;
  stats_.slow_readers += slow ? 1 : 0;
  stats_changed_.notify_all();
}

void HttpCore::CountRejected() {
  const std::lock_guard lock(stats_mutex_);
  ++stats_.rejected;
}

void HttpCore::CountStreamed(size_t bytes) {
  const std::lock_guard lock(stats_mutex_);
  stats_.streamed_bytes += static_cast<int64_t>(bytes);
}

HttpServerStats HttpCore::stats() const {
  const std::lock_guard lock(stats_mutex_);
  return stats_;
}

}  // namespace fathom
