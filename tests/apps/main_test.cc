// The program's frame: help, version, unknown words. The commands have tests of their own.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "tests/apps/synthetic_model.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

TEST(Main, HelpNamesTheCommandsAndSucceeds) {
  for (const char* word : {"--help", "-h", "help"}) {
    const RunResult result = RunFathom({word});
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_NE(result.out.find("Usage: fathom COMMAND"), std::string::npos) << result;
    EXPECT_EQ(result.err, "");
  }
}

TEST(Main, NoCommandShowsTheHelpAsAnError) {
  const RunResult result = RunFathom({});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find("Usage: fathom COMMAND"), std::string::npos) << result;
}

TEST(Main, UnknownCommandIsOneSentence) {
  const RunResult result = RunFathom({"dance"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(result.err, "fathom: unknown command 'dance'; `fathom --help` lists the commands.\n");
}

TEST(Main, VersionIsOneLine) {
  const RunResult result = RunFathom({"--version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_TRUE(result.out.starts_with("fathom 0.")) << result;
}

TEST(Main, HelpNamesTheLaunchersCommandsToo) {
  const RunResult result = RunFathom({"--help"});
  EXPECT_NE(result.out.find("\n  train "), std::string::npos) << result;
  EXPECT_NE(result.out.find("\n  test "), std::string::npos) << result;
}

TEST(Main, OutputThatIsLostIsAnError) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "there is no /dev/full";
  const std::string& model = SyntheticModelDirectory();
  const std::vector<std::vector<std::string>> commands = {
      {"--help"},
      {"--version"},
      {"run", "--help"},
      {"verify", "--help"},
      {"run", "--model", model, "-p", "x", "--max-tokens", "4", "--raw", "-q"},
      {"run", "--model", model, "-p", "x", "--max-tokens", "4", "--json"},
      {"chat", "--model", model, "--max-tokens", "4"},
      {"tokenize", "--model", model, "--count", "x"},
      {"inspect", model, "--tensors"},
  };
  for (const std::vector<std::string>& command : commands) {
    for (const char* output : {"/dev/full", "-"}) {
      RunOptions options;
      options.input = "hello\n";
      options.output = output;
      const RunResult result = RunFathom(command, options);
      EXPECT_EQ(result.exit_code, 3) << command[0] << " to " << output << "\n" << result;
      EXPECT_EQ(result.err.rfind("fathom: cannot write standard output: ", 0), 0u) << command[0] << "\n" << result;
      EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result;
    }
  }
}

// Otherwise the next file that is opened would get what is printed.
TEST(Main, TheNumberOfAClosedStreamIsTaken) {
  RunOptions options;
  options.output = "-";
  const RunResult result =
      RunFathom({"run", "--model", SyntheticModelDirectory(), "-p", "x", "--schema", "/proc/self/fd/1"}, options);
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_NE(result.err.find("/proc/self/fd/1: is not a regular file"), std::string::npos) << result;
}

}  // namespace
}  // namespace fathom
