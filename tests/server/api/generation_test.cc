#include "server/api/generation.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "tests/engine/grammar/schema_checker.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

class GenerationTest : public testing::Test {
 protected:
  static ChatMessage Message(const char* role, std::string content) {
    ChatMessage message;
    message.role = role;
    message.content = std::move(content);
    return message;
  }
  static ChatRequest Chat(std::string user, int64_t max_tokens = 24) {
    ChatRequest request;
    request.model = "nano";
    request.messages = {Message("user", std::move(user))};
    request.effort.thinking = false;
    request.max_tokens = max_tokens;
    request.sampling.temperature = 0;
    request.sampling.seed = 7;
    return request;
  }
  static Json Tool(const char* name) {
    return ParseTestJson(
        std::string(R"({"name":")") + name +
        R"(","parameters":{"type":"object","properties":{"n":{"type":"integer","minimum":0,"maximum":99}},"required":["n"]}})");
  }

  std::shared_ptr<RecordingSink> Run(const ChatRequest& request, const Caller& caller = {}) {
    auto sink = std::make_shared<RecordingSink>();
    const ApiResult<Generation> started = service_.Start(request, caller, sink);
    if (const auto* error = std::get_if<ApiError>(&started)) {
      ADD_FAILURE() << error->message;
      return sink;
    }
    EXPECT_TRUE(sink->Wait());
    return sink;
  }
  ApiError Refused(const ChatRequest& request) {
    auto sink = std::make_shared<RecordingSink>();
    const ApiResult<Generation> started = service_.Start(request, {}, sink);
    if (const auto* error = std::get_if<ApiError>(&started)) return *error;
    ADD_FAILURE() << "accepted";
    sink->Wait();
    return {};
  }

  std::unique_ptr<AnswerReplay> replay_ = std::move(*AnswerReplay::Open({}));
  GenerationService service_{*NanoEngine().engine, *NanoEngine().tokenizer, NanoModel(), replay_.get(), nullptr};
};

TEST_F(GenerationTest, Answers) {
  const auto sink = Run(Chat("What is 2+2?"));
  ASSERT_TRUE(sink->choices[0].end);
  EXPECT_FALSE(sink->choices[0].content.empty());
  EXPECT_TRUE(sink->choices[0].reasoning.empty());
  EXPECT_GT(sink->totals.usage.prompt_tokens, 3);
  EXPECT_GT(sink->totals.usage.completion_tokens, 0);
}

TEST_F(GenerationTest, SecondTurnIsACacheHitWithReasoningLost) {
  ChatRequest request = Chat("Add 3 and 4 with the tool.", 300);
  request.effort.thinking = true;
  request.tools = {Tool("add")};
  request.messages.insert(request.messages.begin(), Message("system", std::string(400, 'x')));
  request.tool_choice = ToolChoice::kRequired;
  request.sampling.logit_bias = {{*NanoEngine().tokenizer->FindAddedToken(kThinkEndText), 5.0F}};
  const auto first = Run(request);
  const RecordedChoice& answer = first->choices[0];
  ASSERT_EQ(answer.end->finish, AnswerFinish::kToolCalls);
  ChatMessage turn = Message("assistant", answer.content);
  for (const RecordedChoice::Call& call : answer.calls) turn.tool_calls.push_back({call.id, call.name, call.arguments});
  request.messages.push_back(turn);
  ChatMessage result = Message("tool", "7");
  result.tool_call_id = answer.calls[0].id;
  request.messages.push_back(result);
  const auto second = Run(request);
  // The engine has read all of the first turn but its last token.
  const int64_t first_turn = first->totals.usage.prompt_tokens + first->totals.usage.completion_tokens - 1;
  EXPECT_GE(second->totals.usage.cached_tokens, first_turn - 128);
  // Somebody else's history is not known, so the reasoning is missing.
  const auto other = service_.PromptTokens(request, {.user = "other"});
  const auto own = service_.PromptTokens(request, {});
  EXPECT_EQ(std::get<0>(own).size(), static_cast<size_t>(second->totals.usage.prompt_tokens));
  EXPECT_FALSE(answer.reasoning.empty());
  EXPECT_NE(std::get<0>(own), std::get<0>(other));
}

