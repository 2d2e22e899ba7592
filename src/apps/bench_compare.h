// bench_compare.h - this run's speeds as multiples of an earlier run's, from the file that its --json wrote.
#ifndef FATHOM_APPS_BENCH_COMPARE_H_
#define FATHOM_APPS_BENCH_COMPARE_H_

#include <string>
#include <vector>

#include "apps/bench_run.h"
#include "base/json.h"
#include "base/result.h"

namespace fathom {

class EarlierBench {
 public:
  // Reads a file of `fathom bench --json`. Errors name the file and what is wrong with it.
  static Result<EarlierBench> Read(const std::string& path);

  // "prefill at 1.42 times ..., decode ...": a line, also if the earlier run did not measure the same.
  std::string Compare(const BenchResult& result) const;

 private:
  struct Run {
    int64_t context = 0;
    int64_t prompt = 0;
    int64_t batch = 0;
    int64_t generate = 0;
    double prefill = 0;  // tokens/s, median; 0: not measured
    double decode = 0;
  };

  std::string path_;
  std::vector<Run> runs_;
};

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_COMPARE_H_
