#include "server/api/openai_request.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "server/api/api_error.h"
#include "server/api/completion_request.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

Json Texts(const std::vector<std::string>& texts) {
  std::vector<Json> items;
  for (const std::string& text : texts) items.push_back(Json::String(text));
  return Json::Array(std::move(items));
}

// Everything that cases can expect.
Json Describe(const OpenAiChat& chat) {
  const ChatRequest& request = chat.request;
  static constexpr const char* kChoices[] = {"auto", "none", "required", "named"};
  static constexpr const char* kForms[] = {"text", "object", "schema"};
  std::vector<std::string> roles;
  std::vector<std::string> contents;
  std::vector<std::string> reasonings;
  for (const ChatMessage& message : request.messages) {
    roles.push_back(message.role);
    contents.push_back(message.content);
    reasonings.push_back(message.reasoning_content);
  }
  const auto number = [](const std::optional<int64_t>& value) { return value ? Json::Int(*value) : Json(); };
  return Json::Object({{"model", Json::String(request.model)},
                       {"roles", Texts(roles)},
                       {"contents", Texts(contents)},
                       {"reasonings", Texts(reasonings)},
                       {"n", Json::Int(request.n)},
                       {"tools", Json::Int(static_cast<int64_t>(request.tools.size()))},
                       {"tool_choice", Json::String(kChoices[static_cast<int>(request.tool_choice)])},
                       {"tool_name", Json::String(request.tool_name)},
                       {"parallel", Json::Bool(request.parallel_tool_calls)},
                       {"thinking", request.effort.thinking ? Json::Bool(*request.effort.thinking) : Json()},
                       {"effort", request.effort.effort ? Json::String(*request.effort.effort) : Json()},
                       {"continues", Json::Bool(request.continues_last)},
                       {"max_tokens", number(request.max_tokens)},
                       {"logprobs", number(request.sampling.logprobs)},
                       {"stop", Texts(request.stop)},
                       {"form", Json::String(kForms[static_cast<int>(request.form.kind)])},
                       {"form_path", Json::String(request.form.path)},
                       {"stream", Json::Bool(chat.answer.stream)},
                       {"include_usage", Json::Bool(chat.answer.include_usage)},
                       {"user", Json::String(chat.answer.user)}});
}

TEST(OpenAiRequest, Cases) {
  const Result<std::string> text =
      ReadFile(std::string(FATHOM_SOURCE_DIR) + "/tests/cases/openai_request.json", 1 << 20);
  ASSERT_TRUE(text.ok());
  const Json file = ParseTestJson(*text);
  ASSERT_GT(file.Find("cases")->items().size(), 40u);
  for (const Json& test : file.Find("cases")->items()) {
    SCOPED_TRACE(test.Find("name")->string());
    const Result<OpenAiChat> chat = ParseOpenAiChat(*test.Find("body"));
    if (const Json* error = test.Find("error")) {
      ASSERT_FALSE(chat.ok());
      EXPECT_TRUE(chat.status().message().starts_with(error->string())) << chat.status().message();
      continue;
    }
    ASSERT_TRUE(chat.ok()) << chat.status().message();
    const Json described = Describe(*chat);
    for (const auto& [key, value] : test.Find("expected")->members()) {
      ASSERT_NE(described.Find(key), nullptr) << key;
      EXPECT_EQ(described.Find(key)->Dump(), value.Dump()) << key;
    }
  }
}

TEST(OpenAiRequest, SamplingFields) {
  const Result<OpenAiChat> chat = ParseOpenAiChat(ParseTestJson(
      R"({"messages":[{"role":"user","content":"u"}],"temperature":0.5,"top_p":0.9,"top_k":-1,"min_p":0.1,"presence_penalty":1,
          "frequency_penalty":-1,"repetition_penalty":1.1,"seed":5,"logit_bias":{"7":-100},"cache_prompt":false})"));
  ASSERT_TRUE(chat.ok());
  const SamplingRequest& sampling = chat->request.sampling;
  EXPECT_EQ(sampling.temperature, 0.5);
  EXPECT_EQ(sampling.top_p, 0.9);
  EXPECT_EQ(sampling.top_k, 0);
  EXPECT_EQ(sampling.min_p, 0.1);
  EXPECT_EQ(sampling.presence_penalty, 1);
  EXPECT_EQ(sampling.frequency_penalty, -1);
  EXPECT_EQ(sampling.repetition_penalty, 1.1);
  EXPECT_EQ(sampling.seed, 5u);
  ASSERT_EQ(sampling.logit_bias.size(), 1u);
  EXPECT_EQ(sampling.logit_bias[0], (std::pair<int32_t, float>(7, -100.0F)));
  EXPECT_FALSE(chat->request.use_prefix_cache);
}

