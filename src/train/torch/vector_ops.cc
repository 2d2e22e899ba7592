#include "train/torch/vector_ops.h"

namespace fathom {
namespace {

// One register of floats at any address. A sum's terms are added in the order of `depth` whatever the width.
#ifdef __AVX512F__
constexpr int kLanes = 16;
constexpr int kTileRows = 8;  // 8 x 3 of 32 registers hold sums: room for B's vectors and A's broadcasts
#else
constexpr int kLanes = 8;
constexpr int kTileRows = 4;  // 4 x 3 of 16
#endif
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float)), aligned(4)));

Lanes Load(const float* at) { return *reinterpret_cast<const Lanes*>(at); }
void Store(float* at, Lanes value) { *reinterpret_cast<Lanes*>(at) = value; }

// kRows x (kLanes * kVectors) of C, sums in registers.
template <int kRows, int kVectors>
void Tile(int64_t depth, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t b_stride, float* c,
          int64_t c_stride, bool accumulate) {
  Lanes sum[kRows][kVectors];
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kVectors; ++j) sum[i][j] = accumulate ? Load(c + i * c_stride + kLanes * j) : Lanes{};
  }
  for (int64_t k = 0; k < depth; ++k) {
    Lanes row[kVectors];
    for (int j = 0; j < kVectors; ++j) row[j] = Load(b + k * b_stride + kLanes * j);
    for (int i = 0; i < kRows; ++i) {
      const float x = a[i * a_row + k * a_col];
      for (int j = 0; j < kVectors; ++j) sum[i][j] += x * row[j];
    }
  }
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kVectors; ++j) Store(c + i * c_stride + kLanes * j, sum[i][j]);
  }
}

template <int kVectors>
void Columns(int64_t m, int64_t depth, const float* a, int64_t a_row, int64_t a_col, const float* b, int64_t b_stride,
             float* c, int64_t c_stride, bool accumulate) {
  int64_t i = 0;
  for (; i + kTileRows <= m; i += kTileRows) {
    Tile<kTileRows, kVectors>(depth, a + i * a_row, a_row, a_col, b, b_stride, c + i * c_stride, c_stride, accumulate);
  }
  if (i + kTileRows / 2 <= m) {
    Tile<kTileRows / 2, kVectors>(depth, a + i * a_row, a_row, a_col, b, b_stride, c + i * c_stride, c_stride,
                                  accumulate);
    i += kTileRows / 2;
  }
  for (; i < m; ++i) {
    Tile<1, kVectors>(depth, a + i * a_row, a_row, a_col, b, b_stride, c + i * c_stride, c_stride, accumulate);
  }
}

}  // namespace

void SmallMatMul(int64_t m, int64_t n, int64_t depth, const float* a, int64_t a_row, int64_t a_col, const float* b,
                 int64_t b_stride, float* c, int64_t c_stride, bool accumulate) {
  int64_t j = 0;
  for (; j + 3 * kLanes <= n; j += 3 * kLanes) {
    Columns<3>(m, depth, a, a_row, a_col, b + j, b_stride, c + j, c_stride, accumulate);
  }
  if (j + 2 * kLanes <= n) {
    Columns<2>(m, depth, a, a_row, a_col, b + j, b_stride, c + j, c_stride, accumulate);
    j += 2 * kLanes;
  }
  if (j < n) Columns<1>(m, depth, a, a_row, a_col, b + j, b_stride, c + j, c_stride, accumulate);
}

void TransposeInto(const float* x, int64_t rows, int64_t cols, int64_t x_stride, float* out, int64_t out_stride,
                   int64_t padded_rows) {
  for (int64_t i = 0; i < rows; i += 16) {  // a block of 16 rows stays in the cache
    const int64_t end = std::min(rows, i + 16);
    for (int64_t j = 0; j < cols; ++j) {
      for (int64_t r = i; r < end; ++r) out[j * out_stride + r] = x[r * x_stride + j];
    }
  }
  for (int64_t j = 0; j < cols; ++j) std::fill(out + j * out_stride + rows, out + j * out_stride + padded_rows, 0.0f);
}

}  // namespace fathom
