#include "server/api/openai_routes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "server/api/chat_answer.h"
#include "server/api/llama_answer.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

class OpenAiRoutesTest : public testing::Test {
 protected:
  OpenAiRoutesTest() { AddOpenAiRoutes(&router_, &service_, {.version = "1.2.3"}); }

  std::shared_ptr<FakeExchange> Send(const std::string& path, const std::string& body, const char* method = "POST") {
    auto exchange = std::make_shared<FakeExchange>(path, body);
    exchange->mutable_request().method = method;
    const Router::Match match = router_.Find(method, path);
    EXPECT_NE(match.route, nullptr) << path;
    if (match.route != nullptr) match.route->handler(exchange, {});
    return exchange;
  }
  // The error's message.
  std::string Refused(const std::string& path, const std::string& body, int status = 400) {
    const auto exchange = Send(path, body);
    EXPECT_EQ(exchange->response().status, status) << exchange->response().body;
    const Json answer = exchange->json();
    const Json* error = answer.Find("error");
    return error == nullptr ? "" : error->Find("message")->string();
  }

  std::unique_ptr<AnswerReplay> replay_ = std::move(*AnswerReplay::Open({}));
  GenerationService service_{*NanoEngine().engine, *NanoEngine().tokenizer, NanoModel(), replay_.get(), nullptr};
  Router router_;
};

constexpr const char* kHello =
    R"({"model":"nano","messages":[{"role":"user","content":"Hello"}],"thinking":{"type":"disabled"},"temperature":0,"max_tokens":12)";

TEST_F(OpenAiRoutesTest, ChatAsOneObject) {
  const auto exchange = Send("/v1/chat/completions", std::string(kHello) + "}");
  const Json body = exchange->json();
  ASSERT_EQ(exchange->response().status, 200) << exchange->response().body;
  EXPECT_EQ(body.Find("object")->string(), "chat.completion");
  EXPECT_TRUE(body.Find("id")->string().starts_with("chatcmpl-"));
  EXPECT_EQ(body.Find("model")->string(), "nano");
  const Json& choice = body.Find("choices")->items().at(0);
  EXPECT_EQ(choice.Find("message")->Find("role")->string(), "assistant");
  EXPECT_FALSE(choice.Find("message")->Find("content")->string().empty());
  EXPECT_TRUE(choice.Find("logprobs")->is_null());
  const Json& usage = *body.Find("usage");
  const auto count = [&](const char* key) { return usage.Find(key)->AsInt().value(); };
  EXPECT_EQ(count("prompt_tokens"), count("prompt_cache_hit_tokens") + count("prompt_cache_miss_tokens"));
  EXPECT_EQ(count("total_tokens"), count("prompt_tokens") + count("completion_tokens"));
  EXPECT_EQ(usage.Find("prompt_tokens_details")->Find("cached_tokens")->AsInt(), count("prompt_cache_hit_tokens"));
  EXPECT_EQ(body.Find("timings")->Find("predicted_n")->AsInt(), count("completion_tokens"));
}

TEST_F(OpenAiRoutesTest, StreamedTextIsTheSame) {
  const Json whole = Send("/v1/chat/completions", std::string(kHello) + "}")->json();
  const auto exchange =
      Send("/chat/completions", std::string(kHello) + R"(,"stream":true,"stream_options":{"include_usage":true}})");
  const std::vector<std::string> events = exchange->events();
  ASSERT_GE(events.size(), 5u);
  EXPECT_EQ(events.back(), "[DONE]");
  const Json first = ParseTestJson(events[0]);
  EXPECT_EQ(first.Find("choices")->items()[0].Find("delta")->Dump(), R"({"role":"assistant","content":""})");
  std::string text;
  for (size_t index = 0; index + 2 < events.size(); ++index) {
    const Json frame = ParseTestJson(events[index]);
    EXPECT_EQ(frame.Find("id")->string(), first.Find("id")->string());
    EXPECT_EQ(frame.Find("object")->string(), "chat.completion.chunk");
    ASSERT_NE(frame.Find("usage"), nullptr);
    EXPECT_TRUE(frame.Find("usage")->is_null());
    const Json& choice = frame.Find("choices")->items().at(0);
    const bool last = index + 3 == events.size();
    EXPECT_EQ(choice.Find("finish_reason")->is_null(), !last);
    EXPECT_EQ(choice.Find("delta")->Dump() == "{}", last);
    if (const Json* content = choice.Find("delta")->Find("content")) text += content->string();
  }
  EXPECT_EQ(text, whole.Find("choices")->items()[0].Find("message")->Find("content")->string());
  const Json usage = ParseTestJson(events[events.size() - 2]);
  EXPECT_TRUE(usage.Find("choices")->items().empty());
  EXPECT_EQ(usage.Find("usage")->Find("completion_tokens")->Dump(),
            whole.Find("usage")->Find("completion_tokens")->Dump());
  EXPECT_EQ(exchange->heartbeat(), ": keep-alive\n\n");
  const HttpHeaders& headers = exchange->response().headers;
  EXPECT_NE(std::ranges::find(headers, std::pair<std::string, std::string>("X-Accel-Buffering", "no")), headers.end());
  EXPECT_NE(std::ranges::find(headers, std::pair<std::string, std::string>("Cache-Control", "no-cache")),
            headers.end());
}

