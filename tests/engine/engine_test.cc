#include "engine/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <future>
#include <thread>

#include "base/json.h"
#include "base/strings.h"
#include "model/workspace.h"
#include "tests/engine/engine_fixture.h"

namespace fathom {
namespace {

TEST_F(EngineTest, AnswersWithWhatTheModelSays) {
  // Greedy decoding by hand, token by token, against the engine.
  Start();
  const std::vector<int32_t> prompt = Prompt(40);
  engine_.reset();
  Workspace workspace(*model_, 64);
  SequenceCache cache(model_->cache_layout());
  std::vector<int32_t> next = prompt;
  std::vector<int32_t> expected;
  std::vector<float> logits(static_cast<size_t>(model_->config().vocab_size));
  while (expected.size() < 20) {
    const Segment segment{&cache, static_cast<int64_t>(next.size())};
    const MatView<const float> streams = model_->Forward({next, {&segment, 1}}, workspace);
    model_->Logits(streams.Rows(streams.rows - 1, 1), workspace,
                   {logits.data(), 1, static_cast<int64_t>(logits.size())});
    next = {static_cast<int32_t>(std::ranges::max_element(logits) - logits.begin())};
    expected.push_back(next[0]);
  }
  Start();
  GenerateRequest request = Request(prompt, 20);
  request.sampling.temperature = 0;
  const Answer answer = Run(request);
  EXPECT_EQ(answer.ids, expected);
  EXPECT_EQ(answer.text(), tokenizer_->Decode(expected, false));
  EXPECT_EQ(answer.finished.reason, FinishReason::kLength);
  EXPECT_EQ(answer.finished.usage.prompt_tokens, 40);
  EXPECT_EQ(answer.finished.usage.completion_tokens, 20);
  EXPECT_EQ(answer.finished.usage.cached_tokens, 0);
}

TEST_F(EngineTest, SameSeedSameAnswerWithAnyThreadsStepsAndCompany) {
  const GenerateRequest request = Request(Prompt(150), 20, 99);
  Start({}, 1);
  const Answer alone = Run(request);
  ASSERT_EQ(alone.ids.size(), 20u);
  for (const int threads : {2, 3}) {
    Start({}, threads);
    EXPECT_EQ(Run(request).ids, alone.ids) << threads;
  }
  for (const int64_t step_tokens : {8, 37}) {
    Start({.max_sequences = 8, .step_tokens = step_tokens});
    std::vector<std::unique_ptr<EventQueue>> others;
    for (int32_t n = 0; n < 5; ++n) {
      others.push_back(std::make_unique<EventQueue>());
      ASSERT_TRUE(engine_->Submit(Request(Prompt(20 + 30 * n, n + 1), 20), others.back()->handler()).ok());
    }
    EXPECT_EQ(Run(request).ids, alone.ids) << step_tokens;
    for (const auto& other : others) EXPECT_EQ(Collect(*other).finished.reason, FinishReason::kLength);
  }
}

TEST_F(EngineTest, AnotherSeedAnotherAnswerAndTheSeedIsReported) {
  Start();
  GenerateRequest request = Request(Prompt(20), 30, 1);
  const Answer first = Run(request);
  request.sampling.seed = 2;
  EXPECT_NE(Run(request).ids, first.ids);
  request.sampling.seed.reset();
  const Answer random = Run(request);
  request.sampling.seed = random.finished.seed;
  EXPECT_EQ(Run(request).ids, random.ids);
}

TEST_F(EngineTest, ProgressCountsUpToThePromptLength) {
  Start({.step_tokens = 64});
  const Answer answer = Run(Request(Prompt(300), 1));
  ASSERT_GE(answer.progress.size(), 5u);
  int64_t before = 0;
  for (const PrefillProgress& progress : answer.progress) {
    EXPECT_EQ(progress.total, 300);
    EXPECT_GT(progress.done, before);
    before = progress.done;
  }
  EXPECT_EQ(before, 300);
}

TEST_F(EngineTest, EndsAtAStopTokenAndLeavesItOutOfTheText) {
  Start();
  const Answer all = Run(Request(Prompt(20), 30));
  GenerateRequest request = Request(Prompt(20), 30);
  request.stop_tokens = {all.ids[10]};
  const auto first = std::ranges::find(all.ids, all.ids[10]) - all.ids.begin();
  const Answer answer = Run(request);
  EXPECT_EQ(answer.finished.reason, FinishReason::kStop);
  EXPECT_EQ(answer.ids, std::vector<int32_t>(all.ids.begin(), all.ids.begin() + first));
  EXPECT_EQ(answer.finished.usage.completion_tokens, first + 1);
}

TEST_F(EngineTest, EndsBeforeAStopStringAcrossTokens) {
  Start();
  GenerateRequest request = Request(Prompt(20), 60);
  // Printable ASCII only, so that text and tokens are the same: ids 0 to 93 are '!' to '~'.
  for (int32_t id = 94; id < 256; ++id) request.sampling.logit_bias.emplace_back(id, -INFINITY);
  const std::string all = Run(request).text();
  ASSERT_EQ(all.size(), 60u);
  const std::string stop = all.substr(20, 3);
  request.stop = {stop, "\x01never"};
  const Answer answer = Run(request);
  EXPECT_EQ(answer.finished.reason, FinishReason::kStop);
  EXPECT_EQ(answer.finished.stop_string, stop);
  EXPECT_EQ(answer.text(), all.substr(0, all.find(stop)));
  EXPECT_EQ(answer.finished.usage.completion_tokens, static_cast<int64_t>(all.find(stop) + 3));
  // What may begin a stop string is held back, and comes at the end if it does not become one.
  request.stop = {all.substr(58) + "?"};
  const Answer held = Run(request);
  EXPECT_EQ(held.finished.reason, FinishReason::kLength);
  EXPECT_EQ(held.finished.text, all.substr(58));
  EXPECT_EQ(held.text(), all);
}

TEST_F(EngineTest, TextIsValidUtf8WhateverTheTokens) {
  Start();
  const Answer answer = Run(Request(Prompt(20), 80));
  for (const std::string& piece : answer.pieces) {
    EXPECT_TRUE(ParseJson(Json::String(piece).Dump()).ok()) << Printable(piece);
  }
  EXPECT_EQ(answer.text(), tokenizer_->Decode(answer.ids, false));
}

TEST_F(EngineTest, TheHandlerCanEndTheAnswer) {
  Start();
  EventQueue queue;
  int tokens = 0;
  const auto handler = [&tokens, inner = queue.handler()](const Event& event) {
    inner(event);
    return !std::holds_alternative<GeneratedToken>(event) || ++tokens < 5;
  };
  ASSERT_TRUE(engine_->Submit(Request(Prompt(20), 100), handler).ok());
  const Answer answer = Collect(queue);
  EXPECT_EQ(answer.ids.size(), 5u);
  EXPECT_EQ(answer.finished.reason, FinishReason::kStop);
}

TEST_F(EngineTest, MaxTokensIsCutToTheContext) {
  Start({.context = 50});
  EXPECT_EQ(engine_->limits().context, 50);
  GenerateRequest request = Request(Prompt(40), 1000);
  EXPECT_EQ(Run(request).ids.size(), 10u);
  request.max_tokens.reset();
  EXPECT_EQ(Run(request).ids.size(), 10u);
  request.prompt = Prompt(50);
  EventQueue queue;
  const Result<RequestHandle> refused = engine_->Submit(request, queue.handler());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.status().message(),
            "the prompt is too long: it has 50 tokens, and the context set for this run holds 50 for prompt and answer "
            "together");
  EXPECT_FALSE(queue.Pop(std::chrono::milliseconds(1)));
}

TEST_F(EngineTest, CancelledWithinAStep) {
  Start({.max_sequences = 4, .step_tokens = 16});
  EventQueue queue;
  std::optional<RequestHandle> handle;
  GenerateRequest request = Request(Prompt(2000), 1000);
  const Result<RequestHandle> submitted = engine_->Submit(request, queue.handler());
  ASSERT_TRUE(submitted.ok());
  ASSERT_TRUE(queue.Pop(std::chrono::minutes(1)));
  submitted->Cancel();
  const Answer answer = Collect(queue);
  EXPECT_EQ(answer.finished.reason, FinishReason::kCancelled);
  EXPECT_TRUE(answer.ids.empty());
  submitted->Cancel();  // harmless
}

TEST_F(EngineTest, CancelledWhileWaiting) {
  Start({.max_sequences = 1});
  EventQueue first;
  EventQueue second;
  const Result<RequestHandle> running = engine_->Submit(Request(Prompt(20), 4000), first.handler());
  const Result<RequestHandle> waiting = engine_->Submit(Request(Prompt(20), 4000), second.handler());
  ASSERT_TRUE(running.ok() && waiting.ok());
  waiting->Cancel();
  const Answer answer = Collect(second);
  EXPECT_EQ(answer.finished.reason, FinishReason::kCancelled);
  EXPECT_TRUE(answer.progress.empty());
  running->Cancel();
  EXPECT_EQ(Collect(first).finished.reason, FinishReason::kCancelled);
}

TEST_F(EngineTest, TheEndOfTheEngineEndsItsRequests) {
  Start({.max_sequences = 2});
  std::vector<std::unique_ptr<EventQueue>> queues;
  std::vector<RequestHandle> handles;
  for (int32_t n = 0; n < 4; ++n) {
    queues.push_back(std::make_unique<EventQueue>());
    Result<RequestHandle> handle = engine_->Submit(Request(Prompt(50, n), 3000), queues.back()->handler());
    ASSERT_TRUE(handle.ok());
    handles.push_back(*handle);
  }
  engine_.reset();
  for (const auto& queue : queues) EXPECT_EQ(Collect(*queue).finished.reason, FinishReason::kCancelled);
  for (const RequestHandle& handle : handles) handle.Cancel();  // outlives the engine
}

TEST_F(EngineTest, WhatIsSubmittedWhileItEndsIsRefused) {
  Start();
  Engine* const engine = engine_.get();
  EventQueue queue;
  Status again;
  const auto handler = [&, inner = queue.handler()](const Event& event) {
    if (std::holds_alternative<Finished>(event)) {
      again = engine->Submit(Request(Prompt(5), 5), [](const Event&) { return true; }).status();
    }
    return inner(event);
  };
  ASSERT_TRUE(engine_->Submit(Request(Prompt(20), 1000), handler).ok());
  ASSERT_TRUE(queue.Pop(std::chrono::minutes(2)).has_value());
  engine_.reset();
  EXPECT_EQ(again.code(), ErrorCode::kCancelled);
  EXPECT_EQ(Collect(queue).finished.reason, FinishReason::kCancelled);
}

TEST_F(EngineTest, WhatIsAcceptedUntilItEndsIsToldOfTheEnd) {
  Start();
  Engine* const engine = engine_.get();
  EventQueue first;
  EventQueue later;
  std::promise<void> ending;
  int accepted = 0;
  // Runs where the engine has taken what was submitted and not yet looked whether it is to end.
  const auto handler = [&, inner = first.handler()](const Event& event) {
    if (!std::holds_alternative<Finished>(event)) return inner(event);
    while (true) {
      const Status status = engine->Submit(Request(Prompt(5), 5), later.handler()).status();
      if (status.code() == ErrorCode::kCancelled) return inner(event);
      if (status.ok() && ++accepted == 1) ending.set_value();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // also where the queue is full
    }
  };
  ASSERT_TRUE(engine_->Submit(Request(Prompt(20), 1000), handler).ok());
  engine_->CancelAll();
  EXPECT_EQ(ending.get_future().wait_for(std::chrono::minutes(2)), std::future_status::ready);
  engine_.reset();
  EXPECT_GE(accepted, 1);
  for (int n = 0; n < accepted; ++n) ASSERT_EQ(Collect(later).finished.reason, FinishReason::kCancelled);
}

TEST_F(EngineTest, AllAreCancelledButThoseThatComeLater) {
  Start();
  EventQueue first;
  EventQueue second;
  bool cancelled = false;
  const auto handler = [&, inner = first.handler()](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event) && !std::exchange(cancelled, true)) {
      engine_->CancelAll();
      EXPECT_TRUE(engine_->Submit(Request(Prompt(9), 3), second.handler()).ok());
    }
    return inner(event);
  };
  ASSERT_TRUE(engine_->Submit(Request(Prompt(20), 1000), handler).ok());
  EXPECT_EQ(Collect(first).finished.reason, FinishReason::kCancelled);
  const Answer later = Collect(second);
  EXPECT_EQ(later.finished.reason, FinishReason::kLength);
  EXPECT_EQ(later.ids.size(), 3u);
}

