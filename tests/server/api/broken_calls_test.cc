// A model that ends in the middle of a tool call, at every character, as the clients of all protocols see it.
#include <gtest/gtest.h>

#include "base/utf8.h"
#include "server/api/answer_pump.h"
#include "server/api/anthropic_answer.h"
#include "server/api/chat_answer.h"
#include "server/api/responses_answer.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

constexpr std::string_view kBrokenCalls =
    "Yes.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"f\">\n<｜DSML｜parameter name=\"a\" string=\"true\">x\n"
    "</｜DSML｜parameter>\n<｜DSML｜parameter name=\"b\" string=\"false\">{\"c\": [1]}</｜DSML｜parameter>\n"
    "<｜DSML｜parameter name=\"e\" string=\"false\">not JSON</｜DSML｜parameter>\n</｜DSML｜invoke>\n"
    "<｜DSML｜invoke name=\"g\">\n\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>";

// The answer `text` and its end, through the pump.
template <typename Sink, typename... Options>
std::shared_ptr<FakeExchange> Pumped(std::string_view text, FinishReason reason, Options&&... options) {
  const auto exchange = std::make_shared<FakeExchange>();
  const auto sink = std::make_shared<Sink>(exchange, std::forward<Options>(options)...);
  AnswerPumpSetup setup;
  setup.requests = std::make_shared<RequestGroup>();
  setup.stream = {.mode = ThinkingMode::kChat,
                  .parse_tools = true,
                  .tolerant_tags = true,
                  .quote_bad_json = true,
                  .close_calls = true};
  const auto pump = std::make_shared<AnswerPump>(std::move(setup), *NanoEngine().tokenizer, sink, nullptr, nullptr);
  const EventHandler handler = pump->Handler(0);
  GeneratedToken token;
  token.id = 500;
  token.text = text;
  handler(token);
  Finished finished;
  finished.reason = reason;
  handler(finished);
  return exchange;
}

void ExpectObject(const std::string& json, std::string_view text) {
  const Result<Json> parsed = ParseJson(json);
  EXPECT_TRUE(parsed.ok() && parsed->is_object()) << json << " of " << text;
}

std::string TextAt(const Json* value) { return value != nullptr && value->is_string() ? value->string() : ""; }

// The finish reason in OpenAI's words; calls that come with "tool_calls" are whole.
std::string PlainFinish(std::string_view text, FinishReason reason) {
  const Json body = Pumped<ChatCollectSink>(text, reason, ChatAnswerOptions(), *NanoEngine().tokenizer)->json();
  const Json& choice = body.Find("choices")->items().at(0);
  const std::string finish = TextAt(choice.Find("finish_reason"));
  const Json* calls = choice.Find("message")->Find("tool_calls");
  if (finish == "tool_calls") {
    EXPECT_TRUE(calls != nullptr && !calls->items().empty()) << text;
    for (const Json& call : calls->items()) ExpectObject(call.Find("function")->Find("arguments")->string(), text);
  }
  return finish;
}

std::string StreamedFinish(std::string_view text, FinishReason reason) {
  const auto exchange = Pumped<ChatStreamSink>(text, reason, ChatAnswerOptions(), *NanoEngine().tokenizer);
  std::map<int64_t, std::string> arguments;
  std::string finish;
  for (const std::string& event : exchange->events()) {
    if (event == "[DONE]") continue;
    const Json frame = ParseTestJson(event);
    for (const Json& choice : frame.Find("choices")->items()) {
      if (std::string reached = TextAt(choice.Find("finish_reason")); !reached.empty()) finish = reached;
      const Json* calls = choice.Find("delta")->Find("tool_calls");
      if (calls == nullptr) continue;
      for (const Json& call : calls->items()) {
        arguments[*call.Find("index")->AsInt()] += TextAt(call.Find("function")->Find("arguments"));
      }
    }
  }
  if (finish == "tool_calls") {
    for (const auto& [index, json] : arguments) ExpectObject(json, text);
  }
  return finish;
}

std::string InResponses(std::string_view text, FinishReason reason) {
  const Json body = Pumped<ResponsesAnswer>(text, reason, ResponsesAnswer::Options{})->json();
  const bool whole = TextAt(body.Find("status")) == "completed";
  bool calls = false;
  for (const Json& item : body.Find("output")->items()) {
    if (TextAt(item.Find("type")) != "function_call") continue;
    calls = true;
    if (TextAt(item.Find("status")) == "completed") ExpectObject(TextAt(item.Find("arguments")), text);
    if (whole) {
      EXPECT_EQ(TextAt(item.Find("status")), "completed") << text;
    }
  }
  return !whole ? "length" : calls ? "tool_calls" : "stop";
}

std::string InMessages(std::string_view text, FinishReason reason) {
  const Json body = Pumped<AnthropicCollector>(text, reason, std::string("m"))->json();
  const std::string stop = TextAt(body.Find("stop_reason"));
  for (const Json& block : body.Find("content")->items()) {
    if (TextAt(block.Find("type")) != "tool_use") continue;
    EXPECT_TRUE(block.Find("input")->is_object()) << text;
    EXPECT_EQ(block.Find("input")->Find("INVALID_JSON"), nullptr) << text;
  }
  return stop == "tool_use" ? "tool_calls" : stop == "max_tokens" ? "length" : "stop";
}

TEST(BrokenCalls, EveryCutIsTheSameInAllProtocols) {
  for (const FinishReason reason : {FinishReason::kStop, FinishReason::kLength}) {
    std::map<std::string, int> finishes;
    for (size_t size = 1; size <= kBrokenCalls.size(); ++size) {
      const std::string_view text = kBrokenCalls.substr(0, size);
      if (!IsValidUtf8(text)) continue;  // the engine sends whole characters
      const std::string finish = PlainFinish(text, reason);
      ++finishes[finish];
      EXPECT_EQ(StreamedFinish(text, reason), finish) << text;
      EXPECT_EQ(InResponses(text, reason), finish) << text;
      EXPECT_EQ(InMessages(text, reason), finish) << text;
    }
    EXPECT_GT(finishes["length"], 50);
    EXPECT_GE(finishes["tool_calls"], reason == FinishReason::kStop ? 50 : 1);
  }
}

TEST(BrokenCalls, FreeTextAsFarAsItCame) {
  ResponsesAnswer::Options options;
  options.custom_tools = {"patch"};
  const std::string call =
      "<｜DSML｜tool_calls>\n<｜DSML｜invoke name=\"patch\">\n"
      "<｜DSML｜parameter name=\"input\" string=\"true\">*** Begin\n+\"x\"";
  const auto exchange = std::make_shared<FakeExchange>();
  const auto sink = std::make_shared<ResponsesAnswer>(exchange, std::move(options));
  AnswerPumpSetup setup;
  setup.requests = std::make_shared<RequestGroup>();
  setup.stream = {.mode = ThinkingMode::kChat, .close_calls = true};
  const auto pump = std::make_shared<AnswerPump>(std::move(setup), *NanoEngine().tokenizer, sink, nullptr, nullptr);
  GeneratedToken token;
  token.id = 500;
  token.text = call;
  pump->Handler(0)(token);
  Finished finished;
  finished.reason = FinishReason::kLength;
  pump->Handler(0)(finished);
  const Json item = exchange->json().Find("output")->items().at(0);
  EXPECT_EQ(TextAt(item.Find("input")), "*** Begin\n+\"x\"");
  EXPECT_EQ(TextAt(item.Find("status")), "incomplete");
}

}  // namespace
}  // namespace fathom
