#include "server/http/http_connection.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <boost/beast/http.hpp>
#include <exception>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/strings.h"
#include "server/http/exchange_state.h"
#include "server/http/http_core.h"
#include "server/http/http_target.h"

namespace fathom {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxHeaders = 100;
constexpr std::chrono::milliseconds kGonePoll{200};  // while bytes of the next request hide an end of file
constexpr size_t kReadBytes = 4096;
constexpr size_t kMaxReadBytes = size_t{64} * 1024;

std::string ToString(beast::string_view text) { return {text.data(), text.size()}; }

// What the handler is given. When the last copy goes, an answer is missing or complete.
class Exchange : public HttpExchange {
 public:
  explicit Exchange(std::shared_ptr<ExchangeState> state) : state_(std::move(state)) {}
  ~Exchange() override { state_->Abandon(); }

  const HttpRequest& request() const override { return state_->request(); }
  void Respond(HttpResponse response) override { state_->Respond(response); }
  void StartStream(int status, HttpHeaders headers, std::string heartbeat) override {
    state_->StartStream(status, headers, std::move(heartbeat));
  }
  bool Write(std::string_view bytes) override { return state_->Write(bytes); }
  void End() override { state_->End(); }
  void OnDisconnect(std::function<void()> callback) override { state_->OnDisconnect(std::move(callback)); }

 private:
  const std::shared_ptr<ExchangeState> state_;
};

// What a body that is arriving takes of the room for all such bodies.
class BodyRoom {
 public:
  explicit BodyRoom(HttpCore& core) : core_(core) {}
  ~BodyRoom() { core_.ReleaseBody(bytes_); }
  BodyRoom(const BodyRoom&) = delete;
  BodyRoom& operator=(const BodyRoom&) = delete;

  // To so many bytes in all; false if there is no room for them.
  bool GrowTo(size_t bytes) {
    if (!core_.ReserveBody(bytes - bytes_)) return false;
    bytes_ = bytes;
    return true;
  }

 private:
  HttpCore& core_;
  size_t bytes_ = 0;
};

template <typename Stream>
class Session : public HttpConnection, public std::enable_shared_from_this<Session<Stream>> {
 public:
  Session(std::shared_ptr<HttpCore> core, Stream stream)
      : core_(std::move(core)),
        stream_(std::move(stream)),
        wake_(core_->io(), Clock::time_point::max()),
        read_timer_(core_->io()),
        watch_timer_(core_->io()) {
    core_->Add(this);
  }
  ~Session() override { core_->Remove(this); }

  asio::awaitable<void> Run() {
    error_code error;
    lowest().socket().set_option(Tcp::no_delay(true), error);
    const auto endpoint = lowest().socket().remote_endpoint(error);
    if (!error) peer_ = endpoint.address().to_string();
    if constexpr (kTls) {
      lowest().expires_after(core_->options().header_timeout);
      co_await stream_.async_handshake(ssl::stream_base::server, Awaiting(error));
      if (error) co_return Close();
    }
    while (!closed_ && co_await Serve()) {
    }
    co_await Shutdown();
  }

  void Close() override {
    closed_ = true;
    error_code ignored;
    lowest().socket().close(ignored);
    wake_.cancel();
    read_timer_.cancel();
    watch_timer_.cancel();
  }

  void CloseWhenIdle() override {
    if (state_ == nullptr) return Close();
    state_->ForbidKeepAlive();
  }

  void Heartbeat(Clock::time_point before) override {
    if (state_ != nullptr) state_->Heartbeat(before);
  }

 private:
  static constexpr bool kTls = !std::is_same_v<Stream, beast::tcp_stream>;
  using Parser = beast::http::request_parser<beast::http::string_body>;

  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }

  // The limit is for lines without an end: chunk headers and trailers.
  void ReleaseBuffer() {
    beast::flat_buffer empty(std::max(core_->options().max_header_bytes, kMaxReadBytes) + kReadBytes);
    buffer_ = std::move(empty);
  }

