// Defects of tokenizer.json: each is one sentence that names the file and the field.
#include "tokenizer/tokenizer_json.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/strings.h"
#include "tests/support/run_binary.h"
#include "tests/support/tiny_tokenizer.h"
#include "tokenizer/tokenizer.h"

namespace fathom {
namespace {

Json Good() { return TinyTokenizerJson({{"a", "b"}, {"ab", "c"}}, {{"<s>", true}, {"<user>", false}}); }

Json& At(Json& json, std::string_view key) { return const_cast<Json&>(*json.Find(key)); }
Json& Step(Json& json, size_t at) { return At(At(json, "pre_tokenizer"), "pretokenizers").items()[at]; }
Json& Vocab(Json& json) { return At(At(json, "model"), "vocab"); }
Json& Merges(Json& json) { return At(At(json, "model"), "merges"); }
Json& Added(Json& json, size_t at) { return At(json, "added_tokens").items()[at]; }

std::string ErrorOf(std::string_view text) {
  const Result<TokenizerTables> parsed = ParseTokenizerJson(text, "dir/tokenizer.json");
  return parsed.ok() ? "" : parsed.status().message();
}

std::string ErrorAfter(const std::function<void(Json&)>& damage) {
  Json json = Good();
  damage(json);
  return ErrorOf(json.Dump());
}

TEST(TokenizerJson, TheUndamagedFileIsAccepted) {
  const Result<TokenizerTables> parsed = ParseTokenizerJson(Good().Dump(), "t");
  ASSERT_TRUE(parsed.ok()) << parsed.status().message();
  EXPECT_EQ(parsed->token_bytes.size(), 260u);
  EXPECT_EQ(parsed->token_bytes[257], "abc");
  EXPECT_EQ(parsed->merges.size(), 2u);
  ASSERT_EQ(parsed->added.size(), 2u);
  EXPECT_TRUE(parsed->added[0].special);
  EXPECT_FALSE(parsed->added[1].special);
}

TEST(TokenizerJson, OtherSpellingsOfTheSameAreAccepted) {
  EXPECT_EQ(
      ErrorAfter([](Json& json) {
        // Merges as pairs.
        for (Json& merge : Merges(json).items()) {
          const std::string text = merge.string();
          const size_t space = text.find(' ');
          merge = Json::Array({Json::String(text.substr(0, space)), Json::String(text.substr(space + 1))});
        }
        json.Set("normalizer", Json::Object({{"type", Json::String("Sequence")}, {"normalizers", Json::Array()}}));
        // Newlines of the third pattern as \r and \n.
        std::string pattern;
        for (const char c : kSplitPatterns[2]) pattern += c == '\r' ? "\\r" : c == '\n' ? "\\n" : std::string(1, c);
        At(Step(json, 2), "pattern").Set("Regex", Json::String(pattern));
        Json& model = At(json, "model");
        model.Set("dropout", Json());
        model.Set("continuing_subword_prefix", Json::String(""));
        model.Set("byte_fallback", Json::Bool(false));
        // A control token that the vocabulary lists too.
        Vocab(json).Set("<s>", Json::Int(258));
        Added(json, 1).Set("normalized", Json::Bool(true));
        json.Set("post_processor", Json());
      }),
      "");
}

TEST(TokenizerJson, HolesAreAccepted) {
  Json json = Good();
  Added(json, 1).Set("id", Json::Int(1000));
  const Result<std::unique_ptr<Tokenizer>> made = Tokenizer::FromJson(json.Dump(), "t");
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ((*made)->vocab_size(), 1001);
  EXPECT_EQ((*made)->token_bytes(500), "");
  EXPECT_EQ((*made)->Decode(std::vector<int32_t>{500, 1000, 999}, true), "<user>");
}

struct Defect {
  const char* name;
  std::function<void(Json&)> damage;
  const char* expected;  // behind "dir/tokenizer.json: "
};

std::vector<Defect> Defects() {
  const auto set = [](auto locate, const char* key, Json value) {
    return [=](Json& json) { locate(json).Set(key, value); };
  };
  const auto root = [](Json& json) -> Json& { return json; };
  const auto model = [](Json& json) -> Json& { return At(json, "model"); };
  const auto first_added = [](Json& json) -> Json& { return Added(json, 0); };
  const auto second_added = [](Json& json) -> Json& { return Added(json, 1); };
  const auto step = [](size_t at) { return [at](Json& json) -> Json& { return Step(json, at); }; };
  const auto merge = [](const Json& value) { return [=](Json& json) { Merges(json).items()[1] = value; }; };
  return {
      {"Normalizer", set(root, "normalizer", Json::Object({{"type", Json::String("NFC")}})),
       "normalizer: only null or an empty Sequence is supported"},
      {"Truncation", set(root, "truncation", Json::Object()), "truncation: found an object, only null is supported"},
      {"PostProcessor", set(root, "post_processor", Json::Object({{"type", Json::String("TemplateProcessing")}})),
       "post_processor: only null or type \"ByteLevel\" is supported"},
      {"Decoder", set(root, "decoder", Json()), "decoder: type \"ByteLevel\" is required"},
      {"NoPreTokenizer", set(root, "pre_tokenizer", Json()),
       "pre_tokenizer: a Sequence of three Split steps and ByteLevel is required"},
      {"PreTokenizerSteps", [](Json& json) { At(At(json, "pre_tokenizer"), "pretokenizers").items().pop_back(); },
       "pre_tokenizer: a Sequence of three Split steps and ByteLevel is required"},
      {"SplitType", set(step(1), "type", Json::String("Digits")),
       "pre_tokenizer.pretokenizers[1]: type \"Split\" is required"},
      {"SplitPattern", set(step(0), "pattern", Json::Object({{"Regex", Json::String("\\p{N}")}})),
       "pre_tokenizer.pretokenizers[0].pattern.Regex: found \"\\p{N}\", only DeepSeek's pattern \"\\p{N}{1,3}\" is "
       "supported"},
      {"SplitPatternString", set(step(0), "pattern", Json::Object({{"String", Json::String(" ")}})),
       "pre_tokenizer.pretokenizers[0].pattern.Regex: a string is required"},
      {"SplitBehavior", set(step(2), "behavior", Json::String("Removed")),
       "pre_tokenizer.pretokenizers[2].behavior: \"Isolated\" is required"},
      {"SplitInvert", set(step(2), "invert", Json::Bool(true)),
       "pre_tokenizer.pretokenizers[2].invert: found true, only false is supported"},
      {"PrefixSpace", set(step(3), "add_prefix_space", Json::Bool(true)),
       "pre_tokenizer.pretokenizers[3].add_prefix_space: false is required"},
      {"NoModel", set(root, "model", Json::Array()), "model: an object is required"},
      {"ModelType", set(model, "type", Json::String("Unigram")), "model.type: \"BPE\" is required"},
      {"Dropout", set(model, "dropout", Json::Number("0.1")), "model.dropout: found 0.1, only null is supported"},
      {"UnknownToken", set(model, "unk_token", Json::String("<unk>")),
       "model.unk_token: found \"<unk>\", only null is supported"},
      {"EndOfWordSuffix", set(model, "end_of_word_suffix", Json::String("</w>")),
       "model.end_of_word_suffix: found \"</w>\", only \"\" is supported"},
      {"IgnoreMerges", set(model, "ignore_merges", Json::Bool(true)),
       "model.ignore_merges: found true, only false is supported"},
      {"AddedNoArray", set(root, "added_tokens", Json::Object()), "added_tokens: an array is required"},
      {"AddedEmpty", set(first_added, "content", Json::String("")),
       "added_tokens[0].content: a string that is not empty is required"},
      {"AddedLong", set(first_added, "content", Json::String(std::string(513, 'x'))),
       "added_tokens[0].content: found 513 bytes, at most 512 are supported"},
      {"AddedTwice", set(second_added, "content", Json::String("<s>")),
       "added_tokens[1].content: \"<s>\" occurs twice"},
      {"AddedIdNegative", set(second_added, "id", Json::Int(-1)),
       "added_tokens[1].id: a number from 0 to 1048575 is required"},
      {"AddedIdLarge", set(second_added, "id", Json::Int(1 << 20)),
       "added_tokens[1].id: a number from 0 to 1048575 is required"},
      {"AddedIdTaken", set(second_added, "id", Json::Int(258)),
       "added_tokens[1].id: id 258 is taken by another token, \"<s>\""},
      {"AddedIdOfBase", set(second_added, "id", Json::Int(257)),
       "added_tokens[1].id: id 257 is taken by another token, \"abc\""},
      {"AddedStrips", set(second_added, "lstrip", Json::Bool(true)),
       "added_tokens[1].lstrip: found true, only false is supported"},
      {"AddedSpecial", set(second_added, "special", Json::Int(1)),
       "added_tokens[1].special: true or false is required"},
      {"VocabMissing", set(model, "vocab", Json()), "model.vocab: an object is required"},
      {"VocabIdTwice", [](Json& json) { Vocab(json).Set("abc", Json::Int(256)); },
       "model.vocab[\"abc\"]: id 256 is taken by another token, \"ab\""},
      {"VocabIdText", [](Json& json) { Vocab(json).Set("abc", Json::String("257")); },
       "model.vocab[\"abc\"]: found \"257\", a number from 0 to 1048575 is required"},
      {"VocabIdFraction", [](Json& json) { Vocab(json).Set("abc", Json::Number("257.5")); },
       "model.vocab[\"abc\"]: found 257.5, a number from 0 to 1048575 is required"},
      {"VocabAlphabet", [](Json& json) { Vocab(json).Set("a b", Json::Int(700)); },
       "model.vocab[\"a b\"]: not written in the byte-level alphabet"},
      {"VocabEmptyEntry", [](Json& json) { Vocab(json).Set("", Json::Int(700)); },
       "model.vocab[\"\"]: not written in the byte-level alphabet"},
      {"VocabAgainstAdded", [](Json& json) { Vocab(json).Set("<s>", Json::Int(700)); },
       "model.vocab[\"<s>\"]: found id 700, but added_tokens gives it id 258"},
      {"VocabByteMissing", [](Json& json) { Vocab(json).members().erase(Vocab(json).members().begin()); },
       "model.vocab: the token for the single byte 0x21 is missing (and a control token cannot stand for it)"},
      {"MergesMissing", set(model, "merges", Json()), "model.merges: an array is required"},
      {"MergeNumber", merge(Json::Int(3)), "model.merges[1]: \"left right\" or [\"left\", \"right\"] is required"},
      {"MergeOnePart", merge(Json::String("ab")),
       "model.merges[1]: \"left right\" or [\"left\", \"right\"] is required"},
      {"MergeThreeParts", merge(Json::String("a b c")),
       "model.merges[1]: \"left right\" or [\"left\", \"right\"] is required"},
      {"MergePartUnknown", merge(Json::String("abcd e")),
       "model.merges[1]: \"abcd\" is not in model.vocab (or is a control token)"},
      {"MergeResultUnknown", merge(Json::String("x y")),
       "model.merges[1]: \"xy\" is not in model.vocab (or is a control token)"},
      {"MergeTwice", merge(Json::String("a b")), "model.merges[1]: the pair of \"ab\" occurs twice"},
      // Otherwise user text "abc" would become the control token also in protected mode.
      {"MergeBuildsControlToken",
       [](Json& json) {
         Added(json, 0).Set("content", Json::String("abc"));
         Added(json, 0).Set("id", Json::Int(257));
       },
       "model.merges[1]: \"abc\" is not in model.vocab (or is a control token)"},
  };
}

TEST(TokenizerJson, EveryDefectIsOneSentence) {
  for (const Defect& defect : Defects()) {
    EXPECT_EQ(ErrorAfter(defect.damage), StrCat("dir/tokenizer.json: ", defect.expected)) << defect.name;
  }
}

TEST(TokenizerJson, TextThatIsNoJson) {
  EXPECT_EQ(ErrorOf("[]"), "dir/tokenizer.json: the document must be an object");
  EXPECT_TRUE(ErrorOf("").starts_with("dir/tokenizer.json: JSON is malformed at byte 0"));
  EXPECT_TRUE(ErrorOf("{\"model\": ").starts_with("dir/tokenizer.json: JSON is malformed at byte"));
  EXPECT_TRUE(ErrorOf(std::string(100, '[')).starts_with("dir/tokenizer.json: JSON is nested deeper than 32 levels"));
  EXPECT_TRUE(ErrorOf("{\"\xFF\": 1}").starts_with("dir/tokenizer.json: JSON is malformed"));
}

// Every truncation of a good file is an error, none a crash.
TEST(TokenizerJson, EveryTruncationIsAnError) {
  const std::string text = Good().Dump();
  for (size_t size = 0; size < text.size(); ++size) {
    ASSERT_NE(ErrorOf(std::string_view(text).substr(0, size)), "") << size;
  }
}

TEST(TokenizerJson, AFileThatIsTooLargeIsNotRead) {
  const std::string text(kMaxTokenizerFileBytes + 1, ' ');
  EXPECT_EQ(ErrorOf(text), "dir/tokenizer.json: the file has 67108865 bytes, at most 67108864 are accepted");
}

TEST(TokenizerJson, LoadNamesTheMissingFile) {
  const TemporaryDirectory directory;
  const std::string path = directory / "tokenizer.json";
  const Result<std::unique_ptr<Tokenizer>> missing = Tokenizer::Load(path);
  ASSERT_FALSE(missing.ok());
  EXPECT_NE(missing.status().message().find(path), std::string::npos);
  WriteTestFile(path, Good().Dump());
  EXPECT_TRUE(Tokenizer::Load(path).ok());
}

}  // namespace
}  // namespace fathom
