// run_binary.h - runs a program from a test as a user would and returns what it said.
//
//   const RunResult result = RunFathom({"tokenize", "--model", dir}, "some text\n");
//   EXPECT_EQ(result.exit_code, 0) << result;
//   EXPECT_EQ(result.out, "...");
//
// Standard input is a pipe (empty unless given), so is everything else: the program sees no terminal unless asked for.
// NO_COLOR, FATHOM_* and CI are removed from its environment, LC_ALL is C.UTF-8. It runs in a process group of its own;
// nothing that it starts outlives a timeout.
#ifndef FATHOM_TESTS_SUPPORT_RUN_BINARY_H_
#define FATHOM_TESTS_SUPPORT_RUN_BINARY_H_

#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom {

struct RunOptions {
  std::string input;
  std::vector<std::pair<std::string, std::string>> environment;  // added to or replacing the inherited variables
  std::string directory;                                         // working directory; empty: the test's own
  // The program is killed after this long (timed_out); far above what any test needs, also under a sanitizer.
  double timeout_seconds = 300;
  // Presses Ctrl-C (SIGINT to the whole process group) as soon as either output contains this text; empty: never.
  std::string interrupt_after;
  // Runs on a terminal of 80 x 24: input is typed as it is and then ended by Ctrl-D; everything the program and the
  // terminal's echo write is in `out`, with "\r\n" line ends.
  bool terminal = false;
  // Standard output is this file instead of a pipe; "-": it is closed.
  std::string output;
  // Caps the program's address space, to test behaviour when memory runs out; 0: unlimited. Not under sanitizers.
  size_t address_space_bytes = 0;
};

struct RunResult {
  int exit_code = -1;  // 128 + n if signal n ended it, as a shell would say
  bool timed_out = false;
  std::string out;
  std::string err;
};

// Runs `arguments[0]` (found on PATH) with the rest as its arguments. Fails the test if it cannot be started.
RunResult RunProgram(const std::vector<std::string>& arguments, const RunOptions& options = {});

// Runs the fathom program of this build; in a cross build through the emulator.
RunResult RunFathom(const std::vector<std::string>& arguments, std::string_view input = {});
RunResult RunFathom(const std::vector<std::string>& arguments, const RunOptions& options);

// `strings` and a null at the end, as execve() takes them; valid as long as they are.
std::vector<char*> ExecPointers(std::vector<std::string>& strings);

// Exit code and both outputs, for failure messages.
std::ostream& operator<<(std::ostream& stream, const RunResult& result);

// A fresh directory that is removed with its contents at the end of the scope.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  const std::string& path() const { return path_; }
  // path()/name
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }

 private:
  std::string path_;
};

// Whole files, for tests. Both fail the test on errors.
std::string ReadTestFile(const std::string& path);
void WriteTestFile(const std::string& path, std::string_view bytes);

}  // namespace fathom

#endif  // FATHOM_TESTS_SUPPORT_RUN_BINARY_H_
