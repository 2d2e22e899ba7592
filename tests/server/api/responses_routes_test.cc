#include "server/api/responses_routes.h"

#include <gtest/gtest.h>

#include <set>

#include "base/strings.h"
#include "server/api/openai_routes.h"
#include "tests/server/api/api_fixture.h"

namespace fathom {
namespace {

class ResponsesRoutesTest : public testing::Test {
 protected:
  ResponsesRoutesTest() {
    AddResponsesRoutes(&router_, &service_, {.store = store_.get(), .seal = seal_.get()});
    AddResponsesRoutes(&stateless_, &service_, {});
  }

  std::shared_ptr<FakeExchange> Send(const std::string& method, const std::string& target, const std::string& body = "",
                                     const std::string& key = "k1") {
    return SendTo(router_, method, target, body, key);
  }
  std::shared_ptr<FakeExchange> SendTo(const Router& router, const std::string& method, const std::string& target,
                                       const std::string& body, const std::string& key = "k1") {
    const size_t query = std::min(target.find('?'), target.size());
    auto exchange = std::make_shared<FakeExchange>(target.substr(0, query), body);
    exchange->mutable_request().method = method;
    if (query < target.size()) exchange->mutable_request().query = target.substr(query + 1);
    const Router::Match match = router.Find(method, exchange->request().path);
    EXPECT_NE(match.route, nullptr) << target;
    Caller caller;
    caller.key_id = key;
    if (match.route != nullptr) match.route->handler(exchange, caller);
    return exchange;
  }
  // `fields` begin with a comma.
  Json Create(const std::string& input, const std::string& fields = "", const std::string& key = "k1") {
    const auto exchange = Send("POST", "/v1/responses",
                               StrCat(R"({"temperature":0,"max_output_tokens":300,"input":)", input, fields, "}"), key);
    EXPECT_EQ(exchange->response().status, 200) << exchange->response().body;
    return exchange->json();
  }
  static std::string IdOf(const Json& response) { return response.Find("id")->string(); }
  // status, code, param and the message's beginning.
  static void ExpectError(FakeExchange& exchange, int status, const std::string& code, const std::string& message) {
    EXPECT_EQ(exchange.response().status, status) << exchange.response().body;
    const Json body = exchange.json();
    const Json* error = body.Find("error");
    ASSERT_NE(error, nullptr);
    EXPECT_EQ(error->Find("code")->string(), code);
    EXPECT_NE(error->Find("message")->string().find(message), std::string::npos) << error->Find("message")->string();
  }
  int64_t InputTokens(const Json& response) { return *response.Find("usage")->Find("input_tokens")->AsInt(); }

