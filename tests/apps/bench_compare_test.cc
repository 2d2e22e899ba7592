// `fathom bench --compare`.
#include "apps/bench_compare.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/apps/bench_results.h"
#include "tests/apps/synthetic_model.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

BenchResult SomeResult() {
  BenchResult result;
  result.settings = {.context = 0, .prompt = 8, .batch = 1, .generate = 1, .repeat = 1, .step_tokens = 512, .seed = 1};
  result.prefill = Measured(9);
  result.decode = Measured(0.9);
  return result;
}

TEST(BenchCompare, TheOtherPhaseOfATimeTooShortForTheClock) {
  const TemporaryDirectory directory;
  BenchResult result = SomeResult();
  result.prefill = Measured(0);
  WriteTestFile(directory / "b.json", BenchJson(CutRelease(), {result}).DumpPretty());
  const Result<EarlierBench> earlier = EarlierBench::Read(directory / "b.json");
  ASSERT_TRUE(earlier.ok()) << earlier.status().message();
  const std::string text = earlier->Compare(result);
  EXPECT_NE(text.find("decode at 1.00 times the speed"), std::string::npos) << text;
}

TEST(BenchCommand, ComparesWithItsOwnFile) {
  const TemporaryDirectory directory;
  const auto run = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"bench", "--model", SyntheticModelDirectory(), "--prompt", "8", "--generate", "2",
                               "--repeat", "1", "--threads", "1"});
    const RunResult result = RunFathom(more);
    EXPECT_EQ(result.exit_code, 0) << result;
    return result.out;
  };
  run({"--json", directory / "b.json"});
  const std::string out = run({"--batch", "1,2", "--compare", directory / "b.json"});
  EXPECT_NE(out.find(" times the speed of "), std::string::npos) << out;
  EXPECT_NE(out.find((directory / "b.json") + " has no run with this context, prompt, batch and --generate"),
            std::string::npos)
      << out;
}

TEST(BenchCommand, WhatIsComparedWithMustBeABenchsResults) {
  const TemporaryDirectory directory;
  const std::string path = directory / "earlier.json";
  const auto error = [&](const std::string& text) {
    WriteTestFile(path, text);
    const RunResult result = RunFathom({"bench", "--model", SyntheticModelDirectory(), "--compare", path});
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(result.out, "") << result;
    return result.err;
  };
  for (const char* text :
       {"", "3", "{}", R"({"format": "fathom-bench-1", "runs": 3})", R"({"format": "fathom-bench-1", "runs": [3]})",
        R"({"format": "fathom-bench-1", "runs": [{"prompt": 1, "batch": 1, "generate": 1,
                               "prefill": null, "decode": {"tokens_per_s": {"median": "fast"}}}]})"}) {
    EXPECT_NE(error(text).find(path), std::string::npos) << text;
  }
}

}  // namespace
}  // namespace fathom
