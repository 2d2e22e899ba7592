// request.h - what a caller asks of the engine and what it hears back.
//
//   GenerateRequest request{.prompt = ids, .max_tokens = 100};
//   request.sampling.temperature = 0;
//   engine.Submit(std::move(request), [](const Event& event) { ...; return true; });
#ifndef FATHOM_ENGINE_REQUEST_H_
#define FATHOM_ENGINE_REQUEST_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "cache/cache_report.h"
#include "engine/grammar/constraint.h"

namespace fathom {

// How the next token is chosen; sampler.h defines each step. The defaults change nothing: plain sampling from the
// model.
struct SamplingParams {
  double temperature = 1;         // 0 to 100; 0 takes the most probable token
  double top_p = 1;               // (0, 1]; 1 is off
  int64_t top_k = 0;              // 0 is off
  double min_p = 0;               // [0, 1]; 0 is off
  double presence_penalty = 0;    // -2 to 2
  double frequency_penalty = 0;   // -2 to 2
  double repetition_penalty = 1;  // (0, 100]; 1 is off
  // Added to the logits of these ids: -1000 to 1000, or -infinity to forbid one. An id named twice gets the sum.
  std::vector<std::pair<int32_t, float>> logit_bias;
  // Same seed, prompt and parameters: same tokens, whatever else the engine is doing. Absent: the engine picks one.
  std::optional<uint64_t> seed;
  // How many of the most probable tokens to report with every token (0: only the token itself); absent: no logprobs.
  std::optional<int64_t> logprobs;
};

struct GenerateRequest {
  std::vector<int32_t> prompt;  // at least one id, shorter than the context
  // Tokens to generate at most; 0: the prompt alone is read, and kept for others; absent: until the context is full.
  // Cut to what the context leaves.
  std::optional<int64_t> max_tokens;
  SamplingParams sampling;
  // Generation ends before the first of these texts to be complete; it is not part of the answer.
  std::vector<std::string> stop;
  // Ids that end the answer and are not part of its text. The caller names the model's EOS here.
  std::vector<int32_t> stop_tokens;
  // What the answer may be; its automaton null: anything. An answer that nothing may follow ends even without a stop
  // token. Stop strings end it earlier, and then it need not be complete.
  Constraint constraint;
  int32_t priority = 0;  // larger is served first
  // Who asks: places in a step are shared out evenly between users of one priority. Empty is a user, too.
  std::string user;
  // Ends with kError and ErrorCode::kDeadline if it is not done by then.
  std::optional<std::chrono::steady_clock::time_point> deadline;
  // Kept prefixes of another scope are never used: what one user sent can not be noticed by another.
  std::string cache_scope;
  // Reports the log-probability of every prompt token but the first, with this many of the most probable; before the
  // first generated token. The whole prompt is read then.
  std::optional<int64_t> prompt_logprobs;
  // Whether to look for this prompt's beginning among kept prefixes, and to keep this sequence when it is done.
  bool use_prefix_cache = true;
  // Requests with the same prompt follow when this one has read it: its state there is kept for them under any policy.
  bool shares_prompt = false;
};

// The prompt is being read: `done` of `total` prompt tokens, of which `cached` came from a kept prefix. The last
// `replayed` of those are read again, so that `done` begins before them.
struct PrefillProgress {
  int64_t done = 0;
  int64_t total = 0;
  int64_t cached = 0;
  int64_t replayed = 0;
};

struct TokenLogprob {
  int32_t id = 0;
  float logprob = 0;  // natural logarithm; -infinity for a token that cannot come
};

// One more token. `text` is what became certain with it: valid UTF-8, perhaps empty, perhaps from earlier tokens too.
struct GeneratedToken {
  int32_t id = 0;
  std::string text;
  float logprob = 0;              // only if logprobs were asked for
  std::vector<TokenLogprob> top;  // most probable first
};

enum class FinishReason {
  kStop,       // a stop token, a stop string, or the handler
  kLength,     // max_tokens or the context
  kCancelled,  // Cancel(), or the engine ends
  kError,      // `status` says why
};
// "stop", "length", "cancelled", "error".
const char* FinishReasonName(FinishReason reason);

struct Usage {
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;      // of the prompt, taken from a kept prefix
  int64_t replayed_tokens = 0;    // of those, read again
  int64_t completion_tokens = 0;  // sampled, a final stop token included
};

struct Timings {
  double queue_ms = 0;    // Submit() to the first step
  double prefill_ms = 0;  // from there to the first token
  double decode_ms = 0;   // first to last token
};

// The end, exactly once for every submitted request, after it was kept and counted: stats() and the next request's
// prompt find it.
struct Finished {
  FinishReason reason = FinishReason::kStop;
  Status status;            // an error if kError
  std::string text;         // held back until now: the rest of the answer
  std::string stop_string;  // the stop string that matched, if one did
  Usage usage;
  Timings timings;
  uint64_t seed = 0;  // with it the answer can be had again
  CacheReport cache;  // what of the prompt was kept, and why not more
};

// Logprobs of prompt tokens [first, first + tokens.size()); parts come in order.
struct PromptLogprobs {
  int64_t first = 0;
  std::vector<GeneratedToken> tokens;  // text is the token's own, perhaps invalid UTF-8
};

using Event = std::variant<PrefillProgress, PromptLogprobs, GeneratedToken, Finished>;

// Called on the engine's thread, so it must be quick: every sequence waits for it. Returns whether to go on; false ends
// the request with kStop after this token (its return value for Finished is ignored). It may call Submit() and
// Cancel().
using EventHandler = std::function<bool(const Event&)>;

// What a model and an engine's options accept.
struct RequestLimits {
  int64_t vocab_size = 0;
  int64_t context = 0;                                 // tokens of prompt and answer together
  std::string context_source = "the model's context";  // what sets it, for messages
};

inline constexpr size_t kMaxStopStrings = 64;
inline constexpr size_t kMaxStopStringBytes = 4096;
inline constexpr int64_t kMaxLogprobs = 1000;
inline constexpr float kMaxLogitBias = 1000;

// One sentence naming the field, its value and what is accepted, for the first field that is not.
Status ValidateRequest(const GenerateRequest& request, const RequestLimits& limits);

}  // namespace fathom

#endif  // FATHOM_ENGINE_REQUEST_H_