  std::unique_ptr<AnswerReplay> replay_ = std::move(*AnswerReplay::Open({}));
  std::unique_ptr<ResponseStore> store_ = std::move(*ResponseStore::Open({}));
  std::unique_ptr<ReasoningSeal> seal_ = std::move(*ReasoningSeal::Open(""));
  GenerationService service_{*NanoEngine().engine, *NanoEngine().tokenizer, NanoModel(), replay_.get(), nullptr};
  Router router_;
  Router stateless_;
};

TEST_F(ResponsesRoutesTest, IsFetchedAsItWasAnswered) {
  const Json created = Create(R"("Hello!")");
  EXPECT_TRUE(created.Find("store")->boolean());
  const auto fetched = Send("GET", "/v1/responses/" + IdOf(created));
  EXPECT_EQ(fetched->response().body, created.Dump());
  ExpectError(*Send("GET", "/v1/responses/" + IdOf(created), "", "k2"), 404, "not_found", "not found");
  ExpectError(*Send("GET", "/v1/responses/" + IdOf(created) + "?stream=true"), 400, "invalid_request_error", "stream");
  ExpectError(*Send("GET", "/v1/responses/resp_unknown"), 404, "not_found", "'resp_unknown' not found");
}

TEST_F(ResponsesRoutesTest, LogprobsAreThoseOfAChatCompletion) {
  const Json created = Create(R"("Hello!")", R"(,"include":["message.output_text.logprobs"],"top_logprobs":1)");
  const Json& text = created.Find("output")->items().back().Find("content")->items()[0];
  Router chat;
  AddOpenAiRoutes(&chat, &service_, {});
  const auto completion = SendTo(
      chat, "POST", "/v1/chat/completions",
      R"({"temperature":0,"max_tokens":300,"logprobs":true,"top_logprobs":1,"messages":[{"role":"user","content":"Hello!"}]})");
  const Json body = completion->json();
  const Json& choice = body.Find("choices")->items()[0];
  EXPECT_FALSE(text.Find("logprobs")->items().empty());
  EXPECT_EQ(text.Find("logprobs")->Dump(), choice.Find("logprobs")->Find("content")->Dump());
}

TEST_F(ResponsesRoutesTest, AContinuedConversationIsTheOneThatIsSentAgain) {
  const std::string tools = R"(,"tools":[{"type":"function","name":"calculator","description":"Calculate an expression",
    "parameters":{"type":"object","properties":{"expression":{"type":"string"}},"required":["expression"]}}])";
  const Json first = Create(R"("Calculate 47 * 19.")", tools + R"(,"instructions":"Be brief.")");
  const std::vector<Json>& output = first.Find("output")->items();
  const Json& call = output.back();
  ASSERT_EQ(call.Find("type")->string(), "function_call") << first.Dump();
  const std::string result =
      StrCat(R"({"type":"function_call_output","call_id":)", call.Find("call_id")->Dump(), R"(,"output":"893"})");
  const Json second =
      Create(StrCat("[", result, "]"),
             StrCat(tools, R"(,"instructions":"Be brief.","previous_response_id":")", IdOf(first), "\""));
  EXPECT_EQ(second.Find("previous_response_id")->string(), IdOf(first));
  std::string all = R"([{"role":"user","content":"Calculate 47 * 19."})";
  for (const Json& item : output) all += "," + item.Dump();
  const Json again = Create(StrCat(all, ",", result, "]"), tools + R"(,"instructions":"Be brief.")");
  EXPECT_EQ(InputTokens(again), InputTokens(second));
  EXPECT_EQ(again.Find("output")->items().back().Find("content")->Dump(),
            second.Find("output")->items().back().Find("content")->Dump());
  // Instructions are not carried over.
  const Json bare = Create(StrCat("[", result, "]"), StrCat(tools, R"(,"previous_response_id":")", IdOf(first), "\""));
  EXPECT_LT(InputTokens(bare), InputTokens(second));
  // Items of three responses' conversation, in order.
  const auto listed = Send("GET", StrCat("/v1/responses/", IdOf(second), "/input_items?order=asc&limit=100"));
  std::vector<std::string> types;
  const Json list = listed->json();
  for (const Json& item : list.Find("data")->items()) types.push_back(item.Find("type")->string());
  EXPECT_EQ(types.front(), "message");
  EXPECT_EQ(types.back(), "function_call_output");
  EXPECT_EQ(types.size(), output.size() + 2);
}

TEST_F(ResponsesRoutesTest, DeletedOrOfAnotherKeyIsNoPredecessor) {
  const std::string id = IdOf(Create(R"("Hello!")", R"(,"reasoning":{"effort":"none"})"));
  const std::string body = StrCat(R"({"input":"And?","previous_response_id":")", id, "\"}");
  ExpectError(*Send("POST", "/v1/responses", body, "k2"), 400, "previous_response_not_found", id);
  ExpectError(*Send("DELETE", "/v1/responses/" + id, "", "k2"), 404, "not_found", id);
  const Json deleted = Send("DELETE", "/v1/responses/" + id)->json();
  EXPECT_TRUE(deleted.Find("deleted")->boolean());
  EXPECT_EQ(IdOf(deleted), id);
  ExpectError(*Send("POST", "/v1/responses", body), 400, "previous_response_not_found", id);
  ExpectError(*Send("DELETE", "/v1/responses/" + id), 404, "not_found", id);
}

