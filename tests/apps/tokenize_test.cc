// `fathom tokenize` and `fathom verify tokenizer` as a user runs them.
#include <gtest/gtest.h>

#include "tests/support/run_binary.h"
#include "tests/support/tiny_tokenizer.h"

namespace fathom {
namespace {

class TokenizeCommand : public testing::Test {
 protected:
  void SetUp() override {
    file_ = directory_ / "tokenizer.json";
    WriteTestFile(file_, TinyTokenizerJson({{"a", "b"}, {"Ġ", "x"}}, {{"<s>", true}, {"<user>", false}}).Dump());
  }
  RunResult Verify(std::string_view vectors, std::vector<std::string> more = {}) {
    const std::string path = directory_ / "vectors.json";
    WriteTestFile(path, vectors);
    std::vector<std::string> arguments = {"verify", "tokenizer", path, "--tokenizer", file_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunFathom(arguments);
  }

  const TemporaryDirectory directory_;
  std::string file_;
};

TEST_F(TokenizeCommand, ALinePerToken) {
  const RunResult result = RunFathom({"tokenize", "--model", directory_.path(), "ab<s>é\n<user>"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.out,
            "     256  \"ab\"\n"
            "     258  \"<s>\"  special\n"
            "     127  \"\\xC3\"\n"
            "     102  \"\\xA9\"\n"
            "     198  \"\\n\"\n"
            "     259  \"<user>\"  control\n"
            "6 tokens, 14 bytes\n");
}

TEST_F(TokenizeCommand, IdsCountAndJson) {
  EXPECT_EQ(RunFathom({"tokenize", "--tokenizer", file_, "--ids", "ab x<s>"}).out, "256 257 258\n");
  EXPECT_EQ(RunFathom({"tokenize", "--tokenizer", file_, "--count", "ab x<s>"}).out, "3\n");
  EXPECT_EQ(RunFathom({"tokenize", "--tokenizer", file_, "--json", "ab"}).out,
            "{\"count\":1,\"ids\":[256],\"token_bytes_hex\":[\"6162\"],\"text\":\"ab\"}\n");
  EXPECT_EQ(RunFathom({"tokenize", "--tokenizer", file_, "--ids", ""}).out, "\n");
}

TEST_F(TokenizeCommand, WithoutAModelItIsThatOfChat) {
  RunOptions options;
  options.environment = {{"FATHOM_MODEL", directory_.path()}};
  const RunResult result = RunFathom({"tokenize", "--ids", "ab x<s>"}, options);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.out, "256 257 258\n");
}

TEST_F(TokenizeCommand, ProtectedTextStaysText) {
  EXPECT_EQ(RunFathom({"tokenize", "--tokenizer", file_, "--count", "--protected", "<s>"}).out, "3\n");
}

TEST_F(TokenizeCommand, StandardInputIsTakenExactly) {
  EXPECT_EQ(RunFathom({"tokenize", "--tokenizer", file_, "--count"}, "ab\n").out, "2\n");
  EXPECT_EQ(RunFathom({"tokenize", "--tokenizer", file_, "--decode"}, "[256, 257]\n198 258\n").out, "ab x\n<s>");
  EXPECT_EQ(RunFathom({"tokenize", "--tokenizer", file_, "--decode", "--skip-special"}, "256 258 259").out, "ab<user>");
}

TEST_F(TokenizeCommand, MistakesAreOneSentence) {
  const auto expect = [](const RunResult& result, std::string_view said) {
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(result.err, said);
  };
  expect(RunFathom({"tokenize", "--tokenizer", file_, "--decode", "1 260"}),
         "fathom: '260' is no token id; accepted are 0 to 259\n");
  expect(RunFathom({"tokenize", "--tokenizer", file_, "--decode", "x"}),
         "fathom: 'x' is no token id; accepted are 0 to 259\n");
  expect(RunFathom({"tokenize", "--model", "/nowhere", "x"}),
         "fathom: /nowhere/tokenizer.json: cannot open: No such file or directory\n");
  expect(RunFathom({"tokenize", "--model", directory_.path(), "--tokenizer", file_, "x"}),
         "fathom tokenize: Requires at most 1 options be given from [--model,--tokenizer]; "
         "`fathom tokenize --help` explains the options.\n");
  WriteTestFile(file_, "{}");
  expect(RunFathom({"tokenize", "--tokenizer", file_, "x"}),
         "fathom: " + file_ + ": decoder: type \"ByteLevel\" is required\n");
}

TEST_F(TokenizeCommand, HelpHasAnExample) {
  const RunResult result = RunFathom({"tokenize", "--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.out.find("fathom tokenize \"Hello, world!\""), std::string::npos) << result;
}

TEST_F(TokenizeCommand, VerifyPassesOnTruth) {
  const RunResult result = Verify(R"({
      "encode": [{"category": "letters", "text": "ab", "ids": [256]}, {"category": "letters", "text": "", "ids": []}],
      "invalid_utf8": [{"hex": "6162ff", "text": "ab\ufffd", "ids": [256, 171, 123, 121]}],
      "decode": [{"ids": [127, 258], "token_bytes_hex": ["c3", "3c733e"], "text": "\ufffd<s>"}]})");
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.out,
            "vectors        category          passed   total\n"
            "encode         letters                2       2\n"
            "invalid_utf8                          1       1\n"
            "decode                                1       1\n"
            "\n"
            "PASSED: 4 of 4 vectors agree\n");
}

TEST_F(TokenizeCommand, VerifyShowsWhatDiffers) {
  const std::string_view vectors = R"({
      "encode": [{"text": "ab", "ids": [64, 65]}, {"text": "ab", "ids": [256]}],
      "decode": [{"ids": [256], "token_bytes_hex": ["6163"], "text": "ab"},
                 {"ids": [256], "token_bytes_hex": ["6162"], "text": "ac"}]})";
  const RunResult result = Verify(vectors);
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_NE(result.out.find("encode[0]: \"ab\"\n  expected 64 65\n  found    256\n"), std::string::npos) << result;
  EXPECT_NE(result.out.find("decode[0]: the bytes of id 256\n  expected \"ac\"\n  found    \"ab\"\n"),
            std::string::npos);
  EXPECT_NE(result.out.find("decode[1]: decoding 256\n  expected \"ac\"\n  found    \"ab\"\n"), std::string::npos);
  EXPECT_TRUE(result.out.ends_with("\nFAILED: 1 of 4 vectors agree\n")) << result;

  const RunResult json = Verify(vectors, {"--json"});
  EXPECT_EQ(json.exit_code, 1);
  const Result<Json> parsed = ParseJson(json.out);
  ASSERT_TRUE(parsed.ok()) << json;
  EXPECT_EQ(parsed->Find("verdict")->string(), "failed");
  EXPECT_EQ(parsed->Find("passed")->AsInt(), 1);
  EXPECT_EQ(parsed->Find("failures")->items().size(), 3u);
}

