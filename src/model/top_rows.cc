#include "model/top_rows.h"

#include <algorithm>
#include <functional>

#include "kernels/kernels.h"

namespace fathom {
namespace {

constexpr int64_t kSample = 4096;

// The rows that reach a bound which about 2 k of them should reach, judged by a sample. False if fewer than k do, or
// so many (ties, or scores that go up and down with the sample's steps) that all rows may as well be looked at.
bool RowsAboveGuess(const float* scores, int64_t n, int64_t k, TopRowsScratch* scratch) {
  const int64_t stride = n / kSample;
  if (stride < 2) return false;
  const int64_t sampled = n / stride;
  // Of k of n rows the sample has k * sampled / n on average; that twice as many and eight are fewer than k by chance
  // happens once in a million times.
  const int64_t rank = 2 * k * sampled / n + 8;
  if (4 * rank > sampled) return false;
  std::vector<float>& sample = scratch->sample;
  sample.resize(static_cast<size_t>(sampled));
  for (int64_t i = 0; i < sampled; ++i) sample[static_cast<size_t>(i)] = scores[i * stride];
  std::nth_element(sample.begin(), sample.begin() + rank, sample.end(), std::greater<>());
  const float least = sample[static_cast<size_t>(rank)];
  const int64_t most = std::min(n, 4 * rank * stride);
  scratch->ids.resize(static_cast<size_t>(most));
  const int64_t found = Kernels().select_at_least(scores, n, least, most, scratch->ids.data());
  if (found < k || found == most) return false;
  scratch->ids.resize(static_cast<size_t>(found));
  return true;
}

}  // namespace

void TopRowsScratch::Reserve(int64_t rows) {
  ids.reserve(static_cast<size_t>(rows));
  sample.reserve(static_cast<size_t>(std::min(rows, 2 * kSample)));
}

void TopRows(const float* scores, int64_t n, int64_t k, TopRowsScratch* scratch) {
  std::vector<int32_t>& ids = scratch->ids;
  if (!RowsAboveGuess(scores, n, k, scratch)) {
    ids.resize(static_cast<size_t>(n));
    for (int64_t row = 0; row < n; ++row) ids[static_cast<size_t>(row)] = static_cast<int32_t>(row);
  }
  if (static_cast<int64_t>(ids.size()) <= k) return;
  std::nth_element(ids.begin(), ids.begin() + k, ids.end(),
                   [scores](int32_t a, int32_t b) { return ScoresHigher(scores, a, b); });
  ids.resize(static_cast<size_t>(k));
}

}  // namespace fathom
