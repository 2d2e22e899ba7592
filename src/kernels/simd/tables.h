// tables.h - the kernels of each instruction set, for the files that fill and choose the tables.
#ifndef FATHOM_KERNELS_SIMD_TABLES_H_
#define FATHOM_KERNELS_SIMD_TABLES_H_

#include "kernels/kernels.h"

#define FATHOM_DECLARE_KERNELS(isa)                                                                              \
  namespace isa {                                                                                                \
  void QuantizeFp8(const float* x, int64_t cols, float* values, Fp8Chunk* chunks, uint16_t* pairs);              \
  void QuantizeInt8(const float* x, int64_t cols, Fp8Chunk* chunks);                                             \
  void MatMulFp4(const MatMulArgs& args);                                                                        \
  void MatMulFp4F32(const MatMulArgs& args);                                                                     \
  void MatMulFp8(const MatMulArgs& args);                                                                        \
  void MatMulBf16(const MatMulArgs& args);                                                                       \
  void MatMulF32(const MatMulArgs& args);                                                                        \
  float SumOfSquares(const float* x, int64_t cols);                                                              \
  void SwiGlu(const float* gate, const float* up, float limit, float weight, int64_t cols, float* h);            \
  void HcPost(const float* y, const float* post, const float* comb, int64_t count, int64_t stride, int64_t cols, \
              float* streams);                                                                                   \
  void Attend(const AttendArgs& args);                                                                           \
  void IndexScores(const IndexScoreArgs& args);                                                                  \
  float LargestLogit(const float* x, int64_t count, bool* sound);                                                \
  double SoftmaxWeights(const float* x, int64_t count, float largest, float temperature, float* weights);        \
  int64_t SelectAtLeast(const float* x, int64_t count, float least, int64_t most, int32_t* ids);                 \
  inline constexpr KernelTable kKernels = {                                                                      \
      .name = #isa,                                                                                              \
      .quantize_fp8 = QuantizeFp8,                                                                               \
      .quantize_int8 = QuantizeInt8,                                                                             \
      .matmul_fp4 = MatMulFp4,                                                                                   \
      .matmul_fp4_f32 = MatMulFp4F32,                                                                            \
      .matmul_fp8 = MatMulFp8,                                                                                   \
      .matmul_bf16 = MatMulBf16,                                                                                 \
      .matmul_f32 = MatMulF32,                                                                                   \
      .sum_of_squares = SumOfSquares,                                                                            \
      .swiglu = SwiGlu,                                                                                          \
      .hc_post = HcPost,                                                                                         \
      .attend = Attend,                                                                                          \
      .index_scores = IndexScores,                                                                               \
      .largest_logit = LargestLogit,                                                                             \
      .softmax_weights = SoftmaxWeights,                                                                         \
      .select_at_least = SelectAtLeast,                                                                          \
  };                                                                                                             \
  }

namespace fathom {

#if defined(__x86_64__)
FATHOM_DECLARE_KERNELS(avx2)
FATHOM_DECLARE_KERNELS(avx512)
namespace avx512 {
void MatMulFp8Streamed(const MatMulArgs& args);
void MatMulFp8Pairs(const MatMulArgs& args);
void MatMulFp8PairPanels(const MatMulArgs& args);
void MatMulBf16Streamed(const MatMulArgs& args);
void MatMulBf16Panels(const MatMulArgs& args);
constexpr KernelTable WithPairs(const char* name, void (*fp8)(const MatMulArgs&), void (*bf16)(const MatMulArgs&)) {
  KernelTable table = kKernels;
  table.name = name;
  table.uses_pairs = true;
  table.matmul_fp8 = fp8;
  table.matmul_bf16 = bf16;
  return table;
}
// All tokens of a task are streamed: for processors that take vectors of 512 bits in halves.
inline constexpr KernelTable kPairKernels = WithPairs("avx512_bf16", MatMulFp8Pairs, MatMulBf16Streamed);
// More tokens go by panels: for those that take them whole.
inline constexpr KernelTable kPairPanelKernels = WithPairs("avx512_bf16_panels", MatMulFp8PairPanels, MatMulBf16Panels);
}  // namespace avx512
#elif defined(__aarch64__)
FATHOM_DECLARE_KERNELS(neon)
#endif

}  // namespace fathom

#undef FATHOM_DECLARE_KERNELS

#endif  // FATHOM_KERNELS_SIMD_TABLES_H_
