#include "tests/support/run_binary.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

extern char** environ;

namespace fathom {
namespace {

void Close(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

// What the test holds of the program's standard streams, and what the program gets. On a terminal all streams are one.
struct Streams {
  int in = -1, out = -1, err = -1;
  int child_in = -1, child_out = -1, child_err = -1;

  void CloseChildSide() {
    if (child_out == child_in) child_out = child_err = -1;  // the terminal
    Close(&child_in);
    Close(&child_out);
    Close(&child_err);
  }
};

Streams MakePipes() {
  int in[2], out[2], err[2];
  EXPECT_TRUE(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
  return {in[1], out[0], err[0], in[0], out[1], err[1]};
}

Streams MakeTerminal() {
  const int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_TRUE(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0) << std::strerror(errno);
  const winsize size = {24, 80, 0, 0};
  ioctl(master, TIOCSWINSZ, &size);
  const int terminal = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  EXPECT_GE(terminal, 0) << std::strerror(errno);
  return {fcntl(master, F_DUPFD_CLOEXEC, 0), master, -1, terminal, terminal, terminal};
}

std::vector<std::string> ChildEnvironment(const RunOptions& options) {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  for (const char* name : {"NO_COLOR", "CI"}) variables.erase(name);
  std::erase_if(variables, [](const auto& variable) { return variable.first.starts_with("FATHOM_"); });
  if (options.terminal) variables["TERM"] = "xterm";
  variables["LC_ALL"] = "C.UTF-8";
  for (const auto& [name, value] : options.environment) variables[name] = value;
  std::vector<std::string> out;
  for (const auto& [name, value] : variables) out.push_back(name + "=" + value);
  return out;
}

// Runs between fork and exec: only system calls.
[[noreturn]] void Child(const Streams& streams, char** arguments, char** environment, const RunOptions& options) {
  if (options.terminal) {
    setsid();
    ioctl(streams.child_in, TIOCSCTTY, 0);
  } else {
    setpgid(0, 0);
  }
  dup2(streams.child_in, STDIN_FILENO);
  dup2(streams.child_out, STDOUT_FILENO);
  dup2(streams.child_err, STDERR_FILENO);
  if (!options.output.empty()) {
    close(STDOUT_FILENO);  // whose number the file gets
    if (options.output != "-") open(options.output.c_str(), O_WRONLY);
  }
  if (options.address_space_bytes != 0) {
    const rlimit limit = {options.address_space_bytes, options.address_space_bytes};
    setrlimit(RLIMIT_AS, &limit);
  }
  signal(SIGPIPE, SIG_DFL);
  signal(SIGINT, SIG_DFL);  // a shell's jobs in the background inherit that it is ignored
  signal(SIGHUP, SIG_DFL);  // as nohup's programs do of this one
  if (options.directory.empty() || chdir(options.directory.c_str()) == 0) execvpe(arguments[0], arguments, environment);
  _exit(127);
}

// Feeds and drains the pipes until both outputs are closed or the time is over.
class Conversation {
 public:
  Conversation(pid_t child, const Streams& streams, const RunOptions& options, RunResult* result)
      : child_(child), in_(streams.in), out_(streams.out), err_(streams.err), options_(options), result_(result) {
    input_ = options.input;
    if (options.terminal) input_ += kEndOfTransmission;
    fcntl(in_, F_SETFL, fcntl(in_, F_GETFL) | O_NONBLOCK);
    if (input_.empty()) Close(&in_);
  }

  void Run() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(options_.timeout_seconds);
    while (out_ >= 0 || err_ >= 0) {
      if (std::chrono::steady_clock::now() > end) {
        result_->timed_out = true;
        kill(-child_, SIGKILL);
        break;
      }
      pollfd fds[] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}, {in_, POLLOUT, 0}};
      poll(fds, 3, 100);
      if (fds[0].revents != 0) Drain(&out_, &result_->out);
      if (fds[1].revents != 0) Drain(&err_, &result_->err);
      if (fds[2].revents != 0) Feed();
      MaybeInterrupt();
    }
    Close(&in_);
    Close(&out_);
    Close(&err_);
  }

