#include "server/api/responses_request.h"

#include <gtest/gtest.h>

#include "base/strings.h"

namespace fathom {
namespace {

Result<ResponsesRequest> Parse(const std::string& text) { return ParseResponsesRequest(*ParseJson(text)); }

std::string ErrorOf(const std::string& text) {
  const Result<ResponsesRequest> request = Parse(text);
  return request.ok() ? "accepted" : request.status().message();
}

TEST(ResponsesRequest, ATextIsAUserMessageAfterTheInstructions) {
  const Result<ResponsesRequest> request = Parse(
      R"({"model":"m","instructions":"Be kind.","input":"Hi","max_output_tokens":7,"reasoning":{"effort":"low"}})");
  ASSERT_TRUE(request.ok()) << request.status().message();
  const ChatRequest& chat = request->chat.request;
  ASSERT_EQ(chat.messages.size(), 2U);
  EXPECT_EQ(chat.messages[0].role, "system");
  EXPECT_EQ(chat.messages[1].content, "Hi");
  EXPECT_EQ(chat.max_tokens, 7);
  EXPECT_EQ(chat.effort.effort, "low");
}

TEST(ResponsesRequest, ItemsOfOneTurnBecomeOneMessage) {
  const Result<ResponsesRequest> request = Parse(R"({"input":[
    {"role":"developer","content":[{"type":"input_text","text":"D"}]},
    {"role":"user","content":"U"},
    {"type":"reasoning","id":"rs_1","summary":[],"content":[{"type":"reasoning_text","text":"R"}]},
    {"type":"message","role":"assistant","content":[{"type":"output_text","text":"A"}]},
    {"type":"function_call","call_id":"c1","name":"f","arguments":"{\"x\":1}"},
    {"type":"custom_tool_call","call_id":"c2","name":"patch","input":"*** Begin"},
    {"type":"web_search_call","id":"w"},
    {"type":"function_call_output","call_id":"c1","output":"one"},
    {"type":"custom_tool_call_output","call_id":"c2","output":[{"type":"input_text","text":"two"}]}]})");
  ASSERT_TRUE(request.ok()) << request.status().message();
  const std::vector<ChatMessage>& messages = request->chat.request.messages;
  ASSERT_EQ(messages.size(), 5U);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_EQ(messages[2].reasoning_content, "R");
  EXPECT_EQ(messages[2].content, "A");
  ASSERT_EQ(messages[2].tool_calls.size(), 2U);
  EXPECT_EQ(messages[2].tool_calls[1].arguments, R"({"input":"*** Begin"})");
  EXPECT_EQ(messages[3].tool_call_id, "c1");
  EXPECT_EQ(messages[4].content, "two");
}

TEST(ResponsesRequest, ToolsOfAllKindsAndUnknownOnesIgnored) {
  const Result<ResponsesRequest> request = Parse(R"({"input":"x","tool_choice":{"type":"function","name":"f"},"tools":[
    {"type":"function","name":"f","parameters":{"type":"object"},"strict":true},
    {"type":"custom","name":"apply_patch","format":{"type":"grammar","syntax":"lark","definition":"x"}},
    {"type":"web_search"},{"type":"local_shell"},
    {"type":"namespace","name":"n","tools":[{"type":"function","name":"g","parameters":{"type":"object"}}]}]})");
  ASSERT_TRUE(request.ok()) << request.status().message();
  const ChatRequest& chat = request->chat.request;
  ASSERT_EQ(chat.tools.size(), 3U);
  EXPECT_EQ(chat.tool_choice, ToolChoice::kNamed);
  EXPECT_EQ(chat.tool_name, "f");
  EXPECT_TRUE(request->custom_tools.contains("apply_patch"));
}

TEST(ResponsesRequest, ASchemaIsTheAnswersForm) {
  const Result<ResponsesRequest> request = Parse(
      R"({"input":"x","text":{"verbosity":"low","format":{"type":"json_schema","name":"n","schema":{"type":"object"}}}})");
  ASSERT_TRUE(request.ok()) << request.status().message();
  EXPECT_EQ(request->chat.request.form.kind, AnswerForm::Kind::kJsonSchema);
}

TEST(ResponsesRequest, InstructionsAndLeadingDeveloperMessagesAreOneSystemText) {
  const Result<ResponsesRequest> request = Parse(R"({"instructions":"I","input":[{"role":"developer","content":"D"},
    {"role":"user","content":"U"},{"role":"developer","content":"later"}]})");
  ASSERT_TRUE(request.ok()) << request.status().message();
  const std::vector<ChatMessage>& messages = request->chat.request.messages;
  ASSERT_EQ(messages.size(), 3U);
  EXPECT_EQ(messages[0].content, "I\n\nD");
  EXPECT_EQ(messages[2].role, "system");
}

