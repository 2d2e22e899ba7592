#include "tokenizer/synthetic_tokenizer.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "tokenizer/tokenizer.h"

namespace fathom {
namespace {

std::unique_ptr<Tokenizer> Make(int64_t vocab_size) {
  const Result<std::string> json = SyntheticTokenizerJson(vocab_size);
  if (!json.ok()) {
    ADD_FAILURE() << json.status().message();
    return nullptr;
  }
  Result<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::FromJson(*json, "tokenizer.json");
  if (!tokenizer.ok()) {
    ADD_FAILURE() << tokenizer.status().message();
    return nullptr;
  }
  return std::move(*tokenizer);
}

TEST(SyntheticTokenizer, EveryIdHasTextAndTextRoundTrips) {
  for (const int64_t vocab_size : {kMinSyntheticVocab, int64_t{512}, int64_t{5000}, int64_t{129280}, int64_t{130000}}) {
    const std::unique_ptr<Tokenizer> tokenizer = Make(vocab_size);
    ASSERT_NE(tokenizer, nullptr) << vocab_size;
    EXPECT_EQ(tokenizer->vocab_size(), vocab_size);
    for (int32_t id = 0; id < vocab_size; ++id)
      ASSERT_FALSE(tokenizer->token_bytes(id).empty()) << vocab_size << " " << id;
    const std::string text = "Banana \xE4\xBD\xA0\xE5\xA5\xBD, 1234 \xF0\x9F\x99\x82\n\n\tlet's\x01 go";
    const std::vector<int32_t> ids = tokenizer->Encode(text, AddedTokens::kMatch);
    EXPECT_EQ(tokenizer->Decode(ids, false), text);
  }
}

TEST(SyntheticTokenizer, FillersAreUsed) {
  const std::unique_ptr<Tokenizer> tokenizer = Make(129280);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->Encode(" banana", AddedTokens::kIgnore).size(), 2u);  // " bana" + "na"
}

TEST(SyntheticTokenizer, ControlTokensAreThoseOfV4) {
  const std::string path = StrCat(FATHOM_SHARED_DIR, "/spec/tokenizer_added_tokens_v4.json");
  if (!FileExists(path)) GTEST_SKIP() << path << " is not here";
  const Json table = *ParseJson(*ReadFile(path, 16 << 20));
  const std::unique_ptr<Tokenizer> tokenizer = Make(129280);
  ASSERT_NE(tokenizer, nullptr);
  for (const Json& entry : table.Find("added_tokens")->items()) {
    const auto id = static_cast<int32_t>(*entry.Find("id")->AsInt());
    EXPECT_EQ(tokenizer->FindAddedToken(entry.Find("content")->string()), id);
    EXPECT_EQ(tokenizer->is_special(id), entry.Find("special")->boolean()) << id;
  }
}

TEST(SyntheticTokenizer, SmallVocabulariesEndWithThePromptTokens) {
  const std::unique_ptr<Tokenizer> tokenizer = Make(512);
  ASSERT_NE(tokenizer, nullptr);
  EXPECT_EQ(tokenizer->FindAddedToken("<\uFF5Cend\u2581of\u2581sentence\uFF5C>"), 1);
  EXPECT_EQ(tokenizer->FindAddedToken("<\uFF5CUser\uFF5C>"), 512 - 47 + 3);
  EXPECT_EQ(tokenizer->FindAddedToken("</think>"), 512 - 47 + 22);
  EXPECT_EQ(tokenizer->FindAddedToken("<\uFF5Cend_of_query\uFF5C>"), 511);
}

TEST(SyntheticTokenizer, SizesOutOfRangeAreRefused) {
  EXPECT_EQ(SyntheticTokenizerJson(305).status().message(),
            "a made-up tokenizer cannot have 305 tokens; accepted are 306 to 400000");
  EXPECT_FALSE(SyntheticTokenizerJson(kMaxSyntheticVocab + 1).ok());
  EXPECT_EQ(Make(kMaxSyntheticVocab)->vocab_size(), kMaxSyntheticVocab);
}

}  // namespace
}  // namespace fathom
