#include "engine/sequence.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/strings.h"

namespace fathom {
namespace {

double Milliseconds(SteadyTime from, SteadyTime to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

int64_t MaxTotal(const GenerateRequest& request, int64_t context) {
  const auto prompt = static_cast<int64_t>(request.prompt.size());
  return request.max_tokens ? prompt + std::min(*request.max_tokens, context - prompt) : context;
}

}  // namespace

Sequence::Sequence(uint64_t number, GenerateRequest request, uint64_t seed, EventHandler handler,
                   std::shared_ptr<const std::atomic<bool>> cancelled, const Tokenizer& tokenizer, int64_t context,
                   SteadyTime submitted, const TokenTrie* trie, ConstraintPool* pool)
    : number_(number),
      request_(std::move(request)),
      handler_(std::move(handler)),
      cancelled_(std::move(cancelled)),
      max_total_(MaxTotal(request_, context)),
      tokens_(request_.prompt),
      sampler_(request_.sampling, seed, request_.prompt),
      text_(tokenizer),
      stop_(request_.stop),
      submitted_(submitted) {
  if (request_.constraint.automaton != nullptr) {
    FATHOM_CHECK(trie != nullptr);
    constraint_.emplace(request_.constraint, *trie, request_.stop_tokens, pool);
  }
  usage_.prompt_tokens = static_cast<int64_t>(request_.prompt.size());
}

bool Sequence::Before(const Sequence& other) const {
  if (request_.priority != other.request_.priority) return request_.priority > other.request_.priority;
  return number_ < other.number_;
}

void Sequence::Start(SequenceCache cache, const CacheReport& report, std::vector<int64_t> snapshot_positions) {
  cache_.emplace(std::move(cache));
  // Before the end of what is replayed there is no state to save.
  const int64_t read = std::max(cache_->position(), cache_->sealed());
  std::erase_if(snapshot_positions, [&](int64_t position) { return position <= read; });
  snapshot_positions_ = std::move(snapshot_positions);
  kept_tokens_ = report.hit;
  if (first_start_) return;
  first_start_ = std::chrono::steady_clock::now();
  cache_report_ = report;
  usage_.cached_tokens = report.hit;
  usage_.replayed_tokens = report.replayed;
  if (usage_.cached_tokens > 0) ReportProgress();
}

void Sequence::Stop() {
  cache_.reset();
  snapshots_.clear();
  snapshot_positions_.clear();
}

int64_t Sequence::max_chunk() const {
  const int64_t all = pending();
  return snapshot_positions_.empty() ? all : std::min(all, snapshot_positions_.front() - cache_->position());
}

void Sequence::DidRead() {
  const int64_t position = cache_->position();
  if (!snapshot_positions_.empty() && snapshot_positions_.front() == position) {
    snapshots_.push_back(cache_->Save());
    snapshot_positions_.erase(snapshot_positions_.begin());
  }
  // A sequence that starts over reads its prompt and answer again: nothing to report.
  if (!first_token_) ReportProgress();
}

void Sequence::ReportProgress() {
  if (finished()) return;
  // Long prompts are read in many small chunks while answers are generated.
  constexpr int64_t kMinTokens = 32;
  constexpr int64_t kReports = 128;
  const int64_t step = std::max(kMinTokens, usage_.prompt_tokens / kReports);
  if (reported_ > 0 && cache_->position() < std::min(reported_ + step, usage_.prompt_tokens)) return;
  reported_ = cache_->position();
  const PrefillProgress event{cache_->position(), usage_.prompt_tokens, usage_.cached_tokens, usage_.replayed_tokens};
  if (!Emit(event)) Finish(FinishReason::kStop);
}

std::span<const int32_t> Sequence::lookup_tokens() const {
  const bool all = !request_.prompt_logprobs || next_prompt_logprob_ >= usage_.prompt_tokens;
  // The row of the token before tells about the next one, and a lookup leaves the last token to be read.
  return all ? tokens() : tokens().first(static_cast<size_t>(next_prompt_logprob_));
}

Sequence::TokenRange Sequence::PromptLogprobsDue() const {
  if (!request_.prompt_logprobs || finished()) return {};
  return {next_prompt_logprob_, std::min(cache_->position() + 1, usage_.prompt_tokens)};
}

void Sequence::TellPromptLogprobs(Result<std::vector<GeneratedToken>> tokens) {
  if (!tokens.ok()) return Finish(FinishReason::kError, tokens.status());
  const PromptLogprobs event{next_prompt_logprob_, std::move(*tokens)};
  next_prompt_logprob_ += static_cast<int64_t>(event.tokens.size());
  if (!Emit(event)) Finish(FinishReason::kStop);
}

void Sequence::Append(Result<Sample> sample) {
  FATHOM_CHECK(pending() == 0);
  if (finished()) return;
  if (!sample.ok()) return Finish(FinishReason::kError, sample.status());
  const int32_t id = sample->id;
  last_token_ = std::chrono::steady_clock::now();
  if (!first_token_) first_token_ = last_token_;
  tokens_.push_back(id);
  sampler_.Accept(id);
  if (constraint_) constraint_->Accept(id);
  ++usage_.completion_tokens;
  if (std::ranges::find(request_.stop_tokens, id) != request_.stop_tokens.end()) return Finish(FinishReason::kStop);

  GeneratedToken event{id, {}, sample->logprob, std::move(sample->top)};
  stop_.Push(text_.Push(id), &event.text);
  const bool go_on = Emit(event);
  if (!go_on || stop_.matched() || (constraint_ && constraint_->finished())) return Finish(FinishReason::kStop);
  if (full()) Finish(FinishReason::kLength);
}

RequestInfo Sequence::Info() const {
  using State = RequestInfo::State;
  RequestInfo info;
  info.number = number_;
  info.user = request_.user;
  info.priority = request_.priority;
  if (started()) {
    info.state = first_token_ ? State::kAnswering : State::kReading;
    info.read_tokens = cache_->position();
  } else {
    info.state = first_start_ ? State::kPreempted : State::kWaiting;
  }
  info.prompt_tokens = usage_.prompt_tokens;
  info.cached_tokens = usage_.cached_tokens;
  info.generated_tokens = usage_.completion_tokens;
  info.max_tokens = request_.max_tokens;
  info.sampling = request_.sampling;
  return info;
}

void Sequence::CheckDeadline(SteadyTime now) {
  if (finished() || !request_.deadline || now < *request_.deadline) return;
  const double seconds = std::round(std::max(0.0, Milliseconds(submitted_, *request_.deadline))) / 1e3;
  std::string passed = StrFormat("the deadline of %.10g s passed ", seconds);
  if (first_token_) {
    passed += StrCat("after ", usage_.completion_tokens, usage_.completion_tokens == 1 ? " token" : " tokens");
  } else if (started()) {
    passed += StrCat("after ", cache_->position(), " of ", usage_.prompt_tokens, " prompt tokens were read");
  } else {
    passed += "while the request was waiting";
  }
  overdue_ = true;
  Finish(FinishReason::kError, DeadlineExceeded(std::move(passed)));
}

void Sequence::Finish(FinishReason reason, Status status) {
  if (finished()) return;
  reason_ = reason;
  Finished& event = end_.emplace();
  event.reason = reason;
  event.status = std::move(status);
  stop_.Push(text_.Flush(), &event.text);
  stop_.Flush(&event.text);
  event.stop_string = stop_.sequence();
  event.usage = usage_;
  event.seed = sampler_.seed();
  event.cache = cache_report_;
  const SteadyTime now = std::chrono::steady_clock::now();
  const SteadyTime started = first_start_.value_or(now);
  const SteadyTime first = first_token_.value_or(now);
  event.timings = {Milliseconds(submitted_, started), Milliseconds(started, first),
                   first_token_ ? Milliseconds(first, last_token_) : 0};
  if (first_start_) service_seconds_ = Milliseconds(*first_start_, now) / 1e3;
}

void Sequence::TellEnd() {
  FATHOM_CHECK(end_.has_value());
  Emit(*std::exchange(end_, std::nullopt));
}

}  // namespace fathom
