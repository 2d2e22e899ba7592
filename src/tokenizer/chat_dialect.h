// chat_dialect.h - what differs between the releases' prompt formats, and how a request's options choose among it.
//
// Three dialects exist: v4 (April 2026 checkpoints), v4-0731 (Flash-0731, Pro-0813: other effort texts) and v4.1
// (system marker, numeric effort, tag names with a leading space). Everything here is pure and thread-safe.
#ifndef FATHOM_TOKENIZER_CHAT_DIALECT_H_
#define FATHOM_TOKENIZER_CHAT_DIALECT_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"

namespace fathom {

enum class Dialect { kV4, kV40731, kV41 };
enum class ThinkingMode { kChat, kThinking };

// The control strings of a prompt. Each is one added token of the tokenizer; kDsml is the inner part of a tag.
inline constexpr std::string_view kBosText = "<｜begin▁of▁sentence｜>";
inline constexpr std::string_view kEosText = "<｜end▁of▁sentence｜>";
inline constexpr std::string_view kUserText = "<｜User｜>";
inline constexpr std::string_view kAssistantText = "<｜Assistant｜>";
inline constexpr std::string_view kSystemText = "<｜System｜>";  // v4.1 only
inline constexpr std::string_view kReminderText = "<｜latest_reminder｜>";
inline constexpr std::string_view kThinkText = "<think>";
inline constexpr std::string_view kThinkEndText = "</think>";
inline constexpr std::string_view kDsmlText = "｜DSML｜";

// Names inside DSML tags: "<｜DSML｜" + block + ">". Those of v4.1 begin with a space.
struct DsmlTags {
  std::string_view block;
  std::string_view invoke;
  std::string_view parameter;
};
DsmlTags TagsOf(Dialect dialect);

// "v4", "v4-0731", "v4.1".
std::string_view DialectName(Dialect dialect);
Result<Dialect> ParseDialect(std::string_view name);
// "chat" or "thinking".
Result<ThinkingMode> ParseThinkingMode(std::string_view name);

// The dialect of a checkpoint by its config.json: v4.1 by its architecture name, v4-0731 by dspark_* keys, else v4.
Dialect DialectOf(const Json& config);

// The text before the first message, without v4.1's system marker: empty in chat mode and for levels without one. In
// v4.1 an absent effort is 75 (the September release's default), levels are low 50, high 75, max 100, and a number from
// 1 to 100 is taken as it is. A level that the dialect doesn't know is an error in both modes.
Result<std::string> EffortPrefix(Dialect dialect, ThinkingMode mode, const std::optional<std::string>& effort);

// What a request asks for, before the dialect is known.
struct EffortRequest {
  std::optional<bool> thinking = std::nullopt;       // thinking.type, enable_thinking, --think and --no-think
  std::optional<std::string> effort = std::nullopt;  // reasoning_effort, output_config.effort, --effort
};

// What the encoder is given.
struct EffortChoice {
  ThinkingMode mode = ThinkingMode::kThinking;
  std::optional<std::string> effort = std::nullopt;
};

// Maps a request to encoder inputs. Nothing asked for is the hosted API's default: thinking, high. `thinking` false or
// effort none: chat. minimal and low are low (no effort at all in v4, which has no such level); medium, high and xhigh
// are high; max and ultra are max; v4.1 also takes a number from 1 to 100. Others are an error.
Result<EffortChoice> MapEffort(Dialect dialect, const EffortRequest& request);

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_CHAT_DIALECT_H_
