// top_rows.h - the rows with the highest scores: the indexer's partial selection (section 7.6).
#ifndef FATHOM_MODEL_TOP_ROWS_H_
#define FATHOM_MODEL_TOP_ROWS_H_

#include <cstdint>
#include <vector>

namespace fathom {

// Memory of one selection, kept from one to the next.
struct TopRowsScratch {
  // Room for `rows` scores, so that selecting among them allocates nothing.
  void Reserve(int64_t rows);

  std::vector<int32_t> ids;   // the result
  std::vector<float> sample;  // scores that a bound is guessed from
};

// The `k` (all, if fewer) of the `n` scores that are highest, ties to the lower row, into scratch->ids in no order.
// Scores are no NaNs. Takes little more than one look at each score.
void TopRows(const float* scores, int64_t n, int64_t k, TopRowsScratch* scratch);

// Whether row `a` goes before row `b`.
inline bool ScoresHigher(const float* scores, int32_t a, int32_t b) {
  return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
}

}  // namespace fathom

#endif  // FATHOM_MODEL_TOP_ROWS_H_