TEST_F(ResponsesRoutesTest, IsNotKeptWhereThatIsNotWanted) {
  const std::string quick = R"(,"reasoning":{"effort":"none"})";
  const Json created = Create(R"("Hello!")", quick + R"(,"store":false)");
  EXPECT_FALSE(created.Find("store")->boolean());
  ExpectError(*Send("GET", "/v1/responses/" + IdOf(created)), 404, "not_found", IdOf(created));
  EXPECT_EQ(store_->count(), 0);
  const auto elsewhere =
      SendTo(stateless_, "POST", "/v1/responses",
             R"({"input":"Hello!","max_output_tokens":3,"reasoning":{"effort":"none"},"store":true})");
  EXPECT_FALSE(elsewhere->json().Find("store")->boolean());
  ExpectError(*SendTo(stateless_, "POST", "/v1/responses", R"({"input":"x","previous_response_id":"resp_1"})"), 400,
              "previous_response_not_found", "stores no responses");
  ExpectError(*SendTo(stateless_, "GET", "/v1/responses/resp_1", ""), 404, "not_found", "stores no responses");
}

TEST_F(ResponsesRoutesTest, InputItemsInPages) {
  std::string input = "[";
  for (int i = 0; i < 5; ++i) input += StrCat(i > 0 ? "," : "", R"({"role":"user","content":"Number )", i, "\"}");
  const Json created = Create(input + "]", R"(,"reasoning":{"effort":"none"})");
  const std::string path = StrCat("/v1/responses/", IdOf(created), "/input_items");
  const auto texts = [&](const std::string& query, bool* more, std::string* last) {
    const Json list = Send("GET", path + query)->json();
    std::string text;
    for (const Json& item : list.Find("data")->items()) {
      text += item.Find("content")->items().at(0).Find("text")->string().back();
    }
    *more = list.Find("has_more")->boolean();
    *last = list.Find("last_id")->is_null() ? "" : list.Find("last_id")->string();
    return text;
  };
  bool more = false;
  std::string last;
  EXPECT_EQ(texts("", &more, &last), "43210");
  EXPECT_FALSE(more);
  EXPECT_EQ(texts("?order=asc&limit=2", &more, &last), "01");
  EXPECT_TRUE(more);
  EXPECT_EQ(texts("?order=asc&limit=3&after=" + last, &more, &last), "234");
  EXPECT_FALSE(more);
  EXPECT_EQ(texts("?order=asc&after=" + last, &more, &last), "");
  ExpectError(*Send("GET", path + "?limit=0"), 400, "invalid_request_error", "limit is \"0\"");
  ExpectError(*Send("GET", path + "?limit=101"), 400, "invalid_request_error", "from 1 to 100");
  ExpectError(*Send("GET", path + "?order=up"), 400, "invalid_request_error", "order is \"up\"");
  ExpectError(*Send("GET", path + "?after=msg_none"), 400, "invalid_request_error", "after is");
  ExpectError(*Send("GET", path, "", "k2"), 404, "not_found", "not found");
}

TEST_F(ResponsesRoutesTest, ReferencesToItems) {
  const Json first = Create(R"("Hello!")");
  std::string references = R"([{"role":"user","content":"Hello!"})";
  std::string items = references;
  for (const Json& item : first.Find("output")->items()) {
    references += StrCat(R"(,{"type":"item_reference","id":)", item.Find("id")->Dump(), "}");
    items += "," + item.Dump();
  }
  const std::string rest = R"(,{"role":"user","content":"And?"}])";
  EXPECT_EQ(InputTokens(Create(references + rest)), InputTokens(Create(items + rest)));
  ExpectError(*Send("POST", "/v1/responses", R"({"input":[{"type":"item_reference","id":"msg_x"}]})"), 404, "not_found",
              "Item with id 'msg_x' not found");
  const std::string once =
      StrCat(R"({"type":"item_reference","id":)", first.Find("output")->items().back().Find("id")->Dump(), "}");
  const auto twice = Send("POST", "/v1/responses", StrCat(R"({"input":[)", once, ",", once, "]}"));
  ExpectError(*twice, 400, "invalid_request_error", "comes twice");
  EXPECT_EQ(twice->json().Find("error")->Find("param")->string(), "input[1]");
}

