#include "server/api/completion_answer.h"

#include <utility>

#include "base/strings.h"

namespace fathom {
namespace {

int64_t Characters(std::string_view text) {
  int64_t count = 0;
  for (const char byte : text) count += (static_cast<uint8_t>(byte) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

}  // namespace

class CompletionAnswer::Sink : public AnswerSink {
 public:
  Sink(std::shared_ptr<CompletionAnswer> answer, int prompt)
      : answer_(std::move(answer)), prompt_(prompt), first_(prompt * answer_->options_.choices_per_prompt) {}

  bool OnPrefill(const PrefillProgress& progress) override {
    const std::lock_guard lock(answer_->mutex_);
    if (answer_->done_) return false;
    const bool tell = answer_->options_.stream && answer_->options_.prompts.size() == 1;
    return !tell || answer_->stream_.Write(answer_->prefill_(progress));
  }
  bool OnPromptLogprobs(const PromptLogprobs& logprobs) override {
    return answer_->AddPromptLogprobs(prompt_, logprobs);
  }
  bool OnToken(int choice, const TokenReport& report) override {
    const std::lock_guard lock(answer_->mutex_);
    answer_->BeginChoice(prompt_, first_ + choice);
    const int place = first_ + choice;
    answer_->AddToken(report.token, false, &answer_->choices_[static_cast<size_t>(place)]);
    return !answer_->done_;
  }
  bool OnText(int choice, AnswerPart, std::string_view text) override {
    const std::lock_guard lock(answer_->mutex_);
    answer_->BeginChoice(prompt_, first_ + choice);
    return answer_->AddText(first_ + choice, text);
  }
  bool OnToolCall(int, int, std::string_view, std::string_view) override { return true; }
  bool OnArguments(int, int, std::string_view) override { return true; }
  bool OnChoiceEnd(int choice, const ChoiceEnd& end) override {
    return answer_->EndChoice(prompt_, first_ + choice, end);
  }
  void End(const AnswerTotals& totals) override { answer_->EndPrompt(totals); }
  void Fail(const ApiError& error) override {
    const std::lock_guard lock(answer_->mutex_);
    answer_->Fail(error);
  }

 private:
  const std::shared_ptr<CompletionAnswer> answer_;
  const int prompt_;
  const int first_;  // of its choices
};

CompletionAnswer::CompletionAnswer(std::shared_ptr<HttpExchange> exchange, CompletionAnswerOptions options,
                                   const Tokenizer& tokenizer)
    : exchange_(exchange),
      options_(std::move(options)),
      tokenizer_(tokenizer),
      stream_(std::move(exchange)),
      choices_(options_.prompts.size() * static_cast<size_t>(options_.choices_per_prompt)) {}

void CompletionAnswer::Start() {
  const auto next = [this] {
    const std::lock_guard lock(mutex_);  // for one prompt at a time: the engine's thread waits for it
    return StartNext();
  };
  while (next()) continue;
  if (options_.stream) stream_.Begin();
}

bool CompletionAnswer::StartNext() {
  if (done_ || started_ == static_cast<int>(options_.prompts.size())) return false;
  if (started_ - ended_ >= options_.prompts_at_once) return false;
  const ApiResult<Generation> started =
      options_.start(options_.prompts[static_cast<size_t>(started_)].tokens, SinkFor(started_));
  if (const auto* error = std::get_if<ApiError>(&started)) {
    // A full queue is tried again when another prompt has ended.
    if (error->kind != ApiErrorKind::kRateLimited || started_ == ended_) Fail(*error);
    return false;
  }
  generations_->Add(std::get<Generation>(started));
  ++started_;
  return true;
}

std::shared_ptr<AnswerSink> CompletionAnswer::SinkFor(int prompt) {
  return std::make_shared<Sink>(shared_from_this(), prompt);
}

void CompletionAnswer::Fail(const ApiError& error) {
  if (std::exchange(done_, true)) return;
  generations_->Cancel();
  if (options_.stream) {
    stream_.Fail(error);
  } else {
    RespondError(*exchange_, Protocol::kOpenAi, error);
  }
}

void CompletionAnswer::BeginChoice(int prompt, int choice) {
  Choice& state = choices_[static_cast<size_t>(choice)];
  if (std::exchange(state.begun, true) || !options_.echo) return;
  const std::string& echo = options_.prompts[static_cast<size_t>(prompt)].echo;
  state.text = echo;
  state.offset = Characters(echo);
}

void CompletionAnswer::AddToken(const GeneratedToken& token, bool first, Choice* choice) {
  const std::string text = DistinctTokenText(tokenizer_, token.id);
  Logprobs& lists = choice->logprobs;
  lists.tokens.push_back(Json::String(text));
  lists.text_offset.push_back(Json::Int(choice->offset));
  choice->offset += Characters(TokenText(tokenizer_, token.id));
  // Nothing precedes a first token, so nothing is known of it.
  lists.token_logprobs.push_back(first ? Json() : Json::Double(FiniteLogprob(token.logprob)));
  Json top = Json::Object();
  for (const TokenLogprob& other : token.top) {
    top.Set(DistinctTokenText(tokenizer_, other.id), Json::Double(FiniteLogprob(other.logprob)));
  }
  top.Set(text, Json::Double(FiniteLogprob(token.logprob)));
  lists.top_logprobs.push_back(first ? Json() : std::move(top));
}

bool CompletionAnswer::AddPromptLogprobs(int prompt, const PromptLogprobs& logprobs) {
  const std::lock_guard lock(mutex_);
  if (!options_.logprobs) return !done_;
  const CompletionPrompt& source = options_.prompts[static_cast<size_t>(prompt)];
  const int first_choice = prompt * options_.choices_per_prompt;
  for (int choice = first_choice; choice < first_choice + options_.choices_per_prompt; ++choice) {
    Choice& state = choices_[static_cast<size_t>(choice)];
    BeginChoice(prompt, choice);
    if (state.logprobs.tokens.empty()) {
      state.offset = 0;
      if (source.hidden == 0) AddToken({.id = source.tokens[0], .text = {}, .logprob = 0, .top = {}}, true, &state);
    }
    for (size_t index = 0; index < logprobs.tokens.size(); ++index) {
      if (logprobs.first + static_cast<int64_t>(index) < source.hidden) continue;
      AddToken(logprobs.tokens[index], false, &state);
    }
  }
  return !done_;
}

bool CompletionAnswer::AddText(int choice, std::string_view text) {
  if (done_) return false;
  choices_[static_cast<size_t>(choice)].text += text;
  return !options_.stream || Flush(choice);
}

bool CompletionAnswer::EndChoice(int prompt, int choice, const ChoiceEnd& end) {
  const std::lock_guard lock(mutex_);
  BeginChoice(prompt, choice);
  choices_[static_cast<size_t>(choice)].finish = std::string(FinishReasonText(end.finish));
  if (done_) return false;
  return !options_.stream || Flush(choice);
}

Json CompletionAnswer::ChoiceJson(int index) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  Json logprobs;
  if (options_.logprobs) {
    Logprobs lists = std::exchange(choice.logprobs, {});
    logprobs = Json::Object({{"tokens", Json::Array(std::move(lists.tokens))},
                             {"token_logprobs", Json::Array(std::move(lists.token_logprobs))},
                             {"top_logprobs", Json::Array(std::move(lists.top_logprobs))},
                             {"text_offset", Json::Array(std::move(lists.text_offset))}});
  }
  return Json::Object({{"index", Json::Int(index)},
                       {"text", Json::String(std::exchange(choice.text, {}))},
                       {"logprobs", std::move(logprobs)},
                       {"finish_reason", choice.finish.empty() ? Json() : Json::String(choice.finish)}});
}

Json CompletionAnswer::Frame(std::vector<Json> choices) const {
  return Json::Object({{"id", Json::String(options_.head.id)},
                       {"object", Json::String("text_completion")},
                       {"created", Json::Int(options_.head.created)},
                       {"model", Json::String(options_.head.model)},
                       {"system_fingerprint", Json::String(options_.head.fingerprint)},
                       {"choices", Json::Array(std::move(choices))}});
}

bool CompletionAnswer::Flush(int choice) {
  Json frame = Frame({ChoiceJson(choice)});
  if (options_.include_usage) frame.Set("usage", Json());
  return stream_.Write("data: " + frame.Dump() + "\n\n");
}

void CompletionAnswer::EndPrompt(const AnswerTotals& totals) {
  const std::lock_guard lock(mutex_);
  totals_.usage.prompt_tokens += totals.usage.prompt_tokens;
  totals_.usage.cached_tokens += totals.usage.cached_tokens;
  totals_.usage.completion_tokens += totals.usage.completion_tokens;
  totals_.timings = totals.timings;
  ++ended_;
  while (StartNext()) continue;
  if (ended_ < static_cast<int>(options_.prompts.size()) || std::exchange(done_, true)) return;
  if (!options_.stream) {
    std::vector<Json> choices;
    for (size_t index = 0; index < choices_.size(); ++index) choices.push_back(ChoiceJson(static_cast<int>(index)));
    Json body = Frame(std::move(choices));
    body.Set("usage", UsageJson(totals_));
    body.Set("timings", TimingsJson(totals_));
    return RespondJson(*exchange_, body);
  }
  std::string last;
  if (options_.include_usage) {
    Json frame = Frame({});
    frame.Set("usage", UsageJson(totals_));
    last = "data: " + frame.Dump() + "\n\n";
  }
  stream_.Write(last + "data: [DONE]\n\n");
  stream_.End();
}

}  // namespace fathom
