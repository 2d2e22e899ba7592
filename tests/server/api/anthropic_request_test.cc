#include "server/api/anthropic_request.h"

#include <gtest/gtest.h>

namespace fathom {
namespace {

Result<AnthropicRequest> ParseMessages(const std::string& text, AnthropicUse use = AnthropicUse::kMessages) {
  return ParseAnthropicRequest(*ParseJson(text), use);
}

// A request with these further members.
std::string With(const std::string& members) {
  return R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}],)" + members + "}";
}

// One whose only message has this content.
std::string Saying(const std::string& role, const std::string& content) {
  return R"({"model":"m","max_tokens":9,"messages":[{"role":")" + role + R"(","content":)" + content + "}]}";
}

std::string RefusalOf(const std::string& text) {
  const Result<AnthropicRequest> request = ParseMessages(text);
  return request.ok() ? "accepted" : request.status().message();
}

TEST(AnthropicRequest, AllBlocksOfAConversation) {
  const Result<AnthropicRequest> request = ParseMessages(R"({"model":"claude-x","max_tokens":9,"stream":true,
    "system":[{"type":"text","text":"A","cache_control":{"type":"ephemeral"}},{"type":"text","text":"B"}],
    "messages":[
      {"role":"user","content":[{"type":"text","text":"U","cache_control":{"type":"ephemeral"}}]},
      {"role":"assistant","content":[
        {"type":"thinking","thinking":"T","signature":"anything"},{"type":"redacted_thinking","data":"x"},
        {"type":"text","text":"S"},{"type":"tool_use","id":"t1","name":"f","input":{"x":1}},
        {"type":"tool_use","id":"t2","name":"g","input":{}}]},
      {"role":"user","content":[
        {"type":"text","text":"after"},
        {"type":"tool_result","tool_use_id":"t1","content":"one"},
        {"type":"tool_result","tool_use_id":"t2","is_error":true,
         "content":[{"type":"text","text":"two"},{"type":"image","source":{}}]}]}]})");
  ASSERT_TRUE(request.ok()) << request.status().message();
  EXPECT_TRUE(request->stream);
  const ChatRequest& chat = request->chat;
  EXPECT_EQ(chat.model, "claude-x");
  EXPECT_EQ(chat.max_tokens, 9);
  ASSERT_EQ(chat.messages.size(), 6U);
  EXPECT_EQ(chat.messages[0].role, "system");
  EXPECT_EQ(chat.messages[0].content, "A\nB");
  EXPECT_EQ(chat.messages[1].content, "U");
  EXPECT_EQ(chat.messages[2].reasoning_content, "T");
  EXPECT_EQ(chat.messages[2].content, "S");
  ASSERT_EQ(chat.messages[2].tool_calls.size(), 2U);
  EXPECT_EQ(chat.messages[2].tool_calls[0].arguments, R"({"x":1})");
  EXPECT_EQ(chat.messages[2].tool_calls[1].arguments, "{}");
  EXPECT_EQ(chat.messages[3].role, "tool");  // results come before the text of their turn
  EXPECT_EQ(chat.messages[3].tool_call_id, "t1");
  EXPECT_EQ(chat.messages[4].content, "Error: two\n\n[Unsupported image]");
  EXPECT_EQ(chat.messages[5].content, "after");
  EXPECT_FALSE(chat.continues_last);
}

TEST(AnthropicRequest, SystemTextAndALastAssistantMessage) {
  const Result<AnthropicRequest> request = ParseMessages(R"({"model":"m","max_tokens":1,"system":"S",
    "messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"He"}]})");
  ASSERT_TRUE(request.ok()) << request.status().message();
  EXPECT_EQ(request->chat.messages[0].content, "S");
  EXPECT_TRUE(request->chat.continues_last);
}

