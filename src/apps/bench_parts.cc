#include "apps/bench_parts.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/strings.h"

namespace fathom {
namespace {

// Of one prefill, or of one decode step.
double MeanSeconds(const PhaseResult& phase) {
  return std::accumulate(phase.seconds.begin(), phase.seconds.end(), 0.0) / static_cast<double>(phase.seconds.size());
}

std::vector<StepPart> AllParts() {
  std::vector<StepPart> parts;
  for (size_t part = 0; part < kStepParts; ++part) parts.push_back(static_cast<StepPart>(part));
  return parts;
}

std::string TableLine(std::string_view name, double seconds, double phase_seconds, const Work& work, const Roof& roof) {
  std::string line = StrFormat("                %-18s %10.2f %7.1f %%", std::string(name).c_str(), 1e3 * seconds,
                               100 * seconds / phase_seconds);
  if (work.flops > 0) {
    const WorkRates rates = RatesOf(work, seconds, roof);
    const bool reads = work.weight_bytes > 0;
    line += StrFormat(" %12s %9.1f %7.1f %% %s", reads ? StrFormat("%.2f", rates.bytes_per_second / kGiga).c_str() : "",
                      rates.flops_per_second / kGiga, 100 * rates.roof_share(), rates.bound());
  }
  return line + "\n";
}

}  // namespace

double PartSeconds(const PhaseResult& phase, StepPart part) {
  return phase.part_seconds[static_cast<size_t>(part)] / static_cast<double>(phase.seconds.size());
}

std::string PartsTable(std::string_view of, const PhaseResult& phase, const Roof& roof) {
  std::vector<StepPart> parts = AllParts();
  const auto seconds_of = [&](StepPart part) { return PartSeconds(phase, part); };
  std::erase_if(parts, [&](StepPart part) { return seconds_of(part) <= 0; });
  if (parts.empty()) return "";
  std::ranges::stable_sort(parts, std::ranges::greater(), seconds_of);

  const double all = MeanSeconds(phase);
  double rest = all;
  std::string text = StrFormat("                %-18s %10s %9s %12s %9s %s\n", StrCat(of, " took").c_str(), "ms",
                               "of time", "weights GB/s", "GFLOP/s", "  of roof");
  for (const StepPart part : parts) {
    rest -= seconds_of(part);
    text += TableLine(kStepPartNames[static_cast<size_t>(part)], seconds_of(part), all, phase.cost.part(part), roof);
  }
  text += TableLine("between parts", std::max(0.0, rest), all, {}, roof);
  return text + TableLine("together", all, all, phase.cost.total(), roof);
}

Json PartsJson(const PhaseResult& phase, const Roof& roof) {
  const double all = MeanSeconds(phase);
  Json parts = Json::Object({});
  for (const StepPart part : AllParts()) {
    const double seconds = PartSeconds(phase, part);
    const Work& work = phase.cost.part(part);
    const WorkRates rates = RatesOf(work, seconds, roof);
    const bool multiplies = work.flops > 0 && seconds > 0;
    parts.Set(std::string(kStepPartNames[static_cast<size_t>(part)]),
              Json::Object({{"time_share", Json::DoubleOrNull(seconds / all)},
                            {"weight_bytes", Json::Double(work.weight_bytes)},
                            {"flop", Json::Double(work.flops)},
                            {"weight_bytes_per_s", Json::DoubleOrNull(rates.bytes_per_second)},
                            {"flop_per_s", Json::DoubleOrNull(rates.flops_per_second)},
                            {"bound", multiplies ? Json::String(rates.bound()) : Json()},
                            {"roof_share", multiplies ? Json::DoubleOrNull(rates.roof_share()) : Json()}}));
  }
  return parts;
}

}  // namespace fathom
