#include "tokenizer/tokenizer.h"

#include <gtest/gtest.h>

#include "tests/support/tiny_tokenizer.h"

namespace fathom {
namespace {

using Ids = std::vector<int32_t>;

class TokenizerTest : public testing::Test {
 protected:
  void SetUp() override {
    const Json json = TinyTokenizerJson({{"a", "b"}, {"ab", "c"}, {"Ġ", "x"}},
                                        {{"<s>", true}, {"<s>>", false}, {"<user>", false}, {"｜", false}});
    Result<std::unique_ptr<Tokenizer>> made = Tokenizer::FromJson(json.Dump(), "tiny");
    ASSERT_TRUE(made.ok()) << made.status().message();
    tokenizer_ = std::move(*made);
    s_ = *tokenizer_->FindAddedToken("<s>");
    user_ = *tokenizer_->FindAddedToken("<user>");
  }

  Ids Match(std::string_view text) const { return tokenizer_->Encode(text, AddedTokens::kMatch); }
  Ids Ignore(std::string_view text) const { return tokenizer_->Encode(text, AddedTokens::kIgnore); }
  Ids Spans(const std::vector<TextSpan>& spans) const { return tokenizer_->EncodeSpans(spans); }
  static Ids Joined(std::initializer_list<Ids> parts) {
    Ids all;
    for (const Ids& part : parts) all.insert(all.end(), part.begin(), part.end());
    return all;
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  int32_t s_ = -1;
  int32_t user_ = -1;
};

TEST_F(TokenizerTest, MergesInsidePieces) {
  const int32_t abc = 257;
  EXPECT_EQ(tokenizer_->token_bytes(abc), "abc");
  EXPECT_EQ(Match("abc abc"), Joined({{abc}, Ignore(" "), {abc}}));
  EXPECT_EQ(Match("a1bc").size(), 4u);
  EXPECT_EQ(Match(" x").size(), 1u);
  EXPECT_EQ(Match(""), Ids{});
}

TEST_F(TokenizerTest, ControlTokensMatchLeftmostLongest) {
  EXPECT_EQ(Match("<s>"), Ids{s_});
  EXPECT_EQ(Match("<s>>"), Ids{*tokenizer_->FindAddedToken("<s>>")});
  EXPECT_EQ(Match("<<s>x"), Joined({Ignore("<"), {s_}, Ignore("x")}));
  EXPECT_EQ(Match("<user<s>"), Joined({Ignore("<user"), {s_}}));
  EXPECT_EQ(Match("a<s><s>b"), Joined({Ignore("a"), {s_, s_}, Ignore("b")}));
}

TEST_F(TokenizerTest, ProtectedTextNeverBecomesAControlToken) {
  for (const int32_t id : Ignore("<s><user>｜<s>>")) EXPECT_FALSE(tokenizer_->is_added(id));
  EXPECT_EQ(tokenizer_->Decode(Ignore("<s><user>｜<s>>"), true), "<s><user>｜<s>>");
}

TEST_F(TokenizerTest, ControlTokensAreSplitBoundaries) {
  // "ab" and "c" would merge if nothing stood between them; the token's neighbours are pieces of their own.
  EXPECT_EQ(Match("ab<s>c"), Joined({Ignore("ab"), {s_}, Ignore("c")}));
}

TEST_F(TokenizerTest, SpansJoinTextAcrossTheirBorders) {
  EXPECT_EQ(Spans({{"<user>a", true}, {"b", false}, {"c", true}}), Joined({{user_}, Ignore("abc")}));
  EXPECT_EQ(Spans({{" ", true}, {"", false}, {"x", false}}), Ignore(" x"));
  EXPECT_EQ(Spans({}), Ids{});
}

TEST_F(TokenizerTest, NoControlTokenBeginsInOrReachesIntoUserText) {
  EXPECT_EQ(Spans({{"<s", false}, {">", true}}), Ignore("<s>"));
  EXPECT_EQ(Spans({{"<s", true}, {">", false}}), Ignore("<s>"));
  EXPECT_EQ(Spans({{"<", true}, {"s", false}, {">", true}}), Ignore("<s>"));
  EXPECT_EQ(Spans({{"<s>", true}, {">", false}}), Joined({{s_}, Ignore(">")}));
  EXPECT_EQ(Spans({{"<s>", true}, {"<s>", false}, {"<s>", true}}), Joined({{s_}, Ignore("<s>"), {s_}}));
}

TEST_F(TokenizerTest, ControlTokensLieAcrossNeighbouringMarkup) {
  EXPECT_EQ(Spans({{"<us", true}, {"er>", true}}), Ids{user_});
}

TEST_F(TokenizerTest, InvalidUtf8IsRepairedPerMaximalSubpart) {
  const std::string r = "\uFFFD";
  EXPECT_EQ(Match("a\xE4\xBD"
                  "b\xFF"),
            Match("a" + r + "b" + r));
  EXPECT_EQ(Ignore("\xED\xA0\x80"), Ignore(r + r + r));
  // User text can't swallow the markup behind it, and a character cut between two user spans is whole.
  EXPECT_EQ(Spans({{"\xE4\xBD", false}, {"<s>", true}}), Joined({Ignore(r), {s_}}));
  EXPECT_EQ(Spans({{"\xE4", false}, {"\xBD\xA0", false}}), Ignore("你"));
}

TEST_F(TokenizerTest, ControlAndNulBytesAreOrdinary) {
  const std::string text("a\0b\x01\x7F\n", 6);
  EXPECT_EQ(tokenizer_->Decode(Match(text), false), text);
}

TEST_F(TokenizerTest, DecodeSkipsOnlySpecialTokens) {
  const Ids ids = Match("a<s>b<user>");
  EXPECT_EQ(tokenizer_->Decode(ids, false), "a<s>b<user>");
  EXPECT_EQ(tokenizer_->Decode(ids, true), "ab<user>");
  EXPECT_TRUE(tokenizer_->is_special(s_));
  EXPECT_FALSE(tokenizer_->is_special(user_));
  EXPECT_TRUE(tokenizer_->is_added(user_));
}

TEST_F(TokenizerTest, IdsOutOfRangeDecodeToNothing) {
  const Ids ids = {-1, INT32_MIN, INT32_MAX, tokenizer_->vocab_size()};
  EXPECT_EQ(tokenizer_->Decode(ids, true), "");
  for (const int32_t id : ids) {
    EXPECT_EQ(tokenizer_->token_bytes(id), "");
    EXPECT_FALSE(tokenizer_->is_special(id));
    EXPECT_FALSE(tokenizer_->is_added(id));
  }
}

TEST_F(TokenizerTest, AddedTokensAreFoundByExactText) {
  EXPECT_EQ(tokenizer_->FindAddedToken("<s"), std::nullopt);
  EXPECT_EQ(tokenizer_->FindAddedToken(""), std::nullopt);
  EXPECT_EQ(tokenizer_->FindAddedToken("abc"), std::nullopt);
  EXPECT_NE(tokenizer_->FindAddedToken("｜"), std::nullopt);
}

}  // namespace
}  // namespace fathom
