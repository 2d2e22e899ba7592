// `fathom bench --compare`.
#include "apps/bench_compare.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/strings.h"
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

class BenchCompare : public testing::Test {
 protected:
  std::string path() const { return directory_ / "earlier.json"; }

  // What is said of `now` beside a file with this text.
  std::string Compare(const std::string& text, const BenchContext& context, const BenchResult& now) {
    WriteTestFile(path(), text);
    const Result<EarlierBench> earlier = EarlierBench::Read(path());
    EXPECT_TRUE(earlier.ok()) << earlier.status().message();
    return earlier.ok() ? earlier->Compare(context, now) : "";
  }
  std::string Compare(const BenchContext& context_then, const BenchResult& then, const BenchContext& context,
                      const BenchResult& now) {
    return Compare(BenchJson(context_then, {then}).DumpPretty(), context, now);
  }

 private:
  const TemporaryDirectory directory_;
};

TEST_F(BenchCompare, SpeedsAndTheMillisecondsOfEachPart) {
  BenchResult now = SomeResult();
  now.prefill = Measured(4.5);
  now.decode.part_seconds = {};
  now.decode.part_seconds[static_cast<size_t>(StepPart::kHead)] = 0.4;
  const std::string text = Compare(CutRelease(), SomeResult(), CutRelease(), now);
  EXPECT_TRUE(text.starts_with(
      StrCat("                prefill at 2.00 times the speed, decode at 1.00 times the speed of ", path(),
             "\n                ms               prefill then       now   speed  decode then  "
             "     now   speed\n"
             "                streams               1000.00    500.00   2.00x       100.00  "
             "    0.00       -\n")))
      << text;
  EXPECT_NE(
      text.find("                head                  1000.00    500.00   2.00x       100.00    400.00   0.25x\n"),
      std::string::npos)
      << text;
  EXPECT_EQ(text.find("not the same"), std::string::npos) << text;
}

TEST_F(BenchCompare, APhaseThatOnlyOneHasIsLeftOut) {
  BenchResult now = SomeResult();
  now.decode = {};
  const std::string text = Compare(CutRelease(), SomeResult(), CutRelease(), now);
  EXPECT_EQ(text.find("decode"), std::string::npos) << text;
  EXPECT_NE(text.find("prefill then"), std::string::npos) << text;
}

TEST_F(BenchCompare, WhatElseWasNotTheSameIsNamed) {
  const BenchContext then = CutRelease();
  BenchContext now = CutRelease();
  now.threads = 8;
  BenchResult result = SomeResult();
  EXPECT_TRUE(Compare(then, result, now, result)
                  .starts_with(StrCat("                not the same as in ", path(), ": threads 2 then, 8 now\n")));
  now = CutRelease();
  now.model = "DeepSeek-V4-Pro";
  now.config.layers = 61;
  now.config.experts = 384;
  now.cpu = "another";
  now.isa = "avx512";
  now.activations = "int8";
  result.settings.step_tokens = 2048;
  const std::string text = Compare(then, SomeResult(), now, result);
  EXPECT_TRUE(text.starts_with(StrCat("                not the same as in ", path(),
                                      ": model DeepSeek-V4-Flash then, DeepSeek-V4-Pro now; layers 4 then, 61 now; "
                                      "experts 256 then, 384 now; processor a processor then, another now; "
                                      "instruction set avx2 then, avx512 now; activations fp8 then, int8 now; "
                                      "--step-tokens 512 then, 2048 now\n                prefill at 1.00 times")))
      << text;
}

TEST_F(BenchCompare, AFileOfAnEarlierVersionSaysLess) {
  const std::string earlier = R"({"format": "fathom-bench-1", "model": {"name": "DeepSeek-V4-Flash", "layers": 4},
      "machine": {"threads": 4}, "runs": [{"prompt": 8, "batch": 1, "generate": 1,
      "prefill": {"tokens_per_s": {"median": 1}}, "decode": null}]})";
  BenchResult now = SomeResult();
  now.prefill = Measured(0.5);
  EXPECT_EQ(Compare(earlier, CutRelease(), now),
            StrCat("                not the same as in ", path(), ": threads 4 then, 2 now\n",
                   "                prefill at 2.00 times the speed of ", path(), "\n"));
  EXPECT_EQ(Compare(R"({"format": "fathom-bench-1", "runs": [{"prompt": 8, "batch": 1, "generate": 1,
                        "prefill": {"tokens_per_s": {"median": 1}}, "decode": null}]})",
                    CutRelease(), now),
            StrCat("                prefill at 2.00 times the speed of ", path(), "\n"));
}

TEST_F(BenchCompare, TheOtherPhaseOfATimeTooShortForTheClock) {
  BenchResult result = SomeResult();
  result.prefill = Measured(0);
  const std::string text = Compare(CutRelease(), result, CutRelease(), result);
  EXPECT_NE(text.find("decode at 1.00 times the speed"), std::string::npos) << text;
  EXPECT_EQ(text.find("prefill"), std::string::npos) << text;
}

