#include "tests/support/run_binary.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
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

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe MakePipe() {
  int ends[2];
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0) << std::strerror(errno);
  return {ends[0], ends[1]};
}

void Close(int* fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

std::vector<std::string> ChildEnvironment(const RunOptions& options) {
  std::map<std::string, std::string> variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const size_t equals = text.find('=');
    if (equals != std::string_view::npos) variables[std::string(text.substr(0, equals))] = text.substr(equals + 1);
  }
  for (const char* name : {"NO_COLOR", "FATHOM_LOG", "FATHOM_HOME", "CI"}) variables.erase(name);
  variables["LC_ALL"] = "C.UTF-8";
  for (const auto& [name, value] : options.environment) variables[name] = value;
  std::vector<std::string> out;
  for (const auto& [name, value] : variables) out.push_back(name + "=" + value);
  return out;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& text : strings) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

// Runs between fork and exec: only system calls.
[[noreturn]] void Child(const Pipe& in, const Pipe& out, const Pipe& err, char** arguments, char** environment,
                        const RunOptions& options) {
  dup2(in.read_end, STDIN_FILENO);
  dup2(out.write_end, STDOUT_FILENO);
  dup2(err.write_end, STDERR_FILENO);
  if (options.address_space_bytes != 0) {
    const rlimit limit = {options.address_space_bytes, options.address_space_bytes};
    setrlimit(RLIMIT_AS, &limit);
  }
  signal(SIGPIPE, SIG_DFL);
  if (options.directory.empty() || chdir(options.directory.c_str()) == 0) execvpe(arguments[0], arguments, environment);
  _exit(127);
}

// Feeds and drains the pipes until both outputs are closed or the time is over.
class Conversation {
 public:
  Conversation(pid_t child, int in, int out, int err, const RunOptions& options, RunResult* result)
      : child_(child), in_(in), out_(out), err_(err), options_(options), result_(result) {
    fcntl(in_, F_SETFL, O_NONBLOCK);
    if (options.input.empty()) Close(&in_);
  }

  void Run() {
    const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(options_.timeout_seconds);
    while (out_ >= 0 || err_ >= 0) {
      if (std::chrono::steady_clock::now() > end) {
        result_->timed_out = true;
        kill(child_, SIGKILL);
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
    const ssize_t bytes = write(in_, options_.input.data() + fed_, options_.input.size() - fed_);
    if (bytes > 0) fed_ += static_cast<size_t>(bytes);
    const bool broken = bytes < 0 && errno != EAGAIN && errno != EINTR;
    if (broken || fed_ == options_.input.size()) Close(&in_);
  }

  void MaybeInterrupt() {
    if (interrupted_ || options_.interrupt_after.empty()) return;
    if (result_->out.find(options_.interrupt_after) == std::string::npos) return;
    interrupted_ = true;
    kill(child_, SIGINT);
  }

  const pid_t child_;
  int in_;
  int out_;
  int err_;
  const RunOptions& options_;
  RunResult* const result_;
  size_t fed_ = 0;
  bool interrupted_ = false;
};

}  // namespace

RunResult RunProgram(const std::vector<std::string>& arguments, const RunOptions& options) {
  RunResult result;
  signal(SIGPIPE, SIG_IGN);  // the program may end before it has read everything
  Pipe in = MakePipe();
  Pipe out = MakePipe();
  Pipe err = MakePipe();
  std::vector<std::string> argument_strings = arguments;
  std::vector<std::string> environment_strings = ChildEnvironment(options);
  std::vector<char*> argument_pointers = Pointers(argument_strings);
  std::vector<char*> environment_pointers = Pointers(environment_strings);
  const pid_t child = fork();
  if (child == 0) Child(in, out, err, argument_pointers.data(), environment_pointers.data(), options);
  Close(&in.read_end);
  Close(&out.write_end);
  Close(&err.write_end);
  if (child < 0) {
    ADD_FAILURE() << "fork: " << std::strerror(errno);
    return result;
  }
  Conversation(child, in.write_end, out.read_end, err.read_end, options, &result).Run();
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
  for (std::string word; std::getline(emulator, word, ';');) full.push_back(word);
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

TemporaryDirectory::TemporaryDirectory() : path_(testing::TempDir() + "/fathom_XXXXXX") {
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
