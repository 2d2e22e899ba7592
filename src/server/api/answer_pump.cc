#include "server/api/answer_pump.h"

#include <array>
#include <utility>
#include <variant>

#include "base/strings.h"
#include "server/api/random_id.h"

namespace fathom {
namespace {

double SecondsBetween(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

const char* FinishLabel(AnswerFinish finish) {
  switch (finish) {
    case AnswerFinish::kLength:
      return "length";
    case AnswerFinish::kToolCalls:
      return "tool_calls";
    case AnswerFinish::kStop:
    case AnswerFinish::kStopSequence:
      break;
  }
  return "stop";
}

}  // namespace

AnswerPump::AnswerPump(AnswerPumpSetup setup, const Tokenizer& tokenizer, std::shared_ptr<AnswerSink> sink,
                       AnswerReplay* replay, GenerationObserver* observer)
    : setup_(std::move(setup)),
      tokenizer_(tokenizer),
      sink_(std::move(sink)),
      replay_(replay),
      observer_(observer),
      think_end_(tokenizer.FindAddedToken(kThinkEndText)),
      given_out_(setup_.submit ? 1 : setup_.choices),
      unfinished_(setup_.choices) {
  for (int index = 0; index < setup_.choices; ++index) {
    Choice& choice = choices_.emplace_back(setup_.stream);
    choice.reasoning = !setup_.raw && setup_.stream.mode == ThinkingMode::kThinking;
    choice.message.role = "assistant";
  }
  totals_.seed = setup_.seed;
  record_.kind = setup_.kind;
  record_.caller = setup_.caller;
}

EventHandler AnswerPump::Handler(int choice) {
  return [self = shared_from_this(), choice](const Event& event) { return self->Handle(choice, event); };
}

void AnswerPump::Abandon() {
  const std::lock_guard lock(mutex_);
  abandoned_ = true;
}

bool AnswerPump::abandoned() const {
  const std::lock_guard lock(mutex_);
  return abandoned_;
}

// Ends all choices; always false, what a handler returns then.
bool AnswerPump::Stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  setup_.requests->Cancel();
  return false;
}

// A full queue is tried again with every event; with the last one it is an error.
void AnswerPump::SubmitRest(const Event& event) {
  const auto* progress = std::get_if<PrefillProgress>(&event);
  const auto* finished = std::get_if<Finished>(&event);
  const bool reading =
      (progress != nullptr && progress->done < progress->total) || std::holds_alternative<PromptLogprobs>(event);
  const bool failed = stopped_ || failed_ ||
                      (finished != nullptr &&
                       (finished->reason == FinishReason::kError || finished->reason == FinishReason::kCancelled));
  Status status;
  while (!reading && !failed && status.ok() && given_out_ < setup_.choices) {
    status = setup_.submit(given_out_, Handler(given_out_));
    if (status.ok()) ++given_out_;
  }
  if (finished == nullptr || given_out_ == setup_.choices) return;
  if (!failed) rest_error_ = ApiErrorFrom(status);
  unfinished_ -= setup_.choices - given_out_;
  given_out_ = setup_.choices;
}

bool AnswerPump::Handle(int index, const Event& event) {
  if (abandoned()) return false;
  if (index == 0 && given_out_ < setup_.choices) SubmitRest(event);
  if (const auto* finished = std::get_if<Finished>(&event)) {
    HandleFinished(index, *finished);
    return false;
  }
  if (stopped_ || failed_) return false;
  if (const auto* progress = std::get_if<PrefillProgress>(&event)) {
    if (index > 0) return true;
    if (!std::exchange(told_cached_, true)) sink_->OnPromptCached(progress->cached);
    return progress->done >= progress->total || sink_->OnPrefill(*progress) || Stop();
  }
  if (const auto* logprobs = std::get_if<PromptLogprobs>(&event)) return sink_->OnPromptLogprobs(*logprobs) || Stop();
  return HandleToken(index, std::get<GeneratedToken>(event));
}

void AnswerPump::TellTimes(Choice* choice) {
  if (observer_ == nullptr) return;
  const auto now = std::chrono::steady_clock::now();
  if (choice->last_token) {
    observer_->OnToken(SecondsBetween(*choice->last_token, now));
  } else {
    observer_->OnFirstToken(SecondsBetween(submitted_, now));
  }
  choice->last_token = now;
}

bool AnswerPump::HandleToken(int index, const GeneratedToken& token) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  TellTimes(&choice);
  choice.tokens.push_back(token.id);
  if (token.id == think_end_) choice.reasoning = false;
  if (choice.reasoning) ++totals_.reasoning_tokens;
  if (setup_.logprobs && (setup_.raw || !tokenizer_.is_added(token.id))) choice.unreported.push_back(token);
  if (!PushText(index, token.text)) return Stop();
  if (setup_.raw) return true;
  // Whatever is still held back when markup begins was part of it.
  if (tokenizer_.is_added(token.id) || choice.stream.tool_calls() > 0) choice.unreported.clear();
  return !choice.stream.ended();
}