TEST_F(BenchCompare, ARunWithoutACommonPhaseSaysSo) {
  const std::string prefill_only = R"({"format": "fathom-bench-1", "runs": [{"prompt": 8, "batch": 1, "generate": 1,
      "prefill": {"tokens_per_s": {"median": null}}, "decode": {"tokens_per_s": {"median": 5}}}]})";
  BenchResult now = SomeResult();
  now.decode = {};
  EXPECT_EQ(Compare(prefill_only, CutRelease(), now),
            StrCat("                ", path(),
                   " has this run, but the speed of no phase that was measured both then and now\n"));
}

TEST_F(BenchCompare, ValuesOfWrongTypesAndSizesAreNamed) {
  const auto error = [&](const std::string& settings, const std::string& prefill) {
    WriteTestFile(path(), StrCat(R"({"format": "fathom-bench-1", "runs": [{)", settings, R"("prompt": 8, "batch": 1,
      "generate": 1, "prefill": {)",
                                 prefill, R"(}, "decode": null}]})"));
    const Result<EarlierBench> earlier = EarlierBench::Read(path());
    EXPECT_FALSE(earlier.ok()) << settings << prefill;
    return earlier.status().message();
  };
  const std::string speed = R"("tokens_per_s": {"median": 5})";
  const std::vector<std::array<std::string, 3>> cases = {
      {R"("context": "4096", )", speed, R"("context" of a run is "4096"; accepted is a whole number, 0 or more)"},
      {R"("context": 4096.5, )", speed, R"("context" of a run is 4096.5; accepted is a whole number, 0 or more)"},
      {R"("context": null, )", speed, R"("context" of a run is null; accepted is a whole number, 0 or more)"},
      {R"("context": -1, )", speed, R"("context" of a run is -1; accepted is a whole number, 0 or more)"},
      {R"("step_tokens": 1e99, )", speed, R"("step_tokens" of a run is 1e99; accepted)"},
      {"", R"("tokens_per_s": {"median": 1e999})",
       "the speed of prefill of a run is 1e999; accepted is a number above 0"},
      {"", R"("tokens_per_s": {"median": -2})", "the speed of prefill of a run is -2; accepted is a number above 0"},
      {"", R"("tokens_per_s": {"median": "5"})",
       R"(the speed of prefill of a run is "5"; accepted is a number above 0)"},
      {"", speed + R"(, "part_seconds": {"head": -1})",
       R"(the time of "head" of prefill of a run is -1; accepted is a number, 0 or more)"},
      {"", speed + R"(, "part_seconds": {"experts": 1e999})", R"(the time of "experts" of prefill of a run is 1e999)"},
      {"", speed + R"(, "part_seconds": {"experts": null})", R"(the time of "experts" of prefill of a run is null)"},
      {"", speed + R"(, "part_seconds": [1])", R"("part_seconds" of prefill is no object)"},
  };
  for (const auto& [settings, prefill, message] : cases) {
    const std::string found = error(settings, prefill);
    EXPECT_NE(found.find(message), std::string::npos) << found;
    EXPECT_TRUE(found.starts_with(StrCat("--compare: ", path()))) << found;
  }
}

TEST_F(BenchCompare, ALongFileIsNotRead) {
  WriteTestFile(path(), std::string((4 << 20) + 1, ' '));
  const Result<EarlierBench> earlier = EarlierBench::Read(path());
  ASSERT_FALSE(earlier.ok());
  EXPECT_NE(earlier.status().message().find(path()), std::string::npos) << earlier.status().message();
}

TEST_F(BenchCompare, EveryLineWithoutThePathFitsAHundredColumns) {
  BenchResult slow = SomeResult();
  slow.prefill = Measured(9e4);
  const std::string text = Compare(CutRelease(), slow, CutRelease(), slow);
  for (size_t begin = text.find('\n') + 1; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    EXPECT_LE(end - begin, 100u) << text.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(BenchCommand, ComparesWithItsOwnFile) {
  const TemporaryDirectory directory;
  const auto run = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"bench", "--roof-mib", "64", "--model", SyntheticModelDirectory(), "--prompt", "8",
                               "--generate", "2", "--repeat", "1", "--threads", "1"});
    const RunResult result = RunFathom(more);
    EXPECT_EQ(result.exit_code, 0) << result;
    return result.out;
  };
  run({"--json", directory / "b.json"});
  const std::string out = run({"--batch", "1,2", "--step-tokens", "4", "--compare", directory / "b.json"});
  EXPECT_NE(out.find(StrCat("not the same as in ", directory / "b.json", ": --step-tokens 512 then, 4 now\n")),
            std::string::npos)
      << out;
  EXPECT_NE(out.find(" times the speed of "), std::string::npos) << out;
  EXPECT_NE(out.find("prefill then "), std::string::npos) << out;
  EXPECT_NE(out.find((directory / "b.json") + " has no run with this context, prompt, batch and --generate"),
            std::string::npos)
      << out;
}

TEST(BenchCommand, WhatIsComparedWithMustBeABenchsResults) {
  const TemporaryDirectory directory;
  const std::string path = directory / "earlier.json";
  const auto error = [&](const std::string& text) {
    WriteTestFile(path, text);
    const RunResult result =
        RunFathom({"bench", "--roof-mib", "64", "--model", SyntheticModelDirectory(), "--compare", path});
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
