#include "tokenizer/chat_dialect.h"

#include <algorithm>
#include <charconv>

#include "base/strings.h"

namespace fathom {

namespace {

// The April max text, called high from 0731 on.
constexpr std::string_view kThorough =
    "Reasoning Effort: Absolute maximum with no shortcuts permitted.\n"
    "You MUST be very thorough in your thinking and comprehensively decompose the problem to resolve the root cause, "
    "rigorously stress-testing your logic against all potential paths, edge cases, and adversarial scenarios.\n"
    "Explicitly write out your entire deliberation process, documenting every intermediate step, considered "
    "alternative, and rejected hypothesis to ensure absolutely no assumption is left unchecked.\n\n";

constexpr std::string_view kBeyond =
    "Reasoning Effort: Beyond maximum — exhaustive, relentless, and uncompromising.\n"
    "You MUST reason with the utmost depth and rigor, leaving absolutely nothing to chance: exhaustively decompose the "
    "problem into its most fundamental components, trace every causal chain to its root, and resolve the underlying "
    "cause rather than any surface symptom.\n"
    "Do not stop reasoning until you have independently verified the solution from multiple angles and are certain "
    "that no assumption remains unchecked and no error remains undiscovered.\n\n";

// A whole number from 1 to 100 in plain digits, or nothing.
std::optional<int> EffortNumber(std::string_view text) {
  int value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  if (value < 1 || value > 100 || text.front() == '0') return std::nullopt;
  return value;
}

std::string_view AcceptedEfforts(Dialect dialect) {
  switch (dialect) {
    case Dialect::kV4:
      return "high or max";
    case Dialect::kV40731:
      return "low, high or max";
    case Dialect::kV41:
      return "low, high, max or a whole number from 1 to 100";
  }
  return "";
}

Status BadEffort(Dialect dialect, std::string_view effort) {
  return InvalidArgument(StrCat("reasoning_effort is \"", Printable(effort), "\"; ", DialectName(dialect), " accepts ",
                                AcceptedEfforts(dialect)));
}

Result<std::string> NumericPrefix(const std::optional<std::string>& effort) {
  std::optional<int> value = 75;
  if (effort) {
    if (*effort == "low") {
      value = 50;
    } else if (*effort == "high") {
      value = 75;
    } else if (*effort == "max") {
      value = 100;
    } else {
      value = EffortNumber(*effort);
    }
  }
  if (!value) return BadEffort(Dialect::kV41, *effort);
  return StrCat("Reasoning Effort: ", *value,
                " (range 1-100, the higher the value, the more thorough the reasoning)\n\n");
}

Result<std::string> TextPrefix(Dialect dialect, const std::optional<std::string>& effort) {
  const bool v4 = dialect == Dialect::kV4;
  if (!effort) return std::string();
  if (*effort == "high") return v4 ? std::string() : std::string(kThorough);
  if (*effort == "max") return std::string(v4 ? kThorough : kBeyond);
  if (*effort == "low" && !v4) return std::string();
  return BadEffort(dialect, *effort);
}

}  // namespace

DsmlTags TagsOf(Dialect dialect) {
  if (dialect == Dialect::kV41) return {" calls", " invoke", " parameter"};
  return {"tool_calls", "invoke", "parameter"};
}

std::string_view DialectName(Dialect dialect) {
  switch (dialect) {
    case Dialect::kV4:
      return "v4";
    case Dialect::kV40731:
      return "v4-0731";
    case Dialect::kV41:
      return "v4.1";
  }
  return "";
}

Result<Dialect> ParseDialect(std::string_view name) {
  for (const Dialect dialect : {Dialect::kV4, Dialect::kV40731, Dialect::kV41}) {
    if (name == DialectName(dialect)) return dialect;
  }
  return InvalidArgument(StrCat("dialect is \"", Printable(name), "\"; accepted are v4, v4-0731 and v4.1"));
}

Result<ThinkingMode> ParseThinkingMode(std::string_view name) {
  if (name == "chat") return ThinkingMode::kChat;
  if (name == "thinking") return ThinkingMode::kThinking;
  return InvalidArgument(StrCat("thinking_mode is \"", Printable(name), "\"; accepted are chat and thinking"));
}

Dialect DialectOf(const Json& config) {
  const Json* architectures = config.Find("architectures");
  if (architectures != nullptr && architectures->is_array()) {
    for (const Json& name : architectures->items()) {
      if (name.is_string() && name.string().starts_with("DeepseekV41")) return Dialect::kV41;
    }
  }
  if (!config.is_object()) return Dialect::kV4;
  const auto& members = config.members();
  const bool later = std::any_of(members.begin(), members.end(),
                                 [](const Json::Member& member) { return member.first.starts_with("dspark_"); });
  return later ? Dialect::kV40731 : Dialect::kV4;
}

Result<std::string> EffortPrefix(Dialect dialect, ThinkingMode mode, const std::optional<std::string>& effort) {
  Result<std::string> prefix = dialect == Dialect::kV41 ? NumericPrefix(effort) : TextPrefix(dialect, effort);
  if (prefix.ok() && mode == ThinkingMode::kChat) return std::string();
  return prefix;
}

Result<EffortChoice> MapEffort(Dialect dialect, const EffortRequest& request) {
  const std::string asked = request.effort.value_or("high");
  EffortChoice choice;
  if (asked == "minimal" || asked == "low") {
    if (dialect != Dialect::kV4) choice.effort = "low";
  } else if (asked == "medium" || asked == "high" || asked == "xhigh") {
    choice.effort = "high";
  } else if (asked == "max" || asked == "ultra") {
    choice.effort = "max";
  } else if (dialect == Dialect::kV41 && EffortNumber(asked)) {
    choice.effort = asked;
  } else if (asked != "none") {
    return InvalidArgument(StrCat("reasoning_effort is \"", Printable(asked),
                                  "\"; accepted are none, minimal, low, medium, high, xhigh, max and ultra",
                                  dialect == Dialect::kV41 ? ", and numbers from 1 to 100" : ""));
  }
  if (asked == "none" || !request.thinking.value_or(true)) return EffortChoice{.mode = ThinkingMode::kChat};
  return choice;
}

}  // namespace fathom
