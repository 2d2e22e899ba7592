// api_limits.h - how large the fields of a request may be. docs/api.md lists them; a test holds that list against
// these.
#ifndef FATHOM_SERVER_API_API_LIMITS_H_
#define FATHOM_SERVER_API_API_LIMITS_H_

#include <cstddef>
#include <cstdint>

namespace fathom {

inline constexpr size_t kMaxTools = 1024;
inline constexpr size_t kMaxToolNameBytes = 256;
inline constexpr size_t kMaxModelNameBytes = 256;
inline constexpr size_t kMaxUserBytes = 512;
inline constexpr size_t kMaxApiStopStrings = 16;  // OpenAI's shapes
inline constexpr size_t kMaxStopSequences = 64;   // Anthropic's
inline constexpr size_t kMaxStopBytes = 4096;
inline constexpr int64_t kMaxChoices = 64;
inline constexpr int64_t kMaxTopLogprobs = 20;
inline constexpr int64_t kMaxLegacyLogprobs = 20;  // completions' `logprobs`
inline constexpr size_t kMaxBiases = 4096;
inline constexpr size_t kMaxPrompts = 1024;
inline constexpr size_t kMaxExtraFiles = 1024;
inline constexpr int64_t kMaxItemsOfPage = 100;
inline constexpr int64_t kDefaultCompletionTokens = 16;  // OpenAI's, without max_tokens
inline constexpr int64_t kDefaultMiddleTokens = 4096;

}  // namespace fathom

#endif  // FATHOM_SERVER_API_API_LIMITS_H_
