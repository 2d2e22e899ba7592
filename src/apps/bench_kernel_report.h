// bench_kernel_report.h - what `fathom bench kernels` measured, in words and as JSON.
#ifndef FATHOM_APPS_BENCH_KERNEL_REPORT_H_
#define FATHOM_APPS_BENCH_KERNEL_REPORT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "apps/bench_kernel_run.h"
#include "apps/bench_report.h"
#include "apps/bench_roof.h"
#include "base/json.h"

namespace fathom {

struct KernelBenchContext {
  std::string model;  // "DeepSeek-V4-Flash"
  std::string shape;  // what --shape or --model said: the bytes of a path
  std::string cpu;
  int threads = 1;
  int64_t context = 0;  // tokens
  int64_t pool_bytes = 0;
  double seconds = 0;
  // The tables measured, by name, in this order; their roofs differ in `peak`. The model's own operations are measured
  // with the last one.
  std::vector<std::pair<std::string, Roof>> roofs;
};

// By the median time.
struct KernelRates {
  double bytes_per_second = 0;
  double ops_per_second = 0;
  // The roof that leaves less: "reads", "float32" or "int8", and the share of it. A machine at the roof would need this
  // part of the time.
  const char* bound = "";
  double roof_share = 0;
};
KernelRates KernelRatesOf(const KernelMeasurement& measured, const Roof& roof);

// The roof of the table that was measured; the last one for a model's own operations.
const Roof& RoofOf(const KernelBenchContext& context, const KernelMeasurement& measured);

// "2048x4096"; of a cut matrix "32768 of 129280 x 4096".
std::string MeasuredShape(const KernelMeasurement& measured);
// "512"; of a call that was measured in part "238 of 512".
std::string MeasuredTokens(const KernelMeasurement& measured);

// The lines before the table and its head, and a line of it.
std::string KernelBenchHeading(const KernelBenchContext& context);
std::string KernelBenchLine(const KernelBenchContext& context, const KernelMeasurement& measured);

// See `fathom bench kernels --help`. UTF-8 whatever the path.
Json KernelBenchJson(const KernelBenchContext& context, const std::vector<KernelMeasurement>& results);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_KERNEL_REPORT_H_
