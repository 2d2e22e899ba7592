#include "model/workspace.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace fathom {

void* AllocateScratch(size_t bytes) {
  const size_t border = ScratchBorder(bytes);
  void* const memory = ::operator new[](bytes, std::align_val_t{border});
  if (border > 64) ::madvise(memory, bytes, MADV_HUGEPAGE);  // a wish
  return memory;
}

// What is sized once: takes it, or only adds up how many bytes that would be.
class Workspace::Memory {
 public:
  explicit Memory(bool take) : take_(take) {}
  int64_t bytes() const { return bytes_; }

  template <typename T>
  void Take(Buffer<T>& buffer, int64_t count) {
    Count<T>(count);
    if (take_) buffer.Allocate(count);
  }
  template <typename T>
  void Reserve(std::vector<T>& values, int64_t count) {
    Count<T>(count);
    if (take_) values.reserve(static_cast<size_t>(count));
  }
  void Take(std::vector<float>& values, int64_t count) {
    Count<float>(count);
    if (take_) values.resize(static_cast<size_t>(count));
  }
  // Rows of inputs; chunks only where FP4 weights follow.
  void Take(QuantizedBuffer& inputs, int64_t rows, int64_t cols, bool fp4) {
    Take(inputs.values, rows * cols);
    Take(inputs.pairs, rows * cols);
    if (fp4) Take(inputs.chunks, rows * Fp8Chunk::Count(cols));
  }
  void Take(TopRowsScratch& scratch, int64_t tokens, int64_t scores) {
    bytes_ += TopRowsScratch::BytesFor(tokens, scores);
    if (take_) scratch.Allocate(tokens, scores);
  }
  // Also where nothing is taken, so that what is theirs is added up.
  void Take(std::vector<Worker>& of_threads, int64_t count) {
    Count<Worker>(count);
    of_threads.resize(static_cast<size_t>(count));
  }

 private:
  template <typename T>
  void Count(int64_t count) {
    bytes_ += count * static_cast<int64_t>(sizeof(T));
  }

  const bool take_;
  int64_t bytes_ = 0;
};

int64_t Workspace::BytesFor(const Model& model, int64_t max_tokens, int64_t max_context) {
  return Workspace(model, max_tokens, max_context, /*take=*/false).bytes_;
}

Workspace::Workspace(const Model& model, int64_t max_tokens, int64_t max_context)
    : Workspace(model, max_tokens, max_context, /*take=*/true) {}

Workspace::Workspace(const Model& model, int64_t max_tokens, int64_t max_context, bool take)
    : max_tokens_(max_tokens), max_context_(max_context > 0 ? max_context : model.config().max_context) {
  Memory memory(take);
  const ModelConfig& c = model.config();
  const int64_t t = max_tokens;
  memory.Take(position, t);
  memory.Take(segment, t);
  memory.Reserve(first, t);
  for (Buffer<float>* table : {&cos_plain, &sin_plain, &cos_compressed, &sin_compressed})
    memory.Take(*table, t * c.rope_dim / 2);

  memory.Take(streams, t * c.streams * c.hidden_size);
  memory.Take(mix, t * c.mix_rows());
  memory.Take(post, t * c.streams);
  memory.Take(comb, t * c.streams * c.streams);
  for (Buffer<float>* rows : {&x, &x_norm, &y}) memory.Take(*rows, t * c.hidden_size);
  memory.Take(x_q, t, c.hidden_size, /*fp4=*/true);

  memory.Take(qr, t * c.q_rank);
  memory.Take(qr_q, t, c.q_rank, /*fp4=*/false);
  for (Buffer<float>* rows : {&q, &o}) memory.Take(*rows, t * c.heads * c.head_dim);
  memory.Take(kv, t * c.head_dim);
  memory.Take(kv_rows, t * model.cache_layout().kv().bytes());
  for (Buffer<float>* rows : {&comp_kv, &comp_score}) memory.Take(*rows, t * 2 * c.head_dim);
  for (Buffer<float>* rows : {&index_kv, &index_score_in}) memory.Take(*rows, t * 2 * c.index_dim);
  memory.Take(index_q, t * c.index_heads * c.index_dim);
  memory.Take(index_q_rows, t * c.index_heads * model.cache_layout().index().bytes());
  memory.Take(index_w, t * c.index_heads);
  const bool indexer = std::find(c.ratios.begin(), c.ratios.end(), 4) != c.ratios.end();
  const int64_t max_rows = indexer ? max_context_ / 4 + 1 : 0;
  const int64_t scores = std::min(t * max_rows, std::max(max_rows, kIndexScoreFloats));
  memory.Take(index_scores, scores);
  memory.Take(top_rows, t, scores);
  memory.Take(visible_rows, t);
  memory.Take(selected, indexer ? t * c.index_topk : 0);
  memory.Take(selected_count, t);
  memory.Take(grouped, t * c.o_groups * c.o_rank);
  memory.Take(grouped_q, t, c.o_groups * c.o_rank, /*fp4=*/false);

  const int64_t routed = t * c.experts_per_token;
  memory.Take(router, t * c.experts);
  memory.Take(expert_ids, routed);
  memory.Take(expert_weights, routed);
  memory.Take(expert_first, c.experts + 1);
  memory.Take(expert_rows, routed);
  memory.Take(expert_row_of, routed);
  memory.Take(expert_row_weight, routed);
  for (Buffer<float>* rows : {&gate, &up}) memory.Take(*rows, (routed + t) * c.expert_dim);
  memory.Take(h_chunks, (routed + t) * Fp8Chunk::Count(c.expert_dim));
  memory.Take(h_pairs, (routed + t) * c.expert_dim);
  memory.Take(expert_out, (routed + t) * c.hidden_size);
  memory.Reserve(jobs, 2 * c.experts + 16 + c.o_groups);

  if (c.mtp_layers > 0) {
    memory.Take(mtp_h, t * c.streams, c.hidden_size, /*fp4=*/false);
    memory.Take(mtp_out, t * c.streams * c.hidden_size);
  }

  memory.Take(workers, model.pool().threads());
  for (Worker& worker : workers) {
    memory.Take(worker.attend, AttendScratchFloats(c.heads, c.head_dim));
    memory.Reserve(worker.rows, c.window + std::max(c.index_topk, max_context_ / 128 + 1));
    memory.Reserve(worker.keys, max_rows);
    memory.Take(worker.row, std::max(c.head_dim, c.index_dim));
  }
  bytes_ = memory.bytes();
}

}  // namespace fathom
