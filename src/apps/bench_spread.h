// bench_spread.h - what is said of a thing that was measured several times.
#ifndef FATHOM_APPS_BENCH_SPREAD_H_
#define FATHOM_APPS_BENCH_SPREAD_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/json.h"

namespace fathom {

struct Spread {
  double min = 0;
  double median = 0;
  double max = 0;
};
// Of a non-empty list; the median of an even number of values is the mean of the middle two.
Spread SpreadOf(std::vector<double> values);
// {min, median, max}
Json SpreadJson(const Spread& spread);

// The values of a measurement of any length, in bounded memory.
class Samples {
 public:
  // Keeps at most `most` (>= 2) values: when there are so many, every second of them, and of later ones as many less.
  explicit Samples(size_t most = size_t{1} << 20) : most_(most) {}

  void Add(double value);
  // All that were added.
  int64_t count() const { return count_; }
  // Of all that were added, but for the median, which is that of the values kept. CHECKs that there is one.
  Spread spread() const;

 private:
  size_t most_;
  int64_t count_ = 0;
  int64_t stride_ = 1;  // one of so many is kept
  double min_ = 0;
  double max_ = 0;
  std::vector<double> kept_;
};

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_SPREAD_H_
