#include "server/api/responses_routes.h"

#include <utility>

#include "server/api/responses_answer.h"
#include "server/api/responses_request.h"
#include "server/api/route_helpers.h"

namespace fathom {
namespace {

void AnswerResponses(const std::shared_ptr<HttpExchange>& exchange, Caller caller, GenerationService* service,
                     const OpenAiOptions& options) {
  const std::optional<Json> body = ParseBody(*exchange, Protocol::kOpenAi);
  if (!body) return;
  std::optional<ResponsesRequest> request = ValueOrRespond(*exchange, Protocol::kOpenAi, ParseResponsesRequest(*body));
  if (!request) return;
  ChatRequest& chat = request->chat.request;
  caller.user = request->chat.answer.user;
  chat.deadline = options.deadline;
  ResponsesAnswer::Options answer;
  answer.model = chat.model.empty() ? service->model().name : chat.model;
  answer.stream = request->chat.answer.stream;
  answer.custom_tools = std::move(request->custom_tools);
  answer.namespaced_tools = std::move(request->namespaced_tools);
  answer.echo = std::move(request->echo);
  const auto sink = std::make_shared<ResponsesAnswer>(exchange, std::move(answer));
  const ApiResult<Generation> started = service->Start(chat, caller, sink);
  if (const ApiError* error = std::get_if<ApiError>(&started)) {
    return RespondError(*exchange, Protocol::kOpenAi, *error);
  }
  CancelOnDisconnect(*exchange, std::get<Generation>(started));
  sink->Begin();
}

}  // namespace

void AddResponsesRoutes(Router* router, GenerationService* service, const OpenAiOptions& options) {
  for (const char* path : {"/responses", "/v1/responses"}) {
    router->Add({"POST", path, Protocol::kOpenAi, Scope::kInference,
                 [=](const std::shared_ptr<HttpExchange>& exchange, const Caller& caller) {
                   AnswerResponses(exchange, caller, service, options);
                 }});
  }
}

}  // namespace fathom
