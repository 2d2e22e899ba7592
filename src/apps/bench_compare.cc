#include "apps/bench_compare.h"

#include <cmath>
#include <optional>
#include <string_view>

#include "apps/bench_parts.h"
#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr uint64_t kMaxEarlierBytes = 4 << 20;  // a run takes 5 KB
constexpr size_t kShownValue = 40;              // of a value that is not accepted
constexpr char kIndent[] = "                ";

// What decides how fast a run is, besides its settings: where BenchJson() says it, and in words.
struct Condition {
  const char* section;
  const char* key;
  const char* name;
};
constexpr Condition kConditions[] = {{"model", "name", "model"},
                                     {"model", "layers", "layers"},
                                     {"model", "experts", "experts"},
                                     {"machine", "cpu", "processor"},
                                     {"machine", "threads", "threads"},
                                     {"machine", "isa", "instruction set"},
                                     {"machine", "activations", "activations"}};

// Null if it is not there.
const Json* Member(const Json& object, std::string_view key) { return object.is_object() ? object.Find(key) : nullptr; }

// A whole number of a run, which an earlier version may not have said if `otherwise` has a value.
Result<int64_t> WholeMember(const Json& run, const char* key, std::optional<int64_t> otherwise = std::nullopt) {
  const Json* value = run.Find(key);
  if (value == nullptr && otherwise) return *otherwise;
  if (value == nullptr) return InvalidArgument(StrCat("a run lacks \"", key, "\""));
  const std::optional<int64_t> number = value->AsInt();
  if (number && *number >= 0) return *number;
  return InvalidArgument(StrCat("\"", key, "\" of a run is ", Printable(value->Dump(), kShownValue),
                                "; accepted is a whole number, 0 or more"));
}

// A time or a speed: finite, and above or at least 0.
Result<double> AmountOf(const Json& value, std::string_view name, bool positive) {
  const std::optional<double> number = value.AsDouble();
  if (number && std::isfinite(*number) && (positive ? *number > 0 : *number >= 0)) return *number;
  return InvalidArgument(StrCat(name, " of a run is ", Printable(value.Dump(), kShownValue), "; accepted is a number",
                                positive ? " above 0" : ", 0 or more"));
}

// "" if the results do not say it.
std::string ValueOf(const Json& results, const Condition& condition) {
  const Json* section = Member(results, condition.section);
  const Json* value = section == nullptr ? nullptr : Member(*section, condition.key);
  if (value == nullptr) return "";
  if (value->is_string()) return Printable(value->string());
  const std::optional<int64_t> number = value->AsInt();
  return number ? StrCat(*number) : "";
}

// One phase then and now.
struct PhasePair {
  const char* name;
  const std::array<double, kStepParts>& before;
  const PhaseResult& now;
};

// A line for each part that some phase has then or now; "" if there is none to compare.
std::string PartLines(const std::vector<PhasePair>& phases) {
  std::string head = StrFormat("%s%-16s", kIndent, "ms");
  for (const PhasePair& phase : phases) {
    head += StrFormat(" %12s %9s %7s", StrCat(phase.name, " then").c_str(), "now", "speed");
  }
  std::string lines;
  for (size_t part = 0; part < kStepParts; ++part) {
    std::string line;
    bool any = false;
    for (const PhasePair& phase : phases) {
      const double before = phase.before[part];
      const double now = PartSeconds(phase.now, static_cast<StepPart>(part));
      any = any || before > 0 || now > 0;
      line += StrFormat(" %12.2f %9.2f %7s", 1e3 * before, 1e3 * now,
                        before > 0 && now > 0 ? StrFormat("%.2fx", before / now).c_str() : "-");
    }
    if (any) lines += StrFormat("%s%-16s", kIndent, std::string(kStepPartNames[part]).c_str()) + line + "\n";
  }
  return lines.empty() ? "" : head + "\n" + lines;
}

}  // namespace

// An error says what is wrong, without the file.
Result<EarlierBench::Phase> EarlierBench::ReadPhase(const Json& run, const char* name) {
  const Status wrong = InvalidArgument(StrCat("a run has no speed of ", name));
  const Json* found = run.Find(name);
  if (found == nullptr) return wrong;
  Phase phase;
  if (found->is_null()) return phase;
  const Json* speed = Member(*found, "tokens_per_s");
  const Json* median = speed == nullptr ? nullptr : Member(*speed, "median");
  if (median == nullptr) return wrong;
  if (!median->is_null()) {  // null: in a time too short for the clock
    FATHOM_ASSIGN_OR_RETURN(phase.tokens_per_second, AmountOf(*median, StrCat("the speed of ", name), true));
  }
  const Json* parts = found->Find("part_seconds");
  if (parts == nullptr) return phase;  // of an earlier version
  if (!parts->is_object()) return InvalidArgument(StrCat("\"part_seconds\" of ", name, " is no object"));
  for (size_t part = 0; part < kStepParts; ++part) {
    const Json* seconds = parts->Find(kStepPartNames[part]);
    if (seconds == nullptr) continue;
    const std::string what = StrCat("the time of \"", kStepPartNames[part], "\" of ", name);
    FATHOM_ASSIGN_OR_RETURN(phase.part_seconds[part], AmountOf(*seconds, what, false));
  }
  return phase;
}

