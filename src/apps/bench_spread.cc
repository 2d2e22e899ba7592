#include "apps/bench_spread.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace fathom {

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

void Samples::Add(double value) {
  min_ = count_ == 0 ? value : std::min(min_, value);
  max_ = count_ == 0 ? value : std::max(max_, value);
  if (count_ % stride_ == 0) {
    if (kept_.size() == most_) {
      for (size_t at = 0; 2 * at < most_; ++at) kept_[at] = kept_[2 * at];
      kept_.resize((most_ + 1) / 2);
      stride_ *= 2;
    }
    if (count_ % stride_ == 0) kept_.push_back(value);
  }
  ++count_;
}

Spread Samples::spread() const { return {min_, SpreadOf(kept_).median, max_}; }

}  // namespace fathom
