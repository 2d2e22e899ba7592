#include "apps/sampling_options.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "apps/flags.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr int64_t kPlaceholderMaxTokens = 128;

// "ID=BIAS"; BIAS may be -inf.
Result<std::pair<int32_t, float>> ParseBias(const std::string& text) {
  const size_t equals = text.find('=');
  int32_t id = 0;
  const char* id_end = text.data() + (equals == std::string::npos ? 0 : equals);
  const auto parsed = std::from_chars(text.data(), id_end, id);
  char* bias_end = nullptr;
  const float bias = equals == std::string::npos ? 0 : std::strtof(text.c_str() + equals + 1, &bias_end);
  const bool good = parsed.ec == std::errc() && parsed.ptr == id_end && bias_end != nullptr &&
                    bias_end != text.c_str() + equals + 1 && *bias_end == '\0';
  if (!good) {
    return InvalidArgument(
        StrCat("--logit-bias is '", Printable(text, 40), "'; accepted is ID=BIAS, such as 1234=-5 or 1234=-inf"));
  }
  return std::pair(id, bias);
}

// What the engine says to these of any request, in terms of the flags.
Status CheckSampling(const SamplingParams& params, std::vector<std::string> stops, const LoadedModel& model) {
  GenerateRequest request;
  request.prompt = {0};
  request.sampling = params;
  request.stop = std::move(stops);
  Status status = ValidateRequest(request, {.vocab_size = model.model().config().vocab_size, .context = 2});
  for (const char* field : {"temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty",
                            "repetition_penalty", "logit_bias", "stop"}) {
    status = WithFlag(status, field);
  }
  return status;
}

}  // namespace

void AddSamplingFlags(CLI::App& app, SamplingFlags* flags) {
  AcceptWhole(app.add_option("--max-tokens", flags->max_tokens,
                             "Tokens to generate at most (default: until the context is full)"),
              1);
  app.add_option("--temperature", flags->temperature,
                 "0 to 100; 0 takes the most probable token (default: the model's)");
  app.add_option("--top-p", flags->top_p, "Only the most probable tokens that together have this share");
  AcceptWhole(app.add_option("--top-k", flags->top_k, "Only this many of the most probable tokens; 0: off"), 0);
  app.add_option("--min-p", flags->min_p, "Only tokens with at least this share of the best one's probability");
  app.add_option("--presence-penalty", flags->presence_penalty, "-2 to 2, for tokens already in the answer");
  app.add_option("--frequency-penalty", flags->frequency_penalty, "-2 to 2, for every time they are");
  app.add_option("--repetition-penalty", flags->repetition_penalty, "Above 1: for tokens in prompt or answer");
  app.add_option("--logit-bias", flags->logit_bias, "ID=BIAS, added to that token's logit; may be repeated")
      ->type_name("ID=BIAS")
      ->allow_extra_args(false);
  AcceptWhole(app.add_option("--seed", flags->seed, "Same seed, same answer (default: another one each time)"), 0,
              std::numeric_limits<uint64_t>::max());
  app.add_option("--stop", flags->stop, "End the answer before this text; may be repeated")
      ->type_name("TEXT")
      ->allow_extra_args(false);
}

std::vector<std::string> StopsFrom(const SamplingFlags& flags) {
  std::vector<std::string> stops = flags.stop;
  std::erase(stops, "");
  return stops;
}

Result<SamplingParams> SamplingFrom(const SamplingFlags& flags, const LoadedModel& model) {
  SamplingParams params = model.generation().sampling;
  params.temperature = flags.temperature.value_or(params.temperature);
  params.top_p = flags.top_p.value_or(params.top_p);
  params.top_k = flags.top_k.value_or(params.top_k);
  params.min_p = flags.min_p.value_or(params.min_p);
  params.presence_penalty = flags.presence_penalty.value_or(params.presence_penalty);
  params.frequency_penalty = flags.frequency_penalty.value_or(params.frequency_penalty);
  params.repetition_penalty = flags.repetition_penalty.value_or(params.repetition_penalty);
  params.seed = flags.seed;
  for (const std::string& text : flags.logit_bias) {
    FATHOM_ASSIGN_OR_RETURN(const auto bias, ParseBias(text));
    params.logit_bias.push_back(bias);
  }
  for (int32_t id = 0; model.placeholder() && id < model.tokenizer().vocab_size(); ++id) {
    if (model.tokenizer().is_added(id)) params.logit_bias.emplace_back(id, -std::numeric_limits<float>::infinity());
  }
  FATHOM_RETURN_IF_ERROR(CheckSampling(params, StopsFrom(flags), model));
  return params;
}

std::optional<int64_t> MaxTokensFrom(const SamplingFlags& flags, const LoadedModel& model) {
  if (flags.max_tokens || !model.placeholder()) return flags.max_tokens;
  return kPlaceholderMaxTokens;
}

void AddThinkingFlags(CLI::App& app, ThinkingFlags* flags) {
  CLI::Option* think = app.add_flag("--think", flags->think, "Let the model think before it answers (default)");
  CLI::Option* no_think = app.add_flag("--no-think", flags->no_think, "Answer at once");
  CLI::Option* effort = app.add_option("--effort", flags->effort,
                                       "How much to think: none, minimal, low, medium, high, xhigh, max or ultra; "
                                       "minimal is low, medium and xhigh are high, ultra is max; V4.1 also takes 1 to "
                                       "100");
  effort->type_name("LEVEL");
  no_think->excludes(think);
  no_think->excludes(effort);
}

Result<EffortChoice> ChooseEffort(Dialect dialect, const EffortRequest& request, const char* source) {
  Result<EffortChoice> choice = MapEffort(dialect, request);
  if (!choice.ok()) return WithFlag(choice.status(), "reasoning_effort", source);
  return choice;
}

EffortRequest EffortFrom(const ThinkingFlags& flags, const LoadedModel& model) {
  EffortRequest request;
  if (!flags.effort.empty()) request.effort = flags.effort;
  if (flags.think || request.effort) request.thinking = true;
  if (flags.no_think || (!request.thinking && model.placeholder())) request.thinking = false;
  return request;
}

}  // namespace fathom
