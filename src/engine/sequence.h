// sequence.h - one request while it lives: its tokens, how far its cache has read them, and what its caller has heard.
//
// All that a sequence is follows from its tokens. A step reads the next few into the cache; when the last one is read,
// a token is sampled and appended. So a prompt, a decode step and a sequence that lost its cache and starts over are
// the same thing: pending() tokens to read.
//
// Belongs to the engine's thread.
#ifndef FATHOM_ENGINE_SEQUENCE_H_
#define FATHOM_ENGINE_SEQUENCE_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "cache/cache_report.h"
#include "cache/sequence_cache.h"
#include "engine/engine_stats.h"
#include "engine/grammar/constraint.h"
#include "engine/request.h"
#include "engine/sampler.h"
#include "tokenizer/stop_matcher.h"
#include "tokenizer/text_stream.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

using SteadyTime = std::chrono::steady_clock::time_point;

class Sequence {
 public:
  // `number` orders sequences by arrival. `request` is valid; it ends when prompt and answer have `context` tokens.
  // `cancelled` may be set from any thread. `tokenizer` must outlive the sequence, and so must `trie`,
  // which a request with a constraint needs, and `pool`.
  Sequence(uint64_t number, GenerateRequest request, uint64_t seed, EventHandler handler,
           std::shared_ptr<const std::atomic<bool>> cancelled, const Tokenizer& tokenizer, int64_t context,
           SteadyTime submitted, const TokenTrie* trie = nullptr, ConstraintPool* pool = nullptr);

  // Whether this one is served before `other`: higher priority, then earlier arrival.
  bool Before(const Sequence& other) const;
  bool cancelled() const { return cancelled_->load(std::memory_order_relaxed); }
  uint64_t number() const { return number_; }
  bool finished() const { return reason_.has_value(); }
  const GenerateRequest& request() const { return request_; }
  const Sampler& sampler() const { return sampler_; }
  // What may come next, for Sampler::Next(). It follows from the tokens of the answer alone.
  std::span<const uint64_t> AllowedTokens() {
    return constraint_ ? constraint_->AllowedTokens() : std::span<const uint64_t>();
  }
  const Usage& usage() const { return usage_; }

  SteadyTime submitted() const { return submitted_; }
  // As it is now, without its age.
  RequestInfo Info() const;
  // From the first start to the end; 0 unless finished.
  double service_seconds() const { return service_seconds_; }

  // ---- cache

  // Gives it a cache: an empty one or that of a kept prefix. It will be saved at `snapshot_positions` (ascending).
  // `report` says how the cache was found.
  void Start(SequenceCache cache, const CacheReport& report, std::vector<int64_t> snapshot_positions);
  bool started() const { return cache_.has_value(); }
  SequenceCache& cache() { return *cache_; }
  const SequenceCache& cache() const { return *cache_; }
  // Drops the cache; Start() lets it continue as if nothing had happened.
  void Stop();
  // What it has saved since the last call, to be kept: snapshots of read_tokens() and cache().
  std::vector<SequenceCache::Snapshot> TakeSnapshots() { return std::exchange(snapshots_, {}); }
  // Up to where its blocks were handed over to be kept.
  int64_t kept_tokens() const { return kept_tokens_; }
  void set_kept_tokens(int64_t tokens) { kept_tokens_ = tokens; }
  std::span<const int32_t> read_tokens() const { return tokens().first(static_cast<size_t>(cache_->position())); }
  // Whether a later prompt might want to continue from here: not after an error of its own.
  bool worth_keeping() const { return request_.use_prefix_cache && (reason_ != FinishReason::kError || overdue_); }

  // ---- steps

  std::span<const int32_t> tokens() const { return tokens_; }
  // Tokens not yet read.
  int64_t pending() const { return static_cast<int64_t>(tokens_.size()) - cache_->position(); }
  // How many may be read at once: all, or up to the next position that is to be saved.
  int64_t max_chunk() const;
  // The tokens by which a kept prefix may be looked up: all, unless logprobs of prompt tokens are still to be told.
  std::span<const int32_t> lookup_tokens() const;
  // To be called after the cache has read up to position(): saves it if planned, reports progress.
  void DidRead();
  // Prompt tokens [first, end) of which logprobs were asked for, follow from what has been read, and were not told yet.
  struct TokenRange {
    int64_t first = 0;
    int64_t end = 0;
  };
  TokenRange PromptLogprobsDue() const;
  // Tells the first of those due, or ends with an error.
  void TellPromptLogprobs(Result<std::vector<GeneratedToken>> tokens);
  // Prompt and answer are as long as they may be: no token is to be sampled.
  bool full() const { return static_cast<int64_t>(tokens_.size()) >= max_total_; }
  // Appends the sampled token, or ends with an error.
  void Append(Result<Sample> sample);
  // Ends the request if its deadline has passed.
  void CheckDeadline(SteadyTime now);
  // Ends the request; `status` for kError. Nobody hears of it before TellEnd().
  void Finish(FinishReason reason, Status status = {});
  // The last event, once the sequence is finished, kept and counted: who hears it may ask at once for what follows.
  void TellEnd();

 private:
  bool Emit(const Event& event) { return handler_(event); }
  void ReportProgress();

  const uint64_t number_;
  const GenerateRequest request_;
  const EventHandler handler_;
  const std::shared_ptr<const std::atomic<bool>> cancelled_;
  const int64_t max_total_;  // tokens of prompt and answer

  std::vector<int32_t> tokens_;
  std::optional<SequenceCache> cache_;
  std::vector<SequenceCache::Snapshot> snapshots_;
  std::vector<int64_t> snapshot_positions_;  // still to come
  int64_t kept_tokens_ = 0;
  CacheReport cache_report_;         // of the first start
  int64_t next_prompt_logprob_ = 1;  // the first prompt token not yet told of

  Sampler sampler_;
  std::optional<ConstraintState> constraint_;
  TextStream text_;
  StopMatcher stop_;
  Usage usage_;
  std::optional<FinishReason> reason_;  // once finished
  std::optional<Finished> end_;         // finished, and not yet told
  bool overdue_ = false;
  double service_seconds_ = 0;
  int64_t reported_ = 0;  // of the prompt, by the last progress event

  const SteadyTime submitted_;
  std::optional<SteadyTime> first_start_;
  std::optional<SteadyTime> first_token_;
  SteadyTime last_token_;
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_SEQUENCE_H_
