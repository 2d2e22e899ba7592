// Which model a command takes when none is named.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "base/strings.h"
#include "tests/apps/synthetic_model.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

TEST(DefaultModel, WithoutAnyAPlaceholderIsMadeAndSaysSo) {
  const TemporaryDirectory home;
  RunOptions options;
  options.environment = {
      {"XDG_CACHE_HOME", home / "cache"}, {"FATHOM_HOME", home / "no models here"}, {"FATHOM_MODEL", ""}};
  const RunResult first = RunFathom({"run", "-p", "hello", "--seed", "1"}, options);
  EXPECT_EQ(first.exit_code, 0) << first;
  EXPECT_NE(first.err.find("and --model names no other: this tiny random model"), std::string::npos) << first;
  EXPECT_GT(first.out.size(), 10u);
  const RunResult second = RunFathom({"run", "-p", "hello", "--seed", "1"}, options);
  EXPECT_EQ(second.out, first.out);
  options.environment = {{"FATHOM_MODEL", SyntheticModelDirectory()}};
  const RunResult named = RunFathom({"run", "-p", "hello", "--max-tokens", "3"}, options);
  EXPECT_EQ(named.exit_code, 0) << named;
  EXPECT_EQ(named.err.find("tiny random model"), std::string::npos) << named;
}

// Copies of the program and a model as an installation has them, or the repository.
TEST(DefaultModel, TheProgramKnowsWhereItsOwnTreeHasIt) {
  struct Layout {
    std::string program;
    std::string model;
  };
  for (const auto& [program, model] :
       {Layout{"bin", "share/fathom/models/nano"}, Layout{"build/release/bin", "models/nano"}}) {
    const TemporaryDirectory tree;
    fs::create_directories(tree / program);
    fs::create_directories(tree / model);
    fs::copy_file(FATHOM_BINARY, tree / (program + "/fathom"));
    fs::copy(SyntheticModelDirectory(), tree / model);
    const std::string run =
        StrCat("exec ", FATHOM_EMULATOR, " ", tree / program, "/fathom run --json --max-tokens 1 -p hello");
    RunOptions options;
    options.directory = "/";
    options.environment = {{"XDG_CACHE_HOME", tree / "cache"}};
    const RunResult found = RunProgram({"bash", "-c", run}, options);
    EXPECT_EQ(found.exit_code, 0) << found;
    EXPECT_NE(found.out.find(StrCat("\"model\":\"", tree / model, "\"")), std::string::npos) << found;
    EXPECT_EQ(found.err.find("tiny random model"), std::string::npos) << found;
    // A folder that is named is the only one.
    options.environment.emplace_back("FATHOM_HOME", tree / "elsewhere");
    const RunResult named = RunProgram({"bash", "-c", run}, options);
    EXPECT_EQ(named.exit_code, 0) << named;
    EXPECT_NE(named.err.find("tiny random model"), std::string::npos) << named;
  }
}

}  // namespace
}  // namespace fathom
