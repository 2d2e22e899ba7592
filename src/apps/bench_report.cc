#include "apps/bench_report.h"

#include <algorithm>
#include <map>
#include <optional>
#include <span>
#include <tuple>
#include <utility>

#include "apps/bench_parts.h"
#include "base/file.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "checkpoint/synth_shapes.h"

namespace fathom {
namespace {

// The numbers that decide how long a layer takes.
auto LayerShape(const ModelConfig& c) {
  return std::tuple(c.vocab_size, c.hidden_size, c.heads, c.head_dim, c.rope_dim, c.q_rank, c.o_groups, c.o_rank,
                    c.window, c.expert_dim, c.experts, c.experts_per_token, c.index_heads, c.index_dim, c.index_topk,
                    c.streams);
}

// As wide as BenchTableHead().
std::string Line(const BenchResult& result, const char* name, const PhaseResult& phase, const Roof& roof) {
  const PhaseRates rates = RatesOf(phase, roof);
  const Spread& speed = rates.tokens_per_second;
  return StrFormat("%8lld %7lld %6lld  %-7s %9.4g  %-24s %7.2f %5.1f %% %7.1f %5.1f %%\n",
                   static_cast<long long>(result.settings.context), static_cast<long long>(result.settings.prompt),
                   static_cast<long long>(result.settings.batch), name, speed.median,
                   StrFormat("(%.4g .. %.4g)", speed.min, speed.max).c_str(), rates.bytes_per_second / kGiga,
                   100 * rates.bandwidth_share, rates.flops_per_second / kGiga, 100 * rates.compute_share);
}

// How much of a part all layers of a model have, in numbers that can be compared between models of one shape.
double Amount(StepPart part, const ModelConfig& config, int64_t context) {
  double amount = 0;
  std::map<int64_t, double> input_bytes;  // by ratio, of which layers differ by nothing else
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
      case StepPart::kAttentionInput:
        if (!input_bytes.contains(ratio)) input_bytes[ratio] = DenseWeightBytes(config, layer, part);
        amount += input_bytes[ratio];
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

// The context of a phase: that in its middle. A token sees at least itself.
int64_t ContextOf(const BenchSettings& settings, bool prefill) {
  const int64_t read = prefill ? settings.prompt / 2 : settings.prompt + settings.generate / 2;
  return std::max<int64_t>(1, settings.context + read);
}

Json PartSecondsJson(const PhaseResult& phase) {
  Json parts = Json::Object({});
  for (size_t part = 0; part < kStepParts; ++part) {
    parts.Set(std::string(kStepPartNames[part]), Json::Double(PartSeconds(phase, static_cast<StepPart>(part))));
  }
  return parts;
}

Json PhaseJson(const BenchContext& context, const PhaseResult& phase, int64_t tokens_of_context) {
  if (phase.seconds.empty()) return {};
  const Roof roof = RoofBeside(phase.roofs, context.roof);
  const PhaseRates rates = RatesOf(phase, context.roof);
  const Work work = phase.cost.total();
  const double ceiling = CeilingTokensPerSecond(phase);
  const bool measured = ceiling > 0;
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
       {"part_seconds", PartSecondsJson(phase)},
       {"parts", PartsJson(phase, roof)},
       {"tokens", Json::Int(phase.cost.tokens)},
       {"weight_bytes", Json::Double(work.weight_bytes)},
       {"flop", Json::Double(work.flops)},
       {"roof", SamplesJson(phase.roofs)},
       {"weight_bytes_per_s", Json::DoubleOrNull(rates.bytes_per_second)},
       {"flop_per_s", Json::DoubleOrNull(rates.flops_per_second)},
       {"bandwidth_share", Json::DoubleOrNull(rates.bandwidth_share)},
       {"token_read_share", rates.token_read_share > 0 ? Json::DoubleOrNull(rates.token_read_share) : Json()},
       {"compute_share", Json::DoubleOrNull(rates.compute_share)},
       {"ceiling_tokens_per_s", measured ? Json::DoubleOrNull(ceiling) : Json()},
       {"ceiling_share", measured ? Json::DoubleOrNull(rates.ceiling_share) : Json()},
       {"extrapolated", std::move(extrapolated)}});
}

}  // namespace

PhaseRates RatesOf(const PhaseResult& phase, const Roof& run) {
  const Roof roof = RoofBeside(phase.roofs, run);
  const Spread seconds = SpreadOf(phase.seconds);
  const auto tokens = static_cast<double>(phase.cost.tokens);
  PhaseRates rates = {RatesOf(phase.cost.total(), seconds.median, roof),
                      {tokens / seconds.max, MedianTokensPerSecond(phase), tokens / seconds.min}};
  if (roof.token_bytes_per_second > 0) {
    rates.token_read_share = rates.bytes_per_second / roof.token_bytes_per_second;
  }
  if (const double ceiling = CeilingTokensPerSecond(phase); ceiling > 0) {
    rates.ceiling_share = rates.tokens_per_second.median / ceiling;
  }
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
    if (static_cast<StepPart>(part) == StepPart::kHead || phase.part_seconds[part] == 0) continue;
    const double amount = Amount(static_cast<StepPart>(part), measured, context);
    if (amount == 0) continue;  // what the measured layers do not have says nothing of the others
    spent += phase.part_seconds[part];
    scaled += phase.part_seconds[part] * Amount(static_cast<StepPart>(part), full, context) / amount;
  }
  const double scale =
      spent > 0 ? scaled / spent : static_cast<double>(full.layers) / static_cast<double>(measured.layers);
  return static_cast<double>(phase.cost.tokens) / (head + layers * scale);
}

