// matmul_fp4.inl.h - y = x * W^T with W in E2M1 and an E8M0 scale per 32 columns: against quantised input by whole
// numbers, and for precision `exact` against floats.
#include "kernels/simd/tile.inl.h"

namespace fathom::FATHOM_ISA {

// R rows times T inputs.
template <int R, int T>
static void Fp4Tile(const MatMulArgs& args, int64_t first_row, int64_t first_token) {
  const Matrix& w = *args.w;
  const int64_t chunks = w.cols / 128;
  WeightRow row[R];
  for (int r = 0; r < R; ++r) {
    row[r] = {w.data + (first_row + r) * 64 * chunks, w.scale + (first_row + r) * 4 * chunks, 64 * chunks};
  }
  const Fp8Chunk* x[T];
  for (int t = 0; t < T; ++t) {
    const int64_t token = first_token + t;
    x[t] = args.x.chunks + (args.x_rows != nullptr ? args.x_rows[token] : token) * chunks;
  }
  F32x16 lanes[R][T];
  for (auto& of_row : lanes) {
    for (F32x16& lane : of_row) lane = Zero();
  }
  for (int64_t c = 0; c < chunks; ++c) {
    F32x16 x_scale[T];
    for (int t = 0; t < T; ++t) x_scale[t] = Mul(Broadcast(x[t][c].scale), Broadcast(0x1p-7f));
    for (int r = 0; r < R; ++r) {
      PrefetchAhead(row[r], 64 * c, R, r, 64);
      const Codes64 codes = DecodeFp4(row[r].codes + 64 * c);
      const F32x16 w_scale = DecodeFp4Scales(row[r].scale + 4 * c);
      for (int t = 0; t < T; ++t) {
        const Fp8Chunk& chunk = x[t][c];
        lanes[r][t] = Fma(ToFloat(DotChunk(codes, chunk)), Mul(w_scale, x_scale[t]), lanes[r][t]);
        if (chunk.wide != 0) {
          const F32x16 small_scale = Mul(w_scale, Mul(Broadcast(chunk.scale), Broadcast(0x1p-10f)));
          lanes[r][t] = Fma(ToFloat(DotChunkResidual(codes, chunk)), small_scale, lanes[r][t]);
        }
      }
    }
    // A line of scales serves 16 chunks of a row.
    if (c % 16 == 0) {
      for (int r = 0; r < R; ++r) __builtin_prefetch(row[r].scale + 4 * (R * chunks + c));
    }
  }
  for (int t = 0; t < T; ++t) {
    float* y = args.y + (first_token + t) * args.y_stride + first_row;
    for (int r = 0; r < R; ++r) y[r] = TreeSum(lanes[r][t]);
  }
}

template <int R>
static void Fp4Rows(const MatMulArgs& args, int64_t row, int64_t token, int64_t end) {
  for (; token + kTileTokens <= end; token += kTileTokens) Fp4Tile<R, kTileTokens>(args, row, token);
  if (token + 2 <= end && kTileTokens > 2) {
    Fp4Tile<R, 2>(args, row, token);
    token += 2;
  }
  for (; token < end; ++token) Fp4Tile<R, 1>(args, row, token);
}

void MatMulFp4(const MatMulArgs& args) {
  const int64_t block = TokenBlock(args.w->cols / 128 * static_cast<int64_t>(sizeof(Fp8Chunk)));
  for (int64_t token = 0; token < args.tokens; token += block) {
    const int64_t end = token + block < args.tokens ? token + block : args.tokens;
    int64_t row = args.row_begin;
    for (; row + kTileRows <= args.row_end; row += kTileRows) Fp4Rows<kTileRows>(args, row, token, end);
    for (; row < args.row_end; ++row) Fp4Rows<1>(args, row, token, end);
  }
}

struct Fp4Format {
  static constexpr int kStep = 32;
  static constexpr int kStepBytes = 16;
  static constexpr int kBlock = 32;
  FATHOM_INLINE const uint8_t* ScaleRow(const Matrix& w, int64_t row) { return w.scale + row * (w.cols / 32); }
  FATHOM_INLINE void Decode(const WeightRow& row, int64_t column, F32x16* out) {
    DecodeFp4ToFloat(row.codes + column / 2, out);
  }
  // Not reached: cols % 32 == 0.
  FATHOM_INLINE void DecodeFirst(const WeightRow&, int64_t, int64_t, F32x16* out) { out[0] = out[1] = Zero(); }
  FATHOM_INLINE float Scale(const WeightRow& row, int64_t column) {
    const uint32_t bits = static_cast<uint32_t>(row.scale[column / 32]) << 23;
    float power;
    std::memcpy(&power, &bits, 4);
    return power;
  }
};

void MatMulFp4F32(const MatMulArgs& args) { MatMulValues<Fp4Format>(args); }

}  // namespace fathom::FATHOM_ISA
