// The program's frame: help, version, unknown words. The commands have tests of their own.
#include <gtest/gtest.h>

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

}  // namespace
}  // namespace fathom