TEST_F(TokenizeCommand, VerifyNamesWhatIsWrongWithAFile) {
  const auto expect = [this](std::string_view vectors, std::string_view said) {
    const RunResult result = Verify(vectors);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(result.err, "fathom: " + (directory_ / "vectors.json") + ": " + std::string(said) + "\n");
  };
  expect("{}", "none of the arrays encode, invalid_utf8 and decode is there");
  expect(R"({"encode": {}})", "encode: an array is required");
  expect(R"({"encode": [{"text": "a", "ids": [64]}, {"ids": []}]})", "encode[1].text: a string is required");
  expect(R"({"encode": [{"text": "a", "ids": ["x"]}]})", "encode[0].ids: an array of token ids is required");
  expect(R"({"encode": [7]})", "encode[0].text: a string is required");
  expect(R"({"invalid_utf8": [{"hex": "f", "text": "", "ids": []}]})",
         "invalid_utf8[0].hex: an even number of hex digits is required");
  expect(R"({"decode": [{"ids": [1], "token_bytes_hex": [], "text": ""}]})",
         "decode[0].token_bytes_hex: as many entries as ids are required");
}

TEST_F(TokenizeCommand, VerifyUnknownKind) {
  const RunResult result = RunFathom({"verify", "dance"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err, "fathom verify: unknown kind 'dance'; `fathom verify --help` lists the kinds.\n");
}

}  // namespace
}  // namespace fathom