bool AnswerPump::PushText(int index, const std::string& text) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  if (!setup_.raw) return Send(index, choice.stream.Push(text));
  return text.empty() || SendText(index, AnswerPart::kContent, text);
}

bool AnswerPump::SendText(int index, AnswerPart part, const std::string& text) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  for (GeneratedToken& token : std::exchange(choice.unreported, {})) {
    if (!sink_->OnToken(index, {part, std::move(token)})) return false;
  }
  std::string& whole = part == AnswerPart::kReasoning ? choice.message.reasoning_content : choice.message.content;
  if (setup_.remember) whole += text;
  return sink_->OnText(index, part, text);
}

bool AnswerPump::Send(int index, const std::vector<CompletionEvent>& events) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  std::vector<ToolCall>& calls = choice.message.tool_calls;
  for (const CompletionEvent& event : events) {
    bool go_on = true;
    switch (event.type) {
      case CompletionEventType::kReasoning:
        go_on = SendText(index, AnswerPart::kReasoning, event.text);
        break;
      case CompletionEventType::kContent:
        choice.reasoning = false;
        go_on = SendText(index, AnswerPart::kContent, event.text);
        break;
      case CompletionEventType::kToolCallStart:
        choice.reasoning = false;
        choice.unreported.clear();
        calls.push_back({RandomId("call_"), event.text, {}});
        go_on = sink_->OnToolCall(index, event.index, calls.back().id, event.text);
        break;
      case CompletionEventType::kToolCallArguments:
        calls.back().arguments += event.text;
        go_on = sink_->OnArguments(index, event.index, event.text);
        break;
    }
    if (!go_on) return false;
  }
  return true;
}

namespace {

// Why no more of the prompt came from a kept prefix.
std::string CacheNote(const CacheReport& report) {
  std::string where;
  if (report.hit > 0) {
    where = StrCat(" (", report.hit, " tokens from ", CacheSourceName(report.source));
    if (report.replayed > 0) where += StrCat(", the last ", report.replayed, " of them read again");
    where += ")";
  }
  switch (report.miss) {
    case CacheMiss::kNothing:
      return StrCat("all that can be was taken", where);
    case CacheMiss::kDisabled:
      return "the request asked for no cache";
    case CacheMiss::kNoEntry:
      return "nothing that begins like this is kept for this caller";
    case CacheMiss::kDiverged:
      return StrCat("after token ", report.common, " the prompt differs from all that is kept", where);
    case CacheMiss::kNoState:
      return StrCat("the prompt agrees with something kept up to token ", report.common,
                    ", but no state to go on from is kept that far", where);
    case CacheMiss::kReplay:
      return StrCat("the prompt agrees with something kept up to token ", report.common,
                    ", which is not more than would have to be read again to continue from there", where);
  }
  return "";
}

}  // namespace

