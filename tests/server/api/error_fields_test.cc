// Errors name the fields that the client sent, whatever shape the request has behind its protocol.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/strings.h"
#include "server/api/anthropic_routes.h"
#include "server/api/openai_routes.h"
#include "server/api/responses_routes.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

// A request and the field that is wrong in it.
struct WrongField {
  std::string path;
  std::string body;
  std::string field;
};

class ErrorFields : public testing::Test {
 protected:
  ErrorFields() {
    AddOpenAiRoutes(&router_, &service_, {});
    AddResponsesRoutes(&router_, &service_, {});
    AddAnthropicRoutes(&router_, &service_, {});
  }

  // Anthropic's errors have no field beside the message.
  void Check(const WrongField& wrong) {
    SCOPED_TRACE(wrong.path + wrong.body.substr(0, 300));
    const auto exchange = std::make_shared<FakeExchange>(wrong.path, wrong.body);
    router_.Find("POST", wrong.path).route->handler(exchange, {});
    EXPECT_EQ(exchange->response().status, 400) << exchange->response().body;
    const Json body = exchange->json();
    const Json* error = body.Find("error");
    ASSERT_NE(error, nullptr);
    const Json* param = error->Find("param");
    if (param == nullptr) {
      const std::string& message = error->Find("message")->string();
      EXPECT_EQ(message.substr(0, message.find_first_of(" :")), wrong.field) << message;
      return;
    }
    ASSERT_TRUE(param->is_string()) << exchange->response().body;
    EXPECT_EQ(param->string(), wrong.field) << exchange->response().body;
  }
  void CheckAll(const std::string& path, const std::vector<std::pair<std::string, std::string>>& cases) {
    for (const auto& [body, field] : cases) Check({path, body, field});
  }

  GenerationService service_{*NanoEngine().engine, *NanoEngine().tokenizer, NanoModel(), nullptr, nullptr};
  Router router_;
};

std::string Repeated(std::string_view text, int times) {
  std::string out;
  for (int time = 0; time < times; ++time) out += text;
  return out;
}

TEST_F(ErrorFields, Chat) {
  const auto with = [](const std::string& fields) {
    return StrCat(R"({"max_tokens":5,"messages":[{"role":"user","content":"x"}],)", fields, "}");
  };
  const std::string tools =
      R"("tools":[{"type":"function","function":{"name":"f"}},{"type":"function","function":{"name":"\"g"}}])";
  const std::string only_second =
      R"("tool_choice":{"type":"allowed_tools","allowed_tools":{"tools":[{"type":"function","function":{"name":"\"g"}}]}})";
  CheckAll(
      "/v1/chat/completions",
      {{with(tools), "tools[1].function.name"},
       {with(tools + "," + only_second), "tools[1].function.name"},
       {with(R"("functions":[{"name":"f"},{"name":"\"g"}])"), "functions[1].name"},
       {with(R"("tools":[{"type":"function","function":{"name":"f"}}],"functions":[{"name":"\"g"}])"),
        "functions[0].name"},
       {with(R"("tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"function":{"name":"g"}})"),
        "tool_choice"},
       {with(R"("functions":[{"name":"f"}],"function_call":{"name":"g"})"), "function_call"},
       {with(R"("logit_bias":{"9999":1})"), "logit_bias"},
       {with(R"("reasoning_effort":"bogus")"), "reasoning_effort"},
       {with(R"("reasoning":{"effort":"bogus"})"), "reasoning.effort"},
       {with(R"("chat_template_kwargs":{"reasoning_effort":"bogus"})"), "chat_template_kwargs.reasoning_effort"},
       {R"({"messages":[{"role":"bogus","content":"x"}]})", "messages[0].role"},
       {R"({"messages":[{"role":"user","content":"x"},{"role":"bogus","content":"x"}],
            "response_format":{"type":"json_schema","json_schema":{"schema":{"type":"integer"}}}})",
        "messages[1].role"},
       {R"({"messages":[{"role":"user","content":"x"},{"role":"assistant","function_call":{"name":"f"}}]})",
        "messages[1].function_call.arguments"},
       {R"({"messages":[{"role":"user","content":"x"},
            {"role":"assistant","function_call":{"name":"f","arguments":"[]"}},{"role":"function","name":"f","content":"7"}]})",
        "messages[1].function_call.arguments"},
       {R"({"messages":[{"role":"user","content":"x"},{"role":"assistant","function_call":{"name":"f","arguments":"{}"}}]})",
        "messages[1].function_call"},
       {StrCat(R"({"messages":[{"role":"user","content":")", Repeated("word ", 20000), "\"}]}"), "messages"}});
}

