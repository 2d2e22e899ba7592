#include "tokenizer/tokenizer_json_writer.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/strings.h"
#include "tokenizer/tokenizer.h"

namespace fathom {
namespace {

TEST(TokenizerJsonWriter, TokensAreBytesThenMergesThenControlTokens) {
  const std::vector<BytePair> merges = {{"t", "h"}, {" ", "th"}, {"\xE4", "\xBD"}};
  const int64_t vocab_size = kMinVocab + 3;
  EXPECT_EQ(MergedTokens(vocab_size), 3);
  Result<std::unique_ptr<Tokenizer>> made = Tokenizer::FromJson(TokenizerJson(vocab_size, merges), "tokenizer.json");
  ASSERT_TRUE(made.ok()) << made.status().message();
  const Tokenizer& tokenizer = **made;
  EXPECT_EQ(tokenizer.vocab_size(), vocab_size);
  for (int byte = 0; byte < 256; ++byte) {
    ASSERT_EQ(tokenizer.token_bytes(3 + byte), std::string(1, static_cast<char>(byte)));
  }
  EXPECT_EQ(tokenizer.token_bytes(259), "th");
  EXPECT_EQ(tokenizer.token_bytes(260), " th");
  EXPECT_EQ(tokenizer.token_bytes(261), "\xE4\xBD");
  const std::vector<AddedToken> controls = ControlTokens(vocab_size);
  ASSERT_EQ(controls.size(), 50u);
  EXPECT_EQ(controls[3].id, 262);
  for (const AddedToken& control : controls) {
    EXPECT_EQ(tokenizer.FindAddedToken(control.content), control.id);
    EXPECT_EQ(tokenizer.is_special(control.id), control.special) << control.content;
  }
}

TEST(TokenizerJsonWriter, ConfigIsThePublishedFile) {
  const std::string path = StrCat(FATHOM_SHARED_DIR, "/spec/configs/tokenizer_config.json");
  if (!FileExists(path)) GTEST_SKIP() << path << " is not here";
  EXPECT_EQ(TokenizerConfigJson(), *ReadFile(path, 1 << 20));
}

}  // namespace
}  // namespace fathom