TEST_F(EngineTest, AFullQueueRefuses) {
  Start({.max_sequences = 1, .max_queue = 2});
  std::vector<std::unique_ptr<EventQueue>> queues;
  int refused = 0;
  for (int32_t n = 0; n < 10; ++n) {
    queues.push_back(std::make_unique<EventQueue>());
    const Result<RequestHandle> handle = engine_->Submit(Request(Prompt(50, n), 2000), queues.back()->handler());
    if (handle.ok()) continue;
    ++refused;
    EXPECT_EQ(handle.status().code(), ErrorCode::kResource);
    EXPECT_EQ(handle.status().message(), "the queue is full: 2 requests are waiting; try again later");
  }
  EXPECT_EQ(refused, 7);  // one has the place, seen by the engine or not yet, and two wait
  EXPECT_EQ(engine_->stats().refused, refused);
}

TEST_F(EngineTest, HigherPriorityIsServedFirst) {
  Start({.max_sequences = 1});
  std::vector<int> order;
  std::vector<std::unique_ptr<EventQueue>> queues;
  const auto submit = [&](int name, int32_t priority) {
    queues.push_back(std::make_unique<EventQueue>());
    GenerateRequest request = Request(Prompt(30), 20);
    request.priority = priority;
    ASSERT_TRUE(engine_
                    ->Submit(request,
                             [&order, name, inner = queues.back()->handler()](const Event& event) {
                               if (std::holds_alternative<Finished>(event)) order.push_back(name);
                               return inner(event);
                             })
                    .ok());
  };
  submit(0, 0);  // begins at once
  submit(1, 0);
  submit(2, 0);
  submit(3, 5);
  for (const auto& queue : queues) Collect(*queue);
  engine_.reset();
  // 3 overtakes 2 for certain; whether also 1 and 0 depends on when the engine's thread looked.
  EXPECT_LT(std::ranges::find(order, 3), std::ranges::find(order, 2));
  EXPECT_LT(std::ranges::find(order, 1), std::ranges::find(order, 2));
}

