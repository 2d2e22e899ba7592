#include "server/api/anthropic_routes.h"

#include <ctime>
#include <memory>
#include <string>
#include <utility>

#include "base/strings.h"
#include "server/api/anthropic_answer.h"
#include "server/api/anthropic_request.h"
#include "server/api/route_helpers.h"

namespace fathom {

namespace {

constexpr std::string_view kPrefixes[] = {"", "/v1", "/anthropic", "/anthropic/v1"};

Result<AnthropicRequest> ReadRequest(const HttpRequest& request, AnthropicUse use) {
  const Result<Json> body = ParseJson(request.body);
  if (!body.ok()) return InvalidArgument("the body is no JSON: " + body.status().message());
  return ParseAnthropicRequest(*body, use);
}

// Claude Code shortens its conversation when it reads how much is too long in these words.
ApiError WithLength(GenerationService* service, const ChatRequest& chat, const Caller& caller, ApiError error) {
  if (error.kind != ApiErrorKind::kContextTooLong) return error;
  const ApiResult<std::vector<int32_t>> tokens = service->PromptTokens(chat, caller);
  if (const auto* ids = std::get_if<std::vector<int32_t>>(&tokens)) {
    error.message =
        StrCat("prompt is too long: ", ids->size(), " tokens > ", service->engine().limits().context - 1, " maximum");
  }
  return error;
}

void AnswerMessages(const std::shared_ptr<HttpExchange>& exchange, Caller caller, GenerationService* service,
                    const AnthropicOptions& options) {
  Result<AnthropicRequest> request = ReadRequest(exchange->request(), AnthropicUse::kMessages);
  if (!request.ok()) {
    RespondError(*exchange, Protocol::kAnthropic, ApiErrorFrom(request.status()));
    return;
  }
  caller.user = request->user;
  request->chat.deadline = options.deadline;
  const std::string model = request->chat.model.empty() ? service->model().name : request->chat.model;
  std::shared_ptr<AnthropicStream> stream;
  std::shared_ptr<AnswerSink> sink;
  if (request->stream) {
    stream = std::make_shared<AnthropicStream>(exchange, model);
    sink = stream;
  } else {
    sink = std::make_shared<AnthropicCollector>(exchange, model);
  }
  const ApiResult<Generation> started = service->Start(request->chat, caller, std::move(sink));
  if (const ApiError* error = std::get_if<ApiError>(&started)) {
    RespondError(*exchange, Protocol::kAnthropic, WithLength(service, request->chat, caller, *error));
    return;
  }
  exchange->OnDisconnect([generation = std::get<Generation>(started)] { generation.Cancel(); });
  if (stream) stream->Begin();
}

void AnswerCountTokens(const std::shared_ptr<HttpExchange>& exchange, Caller caller, GenerationService* service) {
  const Result<AnthropicRequest> request = ReadRequest(exchange->request(), AnthropicUse::kCountTokens);
  if (!request.ok()) {
    RespondError(*exchange, Protocol::kAnthropic, ApiErrorFrom(request.status()));
    return;
  }
  caller.user = request->user;
  std::optional<ApiError> error = service->CheckModel(request->chat.model);
  ApiResult<int64_t> count = int64_t{0};
  if (!error) count = service->CountPrompt(request->chat, caller);
  if (const ApiError* failed = std::get_if<ApiError>(&count)) error = *failed;
  if (error) {
    RespondError(*exchange, Protocol::kAnthropic, *error);
    return;
  }
  exchange->Respond({200,
                     {{"Content-Type", "application/json"}},
                     Json::Object({{"input_tokens", Json::Int(std::get<int64_t>(count))}}).Dump()});
}

Json AnthropicModel(const ServedModel& model, const std::string& name) {
  const auto created = static_cast<std::time_t>(model.created);
  std::tm utc = {};
  gmtime_r(&created, &utc);
  char text[32];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return Json::Object({{"type", Json::String("model")},
                       {"id", Json::String(name)},
                       {"display_name", Json::String(name)},
                       {"created_at", Json::String(std::string(text, length))}});
}

void AnswerModel(const std::shared_ptr<HttpExchange>& exchange, GenerationService* service) {
  const std::string id = ModelIdOf(exchange->request());
  if (const std::optional<ApiError> error = service->CheckModel(id)) {
    return RespondError(*exchange, Protocol::kAnthropic, *error);
  }
  RespondJson(*exchange, AnthropicModel(service->model(), id));
}

}  // namespace

Json AnthropicModels(const ServedModel& model) {
  std::vector<Json> data = {AnthropicModel(model, model.name)};
  for (const std::string& alias : model.aliases) data.push_back(AnthropicModel(model, alias));
  const std::string& last = model.aliases.empty() ? model.name : model.aliases.back();
  return Json::Object({{"data", Json::Array(std::move(data))},
                       {"has_more", Json::Bool(false)},
                       {"first_id", Json::String(model.name)},
                       {"last_id", Json::String(last)}});
}

bool IsAnthropicRequest(const HttpRequest& request) { return request.FindHeader("anthropic-version") != nullptr; }

void AddAnthropicRoutes(Router* router, GenerationService* service, const AnthropicOptions& options) {
  const auto add = [&](std::string method, std::string path, RouteHandler handler) {
    router->Add({std::move(method), std::move(path), Protocol::kAnthropic, Scope::kInference, std::move(handler)});
  };
  for (const std::string_view prefix : kPrefixes) {
    add("POST", StrCat(prefix, "/messages"), [=](const std::shared_ptr<HttpExchange>& exchange, const Caller& caller) {
      AnswerMessages(exchange, caller, service, options);
    });
    add("POST", StrCat(prefix, "/messages/count_tokens"),
        [=](const std::shared_ptr<HttpExchange>& exchange, const Caller& caller) {
          AnswerCountTokens(exchange, caller, service);
        });
  }
  add("GET", "/anthropic/v1/models", [=](const std::shared_ptr<HttpExchange>& exchange, const Caller& /*caller*/) {
    RespondJson(*exchange, AnthropicModels(service->model()));
  });
  add("GET", "/anthropic/v1/models/{rest}",
      [=](const std::shared_ptr<HttpExchange>& exchange, const Caller& /*caller*/) { AnswerModel(exchange, service); });
}

}  // namespace fathom