TEST_F(GenerationTest, ChoicesShareOneReadingOfThePrompt) {
  ChatRequest request = Chat("Tell me about " + std::string(600, 'q'), 8);
  request.sampling.temperature = 1;
  request.n = 4;
  const auto read = [] { return NanoEngine().engine->stats().prompt_tokens_read; };
  const int64_t before = read();
  const auto sink = Run(request, {.user = "choices"});
  ASSERT_EQ(sink->choices.size(), 4u);
  for (const auto& [index, choice] : sink->choices) EXPECT_TRUE(choice.end) << index;
  const int64_t prompt = sink->totals.usage.prompt_tokens;
  ASSERT_GT(prompt, 256);
  EXPECT_LT(read() - before, 2 * prompt);
  // The choices are those of a request that shares nothing.
  request.use_prefix_cache = false;
  const auto apart = Run(request, {.user = "choices"});
  for (const auto& [index, choice] : sink->choices) EXPECT_EQ(choice.content, apart->choices[index].content) << index;
}

TEST_F(GenerationTest, ToolChoices) {
  ChatRequest request = Chat("Please add.", 400);
  request.tools = {Tool("add"), Tool("sub")};
  request.sampling.temperature = 1;
  request.tool_choice = ToolChoice::kNamed;
  request.tool_name = "sub";
  request.parallel_tool_calls = false;
  for (uint64_t seed = 0; seed < 4; ++seed) {
    request.sampling.seed = seed;
    const auto sink = Run(request);
    const RecordedChoice& choice = sink->choices[0];
    ASSERT_EQ(choice.end->finish, AnswerFinish::kToolCalls);
    ASSERT_EQ(choice.calls.size(), 1u);
    EXPECT_EQ(choice.calls[0].name, "sub");
    EXPECT_TRUE(choice.calls[0].id.starts_with("call_"));
    EXPECT_EQ(choice.calls[0].id.size(), 29u);
    const Json arguments = ParseTestJson(choice.calls[0].arguments);
    ASSERT_NE(arguments.Find("n"), nullptr);
    EXPECT_TRUE(arguments.Find("n")->is_integer());
    EXPECT_TRUE(choice.content.empty());
  }
  // Nothing can make a call begin.
  request.tool_choice = ToolChoice::kNone;
  request.max_tokens = 30;
  request.sampling.logit_bias = {{*NanoEngine().tokenizer->FindAddedToken(kDsmlText), 900.0F}};
  const auto none = Run(request);
  EXPECT_TRUE(none->choices[0].calls.empty());
  EXPECT_EQ(none->choices[0].content.find(kDsmlText), std::string::npos);
}

TEST_F(GenerationTest, SchemaBesideTools) {
  ChatRequest request = Chat("Go", 400);
  request.tools = {Tool("add")};
  request.form = {
      AnswerForm::Kind::kJsonSchema,
      ParseTestJson(
          R"({"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"],"additionalProperties":false})"),
      "response_format.json_schema.schema"};
  request.sampling.temperature = 20;
  int calls = 0;
  int documents = 0;
  for (uint64_t seed = 0; seed < 12; ++seed) {
    request.sampling.seed = seed;
    const auto sink = Run(request);
    const RecordedChoice& choice = sink->choices[0];
    if (choice.end->finish == AnswerFinish::kLength) continue;
    if (!choice.calls.empty()) {
      ++calls;
      EXPECT_TRUE(choice.content.empty());
    } else {
      ++documents;
      const Json document = ParseTestJson(choice.content);
      ASSERT_NE(document.Find("ok"), nullptr) << choice.content;
      EXPECT_TRUE(document.Find("ok")->is_bool());
    }
  }
  EXPECT_GT(calls, 0);
  EXPECT_GT(documents, 0);
}

TEST_F(GenerationTest, StopSequenceAcrossTokensIsNamedAndLeftOut) {
  const auto whole = Run(Chat("Count from 1 to 12.", 60));
  const std::string text = whole->choices[0].content;
  ASSERT_GT(text.size(), 20u);
  ChatRequest request = Chat("Count from 1 to 12.", 60);
  request.stop = {"not in it at all", text.substr(9, 7)};
  const auto stopped = Run(request);
  EXPECT_EQ(stopped->choices[0].end->finish, AnswerFinish::kStopSequence);
  EXPECT_EQ(stopped->choices[0].end->stop_sequence, text.substr(9, 7));
  EXPECT_EQ(stopped->choices[0].content, text.substr(0, text.find(text.substr(9, 7))));
}