// What the sink writes for a known series of callbacks, byte for byte.
TEST(ChatStream, Frames) {
  const auto exchange = std::make_shared<FakeExchange>();
  ChatAnswerOptions options;
  options.head = {"chatcmpl-1", 5, "m", "fp_0"};
  options.both_reasoning = true;
  ChatStreamSink sink(exchange, options, *NanoEngine().tokenizer);
  sink.Begin();
  sink.OnPrefill({512, 4096, 256});
  sink.OnText(0, AnswerPart::kReasoning, "hm");
  sink.OnText(0, AnswerPart::kContent, "a \"b\"");
  sink.OnToolCall(0, 0, "call_x", "f");
  sink.OnArguments(0, 0, R"({"n": )");
  sink.OnArguments(0, 0, "1}");
  sink.OnToolCall(0, 1, "call_y", "g");
  sink.OnArguments(0, 1, "{}");
  sink.OnChoiceEnd(0, {AnswerFinish::kToolCalls, ""});
  sink.End({});
  const std::string& body = exchange->response().body;
  EXPECT_TRUE(body.starts_with(": prefill 512/4096 tokens, 256 cached")) << body;
  const char* const deltas[] = {
      R"({"role":"assistant","content":""})",
      R"({"reasoning_content":"hm","reasoning":"hm"})",
      R"({"content":"a \"b\""})",
      R"({"tool_calls":[{"index":0,"id":"call_x","type":"function","function":{"name":"f","arguments":""}}]})",
      R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"n\": "}}]})",
      R"({"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]})",
      R"({"tool_calls":[{"index":1,"id":"call_y","type":"function","function":{"name":"g","arguments":""}}]})",
      R"({"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]})",
  };
  const std::vector<std::string> events = exchange->events();
  ASSERT_EQ(events.size(), std::size(deltas) + 2);
  const std::string begin =
      R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":5,"model":"m","system_fingerprint":"fp_0","choices":[{"index":0,"delta":)";
  for (size_t index = 0; index < std::size(deltas); ++index) {
    EXPECT_EQ(events[index], begin + deltas[index] + R"(,"logprobs":null,"finish_reason":null}]})");
  }
  EXPECT_TRUE(
      events[events.size() - 2].starts_with(begin + R"({},"logprobs":null,"finish_reason":"tool_calls"}],"timings":{)"))
      << events[events.size() - 2];
  EXPECT_EQ(events.back(), "[DONE]");
}

TEST(ChatStream, AnErrorAfterTheStartIsTheLastFrame) {
  const auto exchange = std::make_shared<FakeExchange>();
  ChatStreamSink sink(exchange, {.head = {"c", 5, "m", "f"}}, *NanoEngine().tokenizer);
  sink.Begin();
  sink.OnText(0, AnswerPart::kContent, "a");
  sink.Fail({ApiErrorKind::kInternal, "It broke."});
  const std::vector<std::string> events = exchange->events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[2], R"({"error":{"message":"It broke.","type":"server_error","param":null,"code":"server_error"}})");
  // Before the start it has a status.
  const auto early = std::make_shared<FakeExchange>();
  ChatStreamSink refused(early, {.head = {"c", 5, "m", "f"}}, *NanoEngine().tokenizer);
  refused.Fail({ApiErrorKind::kRateLimited, "Later.", "", 3});
  refused.Begin();
  EXPECT_EQ(early->response().status, 429);
}

