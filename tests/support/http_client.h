// http_client.h - a plain HTTP client on a loopback port, for tests that care about every byte.
#ifndef FATHOM_TESTS_SUPPORT_HTTP_CLIENT_H_
#define FATHOM_TESTS_SUPPORT_HTTP_CLIENT_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom {

struct ClientResponse {
  int status = 0;  // 0: there was no answer
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;

  // Of the first header of that name (any case); empty if there is none.
  std::string Header(std::string_view name) const;
};

// One TCP connection. Every wait ends after `timeout`. Failures show as missing data, never as exceptions.
class HttpClient {
 public:
  explicit HttpClient(uint16_t port, std::chrono::milliseconds timeout = std::chrono::seconds(20));
  ~HttpClient();
  HttpClient(HttpClient&& other) noexcept;
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;
  HttpClient& operator=(HttpClient&&) = delete;

  bool connected() const { return socket_ >= 0; }
  bool Send(std::string_view bytes);
  // Sends a request with Host and, if there is a body, Content-Length.
  bool SendRequest(std::string_view method, std::string_view target, std::string_view body = {},
                   const std::vector<std::string>& header_lines = {});
  // The next answer of this connection, streamed ones as a whole. `head` leaves its body out.
  ClientResponse Read(bool head = false);
  // Only the head of the next answer; its body follows by ReadSome().
  ClientResponse ReadHead();
  // Some more of a chunked body; nothing at its end, or if the connection breaks or the time is up.
  std::optional<std::string> ReadSome();
  // What arrives until the server closes the connection.
  std::string ReadAll();
  // Whether the server closes the connection in time.
  bool WaitForClose();
  void Close();
  // Closes with a reset, as a killed client does.
  void Abort();
  int socket() const { return socket_; }

 private:
  bool Fill();
  std::optional<std::string> ReadLine();
  bool ReadExactly(size_t bytes, std::string* out);

  int socket_ = -1;
  std::string buffer_;
};

// One request on a connection of its own.
ClientResponse Fetch(uint16_t port, std::string_view method, std::string_view target, std::string_view body = {},
                     const std::vector<std::string>& header_lines = {});

}  // namespace fathom

#endif  // FATHOM_TESTS_SUPPORT_HTTP_CLIENT_H_
