#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "model/workspace.h"
#include "tests/engine/engine_fixture.h"

namespace fathom {
namespace {

class PromptLogprobsTest : public EngineTest {
 protected:
  static GenerateRequest Scored(std::vector<int32_t> prompt, int64_t max_tokens, int64_t top) {
    GenerateRequest request = Request(std::move(prompt), max_tokens);
    request.prompt_logprobs = top;
    return request;
  }

  // All parts in one; they must be gapless from the second token on.
  static std::vector<GeneratedToken> Joined(const Answer& answer) {
    std::vector<GeneratedToken> all;
    for (const PromptLogprobs& part : answer.prompt_logprobs) {
      EXPECT_EQ(part.first, static_cast<int64_t>(all.size()) + 1);
      all.insert(all.end(), part.tokens.begin(), part.tokens.end());
    }
    return all;
  }

  static void ExpectSame(const std::vector<GeneratedToken>& a, const std::vector<GeneratedToken>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t at = 0; at < a.size(); ++at) {
      ASSERT_EQ(a[at].id, b[at].id) << at;
      ASSERT_EQ(a[at].logprob, b[at].logprob) << at;
      ASSERT_EQ(a[at].top.size(), b[at].top.size()) << at;
      for (size_t rank = 0; rank < a[at].top.size(); ++rank) {
        ASSERT_EQ(a[at].top[rank].id, b[at].top[rank].id) << at;
        ASSERT_EQ(a[at].top[rank].logprob, b[at].top[rank].logprob) << at;
      }
    }
  }
};

TEST_F(PromptLogprobsTest, AreTheModelsLogSoftmax) {
  const std::vector<int32_t> prompt = Prompt(90);
  Start();
  engine_.reset();
  Workspace workspace(*model_, 128);
  SequenceCache cache(model_->cache_layout());
  const int64_t vocab = model_->config().vocab_size;
  std::vector<float> logits(prompt.size() * static_cast<size_t>(vocab));
  const Segment segment{&cache, 90};
  model_->Logits(model_->Forward({prompt, {&segment, 1}}, workspace), workspace, {logits.data(), 90, vocab});

  Start();
  const Answer answer = Run(Scored(prompt, 0, 2));
  EXPECT_EQ(answer.finished.reason, FinishReason::kLength);
  EXPECT_TRUE(answer.ids.empty());
  EXPECT_EQ(answer.finished.usage.completion_tokens, 0);
  const std::vector<GeneratedToken> tokens = Joined(answer);
  ASSERT_EQ(tokens.size(), prompt.size() - 1);
  for (size_t at = 0; at < tokens.size(); ++at) {
    const std::span<const float> row(logits.data() + at * static_cast<size_t>(vocab), static_cast<size_t>(vocab));
    double total = 0;
    for (const float x : row) total += std::exp(static_cast<double>(x));
    const int32_t id = prompt[at + 1];
    EXPECT_EQ(tokens[at].id, id);
    EXPECT_EQ(tokens[at].text, tokenizer_->token_bytes(id));
    EXPECT_NEAR(tokens[at].logprob, static_cast<double>(row[static_cast<size_t>(id)]) - std::log(total), 1e-5);
    ASSERT_EQ(tokens[at].top.size(), 2u);
    EXPECT_EQ(tokens[at].top[0].id, std::ranges::max_element(row) - row.begin());
    EXPECT_GE(tokens[at].top[0].logprob, tokens[at].top[1].logprob);
  }
}

TEST_F(PromptLogprobsTest, DoNotDependOnChunksCompanyOrKeptPrefixes) {
  const GenerateRequest request = Scored(Prompt(200), 5, 3);
  Start();
  const Answer whole = Run(request);
  const std::vector<GeneratedToken> expected = Joined(whole);
  ASSERT_EQ(expected.size(), 199u);
  // Kept, but not used: the whole prompt has to be read.
  const Answer again = Run(request);
  EXPECT_EQ(again.finished.usage.cached_tokens, 0);
  EXPECT_EQ(again.ids, whole.ids);
  ExpectSame(Joined(again), expected);
  GenerateRequest plain = request;
  plain.prompt_logprobs.reset();
  const Answer follow_up = Run(plain);
  EXPECT_GT(follow_up.finished.usage.cached_tokens, 190);
  EXPECT_EQ(follow_up.ids, whole.ids);

  for (const int64_t step_tokens : {7, 64}) {
    Start({.max_sequences = 4, .step_tokens = step_tokens}, 2);
    EventQueue other;
    ASSERT_TRUE(engine_->Submit(Request(Prompt(150, 3), 20), other.handler()).ok());
    const Answer chunked = Run(request);
    EXPECT_EQ(chunked.ids, whole.ids) << step_tokens;
    ExpectSame(Joined(chunked), expected);
    Collect(other);
  }
}

TEST_F(PromptLogprobsTest, AreToldOnceWhenTheSequenceLosesItsMemory) {
  std::vector<GenerateRequest> requests;
  std::vector<Answer> expected;
  Start();
  for (int32_t n = 0; n < 4; ++n) {
    requests.push_back(Scored(Prompt(100 + 8 * n, n), 45, 1));
    expected.push_back(Run(requests.back()));
  }
  const CacheLayout& layout = model_->cache_layout();
  const int64_t bytes = 4 * CacheBytes(layout, 128) + layout.block_bytes();
  Start({.max_sequences = 4, .cache_bytes = bytes});
  std::vector<std::unique_ptr<EventQueue>> queues;
  for (const GenerateRequest& request : requests) {
    queues.push_back(std::make_unique<EventQueue>());
    ASSERT_TRUE(engine_->Submit(request, queues.back()->handler()).ok());
  }
  for (size_t n = 0; n < queues.size(); ++n) {
    const Answer answer = Collect(*queues[n]);
    EXPECT_EQ(answer.ids, expected[n].ids);
    ExpectSame(Joined(answer), Joined(expected[n]));
  }
  EXPECT_GT(engine_->stats().preemptions, 0);
}

TEST_F(PromptLogprobsTest, OfOneTokenThereAreNone) {
  Start();
  const Answer answer = Run(Scored({5}, 0, 1));
  EXPECT_EQ(answer.finished.reason, FinishReason::kLength);
  EXPECT_TRUE(answer.prompt_logprobs.empty());
}

TEST_F(PromptLogprobsTest, TheHandlerCanEndThem) {
  Start({.max_sequences = 4, .step_tokens = 16});
  EventQueue queue;
  const auto handler = [inner = queue.handler()](const Event& event) {
    inner(event);
    return !std::holds_alternative<PromptLogprobs>(event);
  };
  ASSERT_TRUE(engine_->Submit(Scored(Prompt(200), 5, 0), handler).ok());
  const Answer answer = Collect(queue);
  EXPECT_EQ(answer.finished.reason, FinishReason::kStop);
  EXPECT_EQ(answer.prompt_logprobs.size(), 1u);
  EXPECT_TRUE(answer.prompt_logprobs.front().tokens.front().top.empty());
}

}  // namespace
}  // namespace fathom
