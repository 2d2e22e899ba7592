// bench_svg.h - bench results as one picture each.
#ifndef FATHOM_APPS_BENCH_SVG_H_
#define FATHOM_APPS_BENCH_SVG_H_

#include <string>
#include <vector>

#include "apps/bench_kernel_report.h"
#include "apps/bench_report.h"

namespace fathom {

// Two panels with a row for each run: prefill's and decode's share of the roof that bounds it, with tokens/s; and below
// where the time of each went.
std::string BenchSvg(const BenchContext& context, const std::vector<BenchResult>& results);

// The share of the roof of each operation, a bar for each number of tokens.
std::string KernelBenchSvg(const KernelBenchContext& context, const std::vector<KernelMeasurement>& results);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_SVG_H_
