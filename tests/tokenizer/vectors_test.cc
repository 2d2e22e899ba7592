// The published vectors, with the vocabulary that tools/fetch_test_tokenizer.sh makes.
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "tokenizer/text_stream.h"
#include "tokenizer/tokenizer.h"

namespace fathom {
namespace {

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t at = 0; at + 1 < hex.size(); at += 2) {
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16)));
  }
  return bytes;
}

std::vector<int32_t> IdsOf(const Json& array) {
  std::vector<int32_t> ids;
  for (const Json& id : array.items()) ids.push_back(static_cast<int32_t>(id.AsInt().value_or(-1)));
  return ids;
}

std::vector<int32_t> EncodeAsSpans(const Tokenizer& tokenizer, std::string_view text, std::mt19937* random) {
  std::vector<TextSpan> spans;
  while (!text.empty()) {
    const size_t size = 1 + (*random)() % std::min<size_t>(text.size(), 12);
    spans.push_back({text.substr(0, size), (*random)() % 2 == 0});
    text.remove_prefix(size);
  }
  return tokenizer.EncodeSpans(spans);
}

class TokenizerVectors : public testing::Test {
 protected:
  static std::unique_ptr<Tokenizer> LoadOrNull(const char* file) {
    Result<std::unique_ptr<Tokenizer>> loaded = Tokenizer::Load(std::string(FATHOM_TEST_DATA_DIR) + "/" + file);
    if (loaded.ok()) return std::move(*loaded);
    ADD_FAILURE() << loaded.status().message() << "\nRun tools/fetch_test_tokenizer.sh to make the test vocabulary.";
    return nullptr;
  }

  static void SetUpTestSuite() {
    tokenizer_ = LoadOrNull("tokenizer.json").release();
    Result<std::string> text = ReadFile(std::string(FATHOM_SHARED_DIR) + "/spec/tokenizer_vectors.json", 16 << 20);
    ASSERT_TRUE(text.ok()) << text.status().message();
    Result<Json> parsed = ParseJson(*text);
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    vectors_ = new Json(std::move(*parsed));
  }
  static void TearDownTestSuite() {
    delete tokenizer_;
    delete vectors_;
  }
  void SetUp() override {
    ASSERT_NE(tokenizer_, nullptr);
    ASSERT_NE(vectors_, nullptr);
  }

  static std::vector<std::string> Texts() {
    std::vector<std::string> texts;
    for (const Json& vector : vectors_->Find("encode")->items()) texts.push_back(vector.Find("text")->string());
    return texts;
  }
  static bool HasControlText(std::string_view text) {
    for (const int32_t id : tokenizer_->Encode(text, AddedTokens::kMatch)) {
      if (tokenizer_->is_added(id)) return true;
    }
    return false;
  }

  static Tokenizer* tokenizer_;  // NOLINT(readability-identifier-naming)
  static Json* vectors_;         // NOLINT(readability-identifier-naming)
};

Tokenizer* TokenizerVectors::tokenizer_ = nullptr;
Json* TokenizerVectors::vectors_ = nullptr;

TEST_F(TokenizerVectors, Encode) {
  ASSERT_EQ(vectors_->Find("encode")->items().size(), 303u);
  for (const Json& vector : vectors_->Find("encode")->items()) {
    const std::string& text = vector.Find("text")->string();
    EXPECT_EQ(tokenizer_->Encode(text, AddedTokens::kMatch), IdsOf(*vector.Find("ids"))) << Printable(text);
  }
}

TEST_F(TokenizerVectors, EncodeWithTheUnchangedV3File) {
  const std::unique_ptr<Tokenizer> v3 = LoadOrNull("tokenizer_v3.json");
  ASSERT_NE(v3, nullptr);
  int different = 0;
  for (const Json& vector : vectors_->Find("encode")->items()) {
    const std::string& text = vector.Find("text")->string();
    const bool same = v3->Encode(text, AddedTokens::kMatch) == IdsOf(*vector.Find("ids"));
    EXPECT_EQ(same, vector.Find("same_under_v3_vocab")->boolean()) << Printable(text);
    different += same ? 0 : 1;
  }
  EXPECT_GT(different, 0);
}

