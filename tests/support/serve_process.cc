#include "tests/support/serve_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
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

}  // namespace

ServeProcess::ServeProcess(const std::vector<std::string>& arguments, const Environment& environment) {
  std::vector<std::string> argument_strings = {FATHOM_BINARY, "serve", "--port", "0"};
  argument_strings.insert(argument_strings.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment_strings = EnvironmentOf(directory_, environment);
  std::vector<char*> argument_pointers = ExecPointers(argument_strings);
  std::vector<char*> environment_pointers = ExecPointers(environment_strings);
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

ClientResponse Ask(uint16_t port, std::string_view method, std::string_view path,
                   const std::vector<std::string>& headers, std::string_view body) {
  HttpClient client(port, kPatience);
  client.SendRequest(method, path, body, headers);
  return client.Read(method == "HEAD");
}

std::ostream& operator<<(std::ostream& stream, const ClientResponse& response) {
  stream << "\nstatus " << response.status << "\n";
  for (const auto& [name, value] : response.headers) stream << name << ": " << value << "\n";
  return stream << response.body << "\n";
}

}  // namespace fathom