TEST_F(OpenAiRoutesTest, ToolCallStreamed) {
  const std::string body = std::string(kHello).substr(0, std::string(kHello).rfind(",\"max_tokens\"")) +
                           R"(,"max_tokens":400,"stream":true,"tool_choice":"required","parallel_tool_calls":false,
                               "tools":[{"type":"function","function":{"name":"pick","parameters":{"type":"object",
                               "properties":{"n":{"type":"integer","minimum":0,"maximum":9}},"required":["n"]}}}]})";
  const auto exchange = Send("/beta/chat/completions", body);
  std::string arguments;
  std::string finish;
  int ids = 0;
  for (const std::string& event : exchange->events()) {
    if (event == "[DONE]") continue;
    const Json frame = ParseTestJson(event);
    const Json& choice = frame.Find("choices")->items().at(0);
    if (!choice.Find("finish_reason")->is_null()) finish = choice.Find("finish_reason")->string();
    const Json* calls = choice.Find("delta")->Find("tool_calls");
    if (calls == nullptr) continue;
    ids += calls->items()[0].Find("id") != nullptr ? 1 : 0;
    arguments += calls->items()[0].Find("function")->Find("arguments")->string();
  }
  EXPECT_EQ(ids, 1);
  EXPECT_EQ(finish, "tool_calls");
  EXPECT_TRUE(ParseTestJson(arguments).Find("n")->is_integer()) << arguments;
  EXPECT_EQ(exchange->response().body.find("DSML"), std::string::npos);
}

TEST_F(OpenAiRoutesTest, LegacyFunctions) {
  const std::string body = std::string(kHello).substr(0, std::string(kHello).rfind(",\"max_tokens\"")) +
                           R"(,"max_tokens":400,"function_call":{"name":"pick"},
                               "functions":[{"name":"pick","parameters":{"type":"object"}}]})";
  const Json answer = Send("/v1/chat/completions", body)->json();
  const Json& choice = answer.Find("choices")->items().at(0);
  if (choice.Find("finish_reason")->string() != "length") {
    EXPECT_EQ(choice.Find("finish_reason")->string(), "function_call");
  }
  EXPECT_EQ(choice.Find("message")->Find("function_call")->Find("name")->string(), "pick");
  const Json without = Send("/v1/chat/completions", body.substr(0, body.size() - 1) + R"(,"tools":null})")->json();
  EXPECT_EQ(without.Find("choices")->items().at(0).Find("message")->Dump(), choice.Find("message")->Dump());
}

TEST_F(OpenAiRoutesTest, ChatLogprobs) {
  const Json body = Send("/v1/chat/completions", std::string(kHello) + R"(,"logprobs":true,"top_logprobs":2})")->json();
  const Json& choice = body.Find("choices")->items().at(0);
  std::string text;
  for (const Json& entry : choice.Find("logprobs")->Find("content")->items()) {
    for (const Json& byte : entry.Find("bytes")->items()) text += static_cast<char>(byte.AsInt().value());
    EXPECT_LE(entry.Find("logprob")->AsDouble().value(), 0);
    EXPECT_EQ(entry.Find("top_logprobs")->items().size(), 2u);
    EXPECT_EQ(entry.Find("token")->Dump(), entry.Find("top_logprobs")->items()[0].Find("token")->Dump());
  }
  EXPECT_EQ(text, choice.Find("message")->Find("content")->string());
}

TEST_F(OpenAiRoutesTest, SlowReadersAndDisconnectsEndTheAnswer) {
  const std::string endless = std::string(kHello).substr(0, std::string(kHello).rfind(",\"max_tokens\"")) +
                              R"(,"max_tokens":6000,"stream":true,"logit_bias":{"1":-1000}})";
  auto slow = std::make_shared<FakeExchange>("/v1/chat/completions", endless);
  slow->set_max_writes(2);
  router_.Find("POST", "/v1/chat/completions").route->handler(slow, {});
  EXPECT_EQ(slow->response().status, 200);  // returns because the generation ended
  const auto gone = Send("/v1/chat/completions", endless);
  gone->Disconnect();
  EXPECT_NE(gone->response().body.find("cancelled"), std::string::npos);
}

