#include "engine/request.h"

#include <cmath>
#include <limits>
#include <span>

#include "base/strings.h"

namespace fathom {
namespace {

// NaN fails every comparison, so it is outside of any range.
Status CheckRange(const char* field, double value, double low, double high) {
  if (value >= low && value <= high) return {};
  return InvalidArgument(StrFormat("%s is %g; accepted is %g to %g", field, value, low, high));
}

Status CheckIds(const char* field, std::span<const int32_t> ids, int64_t vocab_size) {
  for (size_t index = 0; index < ids.size(); ++index) {
    if (ids[index] >= 0 && ids[index] < vocab_size) continue;
    return InvalidArgument(
        StrCat(field, "[", index, "] is token ", ids[index], "; this model has tokens 0 to ", vocab_size - 1));
  }
  return {};
}

Status CheckLogprobs(const char* field, const std::optional<int64_t>& count) {
  if (!count || (*count >= 0 && *count <= kMaxLogprobs)) return {};
  return InvalidArgument(StrCat(field, " is ", *count, "; accepted is 0 to ", kMaxLogprobs));
}

Status CheckSampling(const SamplingParams& sampling, int64_t vocab_size) {
  constexpr double kSmallest = 1e-6;  // for values that must not be zero
  FATHOM_RETURN_IF_ERROR(CheckRange("temperature", sampling.temperature, 0, 100));
  FATHOM_RETURN_IF_ERROR(CheckRange("top_p", sampling.top_p, kSmallest, 1));
  FATHOM_RETURN_IF_ERROR(CheckRange("min_p", sampling.min_p, 0, 1));
  FATHOM_RETURN_IF_ERROR(CheckRange("presence_penalty", sampling.presence_penalty, -2, 2));
  FATHOM_RETURN_IF_ERROR(CheckRange("frequency_penalty", sampling.frequency_penalty, -2, 2));
  FATHOM_RETURN_IF_ERROR(CheckRange("repetition_penalty", sampling.repetition_penalty, kSmallest, 100));
  if (sampling.top_k < 0) {
    return InvalidArgument(StrCat("top_k is ", sampling.top_k, "; accepted is 0 (off) or a positive number"));
  }
  FATHOM_RETURN_IF_ERROR(CheckLogprobs("logprobs", sampling.logprobs));
  for (const auto& [id, bias] : sampling.logit_bias) {
    if (id < 0 || id >= vocab_size) {
      return InvalidArgument(StrCat("logit_bias has token ", id, "; this model has tokens 0 to ", vocab_size - 1));
    }
    if (bias != -std::numeric_limits<float>::infinity() && !(std::abs(bias) <= kMaxLogitBias)) {
      return InvalidArgument(StrFormat("logit_bias of token %d is %g; accepted is %g to %g, or -infinity", id,
                                       double{bias}, double{-kMaxLogitBias}, double{kMaxLogitBias}));
    }
  }
  return {};
}

Status CheckStop(const std::vector<std::string>& stop) {
  if (stop.size() > kMaxStopStrings) {
    return InvalidArgument(StrCat("stop has ", stop.size(), " strings; accepted are at most ", kMaxStopStrings));
  }
  for (size_t index = 0; index < stop.size(); ++index) {
    if (!stop[index].empty() && stop[index].size() <= kMaxStopStringBytes) continue;
    return InvalidArgument(
        StrCat("stop[", index, "] has ", stop[index].size(), " bytes; accepted are 1 to ", kMaxStopStringBytes));
  }
  return {};
}

}  // namespace

const char* FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kStop:
      return "stop";
    case FinishReason::kLength:
      return "length";
    case FinishReason::kCancelled:
      return "cancelled";
    case FinishReason::kError:
      return "error";
  }
  return "";
}

Status ValidateRequest(const GenerateRequest& request, const RequestLimits& limits) {
  const auto prompt_tokens = static_cast<int64_t>(request.prompt.size());
  if (prompt_tokens == 0) return InvalidArgument("the prompt is empty; it needs at least one token");
  if (prompt_tokens >= limits.context) {
    return InvalidArgument(StrCat("the prompt is too long: it has ", prompt_tokens, " tokens, and ",
                                  limits.context_source, " holds ", limits.context, " for prompt and answer together"));
  }
  if (request.max_tokens && *request.max_tokens < 0) {
    return InvalidArgument(StrCat("max_tokens is ", *request.max_tokens, "; accepted is 0 or more"));
  }
  FATHOM_RETURN_IF_ERROR(CheckLogprobs("prompt_logprobs", request.prompt_logprobs));
  FATHOM_RETURN_IF_ERROR(CheckIds("prompt", request.prompt, limits.vocab_size));
  FATHOM_RETURN_IF_ERROR(CheckIds("stop_tokens", request.stop_tokens, limits.vocab_size));
  FATHOM_RETURN_IF_ERROR(CheckStop(request.stop));
  if (const std::optional<int32_t> id = request.constraint.begin_after_token) {
    FATHOM_RETURN_IF_ERROR(CheckIds("constraint.begin_after_token", std::span(&*id, 1), limits.vocab_size));
  }
  return CheckSampling(request.sampling, limits.vocab_size);
}

}  // namespace fathom
