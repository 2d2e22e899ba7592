#include "server/api/responses_routes.h"

#include <ctime>
#include <utility>

#include "base/strings.h"
#include "server/api/openai_shapes.h"
#include "server/api/response_history.h"
#include "server/api/responses_answer.h"
#include "server/api/responses_request.h"
#include "server/api/route_helpers.h"

namespace fathom {
namespace {

using ResponsesExchange = std::shared_ptr<HttpExchange>;

void Refuse(HttpExchange& exchange, const ApiError& error) { RespondError(exchange, Protocol::kOpenAi, error); }

struct ResponsesCall {
  ResponsesRequest request;
  ResponseInput input;
};

// Nothing after an error, which is answered.
std::optional<ResponsesCall> ReadCall(HttpExchange& exchange, Caller* caller, const ResponsesOptions& options) {
  const std::optional<Json> body = ParseBody(exchange, Protocol::kOpenAi);
  if (!body) return std::nullopt;
  ApiResult<ResponseInput> input = ReadResponseInput(*body, caller->key_id, options.store);
  if (const auto* error = std::get_if<ApiError>(&input)) {
    Refuse(exchange, *error);
    return std::nullopt;
  }
  ResponsesCall call;
  call.input = std::move(std::get<ResponseInput>(input));
  std::optional<ResponsesRequest> request =
      ValueOrRespond(exchange, Protocol::kOpenAi, ParseResponsesRequest(*body, &call.input, options.seal));
  if (!request) return std::nullopt;
  call.request = *std::move(request);
  if (!call.request.chat.answer.user.empty()) caller->user = call.request.chat.answer.user;
  return call;
}

void CreateResponse(const ResponsesExchange& exchange, Caller caller, GenerationService* service,
                    const ResponsesOptions& options) {
  std::optional<ResponsesCall> call = ReadCall(*exchange, &caller, options);
  if (!call) return;
  ResponsesRequest& request = call->request;
  ChatRequest& chat = request.chat.request;
  chat.deadline = options.deadline;
  ResponsesAnswer::Options answer;
  answer.model = chat.model.empty() ? service->model().name : chat.model;
  answer.stream = request.chat.answer.stream;
  answer.custom_tools = std::move(request.custom_tools);
  answer.namespaced_tools = std::move(request.namespaced_tools);
  answer.summary = request.summary;
  if (request.sealed_reasoning) answer.seal = options.seal;
  if (request.logprobs) answer.tokenizer = &service->tokenizer();
  answer.echo = std::move(request.echo);
  if (request.store) answer.store = options.store;
  answer.echo.Set("store", Json::Bool(answer.store != nullptr));
  if (answer.store != nullptr) {
    answer.stored.owner = caller.key_id;
    answer.stored.item_ids = ItemIdsOf(call->input.own);
    answer.stored.input = Json::Array(std::move(call->input.own)).Dump();
    answer.stored.previous = std::move(call->input.previous);
    const auto bytes = static_cast<int64_t>(answer.stored.input.size());
    if (bytes > answer.store->max_input_bytes()) {
      return Refuse(*exchange, {ApiErrorKind::kInvalidRequest,
                                StrCat("input has ", bytes, " bytes; accepted are at most ",
                                       answer.store->max_input_bytes(), " where the response is stored (store: false)"),
                                "input"});
    }
  }
  const auto sink = std::make_shared<ResponsesAnswer>(exchange, std::move(answer));
  const ApiResult<Generation> started = service->Start(chat, caller, sink);
  if (const auto* error = std::get_if<ApiError>(&started)) return Refuse(*exchange, *error);
  CancelOnDisconnect(*exchange, std::get<Generation>(started));
  sink->Begin();
}

void CountInput(const ResponsesExchange& exchange, Caller caller, GenerationService* service,
                const ResponsesOptions& options) {
  const std::optional<ResponsesCall> call = ReadCall(*exchange, &caller, options);
  if (!call) return;
  const ApiResult<int64_t> count = service->CountPrompt(call->request.chat.request, caller);
  if (const auto* error = std::get_if<ApiError>(&count)) return Refuse(*exchange, *error);
  RespondJson(*exchange, Json::Object({{"object", Json::String("response.input_tokens")},
                                       {"input_tokens", Json::Int(std::get<int64_t>(count))}}));
}

// The segment of the path after "responses".
std::string ResponseIdIn(const std::string& path) {
  constexpr std::string_view kBefore = "responses/";
  const size_t begin = path.find(kBefore) + kBefore.size();
  return path.substr(begin, path.find('/', begin) - begin);
}

ApiError NoSuchResponse(const std::string& id, bool stores) {
  return {ApiErrorKind::kNotFound, StrCat("Response with id '", Printable(id, 100), "' not found.",
                                          stores ? "" : " This server stores no responses (--response-bytes 0).")};
}

// The stored response that the path names. Null after an error, which is answered.
std::shared_ptr<const StoredResponse> StoredFor(HttpExchange& exchange, const Caller& caller, ResponseStore* store) {
  const std::string id = ResponseIdIn(exchange.request().path);
  auto found = store != nullptr ? store->Find(caller.key_id, id, std::time(nullptr)) : nullptr;
  if (found == nullptr) Refuse(exchange, NoSuchResponse(id, store != nullptr));
  return found;
}

void GetResponse(const ResponsesExchange& exchange, const Caller& caller, const ResponsesOptions& options) {
  const auto stored = StoredFor(*exchange, caller, options.store);
  if (stored == nullptr) return;
  if (const std::string stream = exchange->request().QueryValue("stream"); stream == "true" || stream == "1") {
    return Refuse(*exchange, {ApiErrorKind::kInvalidRequest,
                              "stream is true; accepted is false: the response is kept, its events are not", "stream"});
  }
  exchange->Respond({200, {{"Content-Type", "application/json"}}, stored->response});
}

void DeleteResponse(const ResponsesExchange& exchange, const Caller& caller, const ResponsesOptions& options) {
  const std::string id = ResponseIdIn(exchange->request().path);
  const auto deleted = [exchange, id](const Status& status) {
    if (!status.ok()) {
      return Refuse(*exchange,
                    {ApiErrorKind::kInternal,
                     StrCat("the response is not found any more, but its file still has it: ", status.message())});
    }
    RespondJson(
        *exchange,
        Json::Object({{"id", Json::String(id)}, {"object", Json::String("response")}, {"deleted", Json::Bool(true)}}));
  };
  if (options.store != nullptr && options.store->Delete(caller.key_id, id, deleted)) return;
  Refuse(*exchange, NoSuchResponse(id, options.store != nullptr));
}

void ListInputItems(const ResponsesExchange& exchange, const Caller& caller, const ResponsesOptions& options) {
  const auto stored = StoredFor(*exchange, caller, options.store);
  if (stored == nullptr) return;
  ApiResult<ItemPage> page = ReadItemPage(exchange->request());
  if (const auto* error = std::get_if<ApiError>(&page)) return Refuse(*exchange, *error);
  const ApiResult<Json> list = PageOf(InputItemsOf(*stored), std::get<ItemPage>(page));
  if (const auto* error = std::get_if<ApiError>(&list)) return Refuse(*exchange, *error);
  RespondJson(*exchange, std::get<Json>(list));
}

void CancelResponse(const ResponsesExchange& exchange, const Caller& caller, const ResponsesOptions& options) {
  const auto stored = StoredFor(*exchange, caller, options.store);
  if (stored == nullptr) return;
  Refuse(*exchange, {ApiErrorKind::kInvalidRequest,
                     "Only responses that were created with background: true can be cancelled, and this server has "
                     "none: close the connection to end a response"});
}

}  // namespace

void AddResponsesRoutes(Router* router, GenerationService* service, const ResponsesOptions& options) {
  using Stored = void (*)(const ResponsesExchange&, const Caller&, const ResponsesOptions&);
  for (const std::string base : {"/responses", "/v1/responses"}) {
    router->Add({"POST", base, Protocol::kOpenAi, Scope::kInference,
                 [=](const ResponsesExchange& exchange, const Caller& caller) {
                   CreateResponse(exchange, caller, service, options);
                 }});
    router->Add({"POST", base + "/input_tokens", Protocol::kOpenAi, Scope::kInference,
                 [=](const ResponsesExchange& exchange, const Caller& caller) {
                   CountInput(exchange, caller, service, options);
                 }});
    const auto add = [&](const char* method, const char* path, Stored handler) {
      router->Add(
          {method, base + path, Protocol::kOpenAi, Scope::kInference,
           [=](const ResponsesExchange& exchange, const Caller& caller) { handler(exchange, caller, options); }});
    };
    add("GET", "/{id}", GetResponse);
    add("DELETE", "/{id}", DeleteResponse);
    add("GET", "/{id}/input_items", ListInputItems);
    add("POST", "/{id}/cancel", CancelResponse);
  }
}

}  // namespace fathom