TEST(ResponsesRequest, GrammarsNamespacesAndAllowedTools) {
  const Result<ResponsesRequest> request = Parse(R"({"input":[{"role":"user","content":"x"},
    {"type":"function_call","call_id":"c","namespace":"n","name":"g","arguments":"{}"},
    {"type":"function_call_output","call_id":"c","output":[{"type":"input_text","text":"t"},{"type":"input_image","image_url":"u"}]}],
    "tools":[{"type":"function","name":"f","parameters":{"type":"object"}},
      {"type":"custom","name":"patch","description":"d","format":{"type":"grammar","syntax":"lark","definition":"start: x"}},
      {"type":"namespace","name":"n","tools":[{"type":"function","name":"g","parameters":{"type":"object"}}]}],
    "tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"custom","name":"patch"},
      {"type":"function","name":"g","namespace":"n"}]},"temperature":0.5,"prompt_cache_key":"k","store":true})");
  ASSERT_TRUE(request.ok()) << request.status().message();
  const ChatRequest& chat = request->chat.request;
  ASSERT_EQ(chat.tools.size(), 2U);
  EXPECT_EQ(chat.tools[0].Find("description")->string(), "d\n\n`input` obeys this lark grammar:\nstart: x");
  EXPECT_EQ(chat.tools[1].Find("name")->string(), "n__g");
  EXPECT_EQ(chat.tool_choice, ToolChoice::kRequired);
  EXPECT_EQ(chat.messages[1].tool_calls[0].name, "n__g");
  EXPECT_EQ(chat.messages[2].content, "t\n[Unsupported input_image]");
  EXPECT_EQ(request->namespaced_tools.at("n__g").space, "n");
  EXPECT_EQ(request->echo.Find("temperature")->AsDouble(), 0.5);
  EXPECT_EQ(request->echo.Find("tools")->items().size(), 3U);
  EXPECT_TRUE(request->store);
}

TEST(ResponsesRequest, ErrorsNameTheField) {
  EXPECT_NE(ErrorOf("[]").find("no JSON object"), std::string::npos);
  EXPECT_NE(ErrorOf("{}").find("input is missing"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"input":"x","conversation":"c"})").find("conversation"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"input":"x","store":"no"})").find("store is \"no\""), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"input":"x","include":"all"})").find("include is"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"input":"x","reasoning":{"summary":"short"}})").find("reasoning.summary is"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"input":[{"type":"reasoning","encrypted_content":"x"}]})").find("input[0].encrypted_content"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"input":"x","background":true})").find("background"), std::string::npos);
  EXPECT_NE(ErrorOf(R"({"input":[{"role":"user","content":[{"type":"input_image"}]}]})").find("input[0].content[0]"),
            std::string::npos);
  EXPECT_NE(ErrorOf(R"({"input":[{"type":"function_call","name":"f"}]})").find("input[0].call_id"), std::string::npos);
  EXPECT_TRUE(ErrorOf(R"({"input":[]})").starts_with("input is a list")) << ErrorOf(R"({"input":[]})");
  EXPECT_NE(ErrorOf(R"({"input":"x","tools":[{"type":"function"}]})").find("tools[0].name"), std::string::npos);
}

// A search among the fields for each of them would take hours.
TEST(ResponsesRequest, AnItemWithVeryManyFields) {
  constexpr size_t kFields = 500'000;
  std::string text = R"({"input":[{"role":"user","content":"hi")";
  for (size_t field = 0; field < kFields; ++field) text += StrCat(",\"k", field, "\":0");
  const Json body = *ParseJson(text + "}]}");
  const ApiResult<ResponseInput> read = ReadResponseInput(body, "", nullptr);
  const auto* input = std::get_if<ResponseInput>(&read);
  ASSERT_NE(input, nullptr);
  const std::vector<Json::Member>& members = input->own.at(0).members();
  ASSERT_EQ(members.size(), kFields + 5);
  EXPECT_EQ(members.front().first, "id");
  EXPECT_EQ(members[4].first, "k0");
  EXPECT_EQ(members.back().first, "status");
  const Result<ResponsesRequest> request = ParseResponsesRequest(body, input);
  ASSERT_TRUE(request.ok()) << request.status().message();
  EXPECT_EQ(request->chat.request.messages.at(0).content, "hi");
}

TEST(ResponsesRequest, VeryManyDeveloperMessagesAreOneSystemText) {
  std::string text = R"({"instructions":"I","input":[)";
  std::string expected = "I";
  for (int item = 0; item < 100'000; ++item) {
    text += StrCat(R"({"role":"developer","content":"D)", item, "\"},");
    expected += StrCat("\n\nD", item);
  }
  const Result<ResponsesRequest> request = Parse(text + R"({"role":"user","content":"U"}]})");
  ASSERT_TRUE(request.ok()) << request.status().message();
  const std::vector<ChatMessage>& messages = request->chat.request.messages;
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[0].role, "system");
  EXPECT_TRUE(messages[0].content == expected);
}

}  // namespace
}  // namespace fathom
