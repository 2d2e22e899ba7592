#include "server/api/llama_routes.h"

#include <memory>
#include <utility>

#include "base/strings.h"
#include "server/api/api_limits.h"
#include "server/api/completion_request.h"
#include "server/api/llama_answer.h"
#include "server/api/openai_request.h"
#include "server/api/route_helpers.h"

namespace fathom {
namespace {

using Exchange = std::shared_ptr<HttpExchange>;

struct LlamaCompletion {
  TextRequest request;
  LlamaAnswerOptions answer;
};

// A string, ids, or a list of both: one prompt.
Result<CompletionPrompt> ReadPrompt(const JsonFields& fields, const Tokenizer& tokenizer) {
  const Json* prompt = fields.Find("prompt");
  constexpr std::string_view kAccepted = "a string, token ids, or a list of both";
  if (prompt == nullptr) return InvalidArgument(StrCat("prompt is missing; accepted is ", kAccepted));
  if (prompt->is_string()) return PromptFromText(prompt->string(), true, tokenizer);
  if (!prompt->is_array() || prompt->items().empty()) return fields.Wrong("prompt", *prompt, kAccepted);
  CompletionPrompt mixed;
  for (size_t index = 0; index < prompt->items().size(); ++index) {
    const Json& item = prompt->items()[index];
    std::vector<int32_t> ids;
    if (item.is_string()) {
      ids = PromptFromText(item.string(), index == 0, tokenizer).tokens;
    } else {
      FATHOM_ASSIGN_OR_RETURN(ids, ReadTokenIds(Json::Array({item}), "prompt", tokenizer));
    }
    mixed.tokens.insert(mixed.tokens.end(), ids.begin(), ids.end());
  }
  mixed.echo = tokenizer.Decode(mixed.tokens, false);
  return mixed;
}

Result<CompletionPrompt> ReadInfill(const JsonFields& fields, const Tokenizer& tokenizer) {
  std::string prefix;
  std::string suffix;
  std::string begun;
  FATHOM_RETURN_IF_ERROR(fields.Read("input_prefix", &prefix));
  FATHOM_RETURN_IF_ERROR(fields.Read("input_suffix", &suffix));
  FATHOM_RETURN_IF_ERROR(fields.Read("prompt", &begun));
  std::string context;
  if (const Json* extra = fields.Find("input_extra")) {
    if (!extra->is_array() || extra->items().size() > kMaxExtraFiles) {
      return fields.Wrong("input_extra", *extra,
                          StrCat("a list of at most ", kMaxExtraFiles, " objects with filename and text"));
    }
    for (size_t index = 0; index < extra->items().size(); ++index) {
      const JsonFields file(extra->items()[index], StrCat("input_extra[", index, "]"));
      std::string name;
      std::string text;
      FATHOM_RETURN_IF_ERROR(file.Read("filename", &name));
      FATHOM_RETURN_IF_ERROR(file.Read("text", &text));
      // The model has no tokens for files in this kind of prompt: they stand before the text, as llama.cpp does it.
      context += StrCat("--- ", name.empty() ? "snippet" : name, " ---\n", text, "\n\n");
    }
  }
  FATHOM_ASSIGN_OR_RETURN(CompletionPrompt prompt, FillInTheMiddlePrompt(context + prefix, suffix, tokenizer));
  const std::vector<int32_t> more = tokenizer.Encode(begun, AddedTokens::kIgnore);
  prompt.tokens.insert(prompt.tokens.end(), more.begin(), more.end());
  prompt.echo = prefix;
  return prompt;
}

Status ReadOptions(const JsonFields& fields, LlamaCompletion* completion) {
  TextRequest& request = completion->request;
  FATHOM_RETURN_IF_ERROR(fields.Read("model", &request.model, kMaxModelNameBytes));
  FATHOM_RETURN_IF_ERROR(ReadSampling(fields, &request.sampling));
  FATHOM_RETURN_IF_ERROR(ReadMaxTokens(fields, 0, &request.max_tokens));
  if (const Json* most = fields.Find("n_predict"); most != nullptr && most->AsInt().value_or(0) >= 0) {
    FATHOM_RETURN_IF_ERROR(fields.Read("n_predict", &request.max_tokens, 0));
  }
  FATHOM_RETURN_IF_ERROR(ReadAnswerForm(fields, &request.form));
  FATHOM_RETURN_IF_ERROR(fields.ReadTexts("stop", kMaxStopStrings, &request.stop));
  FATHOM_RETURN_IF_ERROR(fields.Read("cache_prompt", &request.use_prefix_cache));
  FATHOM_RETURN_IF_ERROR(fields.Read("stream", &completion->answer.stream));
  FATHOM_RETURN_IF_ERROR(fields.Read("return_tokens", &completion->answer.return_tokens));
  std::optional<int64_t> probabilities;
  FATHOM_RETURN_IF_ERROR(fields.Read("n_probs", &probabilities, 0, kMaxLogprobs));
  completion->answer.probabilities = probabilities.value_or(0) > 0;
  // Tokens are reported with logprobs only.
  if (completion->answer.probabilities || completion->answer.return_tokens || completion->answer.stream) {
    request.sampling.logprobs = probabilities.value_or(0);
  }
  return {};
}

Json SettingsJson(const TextRequest& request, const ServedModel& model, int64_t context) {
  std::vector<Json> stop;
  for (const std::string& text : request.stop) stop.push_back(Json::String(text));
  const SamplingRequest& sampling = request.sampling;
  return Json::Object(
      {{"n_predict", Json::Int(request.max_tokens.value_or(-1))},
       {"n_ctx", Json::Int(context)},
       {"temperature", Json::Double(sampling.temperature.value_or(model.sampling.temperature))},
       {"top_k", Json::Int(sampling.top_k.value_or(model.sampling.top_k))},
       {"top_p", Json::Double(sampling.top_p.value_or(model.sampling.top_p))},
       {"min_p", Json::Double(sampling.min_p.value_or(model.sampling.min_p))},
       {"repeat_penalty", Json::Double(sampling.repetition_penalty.value_or(model.sampling.repetition_penalty))},
       {"presence_penalty", Json::Double(sampling.presence_penalty.value_or(model.sampling.presence_penalty))},
       {"frequency_penalty", Json::Double(sampling.frequency_penalty.value_or(model.sampling.frequency_penalty))},
       {"stop", Json::Array(std::move(stop))}});
}

void Complete(const Exchange& exchange, const Caller& caller, GenerationService* service, bool infill,
              const OpenAiOptions& options) {
  const std::optional<Json> body = ParseBody(*exchange, Protocol::kOpenAi);
  if (!body) return;
  const JsonFields fields(*body);
  LlamaCompletion completion;
  if (const Status status = ReadOptions(fields, &completion); !status.ok()) {
    return RespondError(*exchange, Protocol::kOpenAi, ApiErrorFrom(status));
  }
  std::optional<CompletionPrompt> prompt =
      ValueOrRespond(*exchange, Protocol::kOpenAi,
                     infill ? ReadInfill(fields, service->tokenizer()) : ReadPrompt(fields, service->tokenizer()));
  if (!prompt) return;
  completion.request.prompt = std::move(prompt->tokens);
  if (infill) completion.request.prompt_field = "input_prefix";
  completion.request.deadline = options.deadline;
  completion.answer.model = service->model().name;
  completion.answer.prompt = prompt->echo;
  completion.answer.settings = SettingsJson(completion.request, service->model(), service->engine().limits().context);
  const auto sink = std::make_shared<LlamaAnswerSink>(exchange, std::move(completion.answer), service->tokenizer());
  const ApiResult<Generation> started = service->StartText(completion.request, caller, sink);
  if (const auto* error = std::get_if<ApiError>(&started)) return RespondError(*exchange, Protocol::kOpenAi, *error);
  sink->Begin();
  CancelOnDisconnect(*exchange, std::get<Generation>(started));
}

}  // namespace

void AddLlamaRoutes(Router* router, GenerationService* service, const OpenAiOptions& options) {
  for (const bool infill : {false, true}) {
    router->Add({"POST", infill ? "/infill" : "/completion", Protocol::kOpenAi, Scope::kInference,
                 [service, infill, options](const Exchange& exchange, const Caller& caller) {
                   Complete(exchange, caller, service, infill, options);
                 }});
  }
}

}  // namespace fathom
