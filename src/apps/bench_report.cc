#include "apps/bench_report.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include "apps/bench_compare.h"
#include "base/check.h"
#include "base/file.h"
#include "base/strings.h"
#include "checkpoint/synth_shapes.h"

namespace fathom {
namespace {

// The numbers that decide how long a layer takes.
auto LayerShape(const ModelConfig& c) {
  return std::tuple(c.vocab_size, c.hidden_size, c.heads, c.head_dim, c.rope_dim, c.q_rank, c.o_groups, c.o_rank,
                    c.window, c.expert_dim, c.experts, c.experts_per_token, c.index_heads, c.index_dim, c.index_topk,
                    c.streams);
}

std::string Line(const BenchResult& result, const char* name, const PhaseResult& phase, const Roof& roof) {
  const PhaseRates rates = RatesOf(phase, roof);
  return StrFormat("%8lld %7lld %6lld  %-8s %9.4g  (%.4g .. %.4g)%*s %9.2f %7.1f %% %10.1f %7.1f %%\n",
                   static_cast<long long>(result.settings.context), static_cast<long long>(result.settings.prompt),
                   static_cast<long long>(result.settings.batch), name, rates.tokens_per_second.median,
                   rates.tokens_per_second.min, rates.tokens_per_second.max, 1, "", rates.bytes_per_second / kGiga,
                   100 * rates.bandwidth_share, rates.flops_per_second / kGiga, 100 * rates.compute_share);
}

// "experts 61 %, attention input 20 %, ...", the largest first; what is below half a percent is left out.
std::string PartsLine(const char* name, const PhaseResult& phase) {
  std::vector<std::pair<double, std::string_view>> parts;
  double sum = 0;
  for (size_t part = 0; part < kStepParts; ++part) {
    parts.emplace_back(phase.part_seconds[part], kStepPartNames[part]);
    sum += phase.part_seconds[part];
  }
  if (sum <= 0) return "";
  std::ranges::stable_sort(parts, std::greater(), &std::pair<double, std::string_view>::first);
  std::string text;
  for (const auto& [seconds, part] : parts) {
    if (seconds < 0.005 * sum) break;
    text += StrCat(text.empty() ? "" : ", ", part, StrFormat(" %.0f %%", 100 * seconds / sum));
  }
  return StrFormat("                %s spent on: ", name) + text + "\n";
}

// How much of a part all layers of a model have, in numbers that can be compared between models of one shape.
double Amount(StepPart part, const ModelConfig& config, int64_t context) {
  double amount = 0;
  for (int64_t layer = 0; layer < config.layers; ++layer) {
    const int64_t ratio = config.ratio(layer);
    const int64_t compressed = ratio == 0 ? 0 : context / ratio;
    switch (part) {
      case StepPart::kIndexer:
        amount += ratio == 4 ? 1 : 0;
        break;
      case StepPart::kCompressor:
        amount += ratio != 0 ? 1 : 0;
        break;
      case StepPart::kAttention:
        amount += static_cast<double>(std::min(config.window, context) +
                                      (ratio == 4 ? std::min(config.index_topk, compressed) : compressed));
        break;
      default:
        amount += 1;
    }
  }
  return amount;
}

// The context of a phase: of a prefill that in its middle. A token sees at least itself.
int64_t ContextOf(const BenchSettings& settings, bool prefill) {
  return std::max<int64_t>(1, settings.context + (prefill ? settings.prompt / 2 : settings.prompt));
}

// Seconds of one prefill, or of one decode step.
Json PartsJson(const PhaseResult& phase) {
  Json parts = Json::Object({});
  for (size_t part = 0; part < kStepParts; ++part) {
    parts.Set(std::string(kStepPartNames[part]),
              Json::Double(phase.part_seconds[part] / static_cast<double>(phase.seconds.size())));
  }
  return parts;
}

Json PhaseJson(const BenchContext& context, const PhaseResult& phase, int64_t tokens_of_context) {
  if (phase.seconds.empty()) return {};
  const PhaseRates rates = RatesOf(phase, context.roof);
  const FullModel full = FullModelOf(context.config);
  Json extrapolated;
  if (!full.name.empty()) {
    const std::optional<double> rate = ExtrapolatedRate(phase, context.config, full.config, tokens_of_context);
    extrapolated = Json::Object({{"model", Json::String(full.name)},
                                 {"from_layers", Json::Int(context.config.layers)},
                                 {"to_layers", Json::Int(full.config.layers)},
                                 {"tokens_per_s", rate ? Json::DoubleOrNull(*rate) : Json()}});
  }
  return Json::Object(
      {{"tokens_per_s", SpreadJson(rates.tokens_per_second)},
       {"seconds", SpreadJson(SpreadOf(phase.seconds))},
       {"head_seconds", SpreadJson(SpreadOf(phase.head_seconds))},
       {"part_seconds", PartsJson(phase)},
       {"tokens", Json::Int(phase.cost.tokens)},
       {"weight_bytes", Json::Double(phase.cost.weight_bytes)},
       {"flop", Json::Double(phase.cost.flops)},
       {"weight_bytes_per_s", Json::DoubleOrNull(rates.bytes_per_second)},
       {"flop_per_s", Json::DoubleOrNull(rates.flops_per_second)},
       {"bandwidth_share", Json::DoubleOrNull(rates.bandwidth_share)},
       {"token_read_share", rates.token_read_share > 0 ? Json::DoubleOrNull(rates.token_read_share) : Json()},
       {"compute_share", Json::DoubleOrNull(rates.compute_share)},
       {"extrapolated", std::move(extrapolated)}});
}

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

Spread SpreadOf(std::vector<double> values) {
  FATHOM_CHECK(!values.empty());
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
  return {values.front(), median, values.back()};
}

Json SpreadJson(const Spread& spread) {
  return Json::Object({{"min", Json::DoubleOrNull(spread.min)},
                       {"median", Json::DoubleOrNull(spread.median)},
                       {"max", Json::DoubleOrNull(spread.max)}});
}

PhaseRates RatesOf(const PhaseResult& phase, const Roof& roof) {
  const Spread seconds = SpreadOf(phase.seconds);
  const auto tokens = static_cast<double>(phase.cost.tokens);
  PhaseRates rates;
  rates.tokens_per_second = {tokens / seconds.max, tokens / seconds.median, tokens / seconds.min};
  rates.bytes_per_second = phase.cost.weight_bytes / seconds.median;
  rates.flops_per_second = phase.cost.flops / seconds.median;
  rates.bandwidth_share = rates.bytes_per_second / roof.read_bytes_per_second;
  if (roof.token_bytes_per_second > 0) {
    rates.token_read_share = rates.bytes_per_second / roof.token_bytes_per_second;
  }
  rates.compute_share =
      (phase.cost.f32_ops / roof.peak.f32_flops + phase.cost.int8_ops / roof.peak.int8_ops) / seconds.median;
  return rates;
}

FullModel FullModelOf(const ModelConfig& config) {
  for (const auto& [shape, name] : {std::pair("v4-flash", "V4-Flash"), std::pair("v4-pro", "V4-Pro")}) {
    const Result<CheckpointConfig> release = SyntheticShape(shape);
    if (!release.ok() || LayerShape(release->model) != LayerShape(config)) continue;
    if (release->model.layers > config.layers) return {name, release->model};
  }
  return {};
}

std::optional<double> ExtrapolatedRate(const PhaseResult& phase, const ModelConfig& measured, const ModelConfig& full,
                                       int64_t context) {
  const std::span<const int64_t> kinds(measured.ratios.begin(), static_cast<size_t>(measured.layers));
  for (int64_t layer = 0; layer < full.layers; ++layer) {
    if (std::ranges::find(kinds, full.ratio(layer)) == kinds.end()) return std::nullopt;
  }
  const double head = SpreadOf(phase.head_seconds).median;
  const double layers = SpreadOf(phase.seconds).median - head;
  double spent = 0;
  double scaled = 0;
  for (size_t part = 0; part < kStepParts; ++part) {
    const double amount = Amount(static_cast<StepPart>(part), measured, context);
    // A part of which the measured layers have nothing says nothing of the others.
    if (static_cast<StepPart>(part) == StepPart::kHead || phase.part_seconds[part] == 0 || amount == 0) continue;
    spent += phase.part_seconds[part];
    scaled += phase.part_seconds[part] * Amount(static_cast<StepPart>(part), full, context) / amount;
  }
  const double scale =
      spent > 0 ? scaled / spent : static_cast<double>(full.layers) / static_cast<double>(measured.layers);
  return static_cast<double>(phase.cost.tokens) / (head + layers * scale);
}

// Nothing if that was not measured.
std::string TokenReadsText(const Roof& roof) {
  if (roof.token_bytes_per_second == 0) return "";
  const std::string pages = roof.large_page_share
                                ? StrFormat(" (%.0f %% of the weights in pages of 2 MB)", 100 * *roof.large_page_share)
                                : "";
  return StrCat("  a loop that only reads what a token reads, where it lies: ",
                StrFormat("%.1f GB/s", roof.token_bytes_per_second / kGiga), pages, "\n");
}

std::string BenchHeading(const BenchContext& context) {
  const ModelConfig& config = context.config;
  return StrCat(context.model, "  (", context.directory, ")\n  ", config.layers, " layers, ", config.experts,
                " experts of which ", config.experts_per_token, " + 1 per token\n", context.cpu, ", ", context.threads,
                " threads, ", context.isa, " kernels",
                context.activations == "int8" ? ", int8 activations of experts" : "", "\n  ", context.placement, "\n",
                "  roof, measured now: ", ReadRoofText(context.roof), "; ", PeakText(context.roof.peak), "\n",
                TokenReadsText(context.roof), "\n");
}

std::string BenchTableHead() {
  return " context  prompt  batch  phase     tokens/s  (min .. max)   weights GB/s    of roof   GFLOP/s   of roof\n";
}

std::string BenchLines(const BenchContext& context, const BenchResult& result) {
  const FullModel full = FullModelOf(context.config);
  std::string text;
  std::string estimates;
  for (const auto& [name, phase] : {std::pair("prefill", &result.prefill), std::pair("decode", &result.decode)}) {
    if (phase->seconds.empty()) continue;
    text += Line(result, name, *phase, context.roof);
    estimates += PartsLine(name, *phase);
    const double read_share = RatesOf(*phase, context.roof).token_read_share;
    if (phase == &result.decode && read_share > 0) {
      estimates += StrFormat("                decode reads weights %.0f %% as fast as the loop that only reads them\n",
                             100 * read_share);
    }
    if (full.name.empty()) continue;
    const int64_t tokens = ContextOf(result.settings, phase == &result.prefill);
    const std::optional<double> rate = ExtrapolatedRate(*phase, context.config, full.config, tokens);
    if (!rate) {
      estimates += StrFormat("                %s is not extrapolated: %s has kinds of layers that this model has not\n",
                             name, full.name.c_str());
      continue;
    }
    estimates +=
        StrFormat("                %s extrapolated from %lld to the %lld layers of %s: %.3g tokens/s (not measured)\n",
                  name, static_cast<long long>(context.config.layers), static_cast<long long>(full.config.layers),
                  full.name.c_str(), *rate);
  }
  return text + estimates;
}

Json BenchJson(const BenchContext& context, const std::vector<BenchResult>& results) {
  std::vector<Json> runs;
  for (const BenchResult& result : results) {
    const BenchSettings& settings = result.settings;
    runs.push_back(Json::Object({{"context", Json::Int(settings.context)},
                                 {"prompt", Json::Int(settings.prompt)},
                                 {"batch", Json::Int(settings.batch)},
                                 {"generate", Json::Int(settings.generate)},
                                 {"repeat", Json::Int(settings.repeat)},
                                 {"step_tokens", Json::Int(settings.step_tokens)},
                                 {"prefill", PhaseJson(context, result.prefill, ContextOf(settings, true))},
                                 {"decode", PhaseJson(context, result.decode, ContextOf(settings, false))}}));
  }
  return Json::Object({{"format", Json::String("fathom-bench-1")},
                       {"model", Json::Object({{"name", Json::String(context.model)},
                                               {"directory", Json::String(context.directory)},
                                               {"layers", Json::Int(context.config.layers)},
                                               {"experts", Json::Int(context.config.experts)}})},
                       {"machine", Json::Object({{"cpu", Json::String(context.cpu)},
                                                 {"threads", Json::Int(context.threads)},
                                                 {"isa", Json::String(context.isa)},
                                                 {"activations", Json::String(context.activations)}})},
                       {"roof", RoofJson(context.roof)},
                       {"runs", Json::Array(std::move(runs))}});
}

// ---- beside an earlier run

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