TEST_F(GenerationTest, ChoicesHaveSeedsOfTheirOwnAndThePromptCountsOnce) {
  ChatRequest request = Chat("Tell me something.", 12);
  request.sampling.temperature = 20;
  const auto alone = Run(request);
  request.n = 3;
  const auto three = Run(request);
  ASSERT_EQ(three->choices.size(), 3u);
  EXPECT_EQ(three->choices[0].content, alone->choices[0].content);
  EXPECT_NE(three->choices[0].content, three->choices[1].content);
  EXPECT_NE(three->choices[1].content, three->choices[2].content);
  EXPECT_EQ(three->totals.usage.prompt_tokens, alone->totals.usage.prompt_tokens);
  EXPECT_EQ(three->totals.seed, 7u);
  const auto again = Run(request);
  EXPECT_EQ(again->choices[2].content, three->choices[2].content);
}

TEST_F(GenerationTest, SinkCancels) {
  ChatRequest request = Chat("Tell me a story.", 4000);
  request.n = 2;
  request.sampling.logit_bias = {{1, -1000.0F}};
  auto sink = std::make_shared<RecordingSink>();
  sink->stop_after_events = 3;
  ASSERT_TRUE(std::holds_alternative<Generation>(service_.Start(request, {}, sink)));
  ASSERT_TRUE(sink->Wait());
  EXPECT_TRUE(sink->error);
  EXPECT_EQ(sink->events, 3);
}

TEST_F(GenerationTest, HandleCancels) {
  ChatRequest request = Chat("Tell me a story.", 4000);
  request.sampling.logit_bias = {{1, -1000.0F}};
  auto sink = std::make_shared<RecordingSink>();
  const ApiResult<Generation> started = service_.Start(request, {}, sink);
  std::get<Generation>(started).Cancel();
  ASSERT_TRUE(sink->Wait());
  EXPECT_TRUE(sink->error);
}

TEST_F(GenerationTest, ReasoningAndLogprobs) {
  ChatRequest request = Chat("Why?", 200);
  request.effort.thinking = true;
  request.sampling.logprobs = 2;
  request.sampling.logit_bias = {{*NanoEngine().tokenizer->FindAddedToken(kThinkEndText), 6.0F}};
  const auto sink = Run(request);
  const RecordedChoice& choice = sink->choices[0];
  std::string reasoning;
  std::string content;
  int64_t reasoning_tokens = 0;
  for (const TokenReport& report : choice.tokens) {
    const bool thought = report.part == AnswerPart::kReasoning;
    (thought ? reasoning : content) += NanoEngine().tokenizer->token_bytes(report.token.id);
    reasoning_tokens += thought ? 1 : 0;
    EXPECT_EQ(report.token.top.size(), 2u);
  }
  const auto skip_newlines = [](std::string text) {
    return text.substr(std::min(text.find_first_not_of('\n'), text.size()));
  };
  EXPECT_EQ(skip_newlines(reasoning), choice.reasoning);
  EXPECT_EQ(skip_newlines(content), choice.content);
  EXPECT_NEAR(static_cast<double>(reasoning_tokens), static_cast<double>(sink->totals.reasoning_tokens), 2);
  EXPECT_GT(sink->totals.reasoning_tokens, 0);
}

TEST_F(GenerationTest, ContinuesAnAssistantMessage) {
  ChatRequest request = Chat("Count to five.");
  request.messages.push_back(Message("assistant", "One, two,"));
  request.continues_last = true;
  const auto text = service_.PromptText(request);
  EXPECT_TRUE(std::get<0>(text).ends_with("</think>One, two,")) << std::get<0>(text);
  EXPECT_TRUE(Run(request)->choices[0].end);
}