void AnswerPump::HandleFinished(int index, const Finished& finished) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  if (std::exchange(choice.finished, true)) return;
  --unfinished_;
  if (index == 0) {
    totals_.usage.prompt_tokens = finished.usage.prompt_tokens;
    totals_.usage.cached_tokens = finished.usage.cached_tokens;
    totals_.usage.replayed_tokens = finished.usage.replayed_tokens;
    totals_.timings = finished.timings;
    record_.cache_note = CacheNote(finished.cache);
  }
  totals_.usage.completion_tokens += finished.usage.completion_tokens;
  if (!failed_) {
    std::optional<ApiError> error;
    if (finished.reason == FinishReason::kError) error = ApiErrorFrom(finished.status);
    if (finished.reason == FinishReason::kCancelled || stopped_) {
      error = ApiError{ApiErrorKind::kOverloaded, "the request was cancelled", {}, kRetryAfterSeconds};
    }
    if (!error) error = rest_error_;
    if (!error && !sink_->OnChoiceEnd(index, EndChoice(index, finished))) {
      Stop();
      error = ApiError{ApiErrorKind::kOverloaded, "the request was cancelled", {}, kRetryAfterSeconds};
    }
    if (error) {
      failed_ = true;
      const bool cancelled = finished.reason != FinishReason::kError && !rest_error_;
      record_.finish = cancelled ? "cancelled" : "error";
      record_.error = cancelled ? "" : error->message;
      Stop();
      sink_->Fail(*error);
    }
  }
  if (unfinished_ > 0) return;
  Record();  // first: who has the answer finds it counted
  if (!failed_) sink_->End(totals_);
}

ChoiceEnd AnswerPump::EndChoice(int index, const Finished& finished) {
  Choice& choice = choices_[static_cast<size_t>(index)];
  ChoiceEnd end;
  end.stop_sequence = finished.stop_string;
  CompletionFinish cause =
      finished.reason == FinishReason::kLength ? CompletionFinish::kLength : CompletionFinish::kStop;
  if (!PushText(index, finished.text)) Stop();
  if (!setup_.raw) {
    CompletionTail tail = choice.stream.Finish(cause);
    if (!Send(index, tail.events)) Stop();
    cause = tail.finish;
    end.stop_sequence = choice.stream.matched_stop();
  }
  end.finish = AnswerFinish::kStop;
  if (cause == CompletionFinish::kLength) end.finish = AnswerFinish::kLength;
  if (cause == CompletionFinish::kToolCalls) end.finish = AnswerFinish::kToolCalls;
  if (end.finish == AnswerFinish::kStop && !end.stop_sequence.empty()) end.finish = AnswerFinish::kStopSequence;
  if (index == 0) record_.finish = FinishLabel(end.finish);
  const bool whole = end.finish == AnswerFinish::kStop || end.finish == AnswerFinish::kToolCalls;
  if (!whole) choice.tokens.clear();  // the turn doesn't end where they do
  Remember(&choice, finished);
  return end;
}

void AnswerPump::Remember(Choice* choice, const Finished& finished) {
  if (replay_ == nullptr || !setup_.remember || finished.reason == FinishReason::kError) return;
  const std::optional<int32_t> eos = tokenizer_.FindAddedToken(kEosText);
  if (!eos) return;
  // The engine doesn't report a stop token, and answers that end with their tool calls have none.
  if (!choice->tokens.empty()) choice->tokens.push_back(*eos);
  replay_->Remember(setup_.caller.fairness_group(), choice->message, std::move(choice->tokens));
}

void AnswerPump::Record() {
  if (observer_ == nullptr) return;
  record_.usage = totals_.usage;
  record_.reasoning_tokens = totals_.reasoning_tokens;
  record_.timings = totals_.timings;
  observer_->OnFinished(record_);
}

}  // namespace fathom