Result<EarlierBench> EarlierBench::Read(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxEarlierBytes));
  const Result<Json> root = ParseJson(text);
  if (!root.ok()) return InvalidArgument(StrCat(path, ": ", root.status().message()));
  const auto wrong = [&](std::string_view what) {
    return InvalidArgument(StrCat("--compare: ", path, " is no file of fathom bench --json: ", what));
  };
  const Json* format = Member(*root, "format");
  if (format == nullptr || !format->is_string() || format->string() != "fathom-bench-1") {
    return wrong("\"format\" is not \"fathom-bench-1\"");
  }
  const Json* runs = root->Find("runs");
  if (runs == nullptr || !runs->is_array()) return wrong("\"runs\" is no list");
  EarlierBench earlier;
  earlier.path_ = path;
  earlier.about_ = Json::Object({});
  for (const char* section : {"model", "machine"}) {
    if (const Json* said = root->Find(section); said != nullptr) earlier.about_.Set(section, *said);
  }
  for (const Json& run : runs->items()) {
    const Result<Run> read = ReadRun(run);
    if (!read.ok()) return wrong(read.status().message());
    earlier.runs_.push_back(*read);
  }
  return earlier;
}

// Likewise.
Result<EarlierBench::Run> EarlierBench::ReadRun(const Json& json) {
  if (!json.is_object()) return InvalidArgument("a run is no object");
  Run run;
  FATHOM_ASSIGN_OR_RETURN(run.context, WholeMember(json, "context", 0));
  FATHOM_ASSIGN_OR_RETURN(run.prompt, WholeMember(json, "prompt"));
  FATHOM_ASSIGN_OR_RETURN(run.batch, WholeMember(json, "batch"));
  FATHOM_ASSIGN_OR_RETURN(run.generate, WholeMember(json, "generate"));
  FATHOM_ASSIGN_OR_RETURN(run.step_tokens, WholeMember(json, "step_tokens", 0));
  FATHOM_ASSIGN_OR_RETURN(run.prefill, ReadPhase(json, "prefill"));
  FATHOM_ASSIGN_OR_RETURN(run.decode, ReadPhase(json, "decode"));
  return run;
}

// "" if nothing that the file says does.
std::string EarlierBench::Differences(const BenchContext& context, const BenchSettings& settings,
                                      const Run& run) const {
  const Json now = BenchJson(context, {});
  std::string text;
  const auto add = [&](const char* name, const std::string& before, const std::string& value) {
    if (before.empty() || before == value) return;
    text += StrCat(text.empty() ? "" : "; ", name, " ", before, " then, ", value, " now");
  };
  for (const Condition& condition : kConditions)
    add(condition.name, ValueOf(about_, condition), ValueOf(now, condition));
  add("--step-tokens", run.step_tokens == 0 ? "" : StrCat(run.step_tokens), StrCat(settings.step_tokens));
  return text.empty() ? "" : StrCat(kIndent, "not the same as in ", path_, ": ", text, "\n");
}

std::string EarlierBench::Compare(const BenchContext& context, const BenchResult& result) const {
  const BenchSettings& now = result.settings;
  for (const Run& run : runs_) {
    if (run.context != now.context || run.prompt != now.prompt || run.batch != now.batch ||
        run.generate != now.generate)
      continue;
    std::string speeds;
    std::vector<PhasePair> phases;
    const auto add = [&](const char* name, const PhaseResult& phase, const Phase& before) {
      if (phase.seconds.empty() || before.tokens_per_second <= 0) return;
      const double speed = MedianTokensPerSecond(phase);
      if (!std::isfinite(speed)) return;  // in a time too short for the clock
      speeds +=
          StrFormat("%s%s at %.2f times the speed", speeds.empty() ? "" : ", ", name, speed / before.tokens_per_second);
      if (before.part_seconds != std::array<double, kStepParts>{}) phases.push_back({name, before.part_seconds, phase});
    };
    add("prefill", result.prefill, run.prefill);
    add("decode", result.decode, run.decode);
    if (speeds.empty()) {
      return StrCat(kIndent, path_, " has this run, but the speed of no phase that was measured both then and now\n");
    }
    return StrCat(Differences(context, now, run), kIndent, speeds, " of ", path_, "\n", PartLines(phases));
  }
  return StrCat(kIndent, path_, " has no run with this context, prompt, batch and --generate\n");
}

}  // namespace fathom
