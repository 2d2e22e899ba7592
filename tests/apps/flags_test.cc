// What all commands have in common about their flags. Nothing here gets as far as a model, but for one answer.
#include "apps/flags.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/strings.h"
#include "tests/apps/synthetic_model.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

void ExpectFlagError(std::vector<std::string> command, const std::vector<std::string>& flags,
                     const std::string& message) {
  command.insert(command.end(), flags.begin(), flags.end());
  const RunResult result = RunFathom(command);
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_EQ(result.out, "");
  EXPECT_NE(result.err.find(StrCat(": ", message)), std::string::npos) << message << "\n" << result;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result;
}

struct CommandOptions {
  std::vector<std::string> command;
  std::vector<std::string> options;
};

TEST(Flags, AnOptionWithoutAValueIsNamed) {
  const std::vector<CommandOptions> commands = {
      {{"run", "-p", "x"},
       {"--model",
        "--threads",
        "--isa",
        "--pin",
        "--activations",
        "--ctx",
        "--effort",
        "--tools",
        "--schema",
        "--tool-choice",
        "--max-tokens",
        "--temperature",
        "--top-p",
        "--top-k",
        "--min-p",
        "--presence-penalty",
        "--frequency-penalty",
        "--repetition-penalty",
        "--logit-bias",
        "--seed"}},
      {{"chat"}, {"--model", "--ctx", "--load", "--tools", "--effort"}},
      {{"eval"},
       {"--model", "--suite", "--items", "--subject", "--seed", "--thinking", "--temperature", "--batch",
        "--show-errors", "--json", "--markdown", "--min-accuracy"}},
      {{"bench"}, {"--model", "--context", "--batch", "--generate", "--seed", "--json", "--svg", "--compare"}},
      {{"bench", "kernels"}, {"--shape", "--model", "--tokens", "--op", "--isa", "--threads", "--json", "--svg"}},
      {{"inspect"}, {"--context", "--threads"}},
      {{"synth", "/nonexistent/x"}, {"--shape", "--layers", "--expert-dtype", "--seed"}},
      {{"tokenize"}, {"--model", "--tokenizer"}},
      {{"verify", "golden", "/nonexistent"}, {"--mode", "--threads", "--isa"}},
      {{"verify", "tokenizer", "/nonexistent"}, {"--tokenizer"}},
  };
  for (const CommandOptions& one : commands) {
    for (const std::string& option : one.options) {
      ExpectFlagError(one.command, {option, ""}, option + " is empty; it needs a value");
    }
  }
  ExpectFlagError({"inspect"}, {""}, "DIR is empty; it needs a value");
  ExpectFlagError({"synth"}, {""}, "OUT is empty; it needs a value");
  ExpectFlagError({"verify", "golden"}, {""}, "DIR is empty; it needs a value");
}

TEST(Flags, TextsMayBeEmpty) {
  const std::vector<std::string> base = {
      "run", "--model", SyntheticModelDirectory(), "--no-think", "--max-tokens", "2", "-p", "x", "-q", "--seed", "1"};
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{"--stop", ""}, {"--stop", "", "--raw"}, {"--system", ""}}) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), more.begin(), more.end());
    if (more.back() == "--raw") std::erase(arguments, "--no-think");
    const RunResult result = RunFathom(arguments);
    EXPECT_EQ(result.exit_code, 0) << more[0] << "\n" << result;
  }
}

TEST(Flags, NumbersAreTakenAsTheyAreWritten) {
  const std::string large = "99999999999999999999";
  const std::vector<std::string> run = {"run", "-p", "x"};
  const std::string seeds = "accepted is a whole number, 0 to 18446744073709551615";
  for (const std::vector<std::string>& command : {run, {"chat"}, {"eval"}, {"bench"}, {"synth", "/nonexistent/x"}}) {
    ExpectFlagError(command, {"--seed", "-5"}, "--seed is '-5'; " + seeds);
    ExpectFlagError(command, {"--seed", "18446744073709551616"}, "--seed is '18446744073709551616'; " + seeds);
  }
  ExpectFlagError(run, {"--max-tokens", large},
                  StrCat("--max-tokens is '", large, "'; accepted is a whole number, 1 or more"));
  ExpectFlagError(run, {"--max-tokens", "010"}, "--max-tokens is '010'; accepted is a whole number, 1 or more");
  ExpectFlagError(run, {"--ctx", large}, StrCat("--ctx is '", large, "'; accepted is a whole number, 0 or more"));
  ExpectFlagError(run, {"--ctx", "-1"}, "--ctx is '-1'; accepted is a whole number, 0 or more");
  ExpectFlagError(run, {"--top-k", "1e3"}, "--top-k is '1e3'; accepted is a whole number, 0 or more");
  ExpectFlagError(run, {"--threads", "0x2"}, "--threads is '0x2'; accepted is a whole number, 0 to 1024");
  ExpectFlagError({"synth", "/nonexistent/x"}, {"--layers", large}, StrCat("--layers is '", large, "'; "));

  for (const char* option : {"--context", "--prompt", "--batch", "--generate", "--repeat", "--step-tokens"}) {
    ExpectFlagError({"bench"}, {option, "010"}, StrCat(option, " is '010'; accepted is a whole number, "));
  }
  ExpectFlagError({"bench"}, {"--prompt", "8,016"}, "--prompt is '016'; accepted is a whole number, 1 to 16777216");
  for (const char* option : {"--tokens", "--context", "--pool-mib"}) {
    ExpectFlagError({"bench", "kernels"}, {option, "0200"}, StrCat(option, " is '0200'; accepted is a whole number, "));
  }
  ExpectFlagError({"eval"}, {"--temperature", "nan"}, "--temperature is 'nan'; accepted is a number, 0 to 100");
  ExpectFlagError({"eval"}, {"--min-accuracy", "NaN"}, "--min-accuracy is 'NaN'; accepted is a number, 0 to 100");

  const RunResult largest = RunFathom({"run", "--model", SyntheticModelDirectory(), "-p", "x", "--max-tokens", "1",
                                       "--json", "--seed", "18446744073709551615"});
  EXPECT_EQ(largest.exit_code, 0) << largest;
  EXPECT_NE(largest.out.find("\"seed\":18446744073709551615"), std::string::npos) << largest;
}

