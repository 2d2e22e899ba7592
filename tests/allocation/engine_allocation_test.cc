// A step in which answers grow by a token, from the plan to the events: memory is taken for blocks of caches alone.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "cache/prefix_cache.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/step_runner.h"
#include "tests/allocation/allocation_counter.h"
#include "tests/support/tiny_model.h"
#include "tests/support/tiny_tokenizer.h"

namespace fathom {
namespace {

using testing::AllocationCounter;
using testing::AllocationsDue;
using testing::kCountedSteps;
using testing::OpenGolden;
using testing::RandomTokens;

constexpr int64_t kContext = 1024;
constexpr int64_t kStepTokens = 512;

class EngineAllocation : public ::testing::Test {
 protected:
  void SetUp() override {
    checkpoint_ = OpenGolden("tiny-full");
    ASSERT_NE(checkpoint_, nullptr);
    Result<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::FromJson(TinyTokenizerJson({}, {}).Dump(), "tiny");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    tokenizer_ = std::move(*tokenizer);
    pool_ = std::make_unique<ThreadPool>(2);
    model_ = std::make_unique<Model>(checkpoint_->config(), checkpoint_->weights(), ModelOptions{}, *pool_);
  }

  std::unique_ptr<Sequence> MakeSequence(uint64_t number, int64_t prompt_tokens) {
    GenerateRequest request;
    request.prompt = RandomTokens(prompt_tokens, 256, static_cast<uint32_t>(number));
    request.sampling.temperature = 0.7;
    request.sampling.top_p = 0.95;
    request.user = "a user with a name that is no short string";
    return std::make_unique<Sequence>(
        number, std::move(request), number, [](const Event&) { return true; },
        std::make_shared<std::atomic<bool>>(false), *tokenizer_, kContext, std::chrono::steady_clock::now());
  }

  // Reads prompts of so many tokens, then compares the allocations of kCountedSteps steps.
  void Decode(const std::vector<int64_t>& prompts) {
    Result<std::unique_ptr<PrefixCache>> prefixes = PrefixCache::Open(model_->cache_layout(), {});
    ASSERT_TRUE(prefixes.ok()) << prefixes.status().message();
    const auto count = static_cast<int64_t>(prompts.size());
    Scheduler scheduler(model_->cache_layout(), std::move(*prefixes),
                        {.max_sequences = count, .step_tokens = kStepTokens, .cache_bytes = int64_t{1} << 30});
    StepRunner runner(*model_, *tokenizer_, kStepTokens, count, kContext);
    for (const int64_t tokens : prompts) scheduler.Add(MakeSequence(static_cast<uint64_t>(tokens), tokens));
    const auto step = [&] {
      scheduler.DropEnded(std::chrono::steady_clock::now());
      runner.Run(scheduler.NextStep());
      scheduler.DidStep(0.01);
      scheduler.RemoveFinished();
    };
    // The prompts, and a few tokens: with the first one a sequence's list of tokens gets twice its length.
    while (runner.generated_tokens() < 4 * count) step();
    int64_t all_due = 0;
    for (int64_t round = 0; round < kCountedSteps; ++round) {
      int64_t due = 0;
      scheduler.ForEach([&](const Sequence& sequence) { due += AllocationsDue(sequence.cache()); });
      const AllocationCounter counter;
      step();
      EXPECT_EQ(counter.count(), due) << "round " << round;
      all_due += due;
    }
    EXPECT_EQ(scheduler.running(), count);
    EXPECT_GT(all_due, 0) << "no block has begun, so the test shows less than it should";
  }

  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Model> model_;
};

TEST_F(EngineAllocation, OneAnswer) { Decode({100}); }

TEST_F(EngineAllocation, ThreeAnswers) { Decode({90, 110, 230}); }

}  // namespace
}  // namespace fathom
