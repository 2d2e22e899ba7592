#include "server/api/anthropic_answer.h"

#include <gtest/gtest.h>

#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

struct NamedEventRead {
  std::string name;
  Json data;
};

// Events with names; pings and comments are left out.
std::vector<NamedEventRead> ReadNamedEvents(FakeExchange& exchange) {
  std::vector<NamedEventRead> events;
  const std::string& body = exchange.response().body;
  for (size_t at = 0; at < body.size();) {
    const size_t end = body.find("\n\n", at);
    if (end == std::string::npos) {
      ADD_FAILURE() << "an event is not ended";
      break;
    }
    const std::string event = body.substr(at, end - at);
    at = end + 2;
    const size_t data = event.find("\ndata: ");
    if (event.starts_with(':') || data == std::string::npos) continue;
    NamedEventRead read{event.substr(7, data - 7), ParseTestJson(event.substr(data + 7))};
    EXPECT_EQ(read.data.Find("type")->string(), read.name);
    if (read.name != "ping") events.push_back(std::move(read));
  }
  return events;
}

// Their names, blocks with kind and index: "start thinking 0", "delta text_delta 1", "stop 1".
std::vector<std::string> Outline(FakeExchange& exchange) {
  std::vector<std::string> lines;
  for (const NamedEventRead& event : ReadNamedEvents(exchange)) {
    const Json* index = event.data.Find("index");
    const std::string number = index == nullptr ? "" : " " + index->number_text();
    if (event.name == "content_block_start") {
      lines.push_back("start " + event.data.Find("content_block")->Find("type")->string() + number);
    } else if (event.name == "content_block_delta") {
      lines.push_back("delta " + event.data.Find("delta")->Find("type")->string() + number);
    } else if (event.name == "content_block_stop") {
      lines.push_back("stop" + number);
    } else {
      lines.push_back(event.name);
    }
  }
  return lines;
}

AnswerTotals SomeTotals() {
  AnswerTotals totals;
  totals.usage = {.prompt_tokens = 100, .cached_tokens = 60, .completion_tokens = 7};
  return totals;
}

TEST(AnthropicStream, ThinkingTextAndACallAreBlocksInOrder) {
  const auto exchange = std::make_shared<FakeExchange>();
  AnthropicStream stream(exchange, "m");
  stream.OnPrompt(100);
  stream.Begin();
  stream.OnPromptCached(60);
  stream.OnPrefill({70, 100, 60});
  stream.OnText(0, AnswerPart::kReasoning, "Hm");
  stream.OnText(0, AnswerPart::kReasoning, "m.");
  stream.OnText(0, AnswerPart::kContent, "Yes");
  stream.OnToolCall(0, 0, "call_1", "f");
  stream.OnArguments(0, 0, "{\"x\": ");
  stream.OnArguments(0, 0, "1}");
  stream.OnToolCall(0, 1, "call_2", "g");
  stream.OnArguments(0, 1, "{}");
  stream.OnChoiceEnd(0, {AnswerFinish::kToolCalls});
  stream.End(SomeTotals());
  EXPECT_EQ(Outline(*exchange),
            (std::vector<std::string>{"message_start", "start thinking 0", "delta thinking_delta 0",
                                      "delta thinking_delta 0", "delta signature_delta 0", "stop 0", "start text 1",
                                      "delta text_delta 1", "stop 1", "start tool_use 2", "delta input_json_delta 2",
                                      "delta input_json_delta 2", "stop 2", "start tool_use 3",
                                      "delta input_json_delta 3", "stop 3", "message_delta", "message_stop"}));
  const std::vector<NamedEventRead> events = ReadNamedEvents(*exchange);
  const Json* usage = events.front().data.Find("message")->Find("usage");
  EXPECT_EQ(usage->Find("cache_read_input_tokens")->AsInt(), 60);
  EXPECT_EQ(usage->Find("input_tokens")->AsInt(), 40);
  const Json& last = events[events.size() - 2].data;
  EXPECT_EQ(last.Find("delta")->Find("stop_reason")->string(), "tool_use");
  EXPECT_EQ(last.Find("usage")->Find("output_tokens")->AsInt(), 7);
  EXPECT_EQ(last.Find("usage")->Find("cache_read_input_tokens")->AsInt(), 60);
  EXPECT_NE(exchange->heartbeat().find("event: ping"), std::string::npos);
  EXPECT_NE(exchange->response().body.find(": prefill 70/100"), std::string::npos);
}