TEST_F(EngineTest, AFollowUpReadsOnlyWhatIsNew) {
  Start();
  std::vector<int32_t> tokens = Prompt(300);
  const Answer first = Run(Request(tokens, 20));
  tokens.insert(tokens.end(), first.ids.begin(), first.ids.end());
  const std::vector<int32_t> more = Prompt(50, 9);
  tokens.insert(tokens.end(), more.begin(), more.end());
  const Answer hit = Run(Request(tokens, 20));
  EXPECT_EQ(hit.finished.usage.cached_tokens, 319);  // the last sampled token was never read
  ASSERT_FALSE(hit.progress.empty());
  EXPECT_EQ(hit.progress.front().done, 319);
  EXPECT_EQ(hit.progress.front().cached, 319);

  GenerateRequest without = Request(tokens, 20);
  without.use_prefix_cache = false;
  const Answer miss = Run(without);
  EXPECT_EQ(miss.finished.usage.cached_tokens, 0);
  EXPECT_EQ(hit.ids, miss.ids);
  // And the same question again, whose thinking mark differs in the last token.
  tokens.back() = 3;
  EXPECT_EQ(Run(Request(tokens, 1)).finished.usage.cached_tokens, 369);
}

TEST_F(EngineTest, WithoutTokensToGenerateThePromptIsReadAndKept) {
  Start();
  const std::vector<int32_t> tokens = Prompt(200);
  const Answer read = Run(Request(tokens, 0));
  EXPECT_EQ(read.finished.reason, FinishReason::kLength);
  EXPECT_TRUE(read.ids.empty());
  EXPECT_EQ(read.finished.usage.completion_tokens, 0);
  std::vector<int32_t> longer = tokens;
  longer.push_back(3);
  EXPECT_EQ(Run(Request(longer, 1)).finished.usage.cached_tokens, 200);
  EXPECT_EQ(Run(Request(tokens, 1)).finished.usage.cached_tokens, 199);
}

