// What clients of every protocol hear when no more requests may wait.
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <future>
#include <limits>
#include <memory>
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

}  // namespace
}  // namespace fathom
