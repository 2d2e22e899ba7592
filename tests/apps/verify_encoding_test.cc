// `fathom verify encoding`, and the cases of the chat encoding themselves.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "apps/encoding_cases.h"
#include "base/file.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

void ExpectAllPass(const std::string& path, int at_least) {
  const Result<std::string> text = ReadFile(path, 1 << 26);
  ASSERT_TRUE(text.ok()) << text.status().message();
  const Result<Json> document = ParseJson(*text, {.allow_nan = true});
  ASSERT_TRUE(document.ok()) << document.status().message();
  const Result<EncodingReport> report = RunEncodingCases(*document);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_GE(report->cases(), at_least);
  for (const EncodingFailure& failure : report->failures) ADD_FAILURE() << failure.name << ": " << failure.reason;
}

TEST(VerifyEncoding, OwnCasesPass) { ExpectAllPass(FATHOM_SOURCE_DIR "/tests/cases/chat_encoding.json", 100); }

TEST(VerifyEncoding, SpecificationsCasesPass) {
  const std::string path = FATHOM_SHARED_DIR "/spec/chat_encoding_cases.json";
  if (!FileExists(path)) GTEST_SKIP() << path << " is not here";
  ExpectAllPass(path, 79);
}

EncodingReport Report(std::string_view text) {
  const Result<EncodingReport> report = RunEncodingCases(*ParseJson(text));
  EXPECT_TRUE(report.ok()) << report.status().message();
  return report.ok() ? *report : EncodingReport();
}

TEST(VerifyEncoding, DifferencesAreFoundInEveryOperation) {
  const EncodingReport report = Report(R"({"cases": [
    {"name": "e", "op": "encode", "thinking_mode": "chat", "messages": [], "expected_prompt": "x"},
    {"name": "e2", "op": "encode", "thinking_mode": "chat", "messages": [], "expected_error": true},
    {"name": "e3", "op": "encode", "thinking_mode": "chat", "messages": 5, "expected_prompt": ""},
    {"name": "p", "op": "parse_strict", "thinking_mode": "chat", "completion": "a<｜end▁of▁sentence｜>",
     "expected": {"content": "b"}},
    {"name": "p2", "op": "parse_strict", "thinking_mode": "chat", "completion": "a", "expected": {"content": "a"}},
    {"name": "p3", "op": "parse_strict", "thinking_mode": "chat", "completion": "<｜end▁of▁sentence｜>", "expected_error": true},
    {"name": "s", "op": "parse_stream", "thinking_mode": "chat", "completion": "a",
     "expected": {"content": "a", "finish_reason": "length"}},
    {"name": "s2", "op": "parse_stream", "dialect": "v4.1", "thinking_mode": "chat", "completion": "a", "stop": ["a"],
     "expected": {"content": "a", "finish_reason": "stop"}},
    {"name": "s3", "op": "parse_stream", "thinking_mode": "chat", "completion": "<｜DSML｜invoke name=\"f\"",
     "expected": {"content": "", "finish_reason": "tool_calls", "tool_calls": [{"name": "g", "arguments": ""}]}}]})");
  EXPECT_EQ(report.failures.size(), 9u);
  ASSERT_EQ(report.tallies.size(), 4u);
  EXPECT_EQ(report.tallies[3].dialect, "v4.1");
  EXPECT_NE(report.failures[0].reason.find("prompt differs at byte 0"), std::string::npos) << report.failures[0].reason;
}

TEST(VerifyEncoding, CommandSaysWhatItFound) {
  const std::string good = FATHOM_SOURCE_DIR "/tests/cases/chat_encoding.json";
  const RunResult passed = RunFathom({"verify", "encoding", good});
  EXPECT_EQ(passed.exit_code, 0) << passed;
  EXPECT_NE(passed.out.find("PASSED: "), std::string::npos) << passed;

  const std::string bad = testing::TempDir() + "/encoding_cases_with_a_failure.json";
  std::ofstream(bad) << R"({"cases": [{"name": "wrong", "op": "encode", "thinking_mode": "chat", "messages": [],
                                       "expected_prompt": "x"}]})";
  const RunResult failed = RunFathom({"verify", "encoding", bad});
  EXPECT_EQ(failed.exit_code, 1) << failed;
  EXPECT_NE(failed.out.find("wrong: prompt differs at byte 0"), std::string::npos) << failed;
  EXPECT_NE(failed.out.find("FAILED: 0 of 1 cases pass"), std::string::npos) << failed;

  const RunResult json = RunFathom({"verify", "encoding", bad, "--json"});
  EXPECT_EQ(json.exit_code, 1) << json;
  const Result<Json> parsed = ParseJson(json.out);
  ASSERT_TRUE(parsed.ok()) << json;
  EXPECT_EQ(parsed->Find("verdict")->string(), "failed");

  std::ofstream(bad) << "{}";
  const RunResult unusable = RunFathom({"verify", "encoding", bad});
  EXPECT_EQ(unusable.exit_code, 2) << unusable;
  EXPECT_EQ(unusable.err, "fathom: " + bad + ": the member cases is missing; expected a list\n");
  EXPECT_EQ(RunFathom({"verify", "encoding", bad + ".not"}).exit_code, 2);
}

TEST(VerifyEncoding, CasesWithoutExpectationAreABadFile) {
  for (const char* text :
       {"{}", "[]", R"({"cases": 1})", R"({"cases": [1]})", R"({"cases": [{"op": "decode"}]})",
        R"({"cases": [{"op": "encode"}]})", R"({"cases": [{"op": "parse_stream", "expected_error": true}]})",
        R"({"cases": [{"op": "encode", "expected_error": true, "dialect": "v5"}]})"}) {
    EXPECT_FALSE(RunEncodingCases(*ParseJson(text)).ok()) << text;
  }
}

}  // namespace
}  // namespace fathom