TEST_F(EngineTest, ASharedBeginningIsKeptOnceItWasSeenTwice) {
  Start();
  std::vector<std::vector<int32_t>> prompts;
  for (int32_t n = 0; n < 3; ++n) {
    prompts.push_back(Prompt(200));
    const std::vector<int32_t> tail = Prompt(80, n + 1);
    prompts.back().insert(prompts.back().end(), tail.begin(), tail.end());
  }
  EXPECT_EQ(Run(Request(prompts[0], 5)).finished.usage.cached_tokens, 0);
  EXPECT_EQ(Run(Request(prompts[1], 5)).finished.usage.cached_tokens, 0);
  const Answer third = Run(Request(prompts[2], 5));
  EXPECT_GE(third.finished.usage.cached_tokens, 200);
  Start();
  EXPECT_EQ(Run(Request(prompts[2], 5)).ids, third.ids);
}

TEST_F(EngineTest, WhenMemoryIsShortSequencesTakeTurnsAndGiveTheSameAnswers) {
  std::vector<GenerateRequest> requests;
  std::vector<std::vector<int32_t>> expected;
  Start();
  for (int32_t n = 0; n < 4; ++n) {
    requests.push_back(Request(Prompt(100 + 8 * n, n), 45, static_cast<uint64_t>(n)));
    requests.back().use_prefix_cache = n % 2 == 0;
    expected.push_back(Run(requests.back()).ids);
  }
  // All four begin with a block each; in the end they need two each, and there are five.
  const CacheLayout& layout = model_->cache_layout();
  const int64_t bytes = 4 * CacheBytes(layout, 128) + layout.block_bytes();
  Start({.max_sequences = 4, .cache_bytes = bytes});
  std::vector<std::unique_ptr<EventQueue>> queues;
  for (const GenerateRequest& request : requests) {
    queues.push_back(std::make_unique<EventQueue>());
    ASSERT_TRUE(engine_->Submit(request, queues.back()->handler()).ok());
  }
  for (size_t n = 0; n < queues.size(); ++n) EXPECT_EQ(Collect(*queues[n]).ids, expected[n]) << n;
  EXPECT_GT(engine_->stats().preemptions, 0);
}

