#include "train/torch/batch_feed.h"

#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/signals.h"
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

TEST_F(DialogueSourceTest, CtrlCEndsReadingAndFeeding) {
  auto source = OpenWith(5);
  ASSERT_TRUE(source.ok()) << source.status().message();
  RequestInterrupt();
  const Status reading = OpenWith(5).status();
  Status feeding;
  {
    BatchFeed feed(config_, **source, 0);
    feeding = feed.Next().status();
  }
  ClearInterrupt();
  EXPECT_EQ(reading.exit_code(), 130);
  EXPECT_EQ(feeding.exit_code(), 130);
}

}  // namespace
}  // namespace fathom
