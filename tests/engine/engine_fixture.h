// engine_fixture.h - a tiny model with every kind of layer, a byte tokenizer, and requests run to their end.
#ifndef FATHOM_TESTS_ENGINE_ENGINE_FIXTURE_H_
#define FATHOM_TESTS_ENGINE_ENGINE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "checkpoint/checkpoint.h"
#include "engine/engine.h"
#include "engine/event_queue.h"
#include "model/model.h"
#include "tests/support/tiny_tokenizer.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

// What a request's caller heard.
struct Answer {
  std::vector<int32_t> ids;
  std::vector<std::string> pieces;
  std::vector<float> logprobs;
  std::vector<PrefillProgress> progress;
  std::vector<PromptLogprobs> prompt_logprobs;
  Finished finished;

  std::string text() const {
    std::string all;
    for (const std::string& piece : pieces) all += piece;
    return all + finished.text;
  }
};

// Collects events until Finished; fails the test if none comes within two minutes.
inline Answer Collect(EventQueue& queue) {
  Answer answer;
  while (true) {
    std::optional<Event> event = queue.Pop(std::chrono::minutes(2));
    if (!event) {
      ADD_FAILURE() << "the engine is silent";
      return answer;
    }
    if (const auto* progress = std::get_if<PrefillProgress>(&*event)) answer.progress.push_back(*progress);
    if (const auto* part = std::get_if<PromptLogprobs>(&*event)) {
      EXPECT_TRUE(answer.ids.empty()) << "before the first token";
      answer.prompt_logprobs.push_back(*part);
    }
    if (const auto* token = std::get_if<GeneratedToken>(&*event)) {
      answer.ids.push_back(token->id);
      answer.pieces.push_back(token->text);
      answer.logprobs.push_back(token->logprob);
    }
    if (auto* finished = std::get_if<Finished>(&*event)) {
      answer.finished = std::move(*finished);
      return answer;
    }
  }
}

class EngineTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    Result<std::unique_ptr<Checkpoint>> checkpoint =
        Checkpoint::Open(std::string(FATHOM_SHARED_DIR) + "/reference/golden/tiny-full");
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    checkpoint_ = checkpoint->release();
    Result<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::FromJson(TinyTokenizerJson({}, {}).Dump(), "tiny");
    ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
    tokenizer_ = tokenizer->release();
    ASSERT_LE(tokenizer_->vocab_size(), checkpoint_->config().vocab_size);
  }
  static void TearDownTestSuite() {
    delete std::exchange(checkpoint_, nullptr);
    delete std::exchange(tokenizer_, nullptr);
  }

  // A fresh engine; the one before is gone.
  Engine& Start(const EngineOptions& options = {}, int threads = 1) {
    engine_.reset();
    model_.reset();
    pool_ = std::make_unique<ThreadPool>(threads);
    model_ = std::make_unique<Model>(checkpoint_->config(), checkpoint_->weights(), ModelOptions{}, *pool_);
    Result<std::unique_ptr<Engine>> engine = Engine::Create(*model_, *tokenizer_, options);
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    engine_ = std::move(*engine);
    return *engine_;
  }

  // `length` ids that differ by `salt`.
  static std::vector<int32_t> Prompt(int64_t length, int32_t salt = 0) {
    std::vector<int32_t> ids;
    for (int64_t n = 0; n < length; ++n) ids.push_back(static_cast<int32_t>((n * n + 7 * n + 31 * salt) % 251));
    return ids;
  }
  static GenerateRequest Request(std::vector<int32_t> prompt, int64_t max_tokens, uint64_t seed = 1) {
    GenerateRequest request;
    request.prompt = std::move(prompt);
    request.max_tokens = max_tokens;
    request.sampling.seed = seed;
    return request;
  }

  static Answer Run(Engine& engine, GenerateRequest request) {
    EventQueue queue;
    const Result<RequestHandle> handle = engine.Submit(std::move(request), queue.handler());
    EXPECT_TRUE(handle.ok()) << handle.status().message();
    return handle.ok() ? Collect(queue) : Answer();
  }
  Answer Run(GenerateRequest request) { return Run(*engine_, std::move(request)); }

  static inline Checkpoint* checkpoint_ = nullptr;
  static inline Tokenizer* tokenizer_ = nullptr;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<Model> model_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_ENGINE_ENGINE_FIXTURE_H_