TEST_F(EngineTest, ContextIsCutToTheMemoryAndTooLittleIsRefused) {
  Start();
  const CacheLayout layout = model_->cache_layout();
  Start({.cache_bytes = CacheBytes(layout, 128)});
  EXPECT_EQ(engine_->limits().context, 128);
  EXPECT_NE(engine_->limits().context_source.find("memory set aside"), std::string::npos);
  EXPECT_EQ(Run(Request(Prompt(120), 1000)).ids.size(), 8u);
  engine_.reset();
  const Result<std::unique_ptr<Engine>> none = Engine::Create(*model_, *tokenizer_, {.cache_bytes = 1000});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.status().code(), ErrorCode::kResource);
}

TEST_F(EngineTest, OptionsOutOfRangeAreRefused) {
  Start();
  engine_.reset();
  const auto error = [&](const EngineOptions& options) {
    return Engine::Create(*model_, *tokenizer_, options).status().message();
  };
  EXPECT_EQ(error({.max_sequences = 0}), "engine option max_sequences is 0; accepted is 1 to 512");
  EXPECT_EQ(error({.step_tokens = 0}), "engine option step_tokens is 0; accepted is 1 to 65536");
  EXPECT_EQ(error({.max_queue = 0}), "engine option max_queue is 0; accepted is 1 to 1048576");
  EXPECT_EQ(error({.context = 5000}), "engine option context is 5000; this model accepts 2 to 4096");
}

TEST_F(EngineTest, LogprobsComeWithEveryToken) {
  Start();
  GenerateRequest request = Request(Prompt(20), 10);
  request.sampling.logprobs = 3;
  request.sampling.temperature = 0;
  EventQueue queue;
  ASSERT_TRUE(engine_->Submit(request, queue.handler()).ok());
  int tokens = 0;
  while (const std::optional<Event> event = queue.Pop(std::chrono::minutes(1))) {
    if (std::holds_alternative<Finished>(*event)) break;
    const auto* token = std::get_if<GeneratedToken>(&*event);
    if (token == nullptr) continue;
    ++tokens;
    ASSERT_EQ(token->top.size(), 3u);
    EXPECT_EQ(token->top[0].id, token->id);  // greedy
    EXPECT_EQ(token->top[0].logprob, token->logprob);
    EXPECT_LE(token->top[1].logprob, token->top[0].logprob);
    EXPECT_LE(token->logprob, 0);
  }
  EXPECT_EQ(tokens, 10);
}

TEST_F(EngineTest, ImpossibleBiasIsAnErrorOfThatRequestOnly) {
  Start();
  GenerateRequest request = Request(Prompt(20), 10);
  for (int32_t id = 0; id < 256; ++id) request.sampling.logit_bias.emplace_back(id, -INFINITY);
  const Answer answer = Run(request);
  EXPECT_EQ(answer.finished.reason, FinishReason::kError);
  EXPECT_EQ(answer.finished.status.message(), "no token is possible: logit_bias forbids every one of them");
  EXPECT_EQ(Run(Request(Prompt(20), 10)).ids.size(), 10u);
}

