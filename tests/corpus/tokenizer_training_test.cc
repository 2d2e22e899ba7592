#include "corpus/tokenizer_training.h"

#include <gtest/gtest.h>

#include "corpus/corpus.h"
#include "corpus/training_sequence.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/tokenizer_json_writer.h"

namespace fathom {
namespace {

TEST(AddPrompt, LeavesOutControlTokensOfTheTemplateButNotThoseThatTheUserWrote) {
  RenderedPrompt prompt;
  prompt.Append("<\uFF5CUser\uFF5C>", true);
  prompt.Append("ab</think>", false);  // spelt by a user: text
  prompt.Append("\uFF5CDSML\uFF5C", true);
  prompt.Append("cd", false);
  BpeTrainer trainer;
  AddPrompt(prompt, &trainer);
  BpeTrainer same;
  same.Add("ab</think>");
  same.Add("cd");
  constexpr int64_t kSize = kMinVocab + 4;
  ASSERT_TRUE(trainer.Train(kSize).ok());
  EXPECT_EQ(*trainer.Train(kSize), *same.Train(kSize));
  EXPECT_EQ(trainer.distinct_pieces(), same.distinct_pieces());
}

TEST(AddPrompt, PiecesGoAcrossSpans) {
  RenderedPrompt prompt;
  prompt.Append("x", false);
  prompt.Append("<tool_", true);
  prompt.Append("y", false);
  BpeTrainer trainer;
  AddPrompt(prompt, &trainer);
  EXPECT_EQ(trainer.distinct_pieces(), 2u);  // beside the single byte x: "<tool" and, out of two spans, "_y"
}

TEST(TrainTokenizer, GivesACompleteVocabulary) {
  constexpr int64_t kVocab = 500;
  const Result<TrainedTokenizer> trained = TrainTokenizer(/*seed=*/1, /*dialogues=*/200, kVocab);
  ASSERT_TRUE(trained.ok()) << trained.status().message();
  EXPECT_EQ(trained->tokenizer_config_json, TokenizerConfigJson());
  EXPECT_EQ(TrainTokenizer(1, 200, kVocab)->tokenizer_json, trained->tokenizer_json);
  const auto tokenizer = Tokenizer::FromJson(trained->tokenizer_json, "tokenizer.json");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  EXPECT_EQ((*tokenizer)->vocab_size(), kVocab);
  const Result<RenderedPrompt> prompt = RenderDialogue(CorpusDialogue(1, 0));
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  const std::vector<int32_t> ids = (*tokenizer)->EncodeSpans(prompt->text_spans());
  EXPECT_LT(ids.size(), prompt->text().size() * 3 / 4);
  EXPECT_EQ((*tokenizer)->Decode(ids, false), prompt->text());
}

}  // namespace
}  // namespace fathom