  // One request and its answer. Whether the connection goes on.
  asio::awaitable<bool> Serve() {
    error_code error;
    if (buffer_.size() == 0) {
      ReleaseBuffer();  // an idle connection keeps no memory
      lowest().expires_after(requests_ == 0 ? core_->options().header_timeout : core_->options().idle_timeout);
      const size_t bytes = co_await stream_.async_read_some(buffer_.prepare(kReadBytes), Awaiting(error));
      if (error) co_return false;
      buffer_.commit(bytes);
    }
    if (core_->draining() && requests_ > 0) co_return false;
    auto parser = std::make_unique<Parser>();
    parser->header_limit(static_cast<std::uint32_t>(core_->options().max_header_bytes));
    parser->body_limit(core_->options().max_body_bytes);
    LimitReading(core_->options().header_timeout);
    co_await ReadHeader(parser.get(), error);
    StopLimit();
    const bool too_large = error == beast::http::error::body_limit;  // by its Content-Length
    if (error && !too_large) co_return co_await Reject(error);
    HttpRequest request;
    Status status = CheckHeader(parser->get());
    if (status.ok()) status = ConvertHeader(parser->get(), &request);
    if (!status.ok()) co_return co_await RejectWith(400, status.message());
    if (too_large) {
      RefuseTooLarge(&request);
    } else if (const auto& check = core_->options().check_head; check && !BodyIsHere(*parser)) {
      request.refusal = check(request);
    }
    if (!request.refusal) {
      co_await ReadBody(parser.get(), &request, error);
      if (error) co_return co_await Reject(error);
    }
    ++requests_;
    auto message = parser->release();
    parser.reset();
    if (!request.refusal) request.body = std::move(message.body());
    std::string().swap(message.body());  // what came of a refused one is not kept
    co_return co_await Answer(std::move(request), message);
  }

  bool BodyIsHere(const Parser& parser) const {
    const auto length = parser.content_length();
    return parser.is_done() || (length && *length <= buffer_.size());
  }

  // Into the parser; or the request gets a refusal, and the rest of its body stays where it is.
  asio::awaitable<void> ReadBody(Parser* parser, HttpRequest* request, error_code& error) {
    if (beast::iequals(parser->get()[beast::http::field::expect], "100-continue") && parser->get().version() >= 11) {
      static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
      lowest().expires_after(core_->options().write_timeout);
      co_await asio::async_write(stream_, asio::buffer(kContinue), Awaiting(error));
      if (error) co_return;
    }
    BodyRoom room(*core_);
    parser->eager(true);
    LimitReading(core_->options().body_timeout);
    while (!error && !late_ && !request->refusal && !parser->is_done()) {
      co_await beast::http::async_read_some(stream_, buffer_, *parser, Awaiting(error));
      if (!room.GrowTo(parser->get().body().size())) RefuseForWantOfRoom(request);
    }
    StopLimit();
    if (error == beast::http::error::body_limit) {
      error = {};
      RefuseTooLarge(request);
    }
    if (late_) error = asio::error::operation_aborted;  // also if it came between two reads
  }

  void RefuseTooLarge(HttpRequest* request) {
    core_->CountRejected();
    request->refusal = {413, StrCat("the request's body is larger than ", core_->options().max_body_bytes, " bytes")};
  }

  void RefuseForWantOfRoom(HttpRequest* request) {
    core_->CountRejected();
    request->refusal = {503, "the bodies of other requests leave no room for this one; try again later"};
  }

  // Ends a read that takes longer. Beast's own limit would close the socket, and nobody could be told why.
  void LimitReading(std::chrono::seconds limit) {
    lowest().expires_never();
    read_timer_.expires_after(limit);
    read_timer_.async_wait([weak = this->weak_from_this(), read = ++read_](const error_code& error) {
      const auto self = weak.lock();
      if (error || self == nullptr || self->read_ != read || self->closed_) return;
      self->late_ = true;
      error_code ignored;
      self->lowest().socket().cancel(ignored);
    });
  }
  void StopLimit() {
    ++read_;
    read_timer_.cancel();
  }

  // Beast's limit is of the fields that arrive together; this one is of all.
  asio::awaitable<void> ReadHeader(Parser* parser, error_code& error) {
    for (size_t header_bytes = 0;;) {
      const size_t parsed = parser->put(buffer_.data(), error);
      buffer_.consume(parsed);
      header_bytes += parsed;
      if (header_bytes + (parser->is_header_done() ? 0 : buffer_.size()) > core_->options().max_header_bytes) {
        error = beast::http::error::header_limit;
      }
      if (error != beast::http::error::need_more || parser->is_header_done()) co_return;
      const size_t bytes = co_await stream_.async_read_some(buffer_.prepare(kReadBytes), Awaiting(error));
      if (error) co_return;
      buffer_.commit(bytes);
    }
  }

