// sampling_options.h - the flags that say how an answer is sampled, for `run` and `chat`.
#ifndef FATHOM_APPS_SAMPLING_OPTIONS_H_
#define FATHOM_APPS_SAMPLING_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/model_options.h"
#include "engine/request.h"
#include "tokenizer/chat_dialect.h"

namespace CLI {  // NOLINT(readability-identifier-naming): theirs
class App;
}

namespace fathom {

struct SamplingFlags {
  std::optional<double> temperature;
  std::optional<double> top_p;
  std::optional<int64_t> top_k;
  std::optional<double> min_p;
  std::optional<double> presence_penalty;
  std::optional<double> frequency_penalty;
  std::optional<double> repetition_penalty;
  std::vector<std::string> logit_bias;  // "ID=BIAS"
  std::optional<uint64_t> seed;
  std::optional<int64_t> max_tokens;
  std::vector<std::string> stop;
};

void AddSamplingFlags(CLI::App& app, SamplingFlags* flags);

// What the flags say, over what generation_config.json says; an error that names the flag if the engine would refuse
// every request with it. The placeholder model, whose every tenth token would be a control token, is kept to tokens
// that can be read.
Result<SamplingParams> SamplingFrom(const SamplingFlags& flags, const LoadedModel& model);

// Tokens at most. The placeholder model seldom ends by itself: 128 unless asked for more.
std::optional<int64_t> MaxTokensFrom(const SamplingFlags& flags, const LoadedModel& model);

// --stop without empty texts, which end nothing.
std::vector<std::string> StopsFrom(const SamplingFlags& flags);

struct ThinkingFlags {
  bool think = false;
  bool no_think = false;
  std::string effort;
};

// --think, --no-think, --effort.
void AddThinkingFlags(CLI::App& app, ThinkingFlags* flags);

// Nothing asked for is the hosted service's default (thinking, high); for the placeholder, which would never stop
// thinking, it is no thinking.
EffortRequest EffortFrom(const ThinkingFlags& flags, const LoadedModel& model);

// What an encoder is given for it; errors say that the level comes from `source`.
Result<EffortChoice> ChooseEffort(Dialect dialect, const EffortRequest& request, const char* source = "--effort");

}  // namespace fathom

#endif  // FATHOM_APPS_SAMPLING_OPTIONS_H_
