#include "server/api/openai_routes.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <memory>
#include <utility>

#include "base/strings.h"
#include "server/api/anthropic_routes.h"
#include "server/api/chat_answer.h"
#include "server/api/completion_answer.h"
#include "server/api/completion_request.h"
#include "server/api/llama_routes.h"
#include "server/api/openai_request.h"
#include "server/api/route_helpers.h"
#include "server/api/token_routes.h"

namespace fathom {
namespace {

using Exchange = std::shared_ptr<HttpExchange>;

void ChatCompletions(const Exchange& exchange, Caller caller, GenerationService* service,
                     const OpenAiOptions& options) {
  const std::optional<Json> body = ParseBody(*exchange, Protocol::kOpenAi);
  if (!body) return;
  std::optional<OpenAiChat> chat = ValueOrRespond(*exchange, Protocol::kOpenAi, ParseOpenAiChat(*body));
  if (!chat) return;
  if (!chat->answer.user.empty()) caller.user = chat->answer.user;
  chat->request.deadline = options.deadline;
  ChatAnswerOptions answer;
  answer.head = MakeHead("chatcmpl-", chat->request.model, service->model());
  answer.choices = static_cast<int>(chat->request.n);
  answer.include_usage = chat->answer.include_usage;
  answer.logprobs = chat->request.sampling.logprobs.has_value();
  answer.both_reasoning = options.both_reasoning;
  const JsonFields fields(*body);
  answer.legacy_function = fields.Find("functions") != nullptr && fields.Find("tools") == nullptr;
  std::shared_ptr<ChatStreamSink> stream;
  std::shared_ptr<AnswerSink> sink;
  if (chat->answer.stream) {
    sink = stream = std::make_shared<ChatStreamSink>(exchange, std::move(answer), service->tokenizer());
  } else {
    sink = std::make_shared<ChatCollectSink>(exchange, std::move(answer), service->tokenizer());
  }
  const ApiResult<Generation> started = service->Start(chat->request, caller, sink);
  if (const auto* error = std::get_if<ApiError>(&started)) return RespondError(*exchange, Protocol::kOpenAi, *error);
  if (stream != nullptr) stream->Begin();
  CancelOnDisconnect(*exchange, std::get<Generation>(started));
}

// Starts prompts with the settings of `request`. The deadline is that of all of them together.
StartPrompt StartOfPrompts(TextRequest request, const Caller& caller, GenerationService* service,
                           const OpenAiOptions& options) {
  using Clock = std::chrono::steady_clock;
  return [request = std::move(request), caller, service, begin = Clock::now(), deadline = options.deadline](
             const std::vector<int32_t>& prompt, std::shared_ptr<AnswerSink> sink) mutable {
    request.prompt = prompt;
    if (deadline) {
      request.deadline = std::chrono::duration_cast<std::chrono::milliseconds>(begin + *deadline - Clock::now());
    }
    return service->StartText(request, caller, std::move(sink));
  };
}

void Completions(const Exchange& exchange, Caller caller, GenerationService* service, const OpenAiOptions& options) {
  const std::optional<Json> body = ParseBody(*exchange, Protocol::kOpenAi);
  if (!body) return;
  std::optional<OpenAiCompletion> completion =
      ValueOrRespond(*exchange, Protocol::kOpenAi, ParseOpenAiCompletion(*body, service->tokenizer()));
  if (!completion) return;
  if (!completion->answer.user.empty()) caller.user = completion->answer.user;
  TextRequest& request = completion->request;
  for (const CompletionPrompt& prompt : completion->prompts) {
    const std::optional<ApiError> error = service->CheckPrompt(prompt.tokens.size(), request.prompt_field);
    if (error) return RespondError(*exchange, Protocol::kOpenAi, *error);
  }
  ApiResult<Constraint> constraint = service->CompileText(std::exchange(request.form, {}));
  if (const auto* error = std::get_if<ApiError>(&constraint)) return RespondError(*exchange, Protocol::kOpenAi, *error);
  request.constraint = std::move(std::get<Constraint>(constraint));
  CompletionAnswerOptions answer_options;
  answer_options.head = MakeHead("cmpl-", request.model, service->model());
  answer_options.prompts = std::move(completion->prompts);
  answer_options.choices_per_prompt = static_cast<int>(request.n);
  answer_options.stream = completion->answer.stream;
  answer_options.include_usage = completion->answer.include_usage;
  answer_options.echo = completion->echo;
  answer_options.logprobs = request.sampling.logprobs.has_value();
  // All choices of so many prompts have places in an empty queue, so that none of them is refused for the others.
  answer_options.prompts_at_once =
      static_cast<int>(std::max<int64_t>(service->engine().options().max_queue / request.n, 1));
  answer_options.start = StartOfPrompts(std::move(request), caller, service, options);
  const auto answer = std::make_shared<CompletionAnswer>(exchange, std::move(answer_options), service->tokenizer());
  exchange->OnDisconnect([generations = answer->generations()] { generations->Cancel(); });
  answer->Start();
}

std::string IsoTime(int64_t seconds) {
  const std::time_t time = seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  return StrFormat("%04d-%02d-%02dT%02d:%02d:%02dZ", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour,
                   utc.tm_min, utc.tm_sec);
}

// Fields of OpenAI, vLLM, llama.cpp and Anthropic together: clients of all ask the same path.
Json ModelJson(const std::string& id, GenerationService* service) {
  const ServedModel& model = service->model();
  const RequestLimits& limits = service->engine().limits();
  return Json::Object({{"id", Json::String(id)},
                       {"object", Json::String("model")},
                       {"created", Json::Int(model.created)},
                       {"owned_by", Json::String("fathom")},
                       {"root", Json::String(model.name)},
                       {"parent", Json()},
                       {"max_model_len", Json::Int(limits.context)},
                       {"meta", Json::Object({{"n_ctx_train", Json::Int(limits.context)},
                                              {"n_vocab", Json::Int(limits.vocab_size)},
                                              {"n_embd", Json::Int(model.hidden_size)},
                                              {"n_params", Json::Int(model.parameters)},
                                              {"size", Json::Int(model.bytes)}})},
                       {"type", Json::String("model")},
                       {"display_name", Json::String(id)},
                       {"created_at", Json::String(IsoTime(model.created))}});
}

void Models(const Exchange& exchange, GenerationService* service) {
  if (IsAnthropicRequest(exchange->request())) {
    exchange->Respond({200, {{"Content-Type", "application/json"}}, AnthropicModels(service->model()).Dump()});
    return;
  }
  const ServedModel& model = service->model();
  std::vector<Json> data = {ModelJson(model.name, service)};
  for (const std::string& alias : model.aliases) data.push_back(ModelJson(alias, service));
  const std::string last = model.aliases.empty() ? model.name : model.aliases.back();
  RespondJson(*exchange, Json::Object({{"object", Json::String("list")},
                                       {"data", Json::Array(std::move(data))},
                                       {"has_more", Json::Bool(false)},
                                       {"first_id", Json::String(model.name)},
                                       {"last_id", Json::String(last)}}));
}

void ModelById(const Exchange& exchange, GenerationService* service) {
  const std::string id = ModelIdOf(exchange->request());
  if (std::optional<ApiError> error = service->CheckModel(id)) {
    const bool anthropic = IsAnthropicRequest(exchange->request());
    return RespondError(*exchange, anthropic ? Protocol::kAnthropic : Protocol::kOpenAi, *error);
  }
  RespondJson(*exchange, ModelJson(id, service));
}

}  // namespace

void AddOpenAiRoutes(Router* router, GenerationService* service, const OpenAiOptions& options) {
  for (const char* base : {"/v1", "", "/beta", "/v1/beta"}) {
    router->Add({"POST", StrCat(base, "/chat/completions"), Protocol::kOpenAi, Scope::kInference,
                 [service, options](const Exchange& exchange, const Caller& caller) {
                   ChatCompletions(exchange, caller, service, options);
                 }});
    router->Add({"POST", StrCat(base, "/completions"), Protocol::kOpenAi, Scope::kInference,
                 [service, options](const Exchange& exchange, const Caller& caller) {
                   Completions(exchange, caller, service, options);
                 }});
    router->Add({"GET", StrCat(base, "/models"), Protocol::kOpenAi, Scope::kInference,
                 [service](const Exchange& exchange, const Caller&) { Models(exchange, service); }});
    router->Add({"GET", StrCat(base, "/models/{rest}"), Protocol::kOpenAi, Scope::kInference,
                 [service](const Exchange& exchange, const Caller&) { ModelById(exchange, service); }});
  }
  AddTokenRoutes(router, service, options);
  AddLlamaRoutes(router, service, options);
}

}  // namespace fathom
