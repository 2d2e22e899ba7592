// bench_report.h - bench results in words and as JSON.
#ifndef FATHOM_APPS_BENCH_REPORT_H_
#define FATHOM_APPS_BENCH_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/bench_roof.h"
#include "apps/bench_run.h"
#include "apps/bench_spread.h"
#include "base/json.h"
#include "base/result.h"
#include "model/config.h"

namespace fathom {

struct BenchContext {
  std::string model;      // name
  std::string directory;  // the bytes of its path
  std::string cpu;
  std::string isa;          // kernel table
  std::string activations;  // "fp8" or "int8": inputs of the experts
  int threads = 1;
  ModelConfig config;
  Roof roof;
  std::string placement;  // DescribePlacement()
};

// One phase in rates, by the median time, and shares of what the roofs were between its steps, or else in the run.
struct PhaseRates : WorkRates {
  Spread tokens_per_second;
  double token_read_share = 0;  // of a loop that only reads what a token reads; 0: not measured
  double ceiling_share = 0;     // of what the kernels reach from the cache; 0: not measured
};
PhaseRates RatesOf(const PhaseResult& phase, const Roof& run);

// A release that differs from `config` only by having more layers. Empty name if there is none.
struct FullModel {
  std::string name;
  ModelConfig config;
};
FullModel FullModelOf(const ModelConfig& config);

// Median tokens per second of the full model at a context of `context` tokens, if the head takes as long as it did and
// each part of a layer as long as it did in the layers that have it: the indexer and the compressor where a layer has
// them, attention by the rows that its kind reads, its input by the weights that are multiplied with it (which are 1.75
// times as many bytes in a layer of V4-Flash with an indexer as in one that has the window alone). None if the full
// model has a kind of layer that was not measured.
std::optional<double> ExtrapolatedRate(const PhaseResult& phase, const ModelConfig& measured, const ModelConfig& full,
                                       int64_t context);

// The lines before the table, the table's head, and what it says of a run, with where the time of each phase went. At
// most 100 columns wide, but for long names of a directory, a processor or a placement.
std::string BenchHeading(const BenchContext& context);
std::string BenchTableHead();
std::string BenchLines(const BenchContext& context, const BenchResult& result);

// See `fathom bench --help`. UTF-8 whatever the path.
Json BenchJson(const BenchContext& context, const std::vector<BenchResult>& results);

// Writes results to the files that --json and --svg name; a path that is empty is that of none. One file that fails
// does not lose the other: the error is the first one.
Status WriteBenchFiles(const std::string& json_path, const Json& json, const std::string& svg_path,
                       std::string_view svg);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_REPORT_H_