TEST_F(ErrorFields, Completions) {
  const std::string long_prompt = StrCat("[", Repeated("5,", 9000), "5]");
  CheckAll("/v1/completions", {{StrCat(R"({"prompt":)", long_prompt, "}"), "prompt"},
                               {StrCat(R"({"prompt":[[5],)", long_prompt, "]}"), "prompt"},
                               {R"({"prompt":["a",""],"add_special_tokens":false})", "prompt"},
                               {R"({"prompt":"a","logit_bias":{"9999":1}})", "logit_bias"}});
  Check({"/completion", StrCat(R"({"prompt":)", long_prompt, "}"), "prompt"});
  Check({"/infill", StrCat(R"({"input_prefix":")", Repeated("word ", 20000), "\"}"), "input_prefix"});
}

TEST_F(ErrorFields, Responses) {
  const auto with = [](const std::string& fields) { return StrCat(R"({"input":"x",)", fields, "}"); };
  const std::string good_tool = R"({"type":"function","name":"f"})";
  const std::string bad_tool = R"({"type":"function","name":"\"g"})";
  const auto tools = [](const std::string& list) { return StrCat(R"("tools":[)", list, "]"); };
  const std::string call = R"({"type":"function_call","call_id":"c","name":"f","arguments":)";
  CheckAll(
      "/v1/responses",
      {{with(R"("max_output_tokens":0)"), "max_output_tokens"},
       {with(R"("text":{"format":{"type":"xml"}})"), "text.format.type"},
       {with(R"("text":{"format":{"type":"json_schema","name":"n"}})"), "text.format.schema"},
       {with(R"("text":{"format":{"type":"json_schema","name":"n","schema":{"not":{}}}})"), "text.format.schema"},
       {with(R"("reasoning":{"effort":"bogus"})"), "reasoning.effort"},
       {with(R"("reasoning":{"effort":{}})"), "reasoning.effort"},
       {with(tools(R"({"type":"web_search"},)" + bad_tool)), "tools[1].name"},
       {with(tools(R"({"type":"web_search"},{"type":"function","name":"g","parameters":3})")), "tools[1].parameters"},
       {with(tools(good_tool + R"(,{"type":"namespace","name":"n","tools":[)" + bad_tool + "]}")),
        "tools[1].tools[0].name"},
       {with(tools(good_tool + "," + bad_tool) +
             R"(,"tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"\"g"}]})"),
        "tools[1].name"},
       {with(tools(good_tool) + R"(,"tool_choice":{"type":"function","name":"g"})"), "tool_choice"},
       {R"({"input":[]})", "input"},
       {R"({"input":[{"role":"bogus","content":"x"}]})", "input[0].role"},
       {R"({"instructions":"i","input":[{"role":"developer","content":"d"},{"type":"web_search_call"},
            {"role":"bogus","content":"x"}]})",
        "input[2].role"},
       {StrCat(R"({"input":[{"role":"user","content":"x"},{"type":"reasoning","summary":[]},)", call, R"("{}"},)", call,
               R"("[]"},{"type":"function_call_output","call_id":"c","output":"7"}]})"),
        "input[3].arguments"},
       {StrCat(R"({"input":[{"role":"user","content":"x"},)", call, R"("{}"}]})"), "input[1]"},
       {StrCat(R"({"input":")", Repeated("word ", 20000), "\"}"), "input"}});
  Check({"/v1/responses/input_tokens", R"({"input":[{"role":"bogus","content":"x"}]})", "input[0].role"});
}

TEST_F(ErrorFields, Messages) {
  const auto with = [](const std::string& fields) {
    return StrCat(R"({"max_tokens":5,"messages":[{"role":"user","content":"x"}],)", fields, "}");
  };
  const auto tools = [](const std::string& second) {
    return StrCat(R"("tools":[{"type":"web_search_20250305","name":"web_search"},)", second, "]");
  };
  CheckAll("/v1/messages",
           {{with(R"("output_config":{"effort":"bogus"})"), "output_config.effort"},
            {with(tools(R"({"name":"\"g","input_schema":{"type":"object"}})")), "tools[1].name"},
            {with(tools(R"({"name":"g","strict":true,"input_schema":{"type":"object","not":{}}})")),
             "tools[1].input_schema"},
            {with(tools(R"({"name":"g","input_schema":{"type":"object"}})") +
                  R"(,"tool_choice":{"type":"tool","name":"h"})"),
             "tool_choice"},
            {R"({"max_tokens":5,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}],
                 "output_config":{"format":{"type":"json_schema","schema":{"type":"integer"}}}})",
             "output_config.format"}});
  Check({"/v1/messages/count_tokens", with(R"("output_config":{"effort":"bogus"})"), "output_config.effort"});
}

}  // namespace
}  // namespace fathom
