// Tools that the model may not call, in every protocol.
#include <gtest/gtest.h>

#include <string>

#include "base/strings.h"
#include "server/api/anthropic_routes.h"
#include "server/api/openai_routes.h"
#include "server/api/responses_routes.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

class ToolChoiceNone : public testing::Test {
 protected:
  ToolChoiceNone() {
    AddOpenAiRoutes(&router_, &service_, {});
    AddResponsesRoutes(&router_, &service_, {});
    AddAnthropicRoutes(&router_, &service_, {});
  }

  Json Answer(const std::string& path, const std::string& body) {
    const auto exchange = std::make_shared<FakeExchange>(path, body);
    router_.Find("POST", path).route->handler(exchange, {});
    EXPECT_EQ(exchange->response().status, 200) << exchange->response().body;
    return exchange->json();
  }

  GenerationService service_{*NanoEngine().engine, *NanoEngine().tokenizer, NanoModel(), nullptr, nullptr};
  Router router_;
};

int64_t Count(const Json& body, const char* field) {
  const Json* count = body.Find("usage")->Find(field);
  return count == nullptr ? -1 : count->AsInt().value_or(-1);
}

constexpr const char* kParameters =
    R"({"type":"object","properties":{"expression":{"type":"string"}},"required":["expression"]})";
// What Nano answers with a call if it may.
constexpr const char* kQuestion = R"({"role":"user","content":"What is 47 * 19?"})";

std::string ChatTools(const std::string& choice) {
  return StrCat(R"(,"tools":[{"type":"function","function":{"name":"calculator","description":"Calculate an expression",
                "parameters":)",
                kParameters, R"(}}],"tool_choice":")", choice, "\"");
}

// The same prompt gives the same answer.
TEST_F(ToolChoiceNone, IsAnsweredAsWithoutToolsByChatCompletions) {
  const auto ask = [&](const std::string& tools) {
    return Answer("/v1/chat/completions",
                  StrCat(R"({"temperature":0,"max_tokens":400,"messages":[)", kQuestion, "]", tools, "}"));
  };
  const Json without = ask("");
  const Json none = ask(ChatTools("none"));
  EXPECT_EQ(Count(none, "prompt_tokens"), Count(without, "prompt_tokens"));
  EXPECT_EQ(none.Find("choices")->items()[0].Find("message")->Dump(),
            without.Find("choices")->items()[0].Find("message")->Dump());
  EXPECT_GT(Count(ask(ChatTools("auto")), "prompt_tokens"), Count(without, "prompt_tokens"));
}

TEST_F(ToolChoiceNone, IsAnsweredAsWithoutToolsByMessages) {
  const auto ask = [&](const std::string& tools) {
    return Answer("/v1/messages",
                  StrCat(R"({"temperature":0,"max_tokens":400,"messages":[)", kQuestion, "]", tools, "}"));
  };
  const Json without = ask("");
  const Json none = ask(
      StrCat(R"(,"tools":[{"name":"calculator","input_schema":)", kParameters, R"(}],"tool_choice":{"type":"none"})"));
  EXPECT_EQ(none.Find("content")->Dump(), without.Find("content")->Dump());
  EXPECT_EQ(Count(none, "input_tokens") + Count(none, "cache_read_input_tokens"),
            Count(without, "input_tokens") + Count(without, "cache_read_input_tokens"));
}

TEST_F(ToolChoiceNone, IsAnsweredAsWithoutToolsByResponses) {
  const auto ask = [&](const std::string& tools) {
    return Answer("/v1/responses",
                  StrCat(R"({"temperature":0,"max_output_tokens":400,"input":[)", kQuestion, "]", tools, "}"));
  };
  const Json without = ask("");
  const Json none = ask(StrCat(R"(,"tools":[{"type":"function","name":"calculator","parameters":)", kParameters,
                               R"(}],"tool_choice":"none")"));
  EXPECT_EQ(Count(none, "input_tokens"), Count(without, "input_tokens"));
  EXPECT_EQ(none.Find("output")->items().back().Find("content")->Dump(),
            without.Find("output")->items().back().Find("content")->Dump());
}

TEST_F(ToolChoiceNone, AConversationWithCallsKeepsItsTools) {
  const auto count = [&](const std::string& tools) {
    return Count(Answer("/v1/chat/completions",
                        StrCat(R"({"max_tokens":2,"messages":[)", kQuestion,
                               R"(,{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":
                               {"name":"calculator","arguments":"{\"expression\":\"47 * 19\"}"}}]},
                               {"role":"tool","tool_call_id":"c","content":"893"}])",
                               tools, "}")),
                 "prompt_tokens");
  };
  EXPECT_EQ(count(ChatTools("none")), count(ChatTools("auto")));
  EXPECT_GT(count(ChatTools("none")), count(""));
}

}  // namespace
}  // namespace fathom
