// bench_compare.h - this run's times as multiples of an earlier run's, from the file that its --json wrote.
#ifndef FATHOM_APPS_BENCH_COMPARE_H_
#define FATHOM_APPS_BENCH_COMPARE_H_

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "apps/bench_report.h"
#include "apps/bench_run.h"
#include "base/json.h"
#include "base/result.h"

namespace fathom {

class EarlierBench {
 public:
  // Reads a file of `fathom bench --json`, of this version or an earlier one, which said less; at most 4 MiB. Errors
  // name the file and what is wrong with it.
  static Result<EarlierBench> Read(const std::string& path);

  // Beside the earlier run with this context, prompt, batch and --generate: a line that names what else was not the
  // same, if anything; "prefill at 1.42 times the speed ..., decode ..."; and each part's milliseconds then and now.
  // One line if there is no such run, or if it says the speed of no phase that this one has.
  std::string Compare(const BenchContext& context, const BenchResult& result) const;

 private:
  struct Phase {
    double tokens_per_second = 0;                      // median; 0: not measured
    std::array<double, kStepParts> part_seconds = {};  // of one prefill or decode step; 0: not said
  };
  struct Run {
    int64_t context = 0;
    int64_t prompt = 0;
    int64_t batch = 0;
    int64_t generate = 0;
    int64_t step_tokens = 0;  // 0: not said
    Phase prefill;
    Phase decode;
  };

  static Result<Run> ReadRun(const Json& json);
  static Result<Phase> ReadPhase(const Json& run, const char* name);
  std::string Differences(const BenchContext& context, const BenchSettings& settings, const Run& run) const;

  std::string path_;
  Json about_;  // the file without its runs
  std::vector<Run> runs_;
};

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_COMPARE_H_