 private:
  static void Drain(int* fd, std::string* text) {
    char buffer[65536];
    const ssize_t bytes = read(*fd, buffer, sizeof buffer);
    if (bytes > 0) {
      text->append(buffer, static_cast<size_t>(bytes));
    } else if (bytes == 0 || errno != EINTR) {
      Close(fd);
    }
  }

  void Feed() {
    const ssize_t bytes = write(in_, input_.data() + fed_, input_.size() - fed_);
    if (bytes > 0) fed_ += static_cast<size_t>(bytes);
    const bool broken = bytes < 0 && errno != EAGAIN && errno != EINTR;
    if (broken || fed_ == input_.size()) Close(&in_);
  }

  void MaybeInterrupt() {
    if (interrupted_ || options_.interrupt_after.empty()) return;
    const std::string& text = options_.interrupt_after;
    if (result_->out.find(text) == std::string::npos && result_->err.find(text) == std::string::npos) return;
    interrupted_ = true;
    kill(-child_, SIGINT);
  }

  static constexpr char kEndOfTransmission = '\x04';

  const pid_t child_;
  std::string input_;
  int in_;
  int out_;
  int err_;
  const RunOptions& options_;
  RunResult* const result_;
  size_t fed_ = 0;
  bool interrupted_ = false;
};

}  // namespace

std::vector<char*> ExecPointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

RunResult RunProgram(const std::vector<std::string>& arguments, const RunOptions& options) {
  RunResult result;
  signal(SIGPIPE, SIG_IGN);  // the program may end before it has read everything
  Streams streams = options.terminal ? MakeTerminal() : MakePipes();
  std::vector<std::string> argument_strings = arguments;
  std::vector<std::string> environment_strings = ChildEnvironment(options);
  std::vector<char*> argument_pointers = ExecPointers(argument_strings);
  std::vector<char*> environment_pointers = ExecPointers(environment_strings);
  const pid_t child = fork();
  if (child == 0) Child(streams, argument_pointers.data(), environment_pointers.data(), options);
  streams.CloseChildSide();
  if (child < 0) {
    ADD_FAILURE() << "fork: " << std::strerror(errno);
    return result;
  }
  Conversation(child, streams, options, &result).Run();
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  EXPECT_FALSE(result.timed_out) << arguments[0] << " ran for more than " << options.timeout_seconds << " s\n"
                                 << result;
  EXPECT_NE(result.exit_code, 127) << arguments[0] << " could not be started";
  return result;
}

RunResult RunFathom(const std::vector<std::string>& arguments, const RunOptions& options) {
  std::vector<std::string> full;
  std::istringstream emulator(FATHOM_EMULATOR);
  for (std::string word; std::getline(emulator, word, ' ');) full.push_back(word);
  full.push_back(FATHOM_BINARY);
  full.insert(full.end(), arguments.begin(), arguments.end());
  return RunProgram(full, options);
}

RunResult RunFathom(const std::vector<std::string>& arguments, std::string_view input) {
  RunOptions options;
  options.input = input;
  return RunFathom(arguments, options);
}

std::ostream& operator<<(std::ostream& stream, const RunResult& result) {
  return stream << "exit code " << result.exit_code << "\nstdout: " << result.out << "\nstderr: " << result.err;
}

TemporaryDirectory::TemporaryDirectory()
    : path_(std::filesystem::canonical(testing::TempDir()).string() + "/fathom_XXXXXX") {
  EXPECT_NE(mkdtemp(path_.data()), nullptr) << path_ << ": " << std::strerror(errno);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ReadTestFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.is_open()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void WriteTestFile(const std::string& path, std::string_view bytes) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  EXPECT_TRUE(file.good()) << path;
}

}  // namespace fathom
