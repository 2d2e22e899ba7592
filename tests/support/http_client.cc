#include "tests/support/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

namespace fathom {

std::string ClientResponse::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key.size() == name.size() && strncasecmp(key.data(), name.data(), name.size()) == 0) return value;
  }
  return {};
}

HttpClient::HttpClient(uint16_t port, std::chrono::milliseconds timeout) {
  socket_ = ::socket(AF_INET, SOCK_STREAM, 0);
  const timeval limit{timeout.count() / 1000, (timeout.count() % 1000) * 1000};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) Close();
}

HttpClient::~HttpClient() { Close(); }

HttpClient::HttpClient(HttpClient&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), buffer_(std::move(other.buffer_)) {}

void HttpClient::Close() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void HttpClient::Abort() {
  const linger reset{1, 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  Close();
}

bool HttpClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

bool HttpClient::SendRequest(std::string_view method, std::string_view target, std::string_view body,
                             const std::vector<std::string>& header_lines) {
  std::string text = std::string(method) + " " + std::string(target) + " HTTP/1.1\r\nHost: localhost\r\n";
  for (const std::string& line : header_lines) text += line + "\r\n";
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  return Send(text + "\r\n" + std::string(body));
}

bool HttpClient::Fill() {
  std::array<char, 16384> bytes;
  const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
  if (got <= 0) return false;
  buffer_.append(bytes.data(), static_cast<size_t>(got));
  return true;
}

std::optional<std::string> HttpClient::ReadLine() {
  size_t end = 0;
  while ((end = buffer_.find("\r\n")) == std::string::npos) {
    if (!Fill()) return std::nullopt;
  }
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return line;
}

bool HttpClient::ReadExactly(size_t bytes, std::string* out) {
  while (buffer_.size() < bytes) {
    if (!Fill()) return false;
  }
  out->append(buffer_, 0, bytes);
  buffer_.erase(0, bytes);
  return true;
}

ClientResponse HttpClient::ReadHead() {
  ClientResponse response;
  const std::optional<std::string> status = ReadLine();
  if (!status || status->size() < 12) return response;
  response.status = std::atoi(status->c_str() + 9);
  while (const std::optional<std::string> line = ReadLine()) {
    if (line->empty()) return response;
    const size_t colon = line->find(':');
    if (colon == std::string::npos) break;
    const size_t value = line->find_first_not_of(' ', colon + 1);
    response.headers.emplace_back(line->substr(0, colon), value == std::string::npos ? "" : line->substr(value));
  }
  return {};
}

std::optional<std::string> HttpClient::ReadSome() {
  const std::optional<std::string> line = ReadLine();
  if (!line) return std::nullopt;
  const size_t size = std::strtoul(line->c_str(), nullptr, 16);
  std::string chunk;
  if (!ReadExactly(size + 2, &chunk) || size == 0) return std::nullopt;
  chunk.resize(size);
  return chunk;
}

ClientResponse HttpClient::Read(bool head) {
  ClientResponse response = ReadHead();
  if (head || response.status == 0) return response;
  if (response.Header("Transfer-Encoding") == "chunked") {
    while (const std::optional<std::string> some = ReadSome()) response.body += *some;
  } else if (const std::string length = response.Header("Content-Length"); !length.empty()) {
    if (!ReadExactly(std::strtoul(length.c_str(), nullptr, 10), &response.body)) return {};
  } else if (response.status != 204 && response.status != 304) {
    response.body = ReadAll();
  }
  return response;
}

std::string HttpClient::ReadAll() {
  while (Fill()) {
  }
  return std::exchange(buffer_, {});
}

bool HttpClient::WaitForClose() {
  char byte = 0;
  while (true) {
    const ssize_t got = ::recv(socket_, &byte, 1, 0);
    if (got == 0) return true;
    if (got < 0) return errno == ECONNRESET;
  }
}

ClientResponse Fetch(uint16_t port, std::string_view method, std::string_view target, std::string_view body,
                     const std::vector<std::string>& header_lines) {
  HttpClient client(port);
  if (!client.connected() || !client.SendRequest(method, target, body, header_lines)) return {};
  return client.Read(method == "HEAD");
}

}  // namespace fathom
