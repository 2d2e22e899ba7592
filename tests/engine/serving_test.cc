// Many requests of several users: who comes when, and that nobody's answer changes by it.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>

#include "tests/engine/engine_fixture.h"

namespace fathom {
namespace {

class ServingTest : public EngineTest {
 protected:
  static GenerateRequest Of(std::string user, std::vector<int32_t> prompt, int64_t max_tokens, int32_t priority = 0) {
    GenerateRequest request = Request(std::move(prompt), max_tokens);
    request.user = std::move(user);
    request.priority = priority;
    return request;
  }

  EventQueue& Submit(GenerateRequest request) {
    queues_.push_back(std::make_unique<EventQueue>());
    EXPECT_TRUE(engine_->Submit(std::move(request), queues_.back()->handler()).ok());
    return *queues_.back();
  }

  // Runs `body` on the engine's thread in the middle of a step: all that it submits arrives with the next step.
  void WithinAStep(std::function<void()> body) {
    EventQueue queue;
    const auto handler = [&, inner = queue.handler()](const Event& event) {
      if (std::holds_alternative<GeneratedToken>(event)) body();
      return inner(event);
    };
    ASSERT_TRUE(engine_->Submit(Request(Prompt(5), 1), handler).ok());
    Collect(queue);
  }

  std::vector<std::unique_ptr<EventQueue>> queues_;
};

TEST_F(ServingTest, AShortRequestAmongEightLongPromptsHasItsFirstTokenInTwoSteps) {
  Start({.step_tokens = 128});
  int64_t submitted_at = 0;
  std::atomic<int64_t> first_token_at{0};
  EventQueue queue;
  const auto first_token = [&, inner = queue.handler()](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event) && first_token_at == 0) {
      first_token_at = engine_->stats().steps + 1;
    }
    return inner(event);
  };
  std::atomic<bool> submitted{false};
  WithinAStep([&] {
    for (int32_t n = 0; n < 8; ++n) {
      queues_.push_back(std::make_unique<EventQueue>());
      // The first long prompt submits the short one while it is read.
      const auto handler = [&, inner = queues_.back()->handler()](const Event& event) {
        if (std::holds_alternative<PrefillProgress>(event) && !submitted.exchange(true)) {
          submitted_at = engine_->stats().steps + 1;  // this step
          EXPECT_TRUE(engine_->Submit(Request(Prompt(60, 77), 3), first_token).ok());
        }
        return inner(event);
      };
      EXPECT_TRUE(engine_->Submit(Request(Prompt(1500, n), 3), handler).ok());
    }
  });
  EXPECT_EQ(Collect(queue).ids.size(), 3u);
  EXPECT_GT(submitted_at, 0);
  EXPECT_LE(first_token_at - submitted_at, 2);
  EXPECT_GT(engine_->stats().running, 4) << "the long ones are still being read";
  engine_.reset();  // before what its handlers refer to
}

TEST_F(ServingTest, AnswersMoveWithEveryStepWhileALongPromptIsRead) {
  Start({.step_tokens = 64});
  std::vector<int64_t> token_steps;
  EventQueue answer;
  const auto handler = [&, inner = answer.handler()](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event)) token_steps.push_back(engine_->stats().steps);
    return inner(event);
  };
  WithinAStep([&] {
    EXPECT_TRUE(engine_->Submit(Request(Prompt(5), 30), handler).ok());
    Submit(Request(Prompt(2000), 1));
  });
  Collect(answer);
  ASSERT_EQ(token_steps.size(), 30u);
  for (size_t n = 1; n < token_steps.size(); ++n) EXPECT_EQ(token_steps[n], token_steps[n - 1] + 1);
  Collect(*queues_.front());
}

TEST_F(ServingTest, OneUsersQueueDoesNotKeepAnotherWaiting) {
  Start({.max_sequences = 4});
  std::vector<std::string> order;
  const auto submit = [&](const std::string& user, int32_t salt) {
    queues_.push_back(std::make_unique<EventQueue>());
    const auto handler = [&order, user, inner = queues_.back()->handler()](const Event& event) {
      if (std::holds_alternative<Finished>(event)) order.push_back(user);
      return inner(event);
    };
    EXPECT_TRUE(engine_->Submit(Of(user, Prompt(30, salt), 20), handler).ok());
  };
  WithinAStep([&] {
    for (int32_t n = 0; n < 50; ++n) submit("many", n);
    submit("one", 99);
  });
  for (const auto& queue : queues_) EXPECT_EQ(Collect(*queue).finished.reason, FinishReason::kLength);
  engine_.reset();
  ASSERT_EQ(order.size(), 51u);
  EXPECT_LT(std::ranges::find(order, "one") - order.begin(), 4);
}

