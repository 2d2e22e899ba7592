#include "server/api/generation.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <utility>

#include "base/strings.h"
#include "server/api/answer_pump.h"
#include "server/api/answer_replay.h"

namespace fathom {
namespace {

uint64_t RandomSeed() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

// The first choice has the request's own seed, so that n = 1 and n = 2 agree in it.
uint64_t SeedOfChoice(uint64_t seed, int choice) {
  constexpr uint64_t kGolden = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio
  return seed + kGolden * static_cast<uint64_t>(choice);
}

// The spans' bytes [begin, end) as spans of their own.
std::vector<TextSpan> Slice(const std::vector<TextSpan>& spans, size_t begin, size_t end) {
  std::vector<TextSpan> out;
  size_t at = 0;
  for (const TextSpan& span : spans) {
    const size_t from = std::max(begin, at);
    const size_t to = std::min(end, at + span.text.size());
    if (from < to) out.push_back({span.text.substr(from - at, to - from), span.markup});
    at += span.text.size();
  }
  return out;
}

bool HasMarkup(const std::vector<TextSpan>& spans, std::string_view text) {
  return std::ranges::any_of(
      spans, [&](const TextSpan& span) { return span.markup && span.text.find(text) != std::string_view::npos; });
}

// The system message in front, made if there is none.
ChatMessage& SystemMessage(std::vector<ChatMessage>* messages) {
  if (messages->empty() || (messages->front().role != "system" && messages->front().role != "developer")) {
    ChatMessage system;
    system.role = "system";
    messages->insert(messages->begin(), std::move(system));
  }
  return messages->front();
}

// Whether the assistant has called tools in this conversation.
bool HasCalls(const std::vector<ChatMessage>& messages) {
  return std::ranges::any_of(
      messages, [](const ChatMessage& message) { return message.role == "tool" || !message.tool_calls.empty(); });
}

// About the field that the client sent.
ApiError RequestError(const ChatRequest& request, const Status& status) {
  return ApiErrorFrom(request.paths.Translate(status));
}

ApiError FieldError(ApiErrorKind kind, std::string param, std::string message) {
  return {kind, std::move(message), std::move(param)};
}

}  // namespace

int RetryAfterSeconds(double next_place_seconds, int otherwise) {
  constexpr double kLongest = 600;
  if (!(next_place_seconds > 0)) return otherwise;
  return static_cast<int>(std::ceil(std::min(next_place_seconds, kLongest)));
}

GenerationService::GenerationService(Engine& engine, const Tokenizer& tokenizer, ServedModel model,
                                     AnswerReplay* replay, GenerationObserver* observer)
    : engine_(engine),
      tokenizer_(tokenizer),
      model_(std::move(model)),
      replay_(replay),
      observer_(observer),
      constraints_(tokenizer, model_.dialect) {}

std::optional<ApiError> GenerationService::CheckModel(const std::string& name) const {
  std::string plain = name;
  if (const size_t bracket = plain.find('['); bracket != std::string::npos && plain.ends_with(']')) {
    plain.resize(bracket);
  }
  const bool known = plain == model_.name || std::ranges::find(model_.aliases, plain) != model_.aliases.end();
  if (known || model_.any_name) return std::nullopt;
  std::string accepted = model_.name;
  for (const std::string& alias : model_.aliases) accepted += ", " + alias;
  return FieldError(ApiErrorKind::kModelNotFound, "model",
                    StrCat("model is \"", Printable(name), "\", which is not served here; accepted are ", accepted));
}

Result<EffortChoice> GenerationService::EffortOf(const ChatRequest& request) const {
  EffortRequest effort = request.effort;
  const EffortRequest& standard = model_.default_effort;
  // An effort that was asked for asks for thinking, too.
  if (!effort.thinking && !effort.effort) effort.thinking = standard.thinking;
  if (!effort.effort && !(effort.thinking == true && standard.effort == "none")) effort.effort = standard.effort;
  return MapEffort(model_.dialect, effort);
}

Result<RenderedPrompt> GenerationService::Render(const ChatRequest& request, std::vector<ChatMessage> messages,
                                                 const EffortChoice& effort) const {
  if (request.continues_last) {
    if (messages.empty() || messages.back().role != "assistant") {
      return InvalidArgument("only a last message with role assistant can be continued");
    }
    messages.back().wo_eos = true;
  }
  if (request.form.kind == AnswerForm::Kind::kJsonSchema) {
    SystemMessage(&messages).response_format = request.form.schema;
  }
  // Who reads of tools begins calls, and without their token they come out as broken text. In a conversation with calls
  // the tools explain what was said.
  std::span<const Json> tools = request.tools;
  if (request.tool_choice == ToolChoice::kNone && !HasCalls(messages)) tools = {};
  Result<RenderedPrompt> rendered = RenderChat(
      messages, tools, {.dialect = model_.dialect, .thinking_mode = effort.mode, .reasoning_effort = effort.effort});
  if (rendered.ok() || messages.size() == request.messages.size()) return rendered;
  FieldPaths behind_system;  // which the client did not send
  for (size_t index = 0; index < request.messages.size(); ++index) {
    behind_system.Add(StrCat("messages[", index + 1, "]"), StrCat("messages[", index, "]"));
  }
  return behind_system.Translate(rendered.status());
}

std::vector<int32_t> GenerationService::Encode(const RenderedPrompt& prompt, const std::vector<ChatMessage>& messages,
                                               const std::string& scope) const {
  const std::vector<TextSpan> spans = prompt.text_spans();
  if (replay_ == nullptr) return tokenizer_.EncodeSpans(spans);
  const std::optional<int32_t> think_end = tokenizer_.FindAddedToken(kThinkEndText);
  std::vector<int32_t> ids;
  size_t done = 0;
  const auto encode_to = [&](size_t end) {
    const std::vector<int32_t> more = tokenizer_.EncodeSpans(Slice(spans, done, end));
    ids.insert(ids.end(), more.begin(), more.end());
    done = end;
  };
  // Every assistant message has its answer in the text, in the same order.
  auto answer = prompt.answers().begin();
  for (const ChatMessage& message : messages) {
    if (message.role != "assistant" || answer == prompt.answers().end()) continue;
    const RenderedAnswer range = *answer++;
    if (!range.as_written || message.wo_eos) continue;
    const std::optional<std::vector<int32_t>> sampled = replay_->TokensOf(scope, message);
    if (!sampled || sampled->empty()) continue;
    // Control tokens surround an answer, so the text can be cut there. Whether it was thought about must agree.
    const bool rendered_thought = HasMarkup(Slice(spans, range.begin, range.end), kThinkEndText);
    const bool sampled_thought = think_end && std::ranges::find(*sampled, *think_end) != sampled->end();
    if (rendered_thought != sampled_thought) continue;
    encode_to(range.begin);
    ids.insert(ids.end(), sampled->begin(), sampled->end());
    done = range.end;
  }
  encode_to(prompt.bytes());
  return ids;
}

Result<GenerationService::Prompt> GenerationService::MakePrompt(const ChatRequest& request,
                                                                const std::string& scope) const {
  if (request.messages.empty()) return InvalidArgument("messages is empty; at least one message is expected");
  FATHOM_ASSIGN_OR_RETURN(const EffortChoice effort, EffortOf(request));
  std::vector<ChatMessage> messages = request.messages;
  if (request.continues_last) messages.back().wo_eos = true;
  NormalizePrompt(model_.normalization, &messages);
  if (replay_ != nullptr && effort.mode == ThinkingMode::kThinking) replay_->RestoreReasoning(scope, &messages);
  FATHOM_ASSIGN_OR_RETURN(const RenderedPrompt rendered, Render(request, messages, effort));
  return Prompt{Encode(rendered, messages, scope), rendered.answer_mode()};
}

ApiResult<std::vector<int32_t>> GenerationService::PromptTokens(const ChatRequest& request, const Caller& caller) {
  Result<Prompt> prompt = MakePrompt(request, caller.fairness_group());
  if (!prompt.ok()) return RequestError(request, prompt.status());
  return std::move(prompt->tokens);
}

ApiResult<int64_t> GenerationService::CountPrompt(const ChatRequest& request, const Caller& caller) {
  std::string scope = caller.fairness_group();
  if (caller.user.empty() && replay_ != nullptr) {
    if (std::string known = replay_->ScopeThatKnows(scope, request.messages); !known.empty()) scope = std::move(known);
  }
  const Result<Prompt> prompt = MakePrompt(request, scope);
  if (!prompt.ok()) return RequestError(request, prompt.status());
  return static_cast<int64_t>(prompt->tokens.size());
}

ApiResult<std::string> GenerationService::PromptText(const ChatRequest& request) {
  const Result<EffortChoice> effort = EffortOf(request);
  if (!effort.ok()) return RequestError(request, effort.status());
  std::vector<ChatMessage> messages = request.messages;
  NormalizePrompt(model_.normalization, &messages);
  const Result<RenderedPrompt> rendered = Render(request, std::move(messages), *effort);
  if (!rendered.ok()) return RequestError(request, rendered.status());
  return rendered->text();
}

SamplingParams GenerationService::SamplingFrom(const SamplingRequest& request) const {
  SamplingParams params = model_.sampling;
  params.temperature = request.temperature.value_or(params.temperature);
  params.top_p = request.top_p.value_or(params.top_p);
  params.top_k = request.top_k.value_or(params.top_k);
  params.min_p = request.min_p.value_or(params.min_p);
  params.presence_penalty = request.presence_penalty.value_or(params.presence_penalty);
  params.frequency_penalty = request.frequency_penalty.value_or(params.frequency_penalty);
  params.repetition_penalty = request.repetition_penalty.value_or(params.repetition_penalty);
  params.logit_bias.insert(params.logit_bias.end(), request.logit_bias.begin(), request.logit_bias.end());
  params.seed = request.seed;
  params.logprobs = request.logprobs;
  return params;
}

GenerateRequest GenerationService::BaseRequest(const SamplingRequest& sampling, const Caller& caller) const {
  GenerateRequest request;
  request.sampling = SamplingFrom(sampling);
  request.stop_tokens = model_.stop_tokens;
  request.priority = caller.priority;
  request.user = caller.fairness_group();
  request.cache_scope = caller.fairness_group();
  return request;
}

std::optional<ApiError> GenerationService::CheckPrompt(size_t tokens, const std::string& field) const {
  const RequestLimits& limits = engine_.limits();
  if (tokens == 0)
    return FieldError(ApiErrorKind::kInvalidRequest, field, "the prompt is empty; it needs at least one token");
  if (static_cast<int64_t>(tokens) < limits.context) return std::nullopt;
  return FieldError(ApiErrorKind::kContextTooLong, field,
                    StrCat("the prompt has ", tokens, " tokens, and ", limits.context_source, " is ", limits.context,
                           " tokens for prompt and answer together; shorten the prompt"));
}

ApiResult<Generation> GenerationService::Submit(GenerateRequest request, const std::string& prompt_field,
                                                AnswerPumpSetup setup, std::shared_ptr<AnswerSink> sink) {
  if (std::optional<ApiError> error = CheckPrompt(request.prompt.size(), prompt_field)) return *error;
  const int64_t least = setup.raw ? 0 : 1;
  if (request.max_tokens && *request.max_tokens < least) {
    return FieldError(ApiErrorKind::kInvalidRequest, "max_tokens",
                      StrCat("max_tokens is ", *request.max_tokens, "; accepted is ", least, " or more"));
  }
  const uint64_t seed = request.sampling.seed ? *request.sampling.seed : RandomSeed();
  const int choices = setup.choices;
  const bool use_prefix_cache = request.use_prefix_cache;
  setup.seed = seed;
  sink->OnPrompt(static_cast<int64_t>(request.prompt.size()));
  const auto requests = std::make_shared<RequestGroup>();
  setup.requests = requests;
  const auto submit = [this, seed, choices, requests, request = std::move(request)](int choice,
                                                                                    EventHandler handler) -> Status {
    GenerateRequest copy = request;
    copy.sampling.seed = SeedOfChoice(seed, choice);
    if (choice > 0) copy.prompt_logprobs.reset();
    copy.shares_prompt = choice == 0 && choices > 1;
    FATHOM_ASSIGN_OR_RETURN(RequestHandle handle, engine_.Submit(std::move(copy), std::move(handler)));
    requests->Add(std::move(handle));
    return {};
  };
  const bool shares_prompt = choices > 1 && use_prefix_cache;
  if (shares_prompt) setup.submit = submit;
  const auto pump = std::make_shared<AnswerPump>(std::move(setup), tokenizer_, std::move(sink), replay_, observer_);
  for (int choice = 0; choice < (shares_prompt ? 1 : choices); ++choice) {
    const Status submitted = submit(choice, pump->Handler(choice));
    if (submitted.ok()) continue;
    // The first choice's fault is the request's: nothing has begun. A later one can only find the queue full.
    pump->Abandon();
    requests->Cancel();
    ApiError error = ApiErrorFrom(submitted);
    if (error.kind == ApiErrorKind::kRateLimited) {
      error.retry_after_s = RetryAfterSeconds(engine_.stats().next_place_seconds, error.retry_after_s.value_or(1));
    }
    return error;
  }
  return Generation(requests);
}

ApiResult<Generation> GenerationService::Start(const ChatRequest& request, const Caller& caller,
                                               std::shared_ptr<AnswerSink> sink) {
  if (std::optional<ApiError> error = CheckModel(request.model)) return *error;
  Result<Prompt> prompt = MakePrompt(request, caller.fairness_group());
  if (!prompt.ok()) return RequestError(request, prompt.status());
  Result<AnswerRule> rule = constraints_.Compile(request, prompt->answer_mode);
  if (!rule.ok()) return RequestError(request, rule.status());

  GenerateRequest generate = BaseRequest(request.sampling, caller);
  generate.prompt = std::move(prompt->tokens);
  generate.max_tokens = request.max_tokens;
  generate.constraint = std::move(rule->constraint);
  generate.use_prefix_cache = request.use_prefix_cache;
  if (request.deadline) generate.deadline = std::chrono::steady_clock::now() + *request.deadline;
  if (const auto dsml = tokenizer_.FindAddedToken(kDsmlText); dsml && rule->forbid_tools) {
    generate.sampling.logit_bias.emplace_back(*dsml, -std::numeric_limits<float>::infinity());
  }

  AnswerPumpSetup setup;
  setup.kind = "chat";
  setup.caller = caller;
  setup.choices = static_cast<int>(std::max<int64_t>(request.n, 1));
  setup.logprobs = request.sampling.logprobs.has_value();
  setup.remember = !request.continues_last;
  setup.stream = {.mode = prompt->answer_mode,
                  .continued = request.continues_last,
                  .stop = request.stop,
                  .parse_tools = rule->parse_tools,
                  .tolerant_tags = rule->parse_tools,
                  .quote_bad_json = true,
                  .close_calls = true};
  return Submit(std::move(generate), request.paths.Of("messages"), std::move(setup), std::move(sink));
}

ApiResult<Constraint> GenerationService::CompileText(const AnswerForm& form) {
  Result<Constraint> constraint = constraints_.CompileForm(form, ThinkingMode::kChat);
  if (!constraint.ok()) return ApiErrorFrom(constraint.status());
  return std::move(*constraint);
}

ApiResult<Generation> GenerationService::StartText(const TextRequest& request, const Caller& caller,
                                                   std::shared_ptr<AnswerSink> sink) {
  if (std::optional<ApiError> error = CheckModel(request.model)) return *error;
  ApiResult<Constraint> constraint = request.constraint ? *request.constraint : CompileText(request.form);
  if (const auto* error = std::get_if<ApiError>(&constraint)) return *error;
  GenerateRequest generate = BaseRequest(request.sampling, caller);
  generate.prompt = request.prompt;
  generate.max_tokens = request.max_tokens;
  generate.stop = request.stop;
  generate.constraint = std::move(std::get<Constraint>(constraint));
  generate.prompt_logprobs = request.prompt_logprobs;
  generate.use_prefix_cache = request.use_prefix_cache;
  if (request.deadline) generate.deadline = std::chrono::steady_clock::now() + *request.deadline;
  AnswerPumpSetup setup;
  setup.kind = "completion";
  setup.caller = caller;
  setup.choices = static_cast<int>(std::max<int64_t>(request.n, 1));
  setup.raw = true;
  setup.logprobs = request.sampling.logprobs.has_value();
  return Submit(std::move(generate), request.prompt_field, std::move(setup), std::move(sink));
}

}  // namespace fathom
