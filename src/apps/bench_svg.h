// bench_svg.h - bench results as one picture each.
#ifndef FATHOM_APPS_BENCH_SVG_H_
#define FATHOM_APPS_BENCH_SVG_H_

#include <cstddef>
#include <string>
#include <vector>

#include "apps/bench_kernel_report.h"
#include "apps/bench_report.h"

namespace fathom {

// Two panels with a row for each run: prefill's and decode's share of the roof that bounds it, with tokens/s; and below
// where the time of each went. Of a time too short for the clock there is no bar.
std::string BenchSvg(const BenchContext& context, const std::vector<BenchResult>& results);

// Numbers of tokens that a picture can tell apart by their colours.
inline constexpr size_t kMostSvgTokens = 9;

// The share of the roof of each operation, a bar for each number of tokens; at most kMostSvgTokens different ones. What
// was measured in part says so behind its bar.
std::string KernelBenchSvg(const KernelBenchContext& context, const std::vector<KernelMeasurement>& results);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_SVG_H_