TEST_F(OpenAiRoutesTest, CompletionsOfSeveralPrompts) {
  const Json body =
      Send("/v1/completions", R"({"prompt":["One two","Red green"],"n":2,"max_tokens":3,"temperature":0,"seed":1})")
          ->json();
  ASSERT_EQ(body.Find("choices")->items().size(), 4u);
  EXPECT_EQ(body.Find("object")->string(), "text_completion");
  for (int index = 0; index < 4; ++index) {
    const Json& choice = body.Find("choices")->items()[static_cast<size_t>(index)];
    EXPECT_EQ(choice.Find("index")->AsInt(), index);
    EXPECT_FALSE(choice.Find("finish_reason")->is_null());
  }
  const auto text = [&](size_t index) { return body.Find("choices")->items()[index].Find("text")->string(); };
  EXPECT_EQ(text(0), text(1));
  EXPECT_EQ(text(2), text(3));
}

// As lm-evaluation-harness asks: the last token is generated and thrown away.
TEST_F(OpenAiRoutesTest, EchoWithLogprobsScoresThePrompt) {
  const std::vector<int32_t> ids = NanoEngine().tokenizer->Encode("The sky is blue today", AddedTokens::kIgnore);
  std::vector<Json> list;
  for (const int32_t id : ids) list.push_back(Json::Int(id));
  const std::string prompt = Json::Array({Json::Array(list)}).Dump();
  const std::string asked =
      R"({"model":"m","prompt":)" + prompt + R"(,"echo":true,"logprobs":1,"temperature":0,"seed":1234,"max_tokens":)";
  for (const char* most : {"1", "0"}) {
    const Json body = Send("/v1/completions", asked + most + "}")->json();
    const Json& choice = body.Find("choices")->items().at(0);
    const Json& logprobs = *choice.Find("logprobs");
    const std::vector<Json>& values = logprobs.Find("token_logprobs")->items();
    const size_t generated = values.size() - ids.size();
    EXPECT_LE(generated, most[0] == '1' ? 1u : 0u);
    EXPECT_TRUE(values[0].is_null());
    EXPECT_TRUE(logprobs.Find("top_logprobs")->items()[0].is_null());
    for (size_t index = 1; index < values.size(); ++index) {
      EXPECT_LT(values[index].AsDouble().value(), 0);
      const Json& top = logprobs.Find("top_logprobs")->items()[index];
      EXPECT_NE(top.Find(logprobs.Find("tokens")->items()[index].string()), nullptr);
    }
    EXPECT_TRUE(choice.Find("text")->string().starts_with("The sky is blue today"));
    EXPECT_EQ(logprobs.Find("text_offset")->items()[1].AsInt(),
              static_cast<int64_t>(logprobs.Find("tokens")->items()[0].string().size()));
  }
  // A prompt as text gets a beginning that the lists don't show.
  const Json text =
      Send("/v1/completions", R"({"prompt":"The sky is blue today","echo":true,"logprobs":0,"max_tokens":0})")->json();
  const Json& logprobs = *text.Find("choices")->items().at(0).Find("logprobs");
  EXPECT_EQ(logprobs.Find("token_logprobs")->items().size(), ids.size());
  EXPECT_FALSE(logprobs.Find("token_logprobs")->items()[0].is_null());
}

TEST_F(OpenAiRoutesTest, CompletionStreamedIsTheSame) {
  const char* const asked = R"({"prompt":"One two","max_tokens":8,"temperature":0)";
  const Json whole = Send("/completions", std::string(asked) + "}")->json();
  const auto exchange = Send("/completions", std::string(asked) + R"(,"stream":true})");
  std::string text;
  for (const std::string& event : exchange->events()) {
    if (event == "[DONE]") continue;
    const Json frame = ParseTestJson(event);
    text += frame.Find("choices")->items().at(0).Find("text")->string();
  }
  EXPECT_EQ(text, whole.Find("choices")->items()[0].Find("text")->string());
  EXPECT_EQ(exchange->events().back(), "[DONE]");
}

