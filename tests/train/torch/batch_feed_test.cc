#include "train/torch/batch_feed.h"

#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/signals.h"
#include "corpus/corpus.h"
#include "corpus/training_sequence.h"
#include "tests/train/torch/train_fixture.h"

namespace fathom {
namespace {

class DialogueSourceTest : public TrainFixture {
 protected:
  void SetUp() override {
    TrainFixture::SetUp();
    auto tokenizer = Tokenizer::Load(directory_ / "tokenizer.json");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    tokenizer_ = std::move(*tokenizer);
    config_.jsonl = directory_ / "own.jsonl";
    config_.batch_tokens = 100;
  }

  Result<std::unique_ptr<DialogueSource>> OpenWith(int dialogues) {
    std::string lines;
    for (int i = 0; i < dialogues; ++i) lines += Line(StrCat("Number ", i));
    WriteTestFile(config_.jsonl, lines);
    return DialogueSource::Open(config_, *tokenizer_);
  }
  static std::string Line(const std::string& answer) {
    return StrCat(R"({"messages": [{"role": "user", "content": "Which?"}, {"role": "assistant", "content": ")", answer,
                  "\"}]}\n");
  }

  std::unique_ptr<Tokenizer> tokenizer_;
  TrainConfig config_;
};

TEST_F(DialogueSourceTest, WhatIsHeldOutIsNeverTrainedOn) {
  for (const int count : {2, 10, 11}) {  // one of them is held out
    auto source = OpenWith(count);
    ASSERT_TRUE(source.ok()) << source.status().message();
    EXPECT_TRUE((*source)->has_held_out());
    std::set<std::vector<int32_t>> trained;
    const auto per_round = static_cast<uint64_t>(count - 1);
    for (uint64_t i = 0; i < per_round; ++i) trained.insert((*source)->Training(i)->tokens);
    EXPECT_EQ(trained.size(), per_round);
    EXPECT_EQ(trained.count((*source)->HeldOut(0)->tokens), 0u) << count;
    for (uint64_t i = per_round; i < 2 * per_round; ++i) trained.insert((*source)->Training(i)->tokens);
    EXPECT_EQ(trained.size(), per_round) << "the second round has the same dialogues";
  }
  auto one = OpenWith(1);
  ASSERT_TRUE(one.ok()) << one.status().message();
  EXPECT_FALSE((*one)->has_held_out());
  EXPECT_TRUE((*one)->Training(5).ok());
}

TEST_F(DialogueSourceTest, ARoundsOrderDoesNotDependOnWhereARunBegins) {
  auto whole = OpenWith(30);
  auto resumed = OpenWith(30);
  ASSERT_TRUE(whole.ok() && resumed.ok());
  std::vector<std::vector<int32_t>> order;
  for (uint64_t i = 0; i < 60; ++i) order.push_back((*whole)->Training(i)->tokens);
  for (uint64_t i = 40; i < 60; ++i) EXPECT_EQ((*resumed)->Training(i)->tokens, order[i]) << i;
}

TEST_F(DialogueSourceTest, DialoguesThatFitNoStepAreLeftOut) {
  config_.max_sequence_tokens = 100;
  std::string long_answer;
  for (int i = 0; i < 200; ++i) long_answer += "word ";
  std::string lines;
  // The eleventh would be held out, and an evaluation would never be done with it.
  for (int i = 0; i < 12; ++i) lines += Line(i == 10 ? long_answer : StrCat("Number ", i));
  WriteTestFile(config_.jsonl, lines);
  auto source = DialogueSource::Open(config_, *tokenizer_);
  ASSERT_TRUE(source.ok()) << source.status().message();
  uint64_t next = 0;
  EXPECT_TRUE(FillBatch(config_, **source, /*held_out=*/true, &next).ok());
  EXPECT_TRUE(FillBatch(config_, **source, /*held_out=*/false, &next).ok());
  config_.max_sequence_tokens = 3;
  EXPECT_EQ(DialogueSource::Open(config_, *tokenizer_).status().message(),
            config_.jsonl + ": no dialogue has between 2 and 3 tokens (config key data.max_sequence_tokens)");
}

TEST_F(DialogueSourceTest, AHeldOutBatchEndsWithTheLastDialogue) {
  auto source = OpenWith(50);  // the 11th and the 31st are held out
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ((*source)->held_out_count(), 2u);
  config_.batch_tokens = 100000;
  uint64_t next = 0;
  const Result<TrainBatch> batch = FillBatch(config_, **source, /*held_out=*/true, &next);
  ASSERT_TRUE(batch.ok()) << batch.status().message();
  EXPECT_EQ(batch->lengths.size(), 2u);
  EXPECT_EQ(next, 2u);
}

TEST_F(DialogueSourceTest, WeightsAreThoseOfTheSequencesAndAnswersAreMarked) {
  config_.jsonl = "";
  config_.batch_tokens = 3000;
  auto source = DialogueSource::Open(config_, *tokenizer_);
  ASSERT_TRUE(source.ok()) << source.status().message();
  for (const float prompt_weight : {0.0f, 0.1f, 1.0f}) {
    config_.prompt_weight = prompt_weight;
    uint64_t next = 0;
    const Result<TrainBatch> batch = FillBatch(config_, **source, /*held_out=*/false, &next);
    ASSERT_TRUE(batch.ok()) << batch.status().message();
    std::vector<float> weights;
    std::vector<uint8_t> answers;
    for (uint64_t index = 0; index < next; ++index) {
      const Dialogue dialogue = CorpusDialogue(config_.seed, index);
      const auto sequence = MakeTrainingSequence(dialogue, *tokenizer_, prompt_weight);
      const auto only_answers = MakeTrainingSequence(dialogue, *tokenizer_, 0);
      ASSERT_TRUE(sequence.ok() && only_answers.ok());
      if (static_cast<int64_t>(sequence->tokens.size()) > config_.max_sequence_tokens) continue;
      weights.insert(weights.end(), sequence->weights.begin(), sequence->weights.end());
      for (const float weight : only_answers->weights) answers.push_back(weight == 1 ? 1 : 0);
    }
    EXPECT_EQ(batch->weights, weights);
    EXPECT_EQ(batch->answers, answers);
  }
}

TEST_F(DialogueSourceTest, CtrlCEndsReadingAndFeeding) {
  auto source = OpenWith(5);
  ASSERT_TRUE(source.ok()) << source.status().message();
  RequestInterrupt();
  const Status reading = OpenWith(5).status();
  Status feeding;
  {
    BatchFeed feed([&](uint64_t* next) { return FillBatch(config_, **source, /*held_out=*/false, next); }, 0);
    feeding = feed.Next().status();
  }
  ClearInterrupt();
  EXPECT_EQ(reading.exit_code(), 130);
  EXPECT_EQ(feeding.exit_code(), 130);
}

TEST_F(DialogueSourceTest, HeldOutTokensAreThoseOfTheirDialogues) {
  auto source = OpenWith(50);  // the 11th and the 31st are held out
  ASSERT_TRUE(source.ok()) << source.status().message();
  EXPECT_EQ((*source)->held_out_tokens(), (*source)->HeldOut(0)->tokens.size() + (*source)->HeldOut(1)->tokens.size());
  config_.jsonl = "";
  auto corpus = DialogueSource::Open(config_, *tokenizer_);
  ASSERT_TRUE(corpus.ok()) << corpus.status().message();
  EXPECT_EQ((*corpus)->held_out_tokens(), UINT64_MAX);
}

// It would end the process if it left the feed's thread.
TEST(BatchFeedTest, AnExceptionIsTheErrorOfItsStep) {
  BatchFeed feed(
      [](uint64_t* next) -> Result<TrainBatch> {
        if (*next == 9) throw std::bad_alloc();
        ++*next;
        return TrainBatch();
      },
      7);
  for (const uint64_t next : {8u, 9u}) {
    const Result<FedBatch> fed = feed.Next();
    ASSERT_TRUE(fed.ok()) << fed.status().message();
    EXPECT_EQ(fed->next_dialogue, next);
  }
  const Status memory = feed.Next().status();
  EXPECT_EQ(memory.exit_code(), 3);
  EXPECT_EQ(memory.message(), "out of memory for the next step's dialogues");
  BatchFeed other([](uint64_t*) -> Result<TrainBatch> { throw std::runtime_error("no luck"); }, 0);
  EXPECT_EQ(other.Next().status().message(), "the next step's dialogues cannot be made: no luck");
}

}  // namespace
}  // namespace fathom