TEST_F(TokenizerVectors, InvalidUtf8) {
  ASSERT_EQ(vectors_->Find("invalid_utf8")->items().size(), 12u);
  for (const Json& vector : vectors_->Find("invalid_utf8")->items()) {
    const std::string bytes = FromHex(vector.Find("hex")->string());
    EXPECT_EQ(RepairUtf8(bytes), vector.Find("text")->string());
    EXPECT_EQ(tokenizer_->Encode(bytes, AddedTokens::kMatch), IdsOf(*vector.Find("ids")))
        << vector.Find("hex")->string();
  }
}

TEST_F(TokenizerVectors, Decode) {
  ASSERT_EQ(vectors_->Find("decode")->items().size(), 34u);
  for (const Json& vector : vectors_->Find("decode")->items()) {
    const std::vector<int32_t> ids = IdsOf(*vector.Find("ids"));
    EXPECT_EQ(tokenizer_->Decode(ids, false), vector.Find("text")->string());
    const auto& tokens = vector.Find("token_bytes_hex")->items();
    ASSERT_EQ(tokens.size(), ids.size());
    for (size_t at = 0; at < ids.size(); ++at) {
      EXPECT_EQ(tokenizer_->token_bytes(ids[at]), FromHex(tokens[at].string())) << ids[at];
    }
  }
}

TEST_F(TokenizerVectors, AddedTokensAreTheV4Table) {
  Result<std::string> text = ReadFile(std::string(FATHOM_SHARED_DIR) + "/spec/tokenizer_added_tokens_v4.json", 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status().message();
  Result<Json> table = ParseJson(*text);
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(tokenizer_->vocab_size(), 129280);
  for (const Json& token : table->Find("added_tokens")->items()) {
    const auto id = static_cast<int32_t>(*token.Find("id")->AsInt());
    const std::string& content = token.Find("content")->string();
    EXPECT_EQ(tokenizer_->FindAddedToken(content), id);
    EXPECT_EQ(tokenizer_->token_bytes(id), content);
    EXPECT_TRUE(tokenizer_->is_added(id));
    EXPECT_EQ(tokenizer_->is_special(id), token.Find("special")->boolean()) << content;
    EXPECT_EQ(tokenizer_->Encode(content, AddedTokens::kMatch), std::vector<int32_t>{id});
  }
  EXPECT_EQ(tokenizer_->FindAddedToken("<tool_result>"), std::nullopt);
}

TEST_F(TokenizerVectors, ProtectedEqualsCompatibleWithoutControlText) {
  int compared = 0;
  for (const std::string& text : Texts()) {
    const std::vector<int32_t> plain = tokenizer_->Encode(text, AddedTokens::kIgnore);
    for (const int32_t id : plain) EXPECT_FALSE(tokenizer_->is_added(id)) << Printable(text);
    EXPECT_EQ(tokenizer_->Decode(plain, false), text);
    if (HasControlText(text)) continue;
    EXPECT_EQ(plain, tokenizer_->Encode(text, AddedTokens::kMatch)) << Printable(text);
    ++compared;
  }
  EXPECT_GT(compared, 200);
}

// However text without control spellings is cut into markup and user spans, also inside characters of equal kind, the
// ids are those of the whole.
TEST_F(TokenizerVectors, SpanBordersAreNoPieceBorders) {
  std::mt19937 random(11);
  for (const std::string& text : Texts()) {
    if (HasControlText(text) || text.size() > 5000) continue;
    const std::vector<int32_t> whole = tokenizer_->Encode(text, AddedTokens::kMatch);
    for (int round = 0; round < 5; ++round) {
      std::vector<TextSpan> spans;
      std::string_view rest = text;
      while (!rest.empty()) {
        size_t size = 0;
        for (size_t characters = 1 + random() % 6; characters > 0 && size < rest.size(); --characters) {
          size += ReadUtf8(rest.substr(size)).size;
        }
        spans.push_back({rest.substr(0, size), random() % 2 == 0});
        rest.remove_prefix(size);
      }
      ASSERT_EQ(tokenizer_->EncodeSpans(spans), whole) << Printable(text);
    }
  }
}

// A prompt whose user text is any of the vectors' texts: markup becomes control tokens, user text doesn't.
TEST_F(TokenizerVectors, PromptAroundEveryText) {
  const int32_t user = *tokenizer_->FindAddedToken("<｜User｜>");
  const int32_t assistant = *tokenizer_->FindAddedToken("<｜Assistant｜>");
  for (const std::string& text : Texts()) {
    const TextSpan spans[] = {{"Be brief.\n\n<｜User｜>", true}, {text, false}, {"<｜Assistant｜></think>", true}};
    const std::vector<int32_t> ids = tokenizer_->EncodeSpans(spans);
    const std::string whole = StrCat(spans[0].text, text, spans[2].text);
    EXPECT_EQ(tokenizer_->Decode(ids, false), whole);
    EXPECT_EQ(std::count_if(ids.begin(), ids.end(), [](int32_t id) { return tokenizer_->is_added(id); }), 3);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), user), 1);
    EXPECT_EQ(std::count(ids.begin(), ids.end(), assistant), 1);
    if (!HasControlText(text)) {
      EXPECT_EQ(ids, tokenizer_->Encode(whole, AddedTokens::kMatch));
    }
  }
}