// The exchange's own pings come when nothing is written, and comments are.
TEST(AnthropicStream, EveryReportOfTheReadingHasAPing) {
  const auto exchange = std::make_shared<FakeExchange>();
  AnthropicStream stream(exchange, "m");
  stream.OnPrompt(4000);
  stream.Begin();
  stream.OnPromptCached(0);
  for (int64_t done = 500; done < 4000; done += 500) stream.OnPrefill({done, 4000, 0});
  stream.OnChoiceEnd(0, {});
  stream.End(SomeTotals());
  const std::string& body = exchange->response().body;
  int reports = 0;
  for (size_t at = body.find(": prefill"); at != std::string::npos; at = body.find(": prefill", at + 1), ++reports) {
    const size_t end = body.find("\n\n", at);
    EXPECT_EQ(body.compare(end + 2, 12, "event: ping\n"), 0) << body.substr(at);
  }
  EXPECT_EQ(reports, 7);
}

TEST(AnthropicStream, AnEmptyAnswerHasNoBlocks) {
  const auto exchange = std::make_shared<FakeExchange>();
  AnthropicStream stream(exchange, "m");
  stream.OnChoiceEnd(0, {AnswerFinish::kStopSequence, "END"});
  stream.End(SomeTotals());
  stream.Begin();  // the handler, later than the engine
  EXPECT_EQ(Outline(*exchange), (std::vector<std::string>{"message_start", "message_delta", "message_stop"}));
  EXPECT_EQ(ReadNamedEvents(*exchange)[1].data.Find("delta")->Find("stop_sequence")->string(), "END");
}

TEST(AnthropicStream, AnErrorMidwayClosesTheBlockFirst) {
  const auto exchange = std::make_shared<FakeExchange>();
  AnthropicStream stream(exchange, "m");
  stream.OnText(0, AnswerPart::kReasoning, "Hm");
  stream.Fail({ApiErrorKind::kInternal, "broken"});
  EXPECT_EQ(Outline(*exchange), (std::vector<std::string>{"message_start", "start thinking 0", "delta thinking_delta 0",
                                                          "delta signature_delta 0", "stop 0", "error"}));
  EXPECT_EQ(ReadNamedEvents(*exchange).back().data.Find("error")->Find("type")->string(), "api_error");
}

TEST(AnthropicStream, AnErrorBeforeTheBeginHasAStatus) {
  const auto exchange = std::make_shared<FakeExchange>();
  AnthropicStream stream(exchange, "m");
  stream.Fail({ApiErrorKind::kRateLimited, "full", {}, 5});
  stream.Begin();  // the handler, later than the engine: must not answer once more
  EXPECT_EQ(exchange->response().status, 429);
  EXPECT_EQ(exchange->json().Find("type")->string(), "error");
}

TEST(AnthropicStream, ACallWithoutArgumentsIsNotShownWhenCutOff) {
  for (const bool cut : {true, false}) {
    const auto exchange = std::make_shared<FakeExchange>();
    AnthropicStream stream(exchange, "m");
    stream.OnText(0, AnswerPart::kContent, "Yes");
    stream.OnToolCall(0, 0, "call_1", "f");
    stream.OnChoiceEnd(0, {cut ? AnswerFinish::kLength : AnswerFinish::kToolCalls});
    stream.End(SomeTotals());
    std::vector<std::string> expected{"message_start", "start text 0", "delta text_delta 0", "stop 0"};
    if (!cut) expected.insert(expected.end(), {"start tool_use 1", "delta input_json_delta 1", "stop 1"});
    expected.insert(expected.end(), {"message_delta", "message_stop"});
    EXPECT_EQ(Outline(*exchange), expected);
  }
}

