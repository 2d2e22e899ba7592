#include "apps/bench_kernel_report.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace fathom {
namespace {

Json MeasurementJson(const KernelBenchContext& context, const KernelMeasurement& measured) {
  const KernelRates rates = KernelRatesOf(measured, RoofOf(context, measured));
  const KernelCost cost = KernelCostOf(measured.op, measured.part_tokens);
  return Json::Object({{"op", Json::String(measured.op.name)},
                       {"kernel", Json::String(std::string(measured.op.kernel))},
                       {"shape", Json::String(MeasuredShape(measured))},
                       {"rows", Json::Int(measured.full_rows)},
                       {"measured_rows", Json::Int(measured.op.rows)},
                       {"cols", Json::Int(measured.op.cols)},
                       {"over", Json::Int(measured.op.over)},
                       {"tokens", Json::Int(measured.tokens)},
                       {"measured_tokens", Json::Int(measured.part_tokens)},
                       {"isa", Json::String(measured.isa)},
                       {"samples", Json::Int(measured.samples)},
                       {"seconds", SpreadJson(measured.seconds)},
                       {"bytes", Json::Double(cost.bytes)},
                       {"op_count", Json::Double(cost.ops)},
                       {"bytes_per_s", Json::DoubleOrNull(rates.bytes_per_second)},
                       {"op_per_s", Json::DoubleOrNull(rates.ops_per_second)},
                       {"bound", Json::String(rates.bound)},
                       {"roof_share", Json::DoubleOrNull(rates.roof_share)}});
}

}  // namespace

KernelRates KernelRatesOf(const KernelMeasurement& measured, const Roof& roof) {
  const KernelCost cost = KernelCostOf(measured.op, measured.part_tokens);
  KernelRates rates;
  rates.bytes_per_second = cost.bytes / measured.seconds.median;
  rates.ops_per_second = cost.ops / measured.seconds.median;
  const double read = cost.bytes / roof.read_bytes_per_second;
  const double f32 = cost.f32_ops / roof.peak.f32_flops;
  const double int8 = cost.int8_ops / roof.peak.int8_ops;
  const double fp8 = cost.fp8_ops / roof.peak.fp8_flops();
  const double least = std::max({read, f32, int8, fp8});
  const char* const fp8_bound = roof.peak.bf16_flops > 0 ? "BF16" : "float32";
  rates.bound = least == read ? "reads" : least == f32 ? "float32" : least == int8 ? "int8" : fp8_bound;
  rates.roof_share = least / measured.seconds.median;
  return rates;
}

const Roof& RoofOf(const KernelBenchContext& context, const KernelMeasurement& measured) {
  FATHOM_CHECK(!context.roofs.empty());
  if (measured.isa == kModelTable) return context.roofs.back().second;
  const auto found = std::ranges::find(context.roofs, measured.isa, &std::pair<std::string, Roof>::first);
  FATHOM_CHECK(found != context.roofs.end());
  return found->second;
}

std::string MeasuredShape(const KernelMeasurement& measured) {
  if (measured.op.rows == measured.full_rows) return measured.op.shape();
  return StrCat(measured.op.rows, " of ", measured.full_rows, " x ", measured.op.cols);
}

std::string MeasuredTokens(const KernelMeasurement& measured) {
  if (measured.part_tokens == measured.tokens) return StrCat(measured.tokens);
  return StrCat(measured.part_tokens, " of ", measured.tokens);
}

std::string KernelBenchHeading(const KernelBenchContext& context) {
  FATHOM_CHECK(!context.roofs.empty());
  std::string text =
      StrCat("shapes of ", context.model, "  (", context.shape, ")\n", context.cpu, ", ", context.threads,
             " threads, weights from a pool of ", HumanBytes(static_cast<uint64_t>(context.pool_bytes)), "\n",
             WrapList(StrCat("  roof, measured now: ", ReadRoofText(context.roofs.front().second)), "\n    "), "\n");
  for (const auto& [isa, roof] : context.roofs) text += StrCat("  ", isa, ": ", PeakText(roof.peak), "\n");
  return text + StrFormat("\n%-34s %-22s %-22s %10s  %-18s %11s %8s %9s %9s\n", "operation", "kernel", "shape",
                          "tokens", "table", "us", "GB/s", "Gop/s", "of roof");
}

std::string KernelBenchLine(const KernelBenchContext& context, const KernelMeasurement& measured) {
  const KernelRates rates = KernelRatesOf(measured, RoofOf(context, measured));
  return StrFormat("%-34s %-22s %-22s %10s  %-18s %11.4g %8.2f %9.1f %7.1f %% %s\n", measured.op.name.c_str(),
                   std::string(measured.op.kernel).c_str(), MeasuredShape(measured).c_str(),
                   MeasuredTokens(measured).c_str(), measured.isa.c_str(), 1e6 * measured.seconds.median,
                   rates.bytes_per_second / kGiga, rates.ops_per_second / kGiga, 100 * rates.roof_share, rates.bound);
}

Json KernelBenchJson(const KernelBenchContext& context, const std::vector<KernelMeasurement>& results) {
  std::vector<Json> roofs;
  roofs.reserve(context.roofs.size());
  for (const auto& [isa, roof] : context.roofs) {
    Json json = RoofJson(roof);
    json.Set("isa", Json::String(isa));
    roofs.push_back(std::move(json));
  }
  std::vector<Json> measurements;
  measurements.reserve(results.size());
  for (const KernelMeasurement& measured : results) measurements.push_back(MeasurementJson(context, measured));
  return Json::Object(
      {{"format", Json::String("fathom-bench-kernels-1")},
       {"model",
        Json::Object({{"name", Json::String(context.model)}, {"shape", Json::String(RepairUtf8(context.shape))}})},
       {"machine",
        Json::Object({{"cpu", Json::String(RepairUtf8(context.cpu))}, {"threads", Json::Int(context.threads)}})},
       {"context", Json::Int(context.context)},
       {"pool_bytes", Json::Int(context.pool_bytes)},
       {"seconds_each", Json::Double(context.seconds)},
       {"roofs", Json::Array(std::move(roofs))},
       {"measurements", Json::Array(std::move(measurements))}});
}

}  // namespace fathom
