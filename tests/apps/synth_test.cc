// `fathom synth` that cannot go on: no room, no terminal any more. Nothing of the model stays.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/strings.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

// Runs a shell script with $F the program in a directory of its own, and then lists what is there.
RunResult ScriptThenList(const std::string& script) {
  const TemporaryDirectory directory;
  RunOptions options;
  options.environment = {{"F", StrCat(FATHOM_EMULATOR, " ", FATHOM_BINARY)}};
  options.directory = directory.path();
  return RunProgram({"bash", "-c", StrCat(script, "\ncode=$?; ls; exit $code")}, options);
}

TEST(SynthCommand, AFileThatMayNotGrowLeavesNothing) {
  const RunResult result = ScriptThenList("(ulimit -f 100; $F synth model)");
  EXPECT_EQ(result.exit_code, 3) << result;
  EXPECT_EQ(result.out, "") << result;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result;
  EXPECT_NE(result.err.find("File too large"), std::string::npos) << result;
}

TEST(SynthCommand, HangUpLeavesNothing) {
  const RunResult result = ScriptThenList(
      "$F synth model --shape v4-flash --layers 1 --experts 64 --vocab 20000 & pid=$!\n"
      "for i in $(seq 10000); do ls -d model.partial-* >/dev/null 2>&1 && break; sleep 0.01; done\n"
      "kill -HUP $pid; wait $pid");
  EXPECT_EQ(result.exit_code, 130) << result;
  EXPECT_EQ(result.out, "") << result;
}

}  // namespace
}  // namespace fathom
