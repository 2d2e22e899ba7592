// matrix.h - weights as they lie in a released shard, and activations.
#ifndef FATHOM_KERNELS_MATRIX_H_
#define FATHOM_KERNELS_MATRIX_H_

#include <cstdint>

namespace fathom {

enum class WeightType : uint8_t {
  kFp4,   // two E2M1 nibbles a byte, low nibble first; an E8M0 scale per row and 32 columns
  kFp8,   // E4M3; a scale per 128 x 128 block
  kBf16,  // no scale
  kF32,   // no scale
};

enum class ScaleType : uint8_t { kNone, kE8m0, kF32 };

// W [rows, cols], row-major, in place: `data` and `scale` point into a mapped file, at any alignment. Scales are
// row-major too: [rows, cols/32] for kFp4, [ceil(rows/128), ceil(cols/128)] for kFp8.
struct Matrix {
  const uint8_t* data = nullptr;
  const uint8_t* scale = nullptr;
  WeightType type = WeightType::kF32;
  ScaleType scale_type = ScaleType::kNone;
  int64_t rows = 0;
  int64_t cols = 0;

  bool empty() const { return data == nullptr; }
  int64_t row_bytes() const {
    switch (type) {
      case WeightType::kFp4:
        return cols / 2;
      case WeightType::kFp8:
        return cols;
      case WeightType::kBf16:
        return cols * 2;
      case WeightType::kF32:
        return cols * 4;
    }
    return 0;
  }
  int64_t scale_bytes() const {
    const int64_t unit = scale_type == ScaleType::kF32 ? 4 : 1;
    if (type == WeightType::kFp4) return rows * (cols / 32) * unit;
    if (type == WeightType::kFp8) return ((rows + 127) / 128) * ((cols + 127) / 128) * unit;
    return 0;
  }
  // Bytes a product with this matrix reads.
  int64_t bytes() const { return rows * row_bytes() + scale_bytes(); }
  // Products with FP8 and FP4 weights take their input quantised to FP8 (section 7: lin(x, W)).
  bool quantizes_input() const { return type == WeightType::kFp4 || type == WeightType::kFp8; }
};

// A vector of BF16 or F32 numbers in place (norm weights, sinks, biases), at any alignment.
struct Vector {
  const uint8_t* data = nullptr;
  WeightType type = WeightType::kF32;  // kBf16 or kF32
  int64_t size = 0;

  bool empty() const { return data == nullptr; }
  float operator[](int64_t index) const;
};

// 512 consecutive Q8 activations of one row (the last ones of a row may be fewer, and count as zeros beyond), in the
// form that integer dot products with FP4 weights want.
//
// An E4M3 code is a whole number of 2^-9: 18 bits and a sign. Its part in units of 2^-6, X, fits two signed bytes
// (|X| <= 448 * 64 = 28672 = 112 * 256): X = 256 * high + low. What is left below 2^-6, in units of 2^-9, is
// `residual` in [-4, 3]; it is zero unless the chunk holds codes smaller than 1/8, and `residuals` says how many are
// not. A chunk that has any is called wide. The first of them are listed as well: often one or two are all there are.
//
// Sums have 16 lanes, and a lane has the 32 columns that share a scale of an FP4 weight: columns 128 i + 32 q + (0 ..
// 31) belong to lane 4 q + i, the order in which four vectors of nibbles are transposed. The planes of bytes hold, for
// each eight columns of all lanes, their even ones and then their odd ones; the plane of words two of them at a time,
// four apart: so nibbles unpack.
struct alignas(64) Fp8Chunk {
  static constexpr int64_t kColumns = 512;

  int8_t high[kColumns];
  int8_t low[kColumns];
  int8_t residual[kColumns];
  int16_t words[kColumns];  // X again: only tables that use it (avx512, avx2) fill it
  // Per lane -12 * sum X and -12 * sum residual: what is to be added when weights are fed as unsigned w + 12.
  int32_t offset[16];
  int32_t residual_offset[16];
  float scale[4];      // the power of two of each 128 columns; 0 beyond the row's end
  uint32_t residuals;  // how many are not zero
  // The first of those, fourteen, for which alignment leaves room: where X stands in `words`, and the residual.
  static constexpr uint32_t kListed = 14;
  uint16_t listed_place[kListed];
  int8_t listed[kListed];

  static constexpr int Lane(int64_t column) { return static_cast<int>(column % 128 / 32 * 4 + column / 128); }
  // Where a column lies in a plane of bytes, and in the plane of words.
  static constexpr int64_t BytePlace(int64_t column) {
    return column % 32 / 8 * 128 + column % 2 * 64 + int64_t{4} * Lane(column) + column % 8 / 2;
  }
  static constexpr int64_t WordPlace(int64_t column) {
    return column % 32 / 8 * 128 + column % 4 * 32 + int64_t{2} * Lane(column) + column % 8 / 4;
  }
  static constexpr int LaneOfWord(int64_t place) { return static_cast<int>(place % 32 / 2); }
  // Chunks of a row of so many columns.
  static constexpr int64_t Count(int64_t columns) { return (columns + kColumns - 1) / kColumns; }
};

// Where a column of a row of quantised inputs lies among its BF16 numbers. Lane l of a sum has the columns l, l + 16,
// .. (kernels.h); two of them are one dword, the first in the upper half, which instructions for BF16 pairs add first.
constexpr int64_t PairPlace(int64_t column) { return column / 32 * 32 + column % 16 * 2 + 1 - column / 16 % 2; }

// Inputs of a product: rows of `cols` floats. For a matrix with quantizes_input(), `values` are the dequantised codes
// and, where FP4 weights follow, `chunks` [rows, Fp8Chunk::Count(cols)] the same numbers as integers. chunks == nullptr
// means that the values were not quantised (precision `exact`). `pairs` [rows, cols], if not null, are the values of
// quantize_fp8 as BF16 numbers, which they are exactly, by PairPlace().
struct Activations {
  const float* values = nullptr;
  int64_t stride = 0;  // floats from row to row
  const Fp8Chunk* chunks = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  bool int8 = false;  // `chunks` are whole numbers (KernelTable::quantize_int8), and not those of `values`
  const uint16_t* pairs = nullptr;
};

}  // namespace fathom

#endif  // FATHOM_KERNELS_MATRIX_H_