TEST(AnthropicInput, OfTextThatWasCutOffTheWholeMembersCount) {
  const auto input = [](const std::string& text) {
    const std::optional<Json> json = WholeInput(text);
    return json ? json->Dump() : "none";
  };
  EXPECT_EQ(input("{}"), "{}");
  EXPECT_EQ(input(R"({"a": 1, "b": "x"})"), R"({"a":1,"b":"x"})");
  EXPECT_EQ(input(R"({"a": 1, "b": "x)"), R"({"a":1})");
  EXPECT_EQ(input(R"({"a": "x, \"}", "b": [1, {"c": 2)"), R"({"a":"x, \"}"})");
  EXPECT_EQ(input(R"({"a": "x")"), R"({"a":"x"})");
  EXPECT_EQ(input(R"({"a": [1, {"b": 2}])"), R"({"a":[1,{"b":2}]})");
  EXPECT_EQ(input(R"({"a": 1, "b": 12)"), R"({"a":1})");
  for (const char* nothing :
       {"", "{", R"({"a)", R"({"a")", R"({"a": )", R"({"a": "x)", R"({"a": 12)", "[1]", "nonsense"}) {
    EXPECT_EQ(input(nothing), "none") << nothing;
  }
}

TEST(AnthropicCollector, TheWholeMessage) {
  const auto exchange = std::make_shared<FakeExchange>();
  AnthropicCollector collector(exchange, "m");
  collector.OnText(0, AnswerPart::kReasoning, "Hm");
  collector.OnText(0, AnswerPart::kContent, "Yes");
  collector.OnToolCall(0, 0, "call_1", "f");
  collector.OnArguments(0, 0, R"({"x": 1})");
  collector.OnChoiceEnd(0, {AnswerFinish::kToolCalls});
  collector.End(SomeTotals());
  const Json message = exchange->json();
  EXPECT_EQ(message.Find("stop_reason")->string(), "tool_use");
  const std::vector<Json>& content = message.Find("content")->items();
  ASSERT_EQ(content.size(), 3U);
  EXPECT_EQ(content[0].Find("thinking")->string(), "Hm");
  EXPECT_EQ(content[0].Find("signature")->string(), ThinkingSignature("Hm"));
  EXPECT_EQ(content[1].Find("text")->string(), "Yes");
  EXPECT_EQ(content[2].Find("input")->Dump(), R"({"x":1})");
  EXPECT_EQ(message.Find("usage")->Find("input_tokens")->AsInt(), 40);
}

TEST(AnthropicCollector, CallsThatWereCutOffClaimNoEmptyInput) {
  const auto exchange = std::make_shared<FakeExchange>();
  AnthropicCollector collector(exchange, "m");
  collector.OnToolCall(0, 0, "call_1", "f");
  collector.OnArguments(0, 0, R"({"path": "a", "text": "abc)");
  collector.OnToolCall(0, 1, "call_2", "g");
  collector.OnArguments(0, 1, R"({"path": "a)");
  collector.OnChoiceEnd(0, {AnswerFinish::kLength});
  collector.End(SomeTotals());
  const Json message = exchange->json();
  EXPECT_EQ(message.Find("stop_reason")->string(), "max_tokens");
  ASSERT_EQ(message.Find("content")->items().size(), 1U);
  EXPECT_EQ(message.Find("content")->items()[0].Find("input")->Dump(), R"({"path":"a"})");
}

TEST(AnthropicCollector, ArgumentsThatAreNoJsonAreShownAsThat) {
  const auto exchange = std::make_shared<FakeExchange>();
  AnthropicCollector collector(exchange, "m");
  collector.OnToolCall(0, 0, "call_1", "f");
  collector.OnArguments(0, 0, "nonsense");
  collector.OnChoiceEnd(0, {AnswerFinish::kToolCalls});
  collector.End(SomeTotals());
  EXPECT_EQ(exchange->json().Find("content")->items()[0].Find("input")->Dump(), R"({"INVALID_JSON":"nonsense"})");
}

}  // namespace
}  // namespace fathom
