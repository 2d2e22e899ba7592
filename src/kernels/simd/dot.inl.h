// dot.inl.h - many dot products of float rows: the attention scores and the indexer's in precision `exact`.
#ifndef FATHOM_ISA
#error "include <isa>/simd.h first"
#endif

namespace fathom::FATHOM_ISA {

// Running lanes of R rows times T inputs, rows given by row(r, column), the address of 16 floats.
template <int R, int T, typename Row>
FATHOM_INLINE void DotTile(Row row, const float* const* x, int64_t cols, F32x16* lanes, int lane_stride) {
  F32x16 sums[R][T];
  for (auto& of_row : sums) {
    for (F32x16& sum : of_row) sum = Zero();
  }
  int64_t k = 0;
  for (; k + 16 <= cols; k += 16) {
    F32x16 w[R];
    for (int r = 0; r < R; ++r) w[r] = Load(row(r, k));
    for (int t = 0; t < T; ++t) {
      const F32x16 input = Load(x[t] + k);
      for (int r = 0; r < R; ++r) sums[r][t] = Fma(w[r], input, sums[r][t]);
    }
  }
  if (k < cols) {
    for (int r = 0; r < R; ++r) {
      const F32x16 w = LoadFirst(row(r, k), cols - k);
      for (int t = 0; t < T; ++t) sums[r][t] = Fma(w, LoadFirst(x[t] + k, cols - k), sums[r][t]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < T; ++t) lanes[t * lane_stride + r] = sums[r][t];
  }
}

// 4 rows times 4 inputs: lane 4 t + r of the result is x[t] . row r.
template <typename Row>
FATHOM_INLINE F32x16 Dot4x4(Row row, const float* const* x, int64_t cols) {
  static_assert(4 % kTileRows == 0 && 4 % kTileTokens == 0);
  F32x16 lanes[16];
  for (int t = 0; t < 4; t += kTileTokens) {
    for (int r = 0; r < 4; r += kTileRows) {
      DotTile<kTileRows, kTileTokens>([&](int i, int64_t k) { return row(r + i, k); }, x + t, cols, lanes + 4 * t + r,
                                      4);
    }
  }
  return TreeSums(lanes);
}

}  // namespace fathom::FATHOM_ISA