TEST_F(TokenizerVectors, RandomSpansOfControlTextDecodeToTheText) {
  std::mt19937 random(5);
  for (const std::string& text : Texts()) {
    if (text.size() > 5000) continue;
    // Cuts fall anywhere in bytes here; a cut character is repaired, so compare only when the text is ASCII.
    const std::vector<int32_t> ids = EncodeAsSpans(*tokenizer_, text, &random);
    const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return static_cast<uint8_t>(c) < 0x80; });
    if (ascii) {
      EXPECT_EQ(tokenizer_->Decode(ids, false), text);
    }
    EXPECT_TRUE(IsValidUtf8(tokenizer_->Decode(ids, false)));
  }
}

TEST_F(TokenizerVectors, StreamOfRandomIdsEqualsDecode) {
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::vector<int32_t> ids(random() % 40);
    for (int32_t& id : ids) {
      // Half single bytes and fragments (the low ids), half anything, some out of range.
      id = static_cast<int32_t>(random() % (random() % 2 == 0 ? 300 : 129300)) - 2;
    }
    for (const bool skip_special : {false, true}) {
      TextStream stream(*tokenizer_, skip_special);
      std::string text;
      for (const int32_t id : ids) {
        const std::string part = stream.Push(id);
        ASSERT_TRUE(IsValidUtf8(part));
        ASSERT_LE(stream.held_bytes(), 3u);
        text += part;
      }
      text += stream.Flush();
      ASSERT_EQ(text, tokenizer_->Decode(ids, skip_special)) << testing::PrintToString(ids);
    }
  }
}

TEST_F(TokenizerVectors, MegabytePieces) {
  std::mt19937 random(1);
  std::string letters(1 << 20, 'x');
  for (char& c : letters) c = static_cast<char>('a' + random() % 26);
  for (const std::string& text : {std::string(1 << 20, 'a'), std::string(1 << 20, ' '), std::string(1 << 20, '\n'),
                                  std::string(1 << 20, '='), std::string(1 << 20, '7'), letters}) {
    const std::vector<int32_t> ids = tokenizer_->Encode(text, AddedTokens::kMatch);
    EXPECT_LT(ids.size(), text.size());
    EXPECT_EQ(tokenizer_->Decode(ids, false), text);
  }
}

}  // namespace
}  // namespace fathom
