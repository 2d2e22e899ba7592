#include "server/api/responses_answer.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

// The data of all events; numbers, items and indices are checked.
std::vector<Json> CheckedEvents(FakeExchange& exchange) {
  std::vector<Json> events;
  const std::string& body = exchange.response().body;
  std::string item_id;
  int64_t output_index = -1;
  for (size_t at = 0; at < body.size();) {
    const size_t end = std::min(body.find("\n\n", at), body.size());
    const std::string event = body.substr(at, end - at);
    at = end + 2;
    const size_t data = event.find("\ndata: ");
    if (event.starts_with(':') || data == std::string::npos) continue;
    Json json = ParseTestJson(event.substr(data + 7));
    const std::string& type = json.Find("type")->string();
    EXPECT_EQ(type, event.substr(7, data - 7));
    EXPECT_EQ(json.Find("sequence_number")->AsInt(), static_cast<int64_t>(events.size()));
    if (type == "response.output_item.added") {
      EXPECT_TRUE(item_id.empty()) << "an item is open";
      item_id = json.Find("item")->Find("id")->string();
      ++output_index;
    }
    if (const Json* id = json.Find("item_id")) {
      EXPECT_EQ(id->string(), item_id);
    }
    if (const Json* index = json.Find("output_index")) {
      EXPECT_EQ(index->AsInt(), output_index);
    }
    if (type == "response.output_item.done") {
      EXPECT_EQ(json.Find("item")->Find("id")->string(), item_id);
      item_id.clear();
    }
    events.push_back(std::move(json));
  }
  return events;
}

ResponsesAnswer::Options StreamOptions() {
  ResponsesAnswer::Options options;
  options.model = "m";
  options.stream = true;
  options.custom_tools = {"patch"};
  options.namespaced_tools = {{"n__g", {"n", "g"}}};
  options.echo = Json::Object({{"temperature", Json::Int(1)}});
  return options;
}

TEST(ResponsesAnswer, ItemsInOrderWithTheirEvents) {
  const auto exchange = std::make_shared<FakeExchange>();
  ResponsesAnswer answer(exchange, StreamOptions());
  answer.Begin();
  answer.OnText(0, AnswerPart::kReasoning, "Hm");
  answer.OnText(0, AnswerPart::kContent, "Yes");
  answer.OnToolCall(0, 0, "call_1", "n__g");
  answer.OnArguments(0, 0, "{}");
  answer.OnToolCall(0, 1, "call_2", "patch");
  answer.OnArguments(0, 1, R"({"input": "*** Begin"})");
  answer.OnChoiceEnd(0, {AnswerFinish::kToolCalls});
  answer.End({});
  const std::vector<Json> events = CheckedEvents(*exchange);
  ASSERT_GT(events.size(), 3U);
  EXPECT_EQ(events[0].Find("type")->string(), "response.created");
  EXPECT_EQ(events[1].Find("type")->string(), "response.in_progress");
  EXPECT_EQ(events.back().Find("type")->string(), "response.completed");
  const Json* response = events.back().Find("response");
  EXPECT_EQ(response->Find("temperature")->AsInt(), 1);
  const std::vector<Json>& output = response->Find("output")->items();
  ASSERT_EQ(output.size(), 4U);
  EXPECT_EQ(output[0].Find("content")->items()[0].Find("text")->string(), "Hm");
  EXPECT_EQ(output[1].Find("content")->items()[0].Find("text")->string(), "Yes");
  EXPECT_EQ(output[2].Find("name")->string(), "g");
  EXPECT_EQ(output[2].Find("namespace")->string(), "n");
  EXPECT_EQ(output[3].Find("type")->string(), "custom_tool_call");
  EXPECT_EQ(output[3].Find("input")->string(), "*** Begin");
}

TEST(ResponsesAnswer, ASummaryHasEventsOfItsOwn) {
  const auto exchange = std::make_shared<FakeExchange>();
  const auto seal = std::move(*ReasoningSeal::Open(""));
  ResponsesAnswer::Options options = StreamOptions();
  options.summary = true;
  options.seal = seal.get();
  ResponsesAnswer answer(exchange, std::move(options));
  answer.OnText(0, AnswerPart::kReasoning, "Hm");
  answer.OnText(0, AnswerPart::kReasoning, ", yes");
  answer.OnText(0, AnswerPart::kContent, "Yes");
  answer.OnChoiceEnd(0, {});
  answer.End({});
  std::vector<std::string> types;
  const std::vector<Json> events = CheckedEvents(*exchange);
  for (const Json& event : events) types.push_back(event.Find("type")->string());
  const std::vector<std::string> expected = {"response.created",
                                             "response.in_progress",
                                             "response.output_item.added",
                                             "response.reasoning_summary_part.added",
                                             "response.reasoning_summary_text.delta",
                                             "response.reasoning_summary_text.delta",
                                             "response.reasoning_summary_text.done",
                                             "response.reasoning_summary_part.done",
                                             "response.output_item.done",
                                             "response.output_item.added",
                                             "response.content_part.added",
                                             "response.output_text.delta",
                                             "response.output_text.done",
                                             "response.content_part.done",
                                             "response.output_item.done",
                                             "response.completed"};
  EXPECT_EQ(types, expected);
  for (size_t at = 3; at < 8; ++at) EXPECT_EQ(events[at].Find("summary_index")->AsInt(), 0) << at;
  EXPECT_EQ(events[6].Find("text")->string(), "Hm, yes");
  EXPECT_EQ(events[7].Find("part")->Find("type")->string(), "summary_text");
  const Json* item = events[8].Find("item");
  EXPECT_EQ(item->Find("summary")->items().at(0).Find("text")->string(), "Hm, yes");
  EXPECT_EQ(*seal->Unseal(item->Find("encrypted_content")->string()), "Hm, yes");
}

TEST(ResponsesAnswer, ErrorsBeforeAndAfterTheBegin) {
  const ApiError error{ApiErrorKind::kContextTooLong, "too long"};
  const auto refused = std::make_shared<FakeExchange>();
  ResponsesAnswer early(refused, StreamOptions());
  early.Fail(error);
  early.Begin();  // the handler, later than the engine: must not answer once more
  EXPECT_EQ(refused->response().status, 400);
  const auto exchange = std::make_shared<FakeExchange>();
  ResponsesAnswer late(exchange, StreamOptions());
  late.Begin();
  late.Fail(error);
  const std::vector<Json> events = CheckedEvents(*exchange);
  EXPECT_EQ(events.back().Find("type")->string(), "response.failed");
  EXPECT_EQ(events.back().Find("response")->Find("error")->Find("code")->string(), "context_length_exceeded");
}

TEST(ResponsesAnswer, AnAnswerThatWasCutOffIsIncomplete) {
  const auto exchange = std::make_shared<FakeExchange>();
  ResponsesAnswer answer(exchange, StreamOptions());
  answer.OnText(0, AnswerPart::kContent, "Yes");
  answer.OnChoiceEnd(0, {AnswerFinish::kLength});
  answer.End({});
  const std::vector<Json> events = CheckedEvents(*exchange);
  EXPECT_EQ(events.back().Find("type")->string(), "response.incomplete");
  EXPECT_EQ(events.back().Find("response")->Find("output")->items()[0].Find("status")->string(), "incomplete");
}

}  // namespace
}  // namespace fathom