TEST(Flags, TwoResultsNeedTwoFiles) {
  const TemporaryDirectory directory;
  const std::string file = directory / "a";
  const std::string same = StrCat(directory.path(), "/./a");
  ExpectFlagError({"bench"}, {"--json", file, "--svg", file},
                  StrCat("--json and --svg are both '", file, "'; each needs a file of its own"));
  ExpectFlagError({"bench", "kernels"}, {"--json", file, "--svg", same},
                  StrCat("--json and --svg are both '", same, "'; each needs a file of its own"));
  ExpectFlagError({"eval"}, {"--json", file, "--markdown", file}, "--json and --markdown are both '");
  EXPECT_TRUE(CheckOutputFiles({{"--json", "/dev/null"}, {"--svg", "/dev/null"}}).ok());
  EXPECT_TRUE(CheckOutputFiles({{"--json", file}, {"--svg", ""}}).ok());
  EXPECT_TRUE(CheckOutputFiles({{"--json", ""}, {"--svg", ""}}).ok());
  WriteTestFile(file, "old");
  EXPECT_FALSE(CheckOutputFiles({{"--json", same}, {"--svg", file}}).ok());
  EXPECT_TRUE(CheckOutputFiles({{"--json", file}, {"--svg", file + "b"}}).ok());
}

TEST(Flags, ASwitchTakesNothingButTrueAndFalse) {
  const std::vector<std::string> run = {"run", "-p", "x"};
  for (const char* flag : {"--json", "--stream", "--think", "--raw"}) {
    for (const char* value : {"maybe", "2x", "x"}) {
      ExpectFlagError(run, {StrCat(flag, "=", value)}, StrCat(flag, " is '", value, "'; accepted is true or false"));
    }
  }
  ExpectFlagError(run, {"--no-mmap=maybe"}, "--no-mmap is 'maybe'; accepted is true or false");
  ExpectFlagError(run, {"--no-mmap=99999999999999999999"}, "the value of a switch is no number that fits");
  ExpectFlagError({"inspect"}, {"--verify=perhaps"}, "--verify is 'perhaps'; accepted is true or false");
}

TEST(Flags, HelpShowsNoInternals) {
  for (const std::vector<std::string>& command : {std::vector<std::string>{"run"},
                                                  {"chat"},
                                                  {"eval"},
                                                  {"bench"},
                                                  {"inspect"},
                                                  {"synth"},
                                                  {"tokenize"},
                                                  {"verify", "golden"}}) {
    std::vector<std::string> arguments = command;
    arguments.emplace_back("--help");
    const RunResult result = RunFathom(arguments);
    EXPECT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(result.out.find("{false}"), std::string::npos) << result;
  }
}

TEST(Flags, AnErrorOfTheEngineIsToldInTermsOfTheFlag) {
  EXPECT_EQ(WithFlag(InvalidArgument("top_p is 2; accepted"), "top_p").message(), "--top-p is 2; accepted");
  EXPECT_EQ(WithFlag(InvalidArgument("stop[0] has 0 bytes"), "stop").message(), "--stop[0] has 0 bytes");
  EXPECT_EQ(WithFlag(InvalidArgument("stop_tokens[0] is 7"), "stop").message(), "stop_tokens[0] is 7");
  EXPECT_EQ(WithFlag(IoError("context is 1"), "context", "--ctx").message(), "--ctx is 1");
  EXPECT_EQ(WithFlag(IoError("context is 1"), "context", "--ctx").exit_code(), 3);
  EXPECT_TRUE(WithFlag(Status(), "top_p").ok());
}

}  // namespace
}  // namespace fathom
