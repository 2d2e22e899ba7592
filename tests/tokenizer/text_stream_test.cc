#include "tokenizer/text_stream.h"

#include <gtest/gtest.h>

#include "base/utf8.h"
#include "tests/support/tiny_tokenizer.h"

namespace fathom {
namespace {

class TextStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<Tokenizer>> made =
        Tokenizer::FromJson(TinyTokenizerJson({{"a", "b"}}, {{"<end>", true}, {"<mark>", false}}).Dump(), "tiny");
    ASSERT_TRUE(made.ok()) << made.status().message();
    tokenizer_ = std::move(*made);
  }

  int32_t Byte(int byte) const {
    for (int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      const std::string_view bytes = tokenizer_->token_bytes(id);
      if (bytes.size() == 1 && static_cast<uint8_t>(bytes[0]) == byte) return id;
    }
    ADD_FAILURE() << byte;
    return -1;
  }

  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_F(TextStreamTest, HoldsBackAnIncompleteCharacter) {
  TextStream stream(*tokenizer_);
  EXPECT_EQ(stream.Push(Byte(0xF0)), "");
  EXPECT_EQ(stream.Push(Byte(0x9F)), "");
  EXPECT_EQ(stream.Push(Byte(0x98)), "");
  EXPECT_EQ(stream.held_bytes(), 3u);
  EXPECT_EQ(stream.Push(Byte(0x80)), "😀");
  EXPECT_EQ(stream.held_bytes(), 0u);
  EXPECT_EQ(stream.Flush(), "");
}

TEST_F(TextStreamTest, IllFormedBytesAreReplacedAsSoonAsTheyAreKnown) {
  TextStream stream(*tokenizer_);
  EXPECT_EQ(stream.Push(Byte(0xE4)), "");
  EXPECT_EQ(stream.Push(Byte('x')), "\uFFFDx");
  EXPECT_EQ(stream.Push(Byte(0x80)), "\uFFFD");
  EXPECT_EQ(stream.Push(Byte(0xE0)), "");
  EXPECT_EQ(stream.Push(Byte(0x80)), "\uFFFD\uFFFD");
}

TEST_F(TextStreamTest, FlushReplacesWhatIsHeldAndStartsAnew) {
  TextStream stream(*tokenizer_);
  EXPECT_EQ(stream.Push(Byte(0xE4)), "");
  EXPECT_EQ(stream.Push(Byte(0xBD)), "");
  EXPECT_EQ(stream.Flush(), "\uFFFD");
  EXPECT_EQ(stream.Flush(), "");
  EXPECT_EQ(stream.Push(Byte('a')), "a");
}

TEST_F(TextStreamTest, SkippedTokensDoNotInterruptACharacter) {
  const int32_t end = *tokenizer_->FindAddedToken("<end>");
  TextStream stream(*tokenizer_, true);
  EXPECT_EQ(stream.Push(Byte(0xC3)), "");
  EXPECT_EQ(stream.Push(end), "");
  EXPECT_EQ(stream.Push(Byte(0xA9)), "é");
  EXPECT_EQ(stream.Push(*tokenizer_->FindAddedToken("<mark>")), "<mark>");

  TextStream all(*tokenizer_);
  EXPECT_EQ(all.Push(Byte(0xC3)), "");
  EXPECT_EQ(all.Push(end), "\uFFFD<end>");
}

// Every sequence of up to three bytes out of those that matter to the UTF-8 rules.
TEST_F(TextStreamTest, AllShortByteSequencesEqualDecode) {
  const int bytes[] = {'a',  0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC1, 0xC2,
                       0xDF, 0xE0, 0xE1, 0xED, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xFF};
  std::vector<int32_t> token;
  for (const int byte : bytes) token.push_back(Byte(byte));
  const size_t n = token.size();
  for (size_t index = 0; index < n * n * n * n; ++index) {
    const std::vector<int32_t> ids = {token[index % n], token[index / n % n], token[index / n / n % n],
                                      token[index / n / n / n]};
    TextStream stream(*tokenizer_);
    std::string text;
    for (const int32_t id : ids) {
      text += stream.Push(id);
      ASSERT_TRUE(IsValidUtf8(text));
    }
    text += stream.Flush();
    ASSERT_EQ(text, tokenizer_->Decode(ids, false)) << testing::PrintToString(ids);
  }
}

}  // namespace
}  // namespace fathom
