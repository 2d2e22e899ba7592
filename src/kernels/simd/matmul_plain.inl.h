// matmul_plain.inl.h - y = x * W^T with W in BF16 or float32.
#include "kernels/simd/tile.inl.h"

namespace fathom::FATHOM_ISA {

struct Bf16Format {
  static constexpr int kStep = 16;
  static constexpr int kStepBytes = 32;
  static constexpr int kBlock = 0;
  FATHOM_INLINE const uint8_t* ScaleRow(const Matrix&, int64_t) { return nullptr; }
  FATHOM_INLINE void Decode(const WeightRow& row, int64_t column, F32x16* out) {
    *out = DecodeBf16(row.codes + 2 * column);
  }
  FATHOM_INLINE void DecodeFirst(const WeightRow& row, int64_t column, int64_t n, F32x16* out) {
    *out = DecodeBf16First(row.codes + 2 * column, n);
  }
};

struct F32Format {
  static constexpr int kStep = 16;
  static constexpr int kStepBytes = 64;
  static constexpr int kBlock = 0;
  FATHOM_INLINE const uint8_t* ScaleRow(const Matrix&, int64_t) { return nullptr; }
  FATHOM_INLINE void Decode(const WeightRow& row, int64_t column, F32x16* out) { *out = Load(row.codes + 4 * column); }
  FATHOM_INLINE void DecodeFirst(const WeightRow& row, int64_t column, int64_t n, F32x16* out) {
    *out = LoadFirst(row.codes + 4 * column, n);
  }
};

void MatMulBf16(const MatMulArgs& args) { MatMulValues<Bf16Format>(args); }

void MatMulF32(const MatMulArgs& args) { MatMulValues<F32Format>(args); }

}  // namespace fathom::FATHOM_ISA