  // What must be known before the body is read.
  static Status CheckHeader(const beast::http::request<beast::http::string_body>& message) {
    // Where Beast finds no "chunked" at the end, it takes what follows for the next request.
    const auto coding = message.find(beast::http::field::transfer_encoding);
    if (coding != message.end() && !beast::iequals(coding->value(), "chunked")) {
      return InvalidArgument(StrCat("the request's Transfer-Encoding is \"", Printable(ToString(coding->value())),
                                    "\"; only chunked is accepted"));
    }
    const auto hosts = message.count(beast::http::field::host);
    if (message.version() >= 11 && hosts != 1) {
      return InvalidArgument(StrCat("the request has ", hosts, " Host headers; HTTP/1.1 expects exactly one"));
    }
    if (std::distance(message.begin(), message.end()) > static_cast<std::ptrdiff_t>(kMaxHeaders)) {
      return InvalidArgument(StrCat("the request has more than ", kMaxHeaders, " headers"));
    }
    return {};
  }

  Status ConvertHeader(const beast::http::request<beast::http::string_body>& message, HttpRequest* request) {
    request->method = ToString(message.method_string());
    FATHOM_RETURN_IF_ERROR(SplitTarget(std::string_view(message.target().data(), message.target().size()),
                                       &request->path, &request->query));
    for (const auto& field : message) {
      request->headers.emplace_back(ToString(field.name_string()), ToString(field.value()));
    }
    request->peer = peer_;
    request->id = core_->NextId();
    return {};
  }

  asio::awaitable<bool> Answer(HttpRequest request, const beast::http::request<beast::http::string_body>& message) {
    ExchangeState::Framing framing;
    framing.head = request.method == "HEAD";
    framing.chunked = message.version() >= 11;
    const bool refused = request.refusal.has_value();
    framing.keep_alive = message.keep_alive() && !core_->draining() && !refused;
    framing.max_unsent = core_->options().max_unsent_bytes;
    const std::weak_ptr<Session> weak = this->weak_from_this();
    const std::shared_ptr<HttpCore> core = core_;
    state_ = std::make_shared<ExchangeState>(std::move(request), framing, [core, weak] {
      core->Post([weak] {
        if (const auto session = weak.lock()) session->Wake();
      });
    });
    core_->BeginExchange();
    ++exchange_;
    if (buffer_.size() == 0) ReleaseBuffer();
    if (!core_->work().Push(std::make_shared<Exchange>(state_))) {
      state_->Respond(HttpErrorResponse(503, "the server has too many requests to read; try again later"));
    }
    asio::co_spawn(
        core_->io(), [self = this->shared_from_this()] { return self->WatchClient(self->exchange_); }, asio::detached);
    const bool complete = co_await Send();
    const bool slow = state_->slow_reader() || unread_;
    if (!complete) {
      Close();
      state_->Disconnect();
    }
    const bool keep_alive = complete && state_->keep_alive();
    core_->EndExchange(!complete, slow);
    state_.reset();
    ++exchange_;  // the watcher has nothing to watch
    watch_timer_.cancel();
    error_code ignored;
    if (!closed_) lowest().socket().cancel(ignored);
    if (refused && !closed_) co_await Linger();
    co_return keep_alive;
  }

  // Sends what the caller writes. Whether the answer was sent to its end.
  asio::awaitable<bool> Send() {
    while (!closed_) {
      const ExchangeState::Output output = state_->Take();
      if (output.broken) co_return false;
      size_t sent = 0;
      while (sent < output.bytes.size()) {
        error_code error;
        lowest().expires_after(core_->options().write_timeout);
        sent += co_await stream_.async_write_some(asio::buffer(output.bytes.data() + sent, output.bytes.size() - sent),
                                                  Awaiting(error));
        unread_ = error == beast::error::timeout;
        if (error) co_return false;
      }
      lowest().expires_never();
      state_->Sent(sent);
      core_->CountStreamed(sent);
      if (output.complete) co_return true;
      if (!output.bytes.empty() || std::exchange(awake_, false)) continue;  // more may have come meanwhile
      error_code ignored;
      wake_.expires_at(Clock::time_point::max());
      co_await wake_.async_wait(Awaiting(ignored));
      awake_ = false;
    }
    co_return false;
  }

  // Without what the client has not taken: the system would keep it and try for minutes.
  void Abort() {
    error_code ignored;
    lowest().socket().set_option(asio::socket_base::linger(true, 0), ignored);
    Close();
  }

  void Wake() {
    if (state_ != nullptr && state_->slow_reader()) return Abort();  // the write that waits for the client ends, too
    awake_ = true;
    wake_.cancel();
  }