TEST(AnthropicRequest, ThinkingEffortAndForm) {
  for (const auto& [type, thinks] :
       std::vector<std::pair<std::string, bool>>{{"enabled", true}, {"adaptive", true}, {"disabled", false}}) {
    const Result<AnthropicRequest> request =
        ParseMessages(With(R"("thinking":{"type":")" + type + R"(","budget_tokens":1024})"));
    ASSERT_TRUE(request.ok()) << request.status().message();
    EXPECT_EQ(request->chat.effort.thinking, thinks);
  }
  const Result<AnthropicRequest> request = ParseMessages(With(
      R"("output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object"}}},"top_k":5,
         "temperature":0.5,"top_p":0.9,"stop_sequences":["a","b"],"metadata":{"user_id":"user_1_session_2"})"));
  ASSERT_TRUE(request.ok()) << request.status().message();
  EXPECT_EQ(request->chat.effort.effort, "low");
  EXPECT_EQ(request->chat.form.kind, AnswerForm::Kind::kJsonSchema);
  EXPECT_EQ(request->chat.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(request->chat.sampling.top_k, 5);
  EXPECT_EQ(request->user, "user_1");
}

TEST(AnthropicRequest, ToolsAndAllChoices) {
  const std::string tools =
      R"("tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"cache_control":{"type":"ephemeral"}},
        {"type":"custom","name":"g","input_schema":{"type":"object"},"strict":true},
        {"type":"web_search_20250305","name":"web_search"}],"tool_choice":)";
  const std::vector<std::pair<std::string, ToolChoice>> kinds = {{R"({"type":"auto"})", ToolChoice::kAuto},
                                                                 {R"({"type":"none"})", ToolChoice::kNone},
                                                                 {R"({"type":"any"})", ToolChoice::kRequired},
                                                                 {R"({"type":"tool","name":"g"})", ToolChoice::kNamed}};
  for (const auto& [choice, kind] : kinds) {
    const Result<AnthropicRequest> request = ParseMessages(With(tools + choice));
    ASSERT_TRUE(request.ok()) << request.status().message();
    ASSERT_EQ(request->chat.tools.size(), 2U);
    EXPECT_EQ(request->chat.tools[0].Find("parameters")->Dump(), R"({"type":"object"})");
    EXPECT_TRUE(request->chat.tools[1].Find("strict")->boolean());
    EXPECT_EQ(request->chat.tool_choice, kind);
    EXPECT_EQ(request->chat.tool_name, kind == ToolChoice::kNamed ? "g" : "");
    EXPECT_TRUE(request->chat.parallel_tool_calls);
  }
  const Result<AnthropicRequest> one =
      ParseMessages(With(tools + R"({"type":"any","disable_parallel_tool_use":true})"));
  ASSERT_TRUE(one.ok());
  EXPECT_FALSE(one->chat.parallel_tool_calls);
}

TEST(AnthropicRequest, CountingNeedsNoLimit) {
  const std::string body = R"({"model":"m","messages":[{"role":"user","content":"Hi"}]})";
  EXPECT_TRUE(ParseMessages(body, AnthropicUse::kCountTokens).ok());
  EXPECT_NE(RefusalOf(body).find("max_tokens is missing"), std::string::npos);
}

TEST(AnthropicRequest, ErrorsNameTheField) {
  const auto names = [](const std::string& text, std::string_view field) {
    const std::string message = RefusalOf(text);
    EXPECT_NE(message.find(field), std::string::npos) << message;
  };
  names("[]", "no JSON object");
  names(R"({"model":"m","max_tokens":0,"messages":[]})", "max_tokens is 0");
  names(R"({"model":"m","max_tokens":9})", "messages is missing");
  names(R"({"model":"m","max_tokens":9,"messages":[]})", "messages is empty");
  names(R"({"model":"m","max_tokens":9,"messages":[{"role":"tool","content":"x"}]})", "messages[0].role is \"tool\"");
  names(R"({"model":"m","max_tokens":9,"messages":[{"role":"user"}]})", "messages[0].content is missing");
  names(Saying("user", "7"), "messages[0].content is 7");
  names(Saying("user", R"([{"type":"image","source":{}}])"), "messages[0].content[0].type is \"image\"");
  names(Saying("user", R"([{"type":"text"}])"), "messages[0].content[0].text is missing");
  names(Saying("user", R"([{"type":"tool_result","content":"x"}])"), "messages[0].content[0].tool_use_id is missing");
  names(Saying("assistant", R"([{"type":"tool_use","id":"a"}])"), "messages[0].content[0].name is missing");
  names(Saying("assistant", R"([{"type":"tool_use","id":"a","name":"f","input":3}])"), "messages[0].content[0].input");
  names(Saying("assistant", R"([{"type":"tool_use","id":"a","name":"f","input":{}}])"),
        "messages[0] ends with tool_use");
  names(With(R"("system":[{"type":"image"}])"), "system[0].type is \"image\"");
  names(With(R"("tools":[{"name":"f"}])"), "tools[0].input_schema is missing");
  names(With(R"("tool_choice":{"type":"some"})"), "tool_choice.type is \"some\"");
  names(With(R"("tool_choice":{"type":"tool"})"), "tool_choice.name is missing");
  names(With(R"("thinking":{"type":"perhaps"})"), "thinking.type is \"perhaps\"");
  names(With(R"("output_config":{"format":{"type":"xml"}})"), "output_config.format.type is \"xml\"");
  names(With(R"("stop_sequences":[1])"), "stop_sequences[0] is 1");
}

TEST(AnthropicRequest, TheSessionIsNoPartOfTheUser) {
  EXPECT_EQ(UserOfMetadata("user_a_account_b_session_c"), "user_a_account_b");
  EXPECT_EQ(UserOfMetadata(R"({"device":"d","session_id":"s"})"), R"({"device":"d"})");
  EXPECT_EQ(UserOfMetadata("{broken"), "{broken");
  EXPECT_EQ(UserOfMetadata("plain"), "plain");
}

}  // namespace
}  // namespace fathom
