// kernels.h - the table of operations that differ by instruction set.
//
// One table per instruction set (reference, avx2, avx512, avx512_bf16, neon; avx512_bf16_panels has the instructions of
// the one before), chosen once at start. Every table gives the SAME BITS: the sums below are defined down to their
// order. The reference table is plain loops: the portable fallback and the test oracle.
//
// The order of sums
//   A dot product over k has 16 lanes. Column k belongs to lane k mod 16 (FP4 against quantised input: Fp8Chunk::Lane(k
//   mod 512)); a lane adds its products in ascending k, each with one fused multiply-add in float32. k is padded with
//   zeros to a multiple of 16. The 16 lanes are added as a tree: l += l[+8], then [+4], [+2], [+1].
//   A power of two as the scale of FP8 weights (E8M0) is multiplied into the weight first, which is exact. With other
//   scales, and FP4 weights against float input, the lanes of one block (FP8: 128 columns; FP4: 32) are summed from
//   zero and enter the running lanes as fma(block, scale, lane).
//   FP4 against quantised input: a lane's 32 products are whole numbers and summed exactly (below 2^24, so that a float
//   holds them); per 512 columns lane = fma(float(sum X * 2w), scale_w * (scale_x * 2^-7), lane). Wide chunks have
//   other lanes beside these, below = fma(float(sum residual * 2w), scale_w * (scale_x * 2^-10), below), which are
//   added to them at the end if the row of x has a wide chunk.
//   FP4 against whole numbers q (quantize_int8, Activations::int8): lane = fma(float(sum q * 2w), scale_w * (scale_x *
//   0.5), lane).
// Nothing depends on which rows or tokens are computed together. No kernel allocates; all are thread-safe.
//
// Codes that a sound checkpoint does not hold: an E8M0 scale code of 0 may count as 0 and one of 255 as infinity; an
// E4M3 NaN code counts as +-480. `fathom inspect --verify` finds those of 255 and NaN.
#ifndef FATHOM_KERNELS_KERNELS_H_
#define FATHOM_KERNELS_KERNELS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/kv_row.h"
#include "kernels/matrix.h"

namespace fathom {

// y[t, n] = sum_k x[t, k] * w[n, k] for the weight rows n in [row_begin, row_end) and all tokens t.
struct MatMulArgs {
  const Matrix* w = nullptr;
  int64_t row_begin = 0;
  int64_t row_end = 0;
  Activations x;                    // x.cols == w->cols
  const int32_t* x_rows = nullptr;  // token t reads row x_rows[t] of x; null: row t
  int64_t tokens = 0;
  float* y = nullptr;  // [tokens, >= row_end] float32, overwritten at columns [row_begin, row_end)
  int64_t y_stride = 0;
  // FP8 only: every dequantised weight is rounded to BF16 before it is used (wo_a, section 7.4). With E8M0 scales that
  // changes nothing and the flag is ignored.
  bool round_weights = false;
};

// Attention core for the heads of one token (section 7.4): softmax(q . row / sqrt(d)) over the rows and one sink logit
// per head without a value.
//   Rows are taken 64 at a time with a running maximum. Within a block: scores by the dot rule, times the scale; the
//   weights e^{s - m} are added in 16 lanes (row index mod 16) and as a tree; total = total * fade + that sum;
//   out[i] = out[i] * fade (a product), then one fma per row in ascending order. At the end out /= total + e^{sink -
//   m}.
struct AttendArgs {
  const float* q = nullptr;  // [heads, d]
  int64_t heads = 0;
  const float* sink = nullptr;           // [heads]
  const uint8_t* const* rows = nullptr;  // [count] stored rows, in the order of the sum
  int64_t count = 0;
  KvRowLayout layout;
  float* out = nullptr;      // [heads, d]
  float* scratch = nullptr;  // AttendScratchFloats() floats, 64-byte aligned
};
inline constexpr int64_t kAttendBlock = 64;
// A panel of decoded rows and, per head, a block of scores.
inline int64_t AttendScratchFloats(int64_t heads, int64_t dim) {
  return kAttendBlock * ((dim + 15) / 16 * 16) + heads * kAttendBlock;
}

// Indexer scores of one token (section 7.6): score[j] = sum_h w[h] * relu(q_h . key_j), heads in ascending order, one
// fma each. q_h . key_j: per 32 values an exact integer sum of 2q * 2k, added in ascending order as
// s = fma(float(sum), scale_q * 0.25 * scale_k, s). In kF32 the dot rule above.
struct IndexScoreArgs {
  const uint8_t* q = nullptr;  // [heads] stored index rows (layout.bytes() apart)
  const float* w = nullptr;    // [heads]
  int64_t heads = 0;
  const uint8_t* const* keys = nullptr;  // [count] stored index rows
  int64_t count = 0;
  IndexRowLayout layout;
  float* scores = nullptr;  // [count]
};

inline constexpr int64_t kMostStreams = 16;  // ModelConfig::Validate()

struct KernelTable {
  const char* name;         // "reference", "avx2", "avx512", "avx512_bf16", "avx512_bf16_panels", "neon"
  bool uses_pairs = false;  // matmul_fp8 is faster with Activations::pairs

