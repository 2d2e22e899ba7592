#include "tests/support/serve_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>
#include <thread>

extern char** environ;

namespace fathom {
namespace {

// Far above what a start or an answer takes, also under a sanitizer.
constexpr std::chrono::seconds kPatience{120};

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> EnvironmentOf(const TemporaryDirectory& directory, const ServeProcess::Environment& more) {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const bool replaced = text.starts_with("FATHOM_") || text.starts_with("XDG_") || text.starts_with("NOTIFY_SOCKET=");
    if (!replaced) out.emplace_back(text);
  }
  out.push_back("XDG_STATE_HOME=" + directory.path() + "/state");
  out.push_back("XDG_CACHE_HOME=" + directory.path() + "/cache");
  for (const auto& [name, value] : more) out.push_back(name + "=" + value);
  return out;
}

std::string Decoded(std::string_view chunked) {
  std::string body;
  while (true) {
    size_t size = 0;
    const auto [end, error] = std::from_chars(chunked.data(), chunked.data() + chunked.size(), size, 16);
    const size_t line = chunked.find("\r\n");
    if (error != std::errc() || size == 0 || line == std::string_view::npos) return body;
    chunked.remove_prefix(line + 2);
    body += chunked.substr(0, size);
    chunked.remove_prefix(std::min(chunked.size(), size + 2));
  }
}

}  // namespace

ServeProcess::ServeProcess(const std::vector<std::string>& arguments, const Environment& environment) {
  std::vector<std::string> argument_strings = {FATHOM_BINARY, "serve", "--port", "0"};
  argument_strings.insert(argument_strings.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment_strings = EnvironmentOf(directory_, environment);
  std::vector<char*> argument_pointers = Pointers(argument_strings);
  std::vector<char*> environment_pointers = Pointers(environment_strings);
  const int out = open((directory_ / "out").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int err = open((directory_ / "err").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(out, STDOUT_FILENO);
    dup2(err, STDERR_FILENO);
    execve(FATHOM_BINARY, argument_pointers.data(), environment_pointers.data());
    _exit(127);
  }
  close(out);
  close(err);
  EXPECT_TRUE(WaitForLog("fathom serve: ready at ")) << log();
  const std::string text = ReadTestFile(directory_ / "out");
  const size_t host = text.find("://");
  const size_t colon = text.find(':', host + 3);
  if (host != std::string::npos && colon != std::string::npos) {
    std::from_chars(text.data() + colon + 1, text.data() + text.size(), port_);
  }
}

ServeProcess::~ServeProcess() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void ServeProcess::Signal(int number) const {
  if (pid_ > 0) kill(pid_, number);
}

int ServeProcess::Wait() {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  int status = 0;
  while (std::chrono::steady_clock::now() < end) {
    if (waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ADD_FAILURE() << "fathom serve does not end\n" << log();
  return -1;
}

std::string ServeProcess::log() const { return ReadTestFile(directory_ / "out") + ReadTestFile(directory_ / "err"); }

bool ServeProcess::WaitForLog(std::string_view text) const {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (log().find(text) == std::string::npos) {
    siginfo_t info = {};
    const bool ended =
        waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_;
    if (ended || std::chrono::steady_clock::now() > end) return log().find(text) != std::string::npos;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

std::string WebAnswer::Header(std::string_view name) const {
  size_t at = 0;
  while ((at = head.find("\r\n", at)) != std::string::npos) {
    at += 2;
    const size_t colon = head.find(':', at);
    if (colon == std::string::npos) return "";
    if (colon - at == name.size() && strncasecmp(head.data() + at, name.data(), name.size()) == 0) {
      const size_t begin = head.find_first_not_of(' ', colon + 1);
      return head.substr(begin, head.find("\r\n", begin) - begin);
    }
  }
  return "";
}

std::ostream& operator<<(std::ostream& stream, const WebAnswer& answer) {
  return stream << answer.head << "\n\n" << answer.body;
}

std::string RequestText(std::string_view method, std::string_view path, const WebHeaders& headers,
                        std::string_view body) {
  std::string text =
      std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
  for (const auto& [name, value] : headers) text += name + ": " + value + "\r\n";
  if (!body.empty())
    text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  return text + "\r\n" + std::string(body);
}

WebAnswer ParseAnswer(const std::string& bytes) {
  WebAnswer answer;
  const size_t end = bytes.find("\r\n\r\n");
  if (end == std::string::npos) return answer;
  answer.head = bytes.substr(0, end);
  answer.body = bytes.substr(end + 4);
  const size_t space = answer.head.find(' ');
  std::from_chars(answer.head.data() + space + 1, answer.head.data() + answer.head.size(), answer.status);
  if (answer.Header("transfer-encoding") == "chunked") answer.body = Decoded(answer.body);
  return answer;
}

WebAnswer Fetch(uint16_t port, std::string_view method, std::string_view path, const WebHeaders& headers,
                std::string_view body) {
  RawConnection connection(port);
  connection.Send(RequestText(method, path, headers, body));
  return ParseAnswer(connection.ReadAll());
}

RawConnection::RawConnection(uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
  const timeval patience = {kPatience.count(), 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

RawConnection::~RawConnection() { close(fd_); }

void RawConnection::Send(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

bool RawConnection::ReadSome() {
  char buffer[65536];
  const ssize_t bytes = recv(fd_, buffer, sizeof buffer, 0);
  if (bytes > 0) received_.append(buffer, static_cast<size_t>(bytes));
  return bytes > 0;
}

bool RawConnection::ReadUntil(std::string_view text) {
  while (received_.find(text) == std::string::npos) {
    if (!ReadSome()) return false;
  }
  return true;
}

const std::string& RawConnection::ReadAll() {
  while (ReadSome()) {
  }
  return received_;
}

}  // namespace fathom