  // Notices a client that goes away while its answer is made. The socket is not read: what has arrived may be the next
  // request.
  asio::awaitable<void> WatchClient(uint64_t exchange) {
    const auto self = this->shared_from_this();
    while (!closed_ && exchange == exchange_) {
      error_code error;
      co_await lowest().socket().async_wait(Tcp::socket::wait_read, Awaiting(error));
      if (closed_ || exchange != exchange_) co_return;
      if (error && error != asio::error::operation_aborted) co_return Gone();
      pollfd descriptor{lowest().socket().native_handle(), POLLIN | POLLRDHUP, 0};
      ::poll(&descriptor, 1, 0);
      if ((descriptor.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0) co_return Gone();
      watch_timer_.expires_after(kGonePoll);
      co_await watch_timer_.async_wait(Awaiting(error));
    }
  }

  void Gone() {
    if (state_ != nullptr) state_->Disconnect();
    Close();
  }

  asio::awaitable<bool> Reject(const error_code& failure) {
    using beast::http::error;
    if (late_) return RejectWith(408, "the request did not arrive in time");
    if (failure == error::header_limit) {
      return RejectWith(431,
                        StrCat("the request's headers are larger than ", core_->options().max_header_bytes, " bytes"));
    }
    if (failure == error::buffer_overflow) return RejectWith(431, "the request's headers are too large");
    if (failure == beast::error::timeout) return RejectNothing();
    if (failure.category() == beast::http::make_error_code(error::bad_value).category() &&
        failure != error::end_of_stream && failure != error::partial_message) {
      return RejectWith(400, StrCat("the request is not HTTP/1.1: ", failure.message()));
    }
    return RejectNothing();
  }

  asio::awaitable<bool> RejectNothing() { co_return false; }

  asio::awaitable<bool> RejectWith(int status, std::string message) {
    core_->CountRejected();
    HttpRequest request;
    request.id = core_->NextId();
    ExchangeState state(std::move(request), {.keep_alive = false}, [] {});
    state.Respond(HttpErrorResponse(status, message));
    const std::string bytes = state.Take().bytes;
    error_code error;
    lowest().expires_after(core_->options().write_timeout);
    co_await asio::async_write(stream_, asio::buffer(bytes), Awaiting(error));
    if (!error) co_await Linger();
    co_return false;
  }

  // The end after an answer to half a request. What is still on its way must be read: closing with unread bytes would
  // reset the connection and lose the answer.
  asio::awaitable<void> Linger() {
    error_code error;
    lowest().socket().shutdown(Tcp::socket::shutdown_send, error);
    lowest().expires_after(std::chrono::seconds(2));
    std::array<char, 16384> discarded;
    for (size_t total = 0; !error && total < core_->options().max_body_bytes;) {
      total += co_await lowest().async_read_some(asio::buffer(discarded), Awaiting(error));
    }
  }

  asio::awaitable<void> Shutdown() {
    if (closed_) co_return;
    error_code ignored;
    if constexpr (kTls) {
      lowest().expires_after(std::chrono::seconds(2));
      co_await stream_.async_shutdown(Awaiting(ignored));
    }
    if (!closed_) lowest().socket().shutdown(Tcp::socket::shutdown_both, ignored);
    Close();
  }

  const std::shared_ptr<HttpCore> core_;
  Stream stream_;
  beast::flat_buffer buffer_;
  asio::steady_timer wake_;
  asio::steady_timer read_timer_;
  asio::steady_timer watch_timer_;
  uint64_t read_ = 0;  // changes when a limited read begins or ends
  bool late_ = false;  // a read took too long
  std::string peer_;
  std::shared_ptr<ExchangeState> state_;  // of the request being answered
  uint64_t exchange_ = 0;                 // changes when an answer begins or ends
  uint64_t requests_ = 0;
  bool awake_ = false;
  bool unread_ = false;  // the client took nothing of its answer for too long
  bool closed_ = false;
};

template <typename Stream>
void Spawn(const std::shared_ptr<HttpCore>& core, Stream stream) {
  auto session = std::make_shared<Session<Stream>>(core, std::move(stream));
  asio::co_spawn(
      core->io(), [session] { return session->Run(); },
      [session](const std::exception_ptr& thrown) {
        // Nothing in a session throws but want of memory; only this connection ends.
        if (thrown) session->Close();
      });
}

}  // namespace

void StartConnection(const std::shared_ptr<HttpCore>& core, Tcp::socket socket, ssl::context* tls) {
  beast::tcp_stream stream(std::move(socket));
  if (tls == nullptr) return Spawn(core, std::move(stream));
  Spawn(core, beast::ssl_stream<beast::tcp_stream>(std::move(stream), *tls));
}

}  // namespace fathom
