#include "model/indexer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "model/compressor.h"
#include "model/rotary.h"
#include "model/top_rows.h"

namespace fathom {
namespace {

// Compressed rows of a ratio-4 layer that a query at `position` may see.
int64_t VisibleRows(int64_t position) { return (position + 1) / 4; }

// qi <- Q4(Hadamard(rotate(qi))), and w scaled by di^-0.5 * Hi^-0.5. A head at a time: those of one token are shared
// out, too.
void PrepareQueries(const Step& step) {
  const ModelConfig& c = step.config;
  Workspace& ws = step.ws;
  const IndexRowLayout layout = step.batch.segments[0].cache->layout().index();
  const auto scale =
      static_cast<float>(1.0 / std::sqrt(static_cast<double>(c.index_dim) * static_cast<double>(c.index_heads)));
  const int64_t half = c.rope_dim / 2;
  step.pool.ParallelFor(step.tokens * c.index_heads, 4, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t token = i / c.index_heads;
      float* q = ws.index_q.data() + i * c.index_dim;
      Rotate(q + c.index_dim - c.rope_dim, c.rope_dim, ws.cos_compressed.data() + token * half,
             ws.sin_compressed.data() + token * half);
      Hadamard(q, c.index_dim);
      EncodeIndexRow(layout, q, ws.index_q_rows.data() + i * layout.bytes());
      ws.index_w[i] *= scale;
    }
  });
}

// Scores of the rows [begin, end) for one token.
void ScoreRange(const Step& step, int64_t layer, int64_t token, int64_t begin, int64_t end, Workspace::Worker* worker,
                float* scores) {
  const ModelConfig& c = step.config;
  const SequenceCache& cache = *step.segment_of(token).cache;
  const IndexRowLayout& layout = cache.layout().index();
  worker->keys.clear();
  for (int64_t row = begin; row < end; ++row) worker->keys.push_back(cache.index_row(layer, row));
  IndexScoreArgs args;
  args.q = step.ws.index_q_rows.data() + token * c.index_heads * layout.bytes();
  args.w = step.ws.index_w.data() + token * c.index_heads;
  args.heads = c.index_heads;
  args.keys = worker->keys.data();
  args.count = end - begin;
  args.layout = layout;
  args.scores = scores + begin;
  Kernels().index_scores(args);
  // A NaN (from a broken checkpoint) must not break the ordering below.
  for (int64_t row = begin; row < end; ++row) {
    if (std::isnan(scores[row])) scores[row] = -std::numeric_limits<float>::infinity();
  }
}

// The arrays the reference calls `index_score` and `selected` (best first): all tokens of a single segment.
void TapSelection(const Step& step, int64_t layer, int64_t first, int64_t count, int64_t row_stride) {
  if (step.taps == nullptr) return;
  const bool wants_scores = step.taps->Wants("index_score");
  const bool wants_ids = step.taps->Wants("selected");
  if (!wants_scores && !wants_ids) return;
  const SequenceCache& cache = *step.batch.segments[0].cache;
  const int64_t rows = (cache.position() + step.tokens) / 4;
  const int64_t k = std::min(step.config.index_topk, rows);
  if (rows == 0) return;
  std::vector<float> scores;
  std::vector<int32_t> ids;
  for (int64_t token = first; token < first + count; ++token) {
    const float* row_scores = step.ws.index_scores.data() + (token - first) * row_stride;
    const int64_t visible = step.ws.visible_rows[token];
    for (int64_t row = 0; wants_scores && row < rows; ++row) {
      scores.push_back(row < visible ? row_scores[row] : -3e38f);
    }
    if (!wants_ids) continue;
    const int32_t* selected = step.ws.selected.data() + token * step.config.index_topk;
    std::vector<int32_t> top(selected, selected + step.ws.selected_count[token]);
    std::ranges::sort(top, [&](int32_t a, int32_t b) { return ScoresHigher(row_scores, a, b); });
    top.resize(static_cast<size_t>(k), -1);
    ids.insert(ids.end(), top.begin(), top.end());
  }
  if (wants_scores) step.taps->Tap(layer, "index_score", MatView<const float>(scores.data(), count, rows));
  if (wants_ids) step.taps->TapIds(layer, "selected", MatView<const int32_t>(ids.data(), count, k));
}

}  // namespace

int64_t IndexTaskRows(int64_t rows, int threads) {
  return std::clamp<int64_t>(rows / (int64_t{4} * threads) / 16 * 16, 1024, 4096);
}

void SelectRows(const Step& step, int64_t layer) {
  Workspace& ws = step.ws;
  PrepareQueries(step);
  int64_t most_rows = 1;
  for (int64_t token = 0; token < step.tokens; ++token) {
    ws.visible_rows[token] = VisibleRows(ws.position[token]);
    most_rows = std::max(most_rows, ws.visible_rows[token]);
  }
  // As many tokens at a time as the score buffer holds.
  const int64_t group = std::min(step.tokens, ws.index_scores.size() / most_rows);
  const int64_t range = IndexTaskRows(most_rows, step.pool.threads());
  const int64_t ranges = (most_rows + range - 1) / range;
  for (int64_t first = 0; first < step.tokens; first += group) {
    const int64_t count = std::min(group, step.tokens - first);
    step.pool.ParallelFor(count * ranges, 1, [&](int64_t begin, int64_t end, int worker) {
      for (int64_t task = begin; task < end; ++task) {
        const int64_t token = first + task / ranges;
        const int64_t row = task % ranges * range;
        const int64_t last = std::min(row + range, ws.visible_rows[token]);
        if (row < last) {
          ScoreRange(step, layer, token, row, last, &ws.workers[static_cast<size_t>(worker)],
                     ws.index_scores.data() + (token - first) * most_rows);
        }
      }
    });
    TopRowsArgs top;
    top.tokens = count;
    top.scores = ws.index_scores.data();
    top.stride = most_rows;
    top.rows = ws.visible_rows.data() + first;
    top.k = step.config.index_topk;
    top.selected = ws.selected.data() + first * top.k;
    top.selected_count = ws.selected_count.data() + first;
    TopRows(step.pool, top, &ws.top_rows);
    TapSelection(step, layer, first, count, most_rows);
  }
}

}  // namespace fathom
