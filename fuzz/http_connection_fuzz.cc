// Bytes of a client through the real connection, over a socket pair: Beast's parser with our limits, what we make of
// its requests, and how answers are framed. Nothing may be left of a connection whose client has gone.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "server/http/http_connection.h"
#include "server/http/http_core.h"

namespace {

using fathom::HttpExchange;
using fathom::HttpRequest;

// Small, so that inputs reach them.
constexpr size_t kMaxHeaderBytes = 512;
constexpr size_t kMaxBodyBytes = 512;
constexpr size_t kMaxUnsentBytes = 4096;

void Require(bool holds) {
  if (!holds) std::abort();
}

void CheckRequest(const HttpRequest& request) {
  Require(request.path.starts_with('/') || request.path == "*");
  Require(fathom::IsValidUtf8(request.path) && request.path.find('\0') == std::string::npos);
  Require(request.body.size() <= kMaxBodyBytes && request.headers.size() <= 100);
  size_t bytes = request.method.size();
  for (const auto& [name, value] : request.headers) {
    bytes += name.size() + value.size();
    Require(value.find_first_of("\r\n") == std::string::npos);
  }
  Require(bytes <= kMaxHeaderBytes);
}

class Client {
 public:
  Client() {
    std::array<int, 2> ends{};
    Require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
    own_ = ends[0];
    fathom::HttpServerOptions options;
    options.max_header_bytes = kMaxHeaderBytes;
    options.max_body_bytes = kMaxBodyBytes;
    options.max_unsent_bytes = kMaxUnsentBytes;
    core_ = std::make_shared<fathom::HttpCore>(
        options, [this](std::shared_ptr<HttpExchange> exchange) { Handle(std::move(exchange)); });
    fathom::StartConnection(core_, fathom::Tcp::socket(core_->io(), fathom::Tcp::v4(), ends[1]), nullptr);
    Step();
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() {
    close(own_);
    core_->Close();
    held_.clear();
    if (core_->io().stopped()) core_->io().restart();
    core_->io().run_for(std::chrono::seconds(10));
    Require(core_->io().stopped());  // or something hangs
    core_->work().Stop();
    Require(core_->stats().connections == 0 && core_->stats().exchanges == 0 && core_->stats().body_bytes == 0);
    Require(core_.use_count() == 1);
  }

  void Send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send(own_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;  // it does not want any more
      bytes.remove_prefix(static_cast<size_t>(sent));
      Step();
    }
  }
  void Read() {
    std::array<char, 4096> buffer{};
    for (ssize_t bytes = 0; (bytes = recv(own_, buffer.data(), buffer.size(), 0)) > 0; Step()) {
      if (answer_.size() < 16) answer_.append(buffer.data(), static_cast<size_t>(bytes));
    }
    static constexpr std::string_view kBegin = "HTTP/1.1 ";
    Require(answer_.substr(0, kBegin.size()) == kBegin.substr(0, answer_.size()));
  }

 private:
  // Whatever can be done without waiting.
  void Step() {
    for (size_t done = 1; done > 0;) {
      if (core_->io().stopped()) core_->io().restart();
      done = core_->io().poll();
      core_->work().RunWaiting();
    }
  }

  void Handle(std::shared_ptr<HttpExchange> exchange) {
    const HttpRequest& request = exchange->request();
    CheckRequest(request);
    if (request.path == "/stream") {
      exchange->StartStream(200, {{"X-Query", request.query}}, ": beat\n\n");
      while (exchange->Write(request.body) && !request.body.empty()) {
      }
      exchange->End();
    } else if (request.path == "/hold") {
      exchange->OnDisconnect([] {});
      held_.push_back(std::move(exchange));
    } else if (request.path != "/nothing") {
      exchange->Respond({200, {{"X-Query", request.query}}, request.body});
    }
  }

  int own_ = -1;
  std::string answer_;  // its beginning
  std::vector<std::shared_ptr<HttpExchange>> held_;
  std::shared_ptr<fathom::HttpCore> core_;
};

}  // namespace

// The first byte says how the others are cut into pieces and whether the client reads.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t piece = (data[0] & 1) != 0 ? size_t{1} + (data[0] >> 2) : text.size();
  const bool reads = (data[0] & 2) == 0;
  Client client;
  while (!text.empty()) {
    client.Send(text.substr(0, piece));
    if (reads) client.Read();
    text.remove_prefix(std::min(piece, text.size()));
  }
  client.Read();
  return 0;
}
