#include "apps/bench_compare.h"

#include <optional>
#include <string_view>

#include "apps/bench_report.h"
#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr uint64_t kMaxEarlierBytes = 64 << 20;

std::optional<int64_t> WholeMember(const Json& object, const char* key) {
  const Json* value = object.Find(key);
  return value == nullptr ? std::nullopt : value->AsInt();
}

// Median tokens per second of a phase; 0 if it was not measured, or in a time too short for the clock. No value if it
// is no phase.
std::optional<double> EarlierSpeed(const Json& run, const char* phase) {
  const Json* found = run.Find(phase);
  if (found == nullptr) return std::nullopt;
  if (found->is_null()) return 0;
  const Json* speed = found->is_object() ? found->Find("tokens_per_s") : nullptr;
  const Json* median = speed != nullptr && speed->is_object() ? speed->Find("median") : nullptr;
  if (median != nullptr && median->is_null()) return 0;
  const std::optional<double> value = median == nullptr ? std::nullopt : median->AsDouble();
  return value && *value > 0 ? value : std::nullopt;
}

}  // namespace

Result<EarlierBench> EarlierBench::Read(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxEarlierBytes));
  const Result<Json> root = ParseJson(text);
  if (!root.ok()) return InvalidArgument(StrCat(path, ": ", root.status().message()));
  const auto wrong = [&](std::string_view what) {
    return InvalidArgument(StrCat("--compare: ", path, " is no file of fathom bench --json: ", what));
  };
  const Json* format = root->is_object() ? root->Find("format") : nullptr;
  if (format == nullptr || !format->is_string() || format->string() != "fathom-bench-1") {
    return wrong("\"format\" is not \"fathom-bench-1\"");
  }
  const Json* runs = root->Find("runs");
  if (runs == nullptr || !runs->is_array()) return wrong("\"runs\" is no list");
  EarlierBench earlier;
  earlier.path_ = path;
  for (const Json& run : runs->items()) {
    if (!run.is_object()) return wrong("a run is no object");
    const int64_t context = WholeMember(run, "context").value_or(0);
    const std::optional<int64_t> prompt = WholeMember(run, "prompt");
    const std::optional<int64_t> batch = WholeMember(run, "batch");
    const std::optional<int64_t> generate = WholeMember(run, "generate");
    const std::optional<double> prefill = EarlierSpeed(run, "prefill");
    const std::optional<double> decode = EarlierSpeed(run, "decode");
    if (!prompt || !batch || !generate || !prefill || !decode) {
      return wrong("a run lacks prompt, batch, generate, prefill or decode");
    }
    earlier.runs_.push_back({context, *prompt, *batch, *generate, *prefill, *decode});
  }
  return earlier;
}

std::string EarlierBench::Compare(const BenchResult& result) const {
  const BenchSettings& now = result.settings;
  for (const Run& run : runs_) {
    if (run.context != now.context || run.prompt != now.prompt || run.batch != now.batch ||
        run.generate != now.generate)
      continue;
    std::string text;
    const auto add = [&](const char* name, const PhaseResult& phase, double before) {
      if (phase.seconds.empty() || before <= 0) return;
      const double speed = static_cast<double>(phase.cost.tokens) / SpreadOf(phase.seconds).median;
      text += StrFormat("%s%s at %.2f times the speed", text.empty() ? "" : ", ", name, speed / before);
    };
    add("prefill", result.prefill, run.prefill);
    add("decode", result.decode, run.decode);
    if (text.empty()) break;  // nothing that both have measured
    return StrCat("                ", text, " of ", path_, "\n");
  }
  return StrCat("                ", path_, " has no run with this context, prompt, batch and --generate\n");
}

}  // namespace fathom