TEST_F(EngineTest, ManyThreadsSubmitAndCancel) {
  Start({.max_sequences = 6, .max_queue = 1000, .step_tokens = 48});
  constexpr int kThreads = 4;
  constexpr int kRequests = 9;
  std::vector<std::thread> threads;
  std::atomic<int> finished{0};
  std::atomic<int> cancelled{0};
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int n = 0; n < kRequests; ++n) {
        EventQueue queue;
        const Result<RequestHandle> handle =
            engine_->Submit(Request(Prompt(5 + 13 * n, thread), 6, static_cast<uint64_t>(n)), queue.handler());
        ASSERT_TRUE(handle.ok());
        if (n % 3 == 1) {
          if (n % 2 == 0) queue.Pop(std::chrono::minutes(1));
          handle->Cancel();
        }
        (void)engine_->stats();
        const Answer answer = Collect(queue);
        if (answer.finished.reason == FinishReason::kLength) ++finished;
        if (answer.finished.reason == FinishReason::kCancelled) ++cancelled;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(finished + cancelled, kThreads * kRequests);
  EXPECT_GE(finished.load(), kThreads * kRequests * 2 / 3);
  EXPECT_EQ(engine_->stats().requests, kThreads * kRequests);
  EXPECT_EQ(engine_->stats().running + engine_->stats().waiting, 0);
}

// Who hears the end may send the next turn at once, or look.
TEST_F(EngineTest, AnEndIsToldAfterItIsKeptAndCounted) {
  Start();
  EventQueue queue;
  EngineStats stats;
  size_t listed = 1;
  const auto handler = [&, inner = queue.handler()](const Event& event) {
    if (std::holds_alternative<Finished>(event)) {
      stats = engine_->stats();
      listed = engine_->requests().size();
    }
    return inner(event);
  };
  const std::vector<int32_t> prompt = Prompt(100);
  ASSERT_TRUE(engine_->Submit(Request(prompt, 3), handler).ok());
  const Answer first = Collect(queue);
  EXPECT_EQ(stats.completion_tokens, 3);
  EXPECT_EQ(stats.prompt_tokens, 100);
  EXPECT_EQ(stats.running, 0);
  EXPECT_EQ(listed, 0u);
  EXPECT_EQ(stats.prefixes.points, 2);  // before the prompt's last token, and at the end
  EXPECT_GE(stats.step_seconds, stats.model_seconds);
  std::vector<int32_t> next = prompt;
  next.insert(next.end(), first.ids.begin(), first.ids.end());
  next.push_back(7);
  EXPECT_EQ(Run(Request(next, 1)).finished.usage.cached_tokens, 102);  // the last sampled token was never read
}

TEST_F(EngineTest, NothingIsToldAfterAHandlerEndsItsRequest) {
  Start({.step_tokens = 32});
  EventQueue queue;
  int events = 0;
  const auto handler = [&, inner = queue.handler()](const Event& event) {
    inner(event);
    return ++events > 1;  // ends with the first one, which tells of the prompt's first part
  };
  ASSERT_TRUE(engine_->Submit(Request(Prompt(200), 10), handler).ok());
  EXPECT_EQ(Collect(queue).finished.reason, FinishReason::kStop);
  EXPECT_EQ(Run(Request(Prompt(20, 1), 1)).finished.reason, FinishReason::kLength);
  EXPECT_EQ(events, 2);
}

TEST_F(EngineTest, AHandlerMaySubmitAndCancel) {
  Start();
  EventQueue queue;
  std::optional<RequestHandle> second;
  const auto first = [&, inner = queue.handler()](const Event& event) {
    if (std::holds_alternative<Finished>(event)) {
      Result<RequestHandle> handle = engine_->Submit(Request(Prompt(20), 1000), inner);
      EXPECT_TRUE(handle.ok());
      handle->Cancel();
    }
    return true;
  };
  ASSERT_TRUE(engine_->Submit(Request(Prompt(20), 3), first).ok());
  EXPECT_EQ(Collect(queue).finished.reason, FinishReason::kCancelled);
}

}  // namespace
}  // namespace fathom
