// workspace.h - all scratch memory of a forward step, allocated once. Letters are those of the reference README: T
// tokens, D width, S streams, H heads, d head width, r rotary part, q query rank, G groups, R output rank, F expert
// width, k experts per token, Hi indexer heads, di indexer width.
#ifndef FATHOM_MODEL_WORKSPACE_H_
#define FATHOM_MODEL_WORKSPACE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "kernels/kernels.h"
#include "model/model.h"
#include "model/step_clock.h"
#include "model/top_rows.h"

namespace fathom {

// Scratch memory lies on a border of a cache line or, where it is large, of a large page.
constexpr size_t ScratchBorder(size_t bytes) {
  constexpr size_t kLargePage = size_t{2} << 20;
  return bytes >= 2 * kLargePage ? kLargePage : 64;
}

// Uninitialised memory for FreeScratch. Large pages where there are some: a step goes through all of it, and with small
// ones a prefill's streams can take half as long again.
void* AllocateScratch(size_t bytes);

struct FreeScratch {
  size_t border = 0;  // ScratchBorder()
  void operator()(void* memory) const { ::operator delete[](memory, std::align_val_t{border}); }
};

// A fixed array of such memory: pages are only touched when a step needs them.
template <typename T>
class Buffer {
 public:
  void Allocate(int64_t count) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(T);
    count_ = count;
    data_ = {static_cast<T*>(AllocateScratch(bytes)), FreeScratch{ScratchBorder(bytes)}};
  }
  T* data() const { return data_.get(); }
  int64_t size() const { return count_; }
  T& operator[](int64_t index) const { return data_.get()[index]; }

 private:
  std::unique_ptr<T[], FreeScratch> data_;
  int64_t count_ = 0;
};

// Inputs of a quantised product (Activations): the dequantised values, the same as BF16 numbers, for kernels that use
// them, and, where FP4 weights follow, their integer form.
struct QuantizedBuffer {
  Buffer<float> values;
  Buffer<uint16_t> pairs;
  Buffer<Fp8Chunk> chunks;
};

// Indexer scores of several tokens at a time, at most this many floats (16 MB) unless one token alone needs more.
inline constexpr int64_t kIndexScoreFloats = int64_t{4} << 20;

class Workspace {
 public:
  // For steps of at most `max_tokens` tokens in all, `max_context` positions per sequence (0: the model's).
  Workspace(const Model& model, int64_t max_tokens, int64_t max_context = 0);
  // Bytes that such a workspace has, without taking them.
  static int64_t BytesFor(const Model& model, int64_t max_tokens, int64_t max_context = 0);

  int64_t max_tokens() const { return max_tokens_; }
  int64_t max_context() const { return max_context_; }

  StepClock* clock = nullptr;  // told of every part of a step, if there is one

  // ---- the step -----------------------------------------------------------------------------------------------------
  Buffer<int64_t> position;    // [T]
  Buffer<int32_t> segment;     // [T] index into batch.segments
  std::vector<int64_t> first;  // [segments] first token of each

  // Rotary tables at the tokens' positions, [T, r/2]: of layers without compression and of those with.
  Buffer<float> cos_plain, sin_plain, cos_compressed, sin_compressed;

  // ---- streams and hyper-connections -----------------------------------------------------------------------------
  Buffer<float> streams;  // [T, S*D]
  Buffer<float> mix;      // [T, (2+S)S]
  Buffer<float> post;     // [T, S]
  Buffer<float> comb;     // [T, S*S]
  Buffer<float> x;        // [T, D] layer input
  Buffer<float> x_norm;   // [T, D]
  Buffer<float> y;        // [T, D] layer output
  QuantizedBuffer x_q;    // [T, D]

  // ---- attention
  // -----------------------------------------------------------------------------------------------------
  Buffer<float> qr;  // [T, q]
  QuantizedBuffer qr_q;
  Buffer<float> q;                         // [T, H*d]
  Buffer<float> kv;                        // [T, d]
  Buffer<uint8_t> kv_rows;                 // [T] stored rows
  Buffer<float> comp_kv, comp_score;       // [T, c*d]
  Buffer<float> index_kv, index_score_in;  // [T, c*di]
  Buffer<float> index_q;                   // [T, Hi*di]
  Buffer<uint8_t> index_q_rows;            // [T, Hi] stored rows
  Buffer<float> index_w;                   // [T, Hi]
  Buffer<float> index_scores;              // a group of tokens x compressed rows
  TopRowsScratch top_rows;                 // of those
  Buffer<int64_t> visible_rows;            // [T] how many compressed rows of ratio 4 a token may see
  Buffer<int32_t> selected;                // [T, topk] ascending
  Buffer<int32_t> selected_count;          // [T]
  Buffer<float> o;                         // [T, H*d]
  Buffer<float> grouped;                   // [T, G*R]
  QuantizedBuffer grouped_q;

  // ---- mixture of experts ---------------------------------------------------------------------------------------
  Buffer<float> router;             // [T, E]
  Buffer<int32_t> expert_ids;       // [T, k]
  Buffer<float> expert_weights;     // [T, k]
  Buffer<int32_t> expert_first;     // [E+1] first row of each expert among the T*k rows sorted by expert
  Buffer<int32_t> expert_rows;      // [T*k] token of each row
  Buffer<int32_t> expert_row_of;    // [T, k] row of each (token, slot)
  Buffer<float> expert_row_weight;  // [T*k]
  Buffer<float> gate, up;           // [T*k + T, F]: routed rows, then the shared expert's
  Buffer<Fp8Chunk> h_chunks;        // [T*k + T, Fp8Chunk::Count(F)]: the gate's rows after SwiGLU
  Buffer<uint16_t> h_pairs;         // [T*k + T, F] the same
  Buffer<float> expert_out;         // [T*k + T, D]
  std::vector<MatMulArgs> jobs;

  // ---- MTP
  // -----------------------------------------------------------------------------------------------------------
  QuantizedBuffer mtp_h;  // [T*S, D], quantised in place; empty without MTP blocks
  Buffer<float> mtp_out;  // [T*S, D]

  // ---- per thread -----------------------------------------------------------------------------------------------
  struct Worker {
    Buffer<float> attend;              // AttendScratchFloats(H, d)
    std::vector<const uint8_t*> rows;  // rows a token attends to
    std::vector<const uint8_t*> keys;  // indexer rows of a range
    std::vector<float> row;            // a compressed row being made
  };
  std::vector<Worker> workers;

 private:
  class Memory;
  // Without `take` only bytes_ is of use: everything else is empty.
  Workspace(const Model& model, int64_t max_tokens, int64_t max_context, bool take);

  int64_t max_tokens_;
  int64_t max_context_;
  int64_t bytes_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_MODEL_WORKSPACE_H_
