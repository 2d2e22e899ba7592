// What clients of every protocol hear when no more requests may wait.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <future>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "server/api/anthropic_routes.h"
#include "server/api/generation.h"
#include "server/api/openai_routes.h"
#include "server/api/responses_routes.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

TEST(FullQueue, TheEstimateIsToldInWholeSecondsWithinBounds) {
  EXPECT_EQ(RetryAfterSeconds(0, 5), 5);
  EXPECT_EQ(RetryAfterSeconds(-1, 5), 5);
  EXPECT_EQ(RetryAfterSeconds(std::nan(""), 5), 5);
  EXPECT_EQ(RetryAfterSeconds(1e-9, 5), 1);
  EXPECT_EQ(RetryAfterSeconds(1, 5), 1);
  EXPECT_EQ(RetryAfterSeconds(1.01, 5), 2);
  EXPECT_EQ(RetryAfterSeconds(599.5, 5), 600);
  EXPECT_EQ(RetryAfterSeconds(1e12, 5), 600);
  EXPECT_EQ(RetryAfterSeconds(std::numeric_limits<double>::infinity(), 5), 600);
}

std::string HeaderOf(const HttpResponse& response, std::string_view name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(FullQueue, EveryProtocolTellsTheEnginesEstimate) {
  TestEngine nano(std::string(FATHOM_SOURCE_DIR) + "/models/nano", nullptr, {.max_sequences = 1, .max_queue = 1});
  Engine& engine = *nano.engine;
  GenerationService service(engine, *nano.tokenizer, NanoModel(), nullptr, nullptr);
  Router router;
  AddOpenAiRoutes(&router, &service, {});
  AddResponsesRoutes(&router, &service, {});
  AddAnthropicRoutes(&router, &service, {});
  const auto send = [&](const std::string& path, const std::string& body) {
    auto exchange = std::make_shared<FakeExchange>(path, body);
    const Router::Match match = router.Find("POST", path);
    EXPECT_NE(match.route, nullptr) << path;
    if (match.route != nullptr) match.route->handler(exchange, {});
    return exchange;
  };

  // One request that has its place for more than a second: what the engine learns its estimate from.
  std::promise<void> ended;
  const auto slow = [&](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event)) std::this_thread::sleep_for(std::chrono::milliseconds(1100));
    if (std::holds_alternative<Finished>(event)) ended.set_value();
    return true;
  };
  GenerateRequest first;
  first.prompt = {100, 101, 102};
  first.max_tokens = 1;
  ASSERT_TRUE(engine.Submit(std::move(first), slow).ok());
  ended.get_future().wait();

  const std::string long_answer =
      R"({"prompt":"a b","stream":true,"logit_bias":{"1":-100},"temperature":0,"max_tokens":8000})";
  const auto wait_until = [&](auto condition) {
    for (int tries = 0; tries < 60'000 && !condition(engine.stats()); ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return condition(engine.stats());
  };
  const auto running = send("/v1/completions", long_answer);
  ASSERT_TRUE(wait_until([](const EngineStats& stats) { return stats.running == 1 && stats.waiting == 0; }));
  const auto waiting = send("/v1/completions", long_answer);
  ASSERT_TRUE(wait_until([](const EngineStats& stats) { return stats.waiting == 1 && stats.next_place_seconds > 0; }));

  const std::string seconds = std::to_string(static_cast<int>(std::ceil(engine.stats().next_place_seconds)));
  EXPECT_GE(std::stoi(seconds), 2);
  const std::string messages = R"("messages":[{"role":"user","content":"Hi"}],"max_tokens":5)";
  for (const auto& [path, body] :
       std::vector<std::pair<std::string, std::string>>{{"/v1/chat/completions", "{" + messages + "}"},
                                                        {"/v1/chat/completions", "{\"stream\":true," + messages + "}"},
                                                        {"/v1/completions", R"({"prompt":"a","max_tokens":5})"},
                                                        {"/v1/responses", R"({"input":"Hi","stream":true})"},
                                                        {"/v1/messages", "{" + messages + "}"},
                                                        {"/v1/messages", "{\"stream\":true," + messages + "}"}}) {
    const auto refused = send(path, body);
    EXPECT_EQ(refused->response().status, 429) << path << refused->response().body;
    EXPECT_EQ(HeaderOf(refused->response(), "Retry-After"), seconds) << path;
    EXPECT_NE(refused->response().body.find("the queue is full"), std::string::npos) << refused->response().body;
  }
  for (const auto& exchange : {waiting, running}) {
    exchange->Disconnect();
    exchange->response();
  }
}

