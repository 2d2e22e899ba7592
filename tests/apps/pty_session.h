// pty_session.h - talks with the program through a terminal, as a person would.
#ifndef FATHOM_TESTS_APPS_PTY_SESSION_H_
#define FATHOM_TESTS_APPS_PTY_SESSION_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom {

class PtySession {
 public:
  // Starts `binary arguments...` on a terminal of its own with `environment` added.
  PtySession(const std::string& binary, std::vector<std::string> arguments,
             const std::vector<std::pair<std::string, std::string>>& environment) {
    arguments.insert(arguments.begin(), binary);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    Start(
        [&] {
          execv(binary.c_str(), pointers.data());
          return 127;
        },
        environment);
  }
  // Calls `program` in a process of its own on such a terminal; what it returns is the exit code.
  PtySession(const std::function<int()>& program, const std::vector<std::pair<std::string, std::string>>& environment) {
    Start(program, environment);
  }
  PtySession(const PtySession&) = delete;
  PtySession& operator=(const PtySession&) = delete;
  ~PtySession() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close(terminal_);
  }

  void Type(std::string_view text) {
    EXPECT_EQ(write(terminal_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  void Signal(int number) const { EXPECT_EQ(kill(child_, number), 0); }

  // Waits until the terminal has shown `text` since the last match, and forgets everything up to it.
  bool WaitFor(std::string_view text) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (true) {
      const size_t at = shown_.find(text);
      if (at != std::string::npos) {
        shown_.erase(0, at + text.size());
        return true;
      }
      if (std::chrono::steady_clock::now() > end || !Read()) {
        ADD_FAILURE() << "did not show '" << text << "' but: " << shown_;
        return false;
      }
    }
  }

  // Waits for the prompt, and until the program takes keys one by one: it shows the prompt a moment before.
  bool WaitForPrompt() { return WaitFor("> ") && WaitForKeys(); }

  // Waits until the program takes keys one by one.
  bool WaitForKeys() {
    termios modes = {};
    while (tcgetattr(terminal_, &modes) == 0 && (modes.c_lflag & ICANON) != 0) {
      if (!Read()) return false;
    }
    return true;
  }

  // Waits until that many bytes were shown since the last match.
  bool WaitForBytes(size_t bytes) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (shown_.size() < bytes) {
      if (std::chrono::steady_clock::now() > end || !Read()) return false;
    }
    return true;
  }

  // Waits for the program's end.
  int ExitCode() {
    while (Read()) {
    }
    int status = 0;
    if (waitpid(std::exchange(child_, -1), &status, 0) < 0) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  // Shown since the last match.
  const std::string& shown() const { return shown_; }
  // Shown since the start.
  const std::string& all_shown() const { return all_shown_; }

 private:
  void Start(const std::function<int()>& program, const std::vector<std::pair<std::string, std::string>>& environment) {
    std::fflush(nullptr);
    child_ = forkpty(&terminal_, nullptr, nullptr, nullptr);
    if (child_ == 0) {
      setenv("TERM", "xterm", 1);
      setenv("LC_ALL", "C.UTF-8", 1);
      unsetenv("NO_COLOR");
      for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
      const int exit_code = program();
      std::fflush(nullptr);
      _exit(exit_code);
    }
    EXPECT_GT(child_, 0);
  }

  // False at the end of the program.
  bool Read() {
    char buffer[4096];
    pollfd fd = {terminal_, POLLIN, 0};
    if (poll(&fd, 1, 100) == 0) return true;
    const ssize_t size = read(terminal_, buffer, sizeof buffer);
    if (size > 0) {
      shown_.append(buffer, static_cast<size_t>(size));
      all_shown_.append(buffer, static_cast<size_t>(size));
    }
    return size > 0 || (size < 0 && errno == EINTR);
  }

  pid_t child_ = -1;
  int terminal_ = -1;
  std::string shown_;
  std::string all_shown_;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_APPS_PTY_SESSION_H_