  // Q8_128 of one row (section 6): values[k] = q * s, the integer form if `chunks` is not null, and the values as BF16
  // numbers if `pairs` is not null. cols % 128 == 0. values may be x.
  void (*quantize_fp8)(const float* x, int64_t cols, float* values, Fp8Chunk* chunks, uint16_t* pairs);

  // Activations as whole numbers, for precision `int8`: q = x * (127 / amax) rounded to the nearest whole number (ties
  // to even), amax being the largest of 128 columns, but at least 2^-100 and at most 2^120; scale_x = amax / 127. A NaN
  // counts as 127. They are a chunk's `low`. cols % 128 == 0.
  void (*quantize_int8)(const float* x, int64_t cols, Fp8Chunk* chunks);

  void (*matmul_fp4)(const MatMulArgs& args);      // x.chunks set; cols % 128 == 0
  void (*matmul_fp4_f32)(const MatMulArgs& args);  // precision `exact`: x.values; cols % 32 == 0
  void (*matmul_fp8)(const MatMulArgs& args);      // x.values
  void (*matmul_bf16)(const MatMulArgs& args);     // x.values
  void (*matmul_f32)(const MatMulArgs& args);      // x.values

  // sum_k x[k]^2 by the dot rule.
  float (*sum_of_squares)(const float* x, int64_t cols);

  // SwiGLU of one row (section 7.7): h = weight * (Silu(min(gate, limit)) * clamp(up, -limit, limit)), with Silu() of
  // numeric/math.h; no limits where limit is 0. h may be gate or up.
  void (*swiglu)(const float* gate, const float* up, float limit, float weight, int64_t cols, float* h);

  // Hyper-connections (section 7.2) of `cols` columns: streams_j = post[j] * y + sum_i comb[i * count + j] * streams_i,
  // in place, i ascending, products and sums each rounded by themselves. Streams lie `stride` floats apart; count <=
  // kMostStreams.
  void (*hc_post)(const float* y, const float* post, const float* comb, int64_t count, int64_t stride, int64_t cols,
                  float* streams);

  void (*attend)(const AttendArgs& args);
  void (*index_scores)(const IndexScoreArgs& args);

  // ---- sampling, over the vocabulary

  // The largest of x [count], -infinity if there is none above; which zero is larger is open. `sound`: none of them is
  // NaN or +infinity; otherwise the result is of no use.
  float (*largest_logit)(const float* x, int64_t count, bool* sound);
  // weights[i] = Exp((x[i] - largest) / temperature) (numeric/math.h), and their sum in double: eight lanes (i mod 8)
  // of the whole eights in ascending i, then the lanes one after the other, then what is left.
  double (*softmax_weights)(const float* x, int64_t count, float largest, float temperature, float* weights);
  // The first `most` (>= 1) indices with x[i] >= least, ascending; returns how many there are. x holds no NaN. Fast
  // where they are few.
  int64_t (*select_at_least)(const float* x, int64_t count, float least, int64_t most, int32_t* ids);
};

// The table in use: the best one this processor supports, or the one SelectKernels() named.
const KernelTable& Kernels();
// Every table this build has and this processor supports, "reference" first, the fastest last.
std::vector<const KernelTable*> SupportedKernels();
// Chooses a table by name ("auto" for the best). False if there is no such table here; call before any work starts.
bool SelectKernels(std::string_view name);

const KernelTable& ReferenceKernels();

}  // namespace fathom

#endif  // FATHOM_KERNELS_KERNELS_H_