TEST_F(GenerationTest, Refusals) {
  ChatRequest request = Chat("Hello");
  request.messages[0].content = std::string(40000, 'x') + std::string(9000, '1');
  for (int n = 0; n < 9000; ++n) request.messages[0].content += "é§";
  const ApiError too_long = Refused(request);
  EXPECT_EQ(too_long.kind, ApiErrorKind::kContextTooLong);
  EXPECT_NE(too_long.message.find("8192"), std::string::npos) << too_long.message;

  request = Chat("Hello");
  request.tool_choice = ToolChoice::kRequired;
  EXPECT_NE(Refused(request).message.find("tool_choice"), std::string::npos);
  request.tools = {Tool("add")};
  request.tool_choice = ToolChoice::kNamed;
  request.tool_name = "mul";
  EXPECT_NE(Refused(request).message.find("'mul'"), std::string::npos);

  request = Chat("Hello");
  request.form = {AnswerForm::Kind::kJsonSchema, ParseTestJson(R"({"type":"object","properties":{"a":{"not":{}}}})"),
                  "response_format.json_schema.schema"};
  EXPECT_NE(Refused(request).message.find("response_format.json_schema.schema"), std::string::npos);

  request = Chat("Hello", 0);
  EXPECT_EQ(Refused(request).param, "max_tokens");
  request = Chat("Hello");
  request.messages.clear();
  Refused(request);
}

TEST_F(GenerationTest, ModelNames) {
  EXPECT_FALSE(service_.CheckModel("anything"));
  ServedModel strict = NanoModel();
  strict.any_name = false;
  const GenerationService service(*NanoEngine().engine, *NanoEngine().tokenizer, strict, nullptr, nullptr);
  EXPECT_FALSE(service.CheckModel("nano"));
  EXPECT_FALSE(service.CheckModel("nano[1m]"));
  EXPECT_FALSE(service.CheckModel("other-name"));
  const auto error = service.CheckModel("gpt");
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ApiErrorKind::kModelNotFound);
}

// 100 of 100, or 1,000 of 1,000 where there is time.
TEST(ConstrainedAnswers, ARandomModelObeysEverySchema) {
  GenerationService service(*RandomEngine().engine, *RandomEngine().tokenizer, RandomModel(), nullptr, nullptr);
  const char* const texts[] = {
      R"({"type":"object","properties":{"name":{"type":"string","maxLength":8},"age":{"type":"integer","minimum":0,"maximum":150},
          "tags":{"type":"array","items":{"enum":["a","b","c"]},"maxItems":3}},"required":["name","age"],"additionalProperties":false})",
      R"({"type":"array","items":{"anyOf":[{"type":"boolean"},{"type":"null"},{"const":"x"}]},"minItems":1,"maxItems":4})",
      R"({"type":"object","properties":{"when":{"type":"string","format":"date"},"kind":{"enum":["in","out"]}},"required":["when","kind"],"additionalProperties":false})",
      R"({"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer","minimum":-9,"maximum":9},
          "next":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/node"}]}},"required":["v","next"],"additionalProperties":false}}})",
  };
  const bool many = std::getenv("FATHOM_LONG_TESTS") != nullptr;
  const int wanted = many ? 1000 : 100;
  int complete = 0;
  for (int run = 0; run < wanted; ++run) {
    const Json schema = ParseTestJson(texts[run % 4]);
    ChatRequest request;
    request.messages.emplace_back().role = "user";
    request.messages.back().content = "x";
    request.effort.thinking = false;
    request.form = {AnswerForm::Kind::kJsonSchema, schema, "schema"};
    request.sampling.seed = static_cast<uint64_t>(run);
    auto sink = std::make_shared<RecordingSink>();
    const ApiResult<Generation> started = service.Start(request, {}, sink);
    ASSERT_TRUE(std::holds_alternative<Generation>(started)) << std::get<ApiError>(started).message;
    ASSERT_TRUE(sink->Wait());
    ASSERT_FALSE(sink->error) << sink->error->message;
    const Result<Json> value = ParseJson(sink->choices[0].content);
    ASSERT_TRUE(value.ok()) << sink->choices[0].content;
    EXPECT_TRUE(SchemaChecker(schema).Valid(schema, *value)) << sink->choices[0].content;
    ++complete;
  }
  EXPECT_EQ(complete, wanted);
}

}  // namespace
}  // namespace fathom