TEST_F(ServingTest, ALateUserGetsAPlaceAndThePreemptedContinuesWithTheSameBits) {
  std::vector<GenerateRequest> requests;
  std::vector<std::vector<int32_t>> expected;
  Start();
  for (int32_t n = 0; n < 3; ++n) {
    requests.push_back(Of("many", Prompt(80 + n, n), 200));
    requests.back().use_prefix_cache = n != 1;
    GenerateRequest alone = requests.back();
    alone.use_prefix_cache = false;
    expected.push_back(Run(alone).ids);
  }
  Start({.max_sequences = 3});
  std::atomic<int> running{0};
  EventQueue late;
  std::atomic<bool> submitted{false};
  std::atomic<int> finished{0};
  std::atomic<int> finished_before_late{-1};
  const auto late_handler = [&, inner = late.handler()](const Event& event) {
    if (std::holds_alternative<Finished>(event)) finished_before_late = finished.load();
    return inner(event);
  };
  for (const GenerateRequest& request : requests) {
    queues_.push_back(std::make_unique<EventQueue>());
    // When all three have begun their answers, the other user comes.
    const auto handler = [&, tokens = 0, inner = queues_.back()->handler()](const Event& event) mutable {
      if (std::holds_alternative<GeneratedToken>(event) && ++tokens == 20 && ++running == 3 &&
          !submitted.exchange(true)) {
        EXPECT_TRUE(engine_->Submit(Of("one", Prompt(20, 9), 5), late_handler).ok());
      }
      if (std::holds_alternative<Finished>(event)) ++finished;
      return inner(event);
    };
    EXPECT_TRUE(engine_->Submit(request, handler).ok());
  }
  EXPECT_EQ(Collect(late).ids.size(), 5u);
  EXPECT_EQ(finished_before_late, 0) << "it had not to wait for the others' end";
  for (size_t n = 0; n < queues_.size(); ++n) EXPECT_EQ(Collect(*queues_[n]).ids, expected[n]) << n;
  EXPECT_EQ(engine_->stats().preemptions, 1);
}

TEST_F(ServingTest, ADeadlineEndsWhatWaitsAndWhatRuns) {
  Start({.max_sequences = 1, .step_tokens = 64});
  GenerateRequest request = Request(Prompt(100), 10);
  request.deadline = std::chrono::steady_clock::now();
  const Answer waited = Run(request);
  EXPECT_EQ(waited.finished.reason, FinishReason::kError);
  EXPECT_EQ(waited.finished.status.code(), ErrorCode::kDeadline);
  EXPECT_EQ(waited.finished.status.message(), "the deadline of 0 s passed while the request was waiting");

  // It runs past its deadline however fast it is: every event takes until then.
  request = Request(Prompt(100), 4000);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(100);
  request.deadline = deadline;
  EventQueue queue;
  const auto handler = [&, inner = queue.handler()](const Event& event) {
    if (!std::holds_alternative<Finished>(event)) std::this_thread::sleep_until(deadline);
    return inner(event);
  };
  ASSERT_TRUE(engine_->Submit(request, handler).ok());
  const Answer ran = Collect(queue);
  EXPECT_EQ(ran.finished.reason, FinishReason::kError);
  EXPECT_EQ(ran.finished.status.code(), ErrorCode::kDeadline);
  EXPECT_LE(ran.ids.size(), 1u);
  EXPECT_EQ(ran.finished.usage.completion_tokens, static_cast<int64_t>(ran.ids.size()));

  request.deadline = std::chrono::steady_clock::now() + std::chrono::hours(1);
  request.max_tokens = 10;
  EXPECT_EQ(Run(request).ids.size(), 10u);
}

