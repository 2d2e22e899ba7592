#include <utility>

#include "server/api/chat_answer.h"

namespace fathom {
namespace {

Json ListOrNull(std::vector<Json> items) { return items.empty() ? Json() : Json::Array(std::move(items)); }

}  // namespace

ChatCollectSink::ChatCollectSink(std::shared_ptr<HttpExchange> exchange, ChatAnswerOptions options,
                                 const Tokenizer& tokenizer)
    : exchange_(std::move(exchange)),
      options_(std::move(options)),
      tokenizer_(tokenizer),
      choices_(static_cast<size_t>(options_.choices)) {}

bool ChatCollectSink::OnText(int choice, AnswerPart part, std::string_view text) {
  Choice& state = choices_[static_cast<size_t>(choice)];
  (part == AnswerPart::kReasoning ? state.reasoning : state.content) += text;
  return true;
}

bool ChatCollectSink::OnToken(int choice, const TokenReport& report) {
  Choice& state = choices_[static_cast<size_t>(choice)];
  const bool content = report.part == AnswerPart::kContent;
  (content ? state.content_logprobs : state.reasoning_logprobs).push_back(TokenLogprobJson(tokenizer_, report.token));
  return true;
}

bool ChatCollectSink::OnToolCall(int choice, int, std::string_view id, std::string_view name) {
  choices_[static_cast<size_t>(choice)].calls.push_back({std::string(id), std::string(name), {}});
  return true;
}

bool ChatCollectSink::OnArguments(int choice, int index, std::string_view json) {
  choices_[static_cast<size_t>(choice)].calls[static_cast<size_t>(index)].arguments += json;
  return true;
}

bool ChatCollectSink::OnChoiceEnd(int choice, const ChoiceEnd& end) {
  choices_[static_cast<size_t>(choice)].end = end;
  return true;
}

Json ChatCollectSink::MessageJson(const Choice& choice) const {
  Json message = Json::Object({{"role", Json::String("assistant")}});
  const bool nothing = choice.content.empty() && !choice.calls.empty();
  message.Set("content", nothing ? Json() : Json::String(choice.content));
  if (!choice.reasoning.empty()) {
    message.Set("reasoning_content", Json::String(choice.reasoning));
    if (options_.both_reasoning) message.Set("reasoning", Json::String(choice.reasoning));
  }
  std::vector<Json> calls;
  for (const ToolCall& call : choice.calls) {
    Json function = Json::Object({{"name", Json::String(call.name)}, {"arguments", Json::String(call.arguments)}});
    if (options_.legacy_function) {
      message.Set("function_call", std::move(function));
      return message;
    }
    calls.push_back(Json::Object(
        {{"id", Json::String(call.id)}, {"type", Json::String("function")}, {"function", std::move(function)}}));
  }
  if (!calls.empty()) message.Set("tool_calls", Json::Array(std::move(calls)));
  return message;
}

Json ChatCollectSink::ChoiceJson(int index) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  Json logprobs;
  if (options_.logprobs) {
    logprobs = Json::Object({{"content", ListOrNull(std::move(choice.content_logprobs))},
                             {"reasoning_content", ListOrNull(std::move(choice.reasoning_logprobs))},
                             {"refusal", Json()}});
  }
  const bool legacy = options_.legacy_function && choice.end.finish == AnswerFinish::kToolCalls;
  return Json::Object(
      {{"index", Json::Int(index)},
       {"message", MessageJson(choice)},
       {"logprobs", std::move(logprobs)},
       {"finish_reason", Json::String(std::string(legacy ? "function_call" : FinishReasonText(choice.end.finish)))}});
}

void ChatCollectSink::End(const AnswerTotals& totals) {
  std::vector<Json> choices;
  choices.reserve(choices_.size());
  for (int index = 0; index < options_.choices; ++index) choices.push_back(ChoiceJson(index));
  RespondJson(*exchange_, Json::Object({{"id", Json::String(options_.head.id)},
                                        {"object", Json::String("chat.completion")},
                                        {"created", Json::Int(options_.head.created)},
                                        {"model", Json::String(options_.head.model)},
                                        {"system_fingerprint", Json::String(options_.head.fingerprint)},
                                        {"choices", Json::Array(std::move(choices))},
                                        {"usage", UsageJson(totals)},
                                        {"timings", TimingsJson(totals)}}));
}

void ChatCollectSink::Fail(const ApiError& error) { RespondError(*exchange_, Protocol::kOpenAi, error); }

}  // namespace fathom
