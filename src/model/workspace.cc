#include "model/workspace.h"

#include <algorithm>

namespace fathom {
namespace {

// Indexer scores of several tokens at a time, at most this many floats (16 MB) unless one token alone needs more.
constexpr int64_t kIndexScoreFloats = int64_t{4} << 20;

}  // namespace

Workspace::Workspace(const Model& model, int64_t max_tokens, int64_t max_context)
    : max_tokens_(max_tokens), max_context_(max_context > 0 ? max_context : model.config().max_context) {
  const ModelConfig& c = model.config();
  const int64_t t = max_tokens;
  position.Allocate(t);
  segment.Allocate(t);
  first.reserve(static_cast<size_t>(t));
  for (Buffer<float>* table : {&cos_plain, &sin_plain, &cos_compressed, &sin_compressed})
    table->Allocate(t * c.rope_dim / 2);

  streams.Allocate(t * c.streams * c.hidden_size);
  mix.Allocate(t * c.mix_rows());
  post.Allocate(t * c.streams);
  comb.Allocate(t * c.streams * c.streams);
  for (Buffer<float>* rows : {&x, &x_norm, &y, &x_q.values}) rows->Allocate(t * c.hidden_size);
  x_q.chunks.Allocate(t * Fp8Chunk::Count(c.hidden_size));

  for (Buffer<float>* rows : {&qr, &qr_q}) rows->Allocate(t * c.q_rank);
  for (Buffer<float>* rows : {&q, &o}) rows->Allocate(t * c.heads * c.head_dim);
  kv.Allocate(t * c.head_dim);
  kv_rows.Allocate(t * model.cache_layout().kv().bytes());
  for (Buffer<float>* rows : {&comp_kv, &comp_score}) rows->Allocate(t * 2 * c.head_dim);
  for (Buffer<float>* rows : {&index_kv, &index_score_in}) rows->Allocate(t * 2 * c.index_dim);
  index_q.Allocate(t * c.index_heads * c.index_dim);
  index_q_rows.Allocate(t * c.index_heads * model.cache_layout().index().bytes());
  index_w.Allocate(t * c.index_heads);
  const bool indexer = std::find(c.ratios.begin(), c.ratios.end(), 4) != c.ratios.end();
  const int64_t max_rows = indexer ? max_context_ / 4 + 1 : 0;
  index_scores.Allocate(std::min(t * max_rows, std::max(max_rows, kIndexScoreFloats)));
  top_rows.Allocate(t, index_scores.size());
  visible_rows.Allocate(t);
  selected.Allocate(indexer ? t * c.index_topk : 0);
  selected_count.Allocate(t);
  for (Buffer<float>* rows : {&grouped, &grouped_q}) rows->Allocate(t * c.o_groups * c.o_rank);

  const int64_t routed = t * c.experts_per_token;
  router.Allocate(t * c.experts);
  expert_ids.Allocate(routed);
  expert_weights.Allocate(routed);
  expert_first.Allocate(c.experts + 1);
  expert_rows.Allocate(routed);
  expert_row_of.Allocate(routed);
  expert_row_weight.Allocate(routed);
  for (Buffer<float>* rows : {&gate, &up}) rows->Allocate((routed + t) * c.expert_dim);
  h_chunks.Allocate((routed + t) * Fp8Chunk::Count(c.expert_dim));
  expert_out.Allocate((routed + t) * c.hidden_size);
  jobs.reserve(static_cast<size_t>(2 * c.experts + 16 + c.o_groups));

  if (c.mtp_layers > 0) {
    for (Buffer<float>* rows : {&mtp_h, &mtp_out}) rows->Allocate(t * c.streams * c.hidden_size);
  }

  workers.resize(static_cast<size_t>(model.pool().threads()));
  for (Worker& worker : workers) {
    worker.attend.Allocate(AttendScratchFloats(c.heads, c.head_dim));
    worker.rows.reserve(static_cast<size_t>(c.window + std::max(c.index_topk, max_context_ / 128 + 1)));
    worker.keys.reserve(static_cast<size_t>(max_rows));
    worker.row.resize(static_cast<size_t>(std::max(c.head_dim, c.index_dim)));
  }
}

}  // namespace fathom
