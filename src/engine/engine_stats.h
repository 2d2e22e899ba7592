// engine_stats.h - what an engine has done and is doing, for metrics and for those who ask what keeps it busy.
#ifndef FATHOM_ENGINE_ENGINE_STATS_H_
#define FATHOM_ENGINE_ENGINE_STATS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cache/prefix_cache.h"
#include "engine/request.h"

namespace fathom {

struct PriorityLoad {
  int32_t priority = 0;
  int64_t waiting = 0;
  int64_t running = 0;
};

// Counters since the start, and the present load.
struct EngineStats {
  int64_t steps = 0;
  int64_t step_sequences = 0;  // that took part in a step, of all steps together
  int64_t turns = 0;           // of the engine's loop: steps, and looks at what was loaded, written or cancelled
  int64_t requests = 0;        // accepted by Submit()
  int64_t refused = 0;         // because the queue was full
  int64_t prompt_tokens = 0;   // of finished requests
  int64_t cached_tokens = 0;   // of those, taken from kept prefixes
  int64_t completion_tokens = 0;
  int64_t prompt_tokens_read = 0;  // by the model, also for requests that are not finished
  int64_t generated_tokens = 0;    // sampled, also for requests that are not finished
  int64_t preemptions = 0;         // sequences sent back to the queue for want of memory or a place

  // Of the engine's thread.
  double step_seconds = 0;      // with something to do: all of the following and the rest
  double model_seconds = 0;     // in the model
  double sampling_seconds = 0;  // from logits to tokens: sampling, log-probabilities, grammars
  double handler_seconds = 0;   // in event handlers

  int64_t waiting = 0;
  int64_t running = 0;
  std::vector<PriorityLoad> priorities;  // of both, highest first
  int64_t cache_bytes = 0;
  PrefixCacheStats prefixes;
  int64_t prefill_budget = 0;  // prompt tokens of a step while answers are generated
  // Estimates by how long requests had their places lately. How long a request would wait that comes now; and how long
  // until one place of the queue or of the running ones is free, which is what to tell a client that was refused.
  double wait_seconds = 0;
  double next_place_seconds = 0;
};

// A request as it was at the last look, at most a tenth of a second and a step ago.
struct RequestInfo {
  enum class State {
    kWaiting,
    kPreempted,  // waiting to go on
    kReading,    // the prompt
    kAnswering,
  };

  uint64_t number = 0;  // by arrival
  std::string user;
  int32_t priority = 0;
  State state = State::kWaiting;
  double age_seconds = 0;
  int64_t prompt_tokens = 0;
  int64_t cached_tokens = 0;  // of the prompt
  int64_t read_tokens = 0;    // of prompt and answer: what its cache holds
  int64_t generated_tokens = 0;
  std::optional<int64_t> max_tokens;  // as the request says, and so what follows
  SamplingParams sampling;
};
// "waiting", "preempted", "reading", "answering".
const char* RequestStateName(RequestInfo::State state);

// How long until `ahead` requests have got their places, one after the other, if each of `places` is held for
// `service_seconds` on average.
double EstimateWaitSeconds(int64_t ahead, int64_t places, double service_seconds);

}  // namespace fathom

#endif  // FATHOM_ENGINE_ENGINE_STATS_H_