TEST_F(ResponsesRoutesTest, SealedReasoningGoesThroughTheClient) {
  const std::string stateless = R"(,"store":false,"include":["reasoning.encrypted_content"])";
  const Json first = Create(R"("Hello!")", stateless);
  const std::vector<Json>& output = first.Find("output")->items();
  ASSERT_EQ(output[0].Find("type")->string(), "reasoning");
  const std::string sealed = output[0].Find("encrypted_content")->string();
  const auto with = [&](const std::string& reasoning) {
    return StrCat(R"([{"role":"user","content":"Hello!"},)", reasoning, ",", output[1].Dump(),
                  R"(,{"role":"user","content":"Calculate 47 * 19."}])");
  };
  const std::string tools = R"(,"tools":[{"type":"function","name":"f","parameters":{"type":"object"}}])";
  const std::string only_sealed =
      StrCat(R"({"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":")", sealed, "\"}");
  // With tools the reasoning of earlier turns stays in the prompt.
  EXPECT_EQ(InputTokens(Create(with(only_sealed), stateless + tools)),
            InputTokens(Create(with(output[0].Dump()), stateless + tools)));
  std::string changed = sealed;
  changed[sealed.size() / 2] = changed[sealed.size() / 2] == 'A' ? 'B' : 'A';
  const std::string forged =
      StrCat(R"({"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":")", changed, "\"}");
  ExpectError(*Send("POST", "/v1/responses", StrCat(R"({"input":)", with(forged), "}")), 400, "invalid_request_error",
              "input[1].encrypted_content is not what this server made");
}

TEST_F(ResponsesRoutesTest, WhatIsNotSupportedSaysSo) {
  ExpectError(*Send("POST", "/v1/responses", R"({"input":"x","background":true})"), 400, "invalid_request_error",
              "background is true");
  ExpectError(*Send("POST", "/v1/responses", R"({"input":"x","conversation":"conv_1"})"), 400, "invalid_request_error",
              "conversation is set");
  ExpectError(*Send("POST", "/v1/responses", R"({"input":"x","prompt":{"id":"p"}})"), 400, "invalid_request_error",
              "prompt is set");
  const std::string id = IdOf(Create(R"("Hello!")", R"(,"reasoning":{"effort":"none"})"));
  ExpectError(*Send("POST", StrCat("/v1/responses/", id, "/cancel")), 400, "invalid_request_error", "background: true");
  ExpectError(*Send("POST", "/v1/responses/resp_none/cancel"), 404, "not_found", "resp_none");
}

TEST_F(ResponsesRoutesTest, CountedTokensAreThoseOfTheAnswer) {
  const std::string fields = R"({"input":"Hello!","instructions":"Be kind.","max_output_tokens":2})";
  const Json counted = Send("POST", "/v1/responses/input_tokens", fields)->json();
  EXPECT_EQ(counted.Find("object")->string(), "response.input_tokens");
  EXPECT_EQ(counted.Find("input_tokens")->AsInt(), InputTokens(Send("POST", "/v1/responses", fields)->json()));
}

TEST_F(ResponsesRoutesTest, AStreamIsKeptBeforeItsLastEvent) {
  const auto exchange = Send("POST", "/v1/responses",
                             R"({"input":"Hello!","stream":true,"temperature":0,"reasoning":{"summary":"auto"}})");
  const std::string& body = exchange->response().body;
  const size_t last = body.rfind("event: response.completed\ndata: ");
  ASSERT_NE(last, std::string::npos) << body;
  const Json event = ParseTestJson(body.substr(body.find("{", last)));
  const Json* response = event.Find("response");
  const auto fetched = Send("GET", "/v1/responses/" + IdOf(*response));
  EXPECT_EQ(fetched->response().body, response->Dump());
  const Json& reasoning = response->Find("output")->items().at(0);
  EXPECT_EQ(reasoning.Find("summary")->items().at(0).Find("type")->string(), "summary_text");
  EXPECT_TRUE(reasoning.Find("content")->items().empty());
  EXPECT_NE(body.find("event: response.reasoning_summary_text.delta"), std::string::npos);
  EXPECT_EQ(body.find("reasoning_text.delta"), std::string::npos);
}

}  // namespace
}  // namespace fathom