TEST_F(OpenAiRoutesTest, Models) {
  const Json list = Send("/v1/models", "", "GET")->json();
  EXPECT_EQ(list.Find("object")->string(), "list");
  const Json& model = list.Find("data")->items().at(0);
  EXPECT_EQ(model.Find("id")->string(), "nano");
  EXPECT_EQ(model.Find("object")->string(), "model");
  EXPECT_EQ(model.Find("max_model_len")->AsInt(), NanoEngine().engine->limits().context);
  EXPECT_EQ(model.Find("meta")->Find("n_vocab")->AsInt(), 4096);
  EXPECT_EQ(model.Find("meta")->Find("n_embd")->AsInt(), 256);
  for (const char* id : {"nano", "deepseek-ai/DeepSeek-V4-Flash", "a/models/b"}) {
    for (const char* base : {"/v1", "", "/beta", "/v1/beta"}) {
      EXPECT_EQ(Send(std::string(base) + "/models/" + id, "", "GET")->json().Find("id")->string(), id) << base;
    }
  }
  ServedModel strict = NanoModel();
  strict.any_name = false;
  GenerationService service(*NanoEngine().engine, *NanoEngine().tokenizer, strict, nullptr, nullptr);
  Router router;
  AddOpenAiRoutes(&router, &service, {});
  for (const char* path : {"/v1/models/gpt", "/v1/models/nano/gpt"}) {
    auto exchange = std::make_shared<FakeExchange>(path, "");
    router.Find("GET", path).route->handler(exchange, {});
    EXPECT_EQ(exchange->response().status, 404) << path;
    EXPECT_EQ(exchange->json().Find("error")->Find("code")->string(), "model_not_found");
  }
}

TEST_F(OpenAiRoutesTest, TokensThereAndBack) {
  const Json tokens = Send("/tokenize", R"({"content":"Grüße"})")->json();
  const Json back = Send("/detokenize", tokens.Dump())->json();
  EXPECT_EQ(back.Find("content")->string(), "Grüße");
  EXPECT_EQ(back.Find("prompt")->string(), "Grüße");
  const Json pieces = Send("/tokenize", R"({"content":"Hello","with_pieces":true})")->json();
  std::string text;
  for (const Json& piece : pieces.Find("tokens")->items()) text += piece.Find("piece")->string();
  EXPECT_EQ(text, "Hello");
  const Json counted = Send("/tokenize", R"({"prompt":"Grüße"})")->json();
  EXPECT_EQ(counted.Find("count")->AsInt(), static_cast<int64_t>(tokens.Find("tokens")->items().size()) + 1);
  EXPECT_EQ(counted.Find("max_model_len")->AsInt(), NanoEngine().engine->limits().context);
  const std::string chat = std::string(kHello) + "}";
  const Json prompt = Send("/apply-template", chat)->json();
  EXPECT_EQ(prompt.Find("prompt")->string(), "<｜begin▁of▁sentence｜><｜User｜>Hello<｜Assistant｜></think>");
  const Json ids = Send("/tokenize", chat)->json();
  EXPECT_EQ(ids.Find("count")->AsInt(),
            Send("/v1/chat/completions", chat)->json().Find("usage")->Find("prompt_tokens")->AsInt());
  EXPECT_EQ(Send("/version", "", "GET")->json().Find("version")->string(), "1.2.3");
  EXPECT_NE(Refused("/tokenize", "{}").find("none of"), std::string::npos);
  EXPECT_NE(Refused("/detokenize", R"({"tokens":[-1]})").find("tokens[0] is -1"), std::string::npos);
}