// Completions of many prompts, where one place and a short queue is all there is.
class ShortQueue : public testing::Test {
 protected:
  ShortQueue() { AddOpenAiRoutes(&router_, &service_, {}); }

  std::shared_ptr<FakeExchange> Complete(const std::string& fields) {
    auto exchange = std::make_shared<FakeExchange>("/v1/completions", R"({"temperature":0,)" + fields + "}");
    router_.Find("POST", "/v1/completions").route->handler(exchange, {});
    return exchange;
  }
  bool WaitUntil(int64_t running, int64_t waiting) {
    for (int tries = 0; tries < 60'000; ++tries) {
      const EngineStats stats = nano_.engine->stats();
      if (stats.running == running && stats.waiting == waiting) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
  static void ExpectChoices(FakeExchange& exchange, size_t count) {
    ASSERT_EQ(exchange.response().status, 200) << exchange.response().body;
    const Json body = exchange.json();
    const std::vector<Json>& choices = body.Find("choices")->items();
    ASSERT_EQ(choices.size(), count);
    for (size_t index = 0; index < count; ++index) {
      EXPECT_EQ(choices[index].Find("index")->AsInt(), static_cast<int64_t>(index));
      EXPECT_TRUE(choices[index].Find("finish_reason")->is_string());
    }
  }

  TestEngine nano_{std::string(FATHOM_SOURCE_DIR) + "/models/nano", nullptr,
                   EngineOptions{.max_sequences = 1, .max_queue = 2}};
  GenerationService service_{*nano_.engine, *nano_.tokenizer, NanoModel(), nullptr, nullptr};
  Router router_;
};

constexpr const char* kEndless = R"("stream":true,"logit_bias":{"1":-100},"max_tokens":8000,"prompt":)";

TEST_F(ShortQueue, MorePromptsThanItHoldsAreAllAnswered) {
  const std::string prompts = R"("max_tokens":3,"prompt":["a","b","c","d","e","f","g","h","i"])";
  ExpectChoices(*Complete(prompts), 9);
  ExpectChoices(*Complete(prompts + R"(,"n":2)"), 18);
  const auto streamed = Complete(prompts + R"(,"stream":true)");
  std::set<int64_t> ended;
  for (const std::string& event : streamed->events()) {
    if (event == "[DONE]") continue;
    const Json frame = ParseTestJson(event);
    ASSERT_NE(frame.Find("choices"), nullptr) << event;
    const Json& choice = frame.Find("choices")->items().at(0);
    if (choice.Find("finish_reason")->is_string()) ended.insert(choice.Find("index")->AsInt().value());
  }
  EXPECT_EQ(ended.size(), 9u);
  EXPECT_EQ(streamed->events().back(), "[DONE]");
}

TEST_F(ShortQueue, PromptsWaitUntilOthersLeaveIt) {
  const auto running = Complete(kEndless + std::string(R"("a")"));
  ASSERT_TRUE(WaitUntil(1, 0));
  const auto waiting = Complete(kEndless + std::string(R"("b")"));
  ASSERT_TRUE(WaitUntil(1, 1));
  const auto several = Complete(R"("max_tokens":2,"prompt":["a","b","c"])");
  ASSERT_TRUE(WaitUntil(1, 2));
  running->Disconnect();
  waiting->Disconnect();
  ExpectChoices(*several, 3);
}

TEST_F(ShortQueue, ADisconnectEndsThePromptsThatHaveNotBegun) {
  const auto several = Complete(kEndless + std::string(R"(["a","b","c","d"])"));
  ASSERT_TRUE(WaitUntil(1, 1));
  several->Disconnect();
  EXPECT_NE(several->response().body.find("cancelled"), std::string::npos) << several->response().body;
  EXPECT_TRUE(WaitUntil(0, 0));
}

}  // namespace
}  // namespace fathom