std::string SamplesLines(const RoofSamples& samples) {
  if (samples.empty()) return "";
  constexpr char kIndent[] = "                ";
  constexpr size_t kColumns = 80;
  return StrCat(
      kIndent,
      WrapList(StrCat("roofs between its steps: ", SamplesText(samples)), StrCat("\n", kIndent, "  "), kColumns), "\n");
}

// Nothing if that was not measured.
std::string CeilingLines(const char* name, const PhaseResult& phase, double share) {
  const double tokens_per_second = CeilingTokensPerSecond(phase);
  if (tokens_per_second == 0) return "";
  std::string parts;
  for (size_t part = 0; part < kStepParts; ++part) {
    const double seconds = PartSeconds(phase, static_cast<StepPart>(part));
    if (phase.ceiling_seconds[part] == 0 || seconds == 0) continue;
    parts += StrFormat("%s%s %.0f %%", parts.empty() ? "" : ", ", std::string(kStepPartNames[part]).c_str(),
                       100 * phase.ceiling_seconds[part] / seconds);
  }
  constexpr char kIndent[] = "                ";
  constexpr size_t kColumns = 80;
  return StrCat(StrFormat("%sceiling of these kernels: %.4g tokens/s; %s is %.0f %% of it\n", kIndent,
                          tokens_per_second, name, 100 * share),
                kIndent, "  ", WrapList(parts, StrCat("\n", kIndent, "  "), kColumns), "\n");
}

// Nothing if that was not measured.
std::string TokenReadsText(const Roof& roof) {
  if (roof.token_bytes_per_second == 0) return "";
  const std::string pages =
      roof.large_page_share ? StrFormat("\n    (%.0f %% of the weights in pages of 2 MB)", 100 * *roof.large_page_share)
                            : "";
  return StrCat("  a loop that only reads what a token reads, where it lies: ",
                StrFormat("%.1f GB/s", roof.token_bytes_per_second / kGiga), pages, "\n");
}

std::string BenchHeading(const BenchContext& context) {
  const ModelConfig& config = context.config;
  return StrCat(context.model, "  (", context.directory, ")\n  ", config.layers, " layers, ", config.experts,
                " experts of which ", config.experts_per_token, " + 1 per token\n", context.cpu, ", ", context.threads,
                context.threads == 1 ? " thread, " : " threads, ", context.isa, " kernels",
                context.activations == "int8" ? ", int8 activations of experts" : "", "\n  ", context.placement, "\n",
                WrapList(StrCat("  roof, measured now: ", ReadRoofText(context.roof), ";"), "\n    "), "\n    ",
                PeakText(context.roof.peak), "\n", TokenReadsText(context.roof), "\n");
}

std::string BenchTableHead() {
  return StrFormat("%8s %7s %6s  %-7s %9s  %-19s %12s %7s %7s %7s\n", "context", "prompt", "batch", "phase", "tokens/s",
                   "(min .. max)", "weights GB/s", "of roof", "GFLOP/s", "of roof");
}

std::string BenchLines(const BenchContext& context, const BenchResult& result) {
  const FullModel full = FullModelOf(context.config);
  std::string text;
  std::string estimates;
  for (const auto& [name, phase] : {std::pair("prefill", &result.prefill), std::pair("decode", &result.decode)}) {
    if (phase->seconds.empty()) continue;
    text += Line(result, name, *phase, context.roof);
    estimates += PartsTable(phase == &result.prefill ? "a prefill" : "a decode step", *phase,
                            RoofBeside(phase->roofs, context.roof));
    estimates += SamplesLines(phase->roofs);
    const PhaseRates rates = RatesOf(*phase, context.roof);
    if (phase == &result.decode && rates.token_read_share > 0) {
      estimates += StrFormat("                decode reads weights %.0f %% as fast as the loop that only reads them\n",
                             100 * rates.token_read_share);
    }
    estimates += CeilingLines(name, *phase, rates.ceiling_share);
    if (full.name.empty()) continue;
    const int64_t tokens = ContextOf(result.settings, phase == &result.prefill);
    const std::optional<double> rate = ExtrapolatedRate(*phase, context.config, full.config, tokens);
    if (!rate) {
      estimates += StrFormat("                %s is not extrapolated: %s has kinds of layers that this model has not\n",
                             name, full.name.c_str());
      continue;
    }
    estimates += StrFormat("                %s extrapolated from %lld to the %lld layers of %s: %.3g tokens/s\n", name,
                           static_cast<long long>(context.config.layers), static_cast<long long>(full.config.layers),
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
                                               {"directory", Json::String(RepairUtf8(context.directory))},
                                               {"layers", Json::Int(context.config.layers)},
                                               {"experts", Json::Int(context.config.experts)}})},
                       {"machine", Json::Object({{"cpu", Json::String(RepairUtf8(context.cpu))},
                                                 {"threads", Json::Int(context.threads)},
                                                 {"isa", Json::String(context.isa)},
                                                 {"activations", Json::String(context.activations)}})},
                       {"roof", RoofJson(context.roof)},
                       {"runs", Json::Array(std::move(runs))}});
}

Status WriteBenchFiles(const std::string& json_path, const Json& json, const std::string& svg_path,
                       std::string_view svg) {
  const Status first = json_path.empty() ? Status() : WriteFileAtomically(json_path, json.DumpPretty() + "\n");
  const Status second = svg_path.empty() ? Status() : WriteFileAtomically(svg_path, svg);
  return first.ok() ? second : first;
}

}  // namespace fathom