// Without an engine: what time it is, the test says.
TEST_F(ServingTest, TheDeadlineSaysHowFarTheRequestCame) {
  Start();
  const SteadyTime submitted = std::chrono::steady_clock::now();
  const auto ended = [&](int64_t read, int tokens) {
    std::optional<Finished> finished;
    GenerateRequest request = Request(Prompt(100), 4000);
    request.deadline = submitted + std::chrono::milliseconds(2500);
    const EventHandler handler = [&](const Event& event) {
      if (const auto* end = std::get_if<Finished>(&event)) finished = *end;
      return true;
    };
    Sequence sequence(0, request, 1, handler, std::make_shared<const std::atomic<bool>>(false), *tokenizer_, 4096,
                      submitted);
    if (read > 0) {
      SequenceCache cache(model_->cache_layout());
      cache.FillSynthetic(read, 1);
      sequence.Start(std::move(cache), {}, {});
    }
    for (int n = 0; n < tokens; ++n) {
      Sample sample;
      sample.id = 5;
      sequence.Append(sample);
      sequence.cache().Advance(1);
    }
    sequence.CheckDeadline(submitted + std::chrono::milliseconds(2499));
    EXPECT_FALSE(sequence.finished());
    sequence.CheckDeadline(submitted + std::chrono::milliseconds(2500));
    EXPECT_TRUE(sequence.finished());
    sequence.TellEnd();
    EXPECT_TRUE(finished);
    EXPECT_TRUE(sequence.worth_keeping());
    return finished ? finished->status.message() : "";
  };
  EXPECT_EQ(ended(0, 0), "the deadline of 2.5 s passed while the request was waiting");
  EXPECT_EQ(ended(64, 0), "the deadline of 2.5 s passed after 64 of 100 prompt tokens were read");
  EXPECT_EQ(ended(100, 1), "the deadline of 2.5 s passed after 1 token");
  EXPECT_EQ(ended(100, 17), "the deadline of 2.5 s passed after 17 tokens");
}

TEST_F(ServingTest, TwoHundredRequestsAtOnceAnswerAsIfAlone) {
  constexpr int32_t kRequests = 200;
  constexpr int32_t kKinds = 10;
  const auto request = [](int32_t n) {
    GenerateRequest made = Of("user" + std::to_string(n % 7), Prompt(10 + 4 * (n % kKinds), n % kKinds), 8, n % 2);
    made.sampling.seed = static_cast<uint64_t>(n % kKinds);
    return made;
  };
  Start({}, 2);
  std::vector<std::vector<int32_t>> expected;
  for (int32_t n = 0; n < kKinds; ++n) {
    GenerateRequest alone = request(n);
    alone.use_prefix_cache = false;
    expected.push_back(Run(alone).ids);
  }
  Start({.max_sequences = 64, .max_queue = 1000, .step_ms = 20}, 2);
  for (int32_t n = 0; n < kRequests; ++n) Submit(request(n));
  for (size_t n = 0; n < queues_.size(); ++n) {
    EXPECT_EQ(Collect(*queues_[n]).ids, expected[n % static_cast<size_t>(kKinds)]) << n;
  }
  const EngineStats stats = engine_->stats();
  EXPECT_EQ(stats.generated_tokens, kRequests * 8);
  EXPECT_EQ(stats.completion_tokens, kRequests * 8);
  EXPECT_GE(stats.prompt_tokens_read, stats.prompt_tokens - stats.cached_tokens);
  EXPECT_GT(stats.model_seconds, 0);
  EXPECT_GE(stats.step_seconds, stats.model_seconds + stats.sampling_seconds + stats.handler_seconds);
  EXPECT_GT(stats.sampling_seconds, 0);
  EXPECT_TRUE(stats.priorities.empty());
  EXPECT_EQ(stats.wait_seconds, 0);
  EXPECT_TRUE(engine_->requests().empty());
}

TEST_F(ServingTest, CancelledWithinAStepUnderLoad) {
  Start({.max_sequences = 8, .max_queue = 1000, .step_tokens = 64});
  std::vector<RequestHandle> handles;
  std::vector<std::vector<int64_t>> event_steps(40);
  std::atomic<int64_t> cancelled_at{-1};
  for (size_t n = 0; n < event_steps.size(); ++n) {
    queues_.push_back(std::make_unique<EventQueue>());
    const auto handler = [&, n, inner = queues_.back()->handler()](const Event& event) {
      event_steps[n].push_back(engine_->stats().steps);
      return inner(event);
    };
    Result<RequestHandle> handle = engine_->Submit(Request(Prompt(20, static_cast<int32_t>(n)), 4000), handler);
    ASSERT_TRUE(handle.ok());
    handles.push_back(*handle);
  }
  for (int events = 0; events < 5; ++events) ASSERT_TRUE(queues_[0]->Pop(std::chrono::minutes(1)));
  for (const RequestHandle& handle : handles) handle.Cancel();
  cancelled_at = engine_->stats().steps;
  for (const auto& queue : queues_) EXPECT_EQ(Collect(*queue).finished.reason, FinishReason::kCancelled);
  // The step that ran meanwhile, perhaps the one that had just begun, and then the last event.
  for (const auto& steps : event_steps) EXPECT_LE(steps.back(), cancelled_at + 2);
  EXPECT_EQ(engine_->stats().running + engine_->stats().waiting, 0);
}

