// top_rows.h - the rows with the highest scores: the indexer's partial selection (section 7.6).
#ifndef FATHOM_MODEL_TOP_ROWS_H_
#define FATHOM_MODEL_TOP_ROWS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "base/thread_pool.h"

namespace fathom {

struct TopRowsArgs {
  int64_t tokens = 0;
  const float* scores = nullptr;  // [tokens, stride], no NaNs
  int64_t stride = 0;
  const int64_t* rows = nullptr;  // [tokens] how many scores each token has, at most `stride`
  int64_t k = 0;
  int32_t* selected = nullptr;        // out [tokens, k]
  int32_t* selected_count = nullptr;  // out [tokens]: k, or the token's rows if they are fewer
};

// Memory of selections, kept from one to the next.
class TopRowsScratch {
 public:
  // For at most `tokens` tokens, and `scores` (tokens * stride) scores. Pages are only touched when they are needed.
  void Allocate(int64_t tokens, int64_t scores);
  // Bytes that Allocate() takes.
  static int64_t BytesFor(int64_t tokens, int64_t scores);

 private:
  friend void TopRows(ThreadPool& pool, const TopRowsArgs& args, TopRowsScratch* scratch);

  std::unique_ptr<int32_t[]> candidates_;  // [tokens, stride]; each part has its place
  std::vector<int32_t> candidate_counts_;  // [tokens, parts]
  std::vector<float> bounds_;              // [tokens]
  int64_t scores_ = 0;
};

// For every token the `k` rows whose scores are highest, ties to the lower row, in ascending order. Takes little more
// than one look at each score. The rows of a token are looked at in parts, so that threads share those of a single one;
// which rows are found does not depend on how.
void TopRows(ThreadPool& pool, const TopRowsArgs& args, TopRowsScratch* scratch);

// Whether row `a` goes before row `b`.
inline bool ScoresHigher(const float* scores, int32_t a, int32_t b) {
  return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
}

}  // namespace fathom

#endif  // FATHOM_MODEL_TOP_ROWS_H_
