#include "model/top_rows.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "kernels/kernels.h"

namespace fathom {
namespace {

constexpr float kNoBound = -std::numeric_limits<float>::infinity();
constexpr int64_t kSample = 4096;
// Rows of one task: a few microseconds, several times what handing it out takes; 16 of them at a million tokens.
constexpr int64_t kPartRows = 16384;

// Of so many scores of so many tokens: each has a last, short one.
int64_t MostParts(int64_t tokens, int64_t scores) { return tokens + scores / kPartRows; }

// A score that about 2 k of the rows should reach, judged by a sample. No bound if there are so few rows, or k is so
// large a part of them, that all may as well be candidates. Fewer than k may reach it, or many more (ties, or scores
// that go up and down with the sample's steps).
float GuessBound(const float* scores, int64_t n, int64_t k) {
  const int64_t stride = n / kSample;
  if (stride < 2) return kNoBound;
  const int64_t sampled = n / stride;
  // Of k of n rows the sample has k * sampled / n on average; that twice as many and eight are fewer than k by chance
  // happens once in a million times.
  const int64_t rank = 2 * k * sampled / n + 8;
  if (4 * rank > sampled) return kNoBound;
  float sample[2 * kSample];  // n < (stride + 1) * kSample, so fewer than 3/2 of them are filled
  for (int64_t i = 0; i < sampled; ++i) sample[i] = scores[i * stride];
  std::nth_element(sample, sample + rank, sample + sampled, std::greater<>());
  return sample[rank];
}

// The rows of a part, numbered from its first, whose scores reach the bound; returns how many.
int32_t CandidatesOf(const float* scores, int64_t rows, float bound, int32_t* ids) {
  if (bound == kNoBound) {
    std::iota(ids, ids + rows, 0);
    return static_cast<int32_t>(rows);
  }
  return static_cast<int32_t>(Kernels().select_at_least(scores, rows, bound, rows, ids));
}

// Pushes the candidates of all parts together, numbered from row 0; returns how many they are.
int64_t Join(const int32_t* counts, int64_t parts, int32_t* ids) {
  int64_t joined = 0;
  for (int64_t part = 0; part < parts; ++part) {
    const int64_t first = part * kPartRows;
    for (int64_t i = 0; i < counts[part]; ++i) ids[joined++] = ids[first + i] + static_cast<int32_t>(first);
  }
  return joined;
}

// The k best of the candidates, ascending, to the front.
void KeepBest(const float* scores, int64_t candidates, int64_t k, int32_t* ids) {
  if (candidates <= k) return;  // they are ascending
  std::nth_element(ids, ids + k, ids + candidates, [&](int32_t a, int32_t b) { return ScoresHigher(scores, a, b); });
  std::sort(ids, ids + k);
}

}  // namespace

void TopRowsScratch::Allocate(int64_t tokens, int64_t scores) {
  scores_ = scores;
  candidates_ = std::make_unique_for_overwrite<int32_t[]>(static_cast<size_t>(scores));
  candidate_counts_.resize(static_cast<size_t>(MostParts(tokens, scores)));
  bounds_.resize(static_cast<size_t>(tokens));
}

int64_t TopRowsScratch::BytesFor(int64_t tokens, int64_t scores) {
  constexpr auto kId = static_cast<int64_t>(sizeof(int32_t));
  return (scores + MostParts(tokens, scores)) * kId + tokens * static_cast<int64_t>(sizeof(float));
}

void TopRows(ThreadPool& pool, const TopRowsArgs& args, TopRowsScratch* scratch) {
  FATHOM_CHECK(args.tokens <= static_cast<int64_t>(scratch->bounds_.size()) &&
               args.tokens * args.stride <= scratch->scores_);
  const int64_t parts = (args.stride + kPartRows - 1) / kPartRows;
  int32_t* counts = scratch->candidate_counts_.data();
  float* bounds = scratch->bounds_.data();
  pool.ParallelFor(args.tokens, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t token = begin; token < end; ++token) {
      bounds[token] = GuessBound(args.scores + token * args.stride, args.rows[token], args.k);
    }
  });
  pool.ParallelFor(args.tokens * parts, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t token = task / parts;
      const int64_t first = task % parts * kPartRows;
      const int64_t rows = std::clamp<int64_t>(args.rows[token] - first, 0, kPartRows);
      const int64_t at = token * args.stride + first;
      counts[task] = CandidatesOf(args.scores + at, rows, bounds[token], scratch->candidates_.get() + at);
    }
  });
  pool.ParallelFor(args.tokens, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t token = begin; token < end; ++token) {
      int32_t* ids = scratch->candidates_.get() + token * args.stride;
      const int64_t count = std::min(args.k, args.rows[token]);
      int64_t candidates = Join(counts + token * parts, parts, ids);
      if (candidates < count) {  // the guess was too high
        candidates = args.rows[token];
        std::iota(ids, ids + candidates, 0);
      }
      KeepBest(args.scores + token * args.stride, candidates, count, ids);
      std::copy_n(ids, count, args.selected + token * args.k);
      args.selected_count[token] = static_cast<int32_t>(count);
    }
  });
}

}  // namespace fathom
