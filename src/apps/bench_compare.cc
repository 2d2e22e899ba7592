#include "apps/bench_compare.h"

#include <optional>
#include <string_view>

#include "apps/bench_parts.h"
#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr uint64_t kMaxEarlierBytes = 64 << 20;
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

std::optional<int64_t> WholeMember(const Json& object, std::string_view key) {
  const Json* value = Member(object, key);
  return value == nullptr ? std::nullopt : value->AsInt();
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
    const std::optional<double> value = median->AsDouble();
    if (!value || *value <= 0) return wrong;
    phase.tokens_per_second = *value;
  }
  const Json* parts = Member(*found, "part_seconds");
  for (size_t part = 0; parts != nullptr && part < kStepParts; ++part) {
    const Json* seconds = Member(*parts, kStepPartNames[part]);
    phase.part_seconds[part] = seconds == nullptr ? 0 : seconds->AsDouble().value_or(0);
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
    if (!run.is_object()) return wrong("a run is no object");
    const std::optional<int64_t> prompt = WholeMember(run, "prompt");
    const std::optional<int64_t> batch = WholeMember(run, "batch");
    const std::optional<int64_t> generate = WholeMember(run, "generate");
    if (!prompt || !batch || !generate) return wrong("a run lacks prompt, batch or generate");
    const Result<Phase> prefill = ReadPhase(run, "prefill");
    if (!prefill.ok()) return wrong(prefill.status().message());
    const Result<Phase> decode = ReadPhase(run, "decode");
    if (!decode.ok()) return wrong(decode.status().message());
    earlier.runs_.push_back({WholeMember(run, "context").value_or(0), *prompt, *batch, *generate,
                             WholeMember(run, "step_tokens").value_or(0), *prefill, *decode});
  }
  return earlier;
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
      const double speed = static_cast<double>(phase.cost.tokens) / SpreadOf(phase.seconds).median;
      speeds +=
          StrFormat("%s%s at %.2f times the speed", speeds.empty() ? "" : ", ", name, speed / before.tokens_per_second);
      if (before.part_seconds != std::array<double, kStepParts>{}) phases.push_back({name, before.part_seconds, phase});
    };
    add("prefill", result.prefill, run.prefill);
    add("decode", result.decode, run.decode);
    if (speeds.empty()) break;  // nothing that both have measured
    return StrCat(Differences(context, now, run), kIndent, speeds, " of ", path_, "\n", PartLines(phases));
  }
  return StrCat(kIndent, path_, " has no run with this context, prompt, batch and --generate\n");
}

}  // namespace fathom
