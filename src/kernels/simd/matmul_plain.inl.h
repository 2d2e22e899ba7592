// matmul_plain.inl.h - y = x * W^T with W in BF16 or float32.
#include "kernels/simd/tile.inl.h"

namespace fathom::FATHOM_ISA {

struct Bf16Format {
  static constexpr int kStep = 16;
  static constexpr int kBlock = 0;
  struct Row {
    const uint8_t* codes;
    int64_t bytes;
  };
  static Row At(const Matrix& w, int64_t row) { return {w.data + row * w.cols * 2, w.cols * 2}; }
  FATHOM_INLINE void Decode(const Row& row, int64_t column, F32x16* out) { *out = DecodeBf16(row.codes + 2 * column); }
  FATHOM_INLINE void DecodeFirst(const Row& row, int64_t column, int64_t n, F32x16* out) {
    *out = DecodeBf16First(row.codes + 2 * column, n);
  }
  FATHOM_INLINE void Ahead(const Row& row, int64_t column, int rows) {
    PrefetchAhead(row.codes + 2 * column, 2 * column, row.bytes, rows);
  }
  FATHOM_INLINE float Scale(const Row&, int64_t) { return 1.0f; }
};

struct F32Format {
  static constexpr int kStep = 16;
  static constexpr int kBlock = 0;
  struct Row {
    const uint8_t* data;
    int64_t bytes;
  };
  static Row At(const Matrix& w, int64_t row) { return {w.data + row * w.cols * 4, w.cols * 4}; }
  FATHOM_INLINE void Decode(const Row& row, int64_t column, F32x16* out) { *out = Load(row.data + 4 * column); }
  FATHOM_INLINE void DecodeFirst(const Row& row, int64_t column, int64_t n, F32x16* out) {
    *out = LoadFirst(row.data + 4 * column, n);
  }
  FATHOM_INLINE void Ahead(const Row& row, int64_t column, int rows) {
    PrefetchAhead(row.data + 4 * column, 4 * column, row.bytes, rows);
  }
  FATHOM_INLINE float Scale(const Row&, int64_t) { return 1.0f; }
};

void MatMulBf16(const MatMulArgs& args) { MatMulValues<Bf16Format>(args); }

void MatMulF32(const MatMulArgs& args) { MatMulValues<F32Format>(args); }

}  // namespace fathom::FATHOM_ISA