TEST_F(OpenAiRoutesTest, LlamaCompletion) {
  const Json body =
      Send("/completion", R"({"prompt":"One two","n_predict":4,"temperature":0,"n_probs":2,"return_tokens":true})")
          ->json();
  EXPECT_TRUE(body.Find("stop")->boolean());
  EXPECT_EQ(body.Find("tokens_predicted")->AsInt(), body.Find("timings")->Find("predicted_n")->AsInt());
  EXPECT_FALSE(body.Find("completion_probabilities")->items().empty());
  EXPECT_TRUE(
      body.Find("completion_probabilities")->items()[0].Find("top_logprobs")->items()[0].Find("id")->is_integer());
  const auto streamed = Send("/completion", R"({"prompt":"One two","n_predict":4,"temperature":0,"stream":true})");
  std::string text;
  for (const std::string& event : streamed->events()) {
    const Json frame = ParseTestJson(event);
    text += frame.Find("content")->string();
  }
  EXPECT_EQ(text, body.Find("content")->string());
  const Json infill = Send("/infill", R"({"input_prefix":"def f[","input_suffix":"]","n_predict":2,
      "input_extra":[{"filename":"a","text":"b"}]})")
                          ->json();
  EXPECT_TRUE(infill.Find("stop")->boolean());
}

TEST_F(OpenAiRoutesTest, LlamaCompletionOfNoTokensReadsThePrompt) {
  std::string ids = "2000";
  for (int id = 2001; id < 2100; ++id) ids += "," + std::to_string(id);
  const std::string asked = R"({"prompt":[)" + ids + R"(],"temperature":0,"n_predict":)";
  for (const char* stream : {"", R"(,"stream":true)"}) {
    const auto exchange = Send("/completion", asked + "0" + stream + "}");
    EXPECT_EQ(exchange->response().status, 200);
    const Json body = stream[0] == '\0' ? exchange->json() : ParseTestJson(exchange->events().at(0));
    EXPECT_EQ(body.Find("content")->string(), "");
    EXPECT_EQ(body.Find("tokens_predicted")->AsInt(), 0);
    EXPECT_EQ(body.Find("tokens_evaluated")->AsInt(), 100);
    EXPECT_EQ(body.Find("stop_type")->string(), "limit");
  }
  EXPECT_EQ(Send("/completion", asked + "1}")->json().Find("tokens_cached")->AsInt(), 99);
  EXPECT_EQ(Refused("/completion", R"({"prompt":"a","n_predict":"x"})").substr(0, 9), "n_predict");
}

TEST(LlamaAnswer, AStreamedAnswersNewLinesAreNoticed) {
  for (const bool stream : {true, false}) {
    for (const char* text : {"one\n", "one"}) {
      const auto exchange = std::make_shared<FakeExchange>();
      LlamaAnswerSink sink(exchange, {.model = "m", .stream = stream, .prompt = "p\n", .settings = Json::Object()},
                           *NanoEngine().tokenizer);
      sink.Begin();
      sink.OnText(0, AnswerPart::kContent, text);
      sink.OnText(0, AnswerPart::kContent, "two");
      sink.OnChoiceEnd(0, {});
      sink.End({});
      const Json last = stream ? ParseTestJson(exchange->events().back()) : exchange->json();
      EXPECT_EQ(last.Find("has_new_line")->boolean(), std::string(text) == "one\n") << stream;
    }
  }
}

TEST_F(OpenAiRoutesTest, Refusals) {
  EXPECT_TRUE(Refused("/v1/chat/completions", "{").starts_with("the body is not JSON"));
  EXPECT_TRUE(Refused("/v1/chat/completions", "{}").starts_with("messages is missing"));
  EXPECT_TRUE(
      Refused("/v1/chat/completions", std::string(kHello) + R"(,"temperature":-3})").starts_with("temperature is -3"));
  const auto effort = Send("/v1/chat/completions", std::string(kHello) + R"(,"reasoning_effort":"silly"})");
  EXPECT_EQ(effort->json().Find("error")->Find("param")->string(), "reasoning_effort");
  EXPECT_TRUE(Refused("/v1/completions", R"({"prompt":"a","top_p":7})").starts_with("top_p is 7"));
  EXPECT_TRUE(Refused("/completion", R"({"prompt":{}})").starts_with("prompt is an object"));
}

TEST_F(OpenAiRoutesTest, EveryBaseServesTheSame) {
  for (const char* base : {"", "/v1", "/beta", "/v1/beta"}) {
    const std::string prefix = base;
    EXPECT_NE(router_.Find("POST", prefix + "/chat/completions").route, nullptr);
    EXPECT_NE(router_.Find("POST", prefix + "/completions").route, nullptr);
    EXPECT_NE(router_.Find("GET", prefix + "/models").route, nullptr);
  }
}

}  // namespace
}  // namespace fathom