class CompletionRequestTest : public testing::Test {
 protected:
  static Result<OpenAiCompletion> Parse(std::string_view body) {
    return ParseOpenAiCompletion(ParseTestJson(body), *NanoEngine().tokenizer);
  }
  static void Refused(std::string_view body, std::string_view beginning) {
    const Result<OpenAiCompletion> completion = Parse(body);
    ASSERT_FALSE(completion.ok()) << body;
    EXPECT_TRUE(completion.status().message().starts_with(beginning)) << completion.status().message();
  }
};

TEST_F(CompletionRequestTest, PromptsInFourShapes) {
  const Result<OpenAiCompletion> text = Parse(R"({"prompt":"Hello"})");
  ASSERT_TRUE(text.ok());
  ASSERT_EQ(text->prompts.size(), 1u);
  EXPECT_EQ(text->prompts[0].tokens[0], 0);
  EXPECT_EQ(text->prompts[0].hidden, 1);
  EXPECT_EQ(text->request.max_tokens, 16);
  const Result<OpenAiCompletion> plain = Parse(R"({"prompt":"Hello","add_special_tokens":false})");
  EXPECT_EQ(plain->prompts[0].tokens.size() + 1, text->prompts[0].tokens.size());
  const Result<OpenAiCompletion> spelled = Parse(R"({"prompt":"<｜begin▁of▁sentence｜>Hello"})");
  EXPECT_EQ(spelled->prompts[0].tokens, text->prompts[0].tokens);
  EXPECT_EQ(Parse(R"({"prompt":["a","b"]})")->prompts.size(), 2u);
  EXPECT_EQ(Parse(R"({"prompt":[5,6,7]})")->prompts[0].tokens, (std::vector<int32_t>{5, 6, 7}));
  EXPECT_EQ(Parse(R"({"prompt":[[5],[6,7]]})")->prompts[1].tokens, (std::vector<int32_t>{6, 7}));
}

TEST_F(CompletionRequestTest, FillInTheMiddle) {
  const Result<OpenAiCompletion> middle = Parse(R"({"prompt":"a","suffix":"b"})");
  ASSERT_TRUE(middle.ok());
  ASSERT_EQ(middle->prompts.size(), 1u);
  EXPECT_EQ(NanoEngine().tokenizer->Decode(middle->prompts[0].tokens, false),
            "<｜begin▁of▁sentence｜><｜fim▁begin｜>a<｜fim▁hole｜>b<｜fim▁end｜>");
  EXPECT_EQ(middle->request.max_tokens, 4096);
}

TEST_F(CompletionRequestTest, Errors) {
  Refused(R"({})", "prompt is missing");
  Refused(R"({"prompt":7})", "prompt is 7");
  Refused(R"({"prompt":[]})", "prompt is a list");
  Refused(R"({"prompt":[5,99999]})", "prompt[1] is 99999");
  Refused(R"({"prompt":[[5],[-1]]})", "prompt[1][0] is -1");
  Refused(R"({"prompt":["a",{}]})", "prompt[1] is an object");
  Refused(R"({"prompt":["a"],"suffix":"b"})", "prompt is a list; accepted is a string, because");
  Refused(R"({"prompt":"a","best_of":3,"n":2})", "best_of is 3");
  Refused(R"({"prompt":"a","max_tokens":0})", "max_tokens is 0");
  Refused(R"({"prompt":"a","logprobs":21})", "logprobs is 21");
}

TEST(ApiErrors, TheFieldIsFoundInTheMessage) {
  EXPECT_EQ(ApiErrorFrom(InvalidArgument("messages[2].role is \"x\"; accepted are")).param, "messages[2].role");
  EXPECT_EQ(ApiErrorFrom(InvalidArgument("top_p is 3; accepted is 0 to 1")).param, "top_p");
  EXPECT_EQ(ApiErrorFrom(InvalidArgument("tools[0].function.name: a name")).param, "tools[0].function.name");
  EXPECT_EQ(ApiErrorFrom(InvalidArgument("tools[0].parameters of 'f' is 300 KB; accepted")).param,
            "tools[0].parameters");
  EXPECT_EQ(ApiErrorFrom(InvalidArgument("logit_bias has token 9; this model")).param, "logit_bias");
  EXPECT_EQ(ApiErrorFrom(InvalidArgument("the prompt is empty")).param, "");
  EXPECT_EQ(ApiErrorFrom(ResourceExhausted("the queue is full")).kind, ApiErrorKind::kRateLimited);
}

}  // namespace
}  // namespace fathom