TEST_F(ServingTest, RequestsAreListed) {
  Start({.max_sequences = 2});
  std::vector<RequestInfo> listed;
  std::vector<RequestHandle> handles;
  for (int32_t n = 0; n < 3; ++n) {
    queues_.push_back(std::make_unique<EventQueue>());
    Result<RequestHandle> handle = engine_->Submit(Of("user" + std::to_string(n), Prompt(20, n), 4000, n == 2 ? -1 : 3),
                                                   queues_.back()->handler());
    ASSERT_TRUE(handle.ok());
    handles.push_back(*handle);
  }
  const auto count = [&](RequestInfo::State state) {
    return std::ranges::count_if(listed, [&](const RequestInfo& info) { return info.state == state; });
  };
  for (int round = 0; round < 20000; ++round) {
    listed = engine_->requests();
    ASSERT_LE(listed.size(), 3u);
    if (count(RequestInfo::State::kAnswering) == 2) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  ASSERT_EQ(listed.size(), 3u);
  EXPECT_EQ(listed[0].number, 0u);
  EXPECT_EQ(listed[0].user, "user0");
  EXPECT_EQ(listed[0].priority, 3);
  EXPECT_EQ(listed[0].prompt_tokens, 20);
  EXPECT_GE(listed[0].generated_tokens, 1);
  EXPECT_GE(listed[0].read_tokens, 20);
  EXPECT_GT(listed[0].age_seconds, 0);
  EXPECT_EQ(listed[2].user, "user2");
  EXPECT_EQ(listed[2].state, RequestInfo::State::kWaiting);
  const std::vector<PriorityLoad> loads = engine_->stats().priorities;
  ASSERT_EQ(loads.size(), 2u);
  EXPECT_EQ(loads[0].priority, 3);
  EXPECT_EQ(loads[0].running, 2);
  EXPECT_EQ(loads[1].waiting, 1);
  for (const RequestHandle& handle : handles) handle.Cancel();
  for (const auto& queue : queues_) Collect(*queue);
}

TEST_F(ServingTest, ARequestIsListedFromItsSubmissionOn) {
  Start({.max_sequences = 1, .max_queue = 100});
  std::vector<RequestHandle> handles;
  for (size_t n = 0; n < 60; ++n) {
    queues_.push_back(std::make_unique<EventQueue>());
    Result<RequestHandle> handle =
        engine_->Submit(Request(Prompt(20, static_cast<int32_t>(n)), 4000), queues_.back()->handler());
    ASSERT_TRUE(handle.ok());
    handles.push_back(*handle);
    for (int look = 0; look < 20; ++look) {
      ASSERT_EQ(engine_->requests().size(), n + 1) << look;
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
  }
  for (const RequestHandle& handle : handles) handle.Cancel();
  for (const auto& queue : queues_) Collect(*queue);
}

TEST_F(ServingTest, TheWaitIsEstimatedFromWhatRequestsTook) {
  Start({.max_sequences = 1, .max_queue = 5});
  Run(Request(Prompt(20), 50));
  EXPECT_EQ(engine_->stats().next_place_seconds, 0);
  std::vector<RequestHandle> handles;
  for (int32_t n = 0; n < 4; ++n) {
    queues_.push_back(std::make_unique<EventQueue>());
    Result<RequestHandle> handle = engine_->Submit(Request(Prompt(20, n), 4000), queues_.back()->handler());
    ASSERT_TRUE(handle.ok());
    handles.push_back(*handle);
  }
  EngineStats stats;
  // `waiting` counts what has just arrived; `priorities` are as of the last step, as the estimates are.
  while (stats.running != 1 || stats.priorities.empty() || stats.priorities[0].waiting != 3) stats = engine_->stats();
  EXPECT_GT(stats.next_place_seconds, 0);
  EXPECT_DOUBLE_EQ(stats.wait_seconds, 4 * stats.next_place_seconds);
  for (const RequestHandle& handle : handles) handle.Cancel();
  for (const auto& queue : queues_) Collect(*queue);
}

}  // namespace
}  // namespace fathom
