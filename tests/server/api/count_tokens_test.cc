// What is counted before is what is read then.
#include <gtest/gtest.h>

#include "base/strings.h"
#include "server/api/anthropic_routes.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

class CountTokensTest : public testing::Test {
 protected:
  CountTokensTest() { AddAnthropicRoutes(&router_, &service_, {}); }

  Json Send(const std::string& path, const Json& body) {
    const auto exchange = std::make_shared<FakeExchange>(path, body.Dump());
    router_.Find("POST", path).route->handler(exchange, {});
    EXPECT_EQ(exchange->response().status, 200) << exchange->response().body << " for " << body.Dump();
    return exchange->json();
  }
  Json Answer(Json body, int64_t max_tokens) {
    body.Set("max_tokens", Json::Int(max_tokens));
    return Send("/v1/messages", body);
  }
  int64_t Counted(const Json& body) { return *Send("/v1/messages/count_tokens", body).Find("input_tokens")->AsInt(); }
  static int64_t Read(const Json& answer) {
    const Json* usage = answer.Find("usage");
    return *usage->Find("input_tokens")->AsInt() + *usage->Find("cache_read_input_tokens")->AsInt();
  }

  std::unique_ptr<AnswerReplay> replay_ = std::move(*AnswerReplay::Open({}));
  GenerationService service_{*NanoEngine().engine, *NanoEngine().tokenizer, NanoModel(), replay_.get(), nullptr};
  Router router_;
};

TEST_F(CountTokensTest, ManyShapes) {
  const std::vector<std::string> systems = {"", R"("Be kind.")",
                                            R"([{"type":"text","text":"One."},{"type":"text","text":"Two."}])"};
  const std::vector<std::string> thinkings = {"", R"({"type":"disabled"})",
                                              R"({"type":"enabled","budget_tokens":1024})"};
  const std::string tool =
      R"([{"name":"get_time","description":"Time in a city","input_schema":{"type":"object","properties":{"timezone":{"type":"string"}}}}])";
  const std::vector<std::string> histories = {
      R"([{"role":"user","content":"Hello!"}])",
      R"([{"role":"user","content":"Hello!"},{"role":"assistant","content":"Hi, "}])",
      R"([{"role":"user","content":[{"type":"text","text":"A"},{"type":"text","text":"B"}]},
          {"role":"assistant","content":[{"type":"thinking","thinking":"Hm.","signature":"s"},{"type":"text","text":"C"}]},
          {"role":"user","content":"D"}])",
      R"([{"role":"user","content":"Time?"},
          {"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"get_time","input":{"timezone":"Paris"}},
                                         {"type":"tool_use","id":"t2","name":"get_time","input":{}}]},
          {"role":"user","content":[{"type":"tool_result","tool_use_id":"t2","content":"5","is_error":true},
                                    {"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"6"}]},
                                    {"type":"text","text":"So?"}]}])"};
  int shapes = 0;
  for (const std::string& system : systems) {
    for (const std::string& thinking : thinkings) {
      for (const std::string& history : histories) {
        for (const bool tools : {false, true}) {
          for (const bool user : {false, true}) {
            Json body = Json::Object({{"model", Json::String("nano")}, {"messages", ParseTestJson(history)}});
            if (!system.empty()) body.Set("system", ParseTestJson(system));
            if (!thinking.empty()) body.Set("thinking", ParseTestJson(thinking));
            if (tools) body.Set("tools", ParseTestJson(tool));
            if (tools && user) body.Set("output_config", ParseTestJson(R"({"effort":"high"})"));
            const int64_t counted = Counted(body);
            if (user) body.Set("metadata", ParseTestJson(R"({"user_id":"user_a_session_b"})"));
            EXPECT_EQ(counted, Read(Answer(body, 1))) << body.Dump();
            ++shapes;
          }
        }
      }
    }
  }
  EXPECT_EQ(shapes, 144);
}

// Clients count without the metadata that they ask with, and drop the thinking that is restored for them.
TEST_F(CountTokensTest, ASessionWhoseThinkingWasDropped) {
  Json body = ParseTestJson(R"({"model":"nano","temperature":0,"system":"Be brief.",
    "messages":[{"role":"user","content":"Calculate 47 * 19."}],
    "tools":[{"name":"calculator","description":"Calculate an expression","input_schema":{"type":"object",
      "properties":{"expression":{"type":"string"}},"required":["expression"]}}]})");
  const Json metadata = ParseTestJson(R"({"user_id":"user_1_session_2"})");
  std::vector<Json> messages = body.Find("messages")->items();
  int64_t restored = 0;
  for (int turn = 0; turn < 3; ++turn) {
    body.Set("messages", Json::Array(messages));
    const int64_t counted = Counted(body);
    Json asked = body;
    asked.Set("metadata", metadata);
    const Json answer = Answer(asked, 300);
    EXPECT_EQ(counted, Read(answer)) << turn;
    std::vector<Json> blocks;
    std::string call;
    for (const Json& block : answer.Find("content")->items()) {
      if (block.Find("type")->string() == "thinking") {
        ++restored;
      } else {
        blocks.push_back(block);
      }
      if (block.Find("type")->string() == "tool_use") call = block.Find("id")->string();
    }
    messages.push_back(Json::Object({{"role", Json::String("assistant")}, {"content", Json::Array(blocks)}}));
    const std::string next = call.empty() ? R"({"role":"user","content":"Calculate 5 * 7."})"
                                          : StrCat(R"({"role":"user","content":[{"type":"tool_result","tool_use_id":")",
                                                   call, R"(","content":"893"}]})");
    messages.push_back(ParseTestJson(next));
  }
  EXPECT_GT(restored, 0);
}

}  // namespace
}  // namespace fathom
