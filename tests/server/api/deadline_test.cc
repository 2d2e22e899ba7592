// What clients of every protocol hear when --deadline has passed.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/api/anthropic_routes.h"
#include "server/api/openai_routes.h"
#include "server/api/responses_routes.h"
#include "tests/server/api/api_fixture.h"
#include "tests/support/gate.h"

namespace fathom {
namespace {

// Whatever is asked is too late.
class DeadlineTest : public testing::Test {
 protected:
  DeadlineTest() {
    constexpr std::chrono::milliseconds kNow{0};
    AddOpenAiRoutes(&router_, &service_, {.deadline = kNow});
    AddResponsesRoutes(&router_, &service_, {.deadline = kNow});
    AddAnthropicRoutes(&router_, &service_, {.deadline = kNow});
  }

  std::shared_ptr<FakeExchange> Send(const std::string& path, const std::string& body) {
    auto exchange = std::make_shared<FakeExchange>(path, body);
    const Router::Match match = router_.Find("POST", path);
    EXPECT_NE(match.route, nullptr) << path;
    if (match.route != nullptr) match.route->handler(exchange, {});
    return exchange;
  }

  GenerationService service_{*NanoEngine().engine, *NanoEngine().tokenizer, NanoModel(), nullptr, nullptr};
  Router router_;
};

const std::string kAsked = R"("messages":[{"role":"user","content":"Hi"}],"max_tokens":5)";

TEST_F(DeadlineTest, WholeAnswersAre504AndNotToBeTriedAgain) {
  const std::vector<std::pair<std::string, std::string>> requests = {{"/v1/chat/completions", "{" + kAsked + "}"},
                                                                     {"/v1/completions", R"({"prompt":"a"})"},
                                                                     {"/v1/responses", R"({"input":"Hi"})"},
                                                                     {"/completion", R"({"prompt":"a"})"},
                                                                     {"/v1/messages", "{" + kAsked + "}"}};
  for (const auto& [path, body] : requests) {
    const auto exchange = Send(path, body);
    EXPECT_EQ(exchange->response().status, 504) << path;
    const HttpHeaders& headers = exchange->response().headers;
    const std::pair<std::string, std::string> never("x-should-retry", "false");
    EXPECT_NE(std::ranges::find(headers, never), headers.end()) << path;
    const Json answer = exchange->json();
    const Json& error = *answer.Find("error");
    EXPECT_TRUE(error.Find("message")->string().starts_with("the deadline of 0 s passed")) << answer.Dump();
    if (path == "/v1/messages") {
      EXPECT_EQ(error.Find("type")->string(), "timeout_error");
    } else {
      EXPECT_EQ(error.Find("type")->string(), "server_error") << path;
      EXPECT_EQ(error.Find("code")->string(), "deadline_exceeded") << path;
    }
  }
}

TEST_F(DeadlineTest, StreamsThatHaveBegunEndWithTheError) {
  // The engine hears of the requests when their streams have begun.
  Gate gate;
  std::promise<void> ended;
  GenerateRequest first;
  first.prompt = {100, 101, 102};
  first.max_tokens = 1;
  const auto held = [&](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event)) gate.Pass();
    if (std::holds_alternative<Finished>(event)) ended.set_value();
    return true;
  };
  ASSERT_TRUE(NanoEngine().engine->Submit(std::move(first), held).ok());
  gate.Await();
  const std::string streamed = "{\"stream\":true," + kAsked + "}";
  const auto chat = Send("/v1/chat/completions", streamed);
  const auto messages = Send("/v1/messages", streamed);
  const auto responses = Send("/v1/responses", R"({"input":"Hi","stream":true})");
  gate.Open();
  ended.get_future().wait();
  EXPECT_EQ(chat->response().status, 200);
  const Json last = ParseTestJson(chat->events().back());
  EXPECT_EQ(last.Find("error")->Find("code")->string(), "deadline_exceeded");
  EXPECT_EQ(messages->response().status, 200);
  const std::string& events = messages->response().body;
  EXPECT_NE(events.find("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"timeout_error\""),
            std::string::npos)
      << events;
  EXPECT_NE(responses->response().body.find("event: response.failed\n"), std::string::npos);
}

}  // namespace
}  // namespace fathom
