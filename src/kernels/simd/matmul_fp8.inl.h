// matmul_fp8.inl.h - y = x * W^T with W in E4M3 and a scale per 128 x 128 block.
#include "kernels/simd/tile.inl.h"

namespace fathom::FATHOM_ISA {

// E8M0 as kernels read it: the exponent field of a float.
FATHOM_INLINE float PowerScale(uint8_t code) {
  const uint32_t bits = static_cast<uint32_t>(code) << 23;
  float power;
  std::memcpy(&power, &bits, 4);
  return power;
}

template <ScaleType kScale>
struct Fp8Format {
  static constexpr int kStep = 64;
  static constexpr int kStepBytes = 64;
  static constexpr int kBlock = 128;
  FATHOM_INLINE const uint8_t* ScaleRow(const Matrix& w, int64_t row) {
    return w.scale + row / 128 * ((w.cols + 127) / 128) * (kScale == ScaleType::kF32 ? 4 : 1);
  }
  FATHOM_INLINE void Decode(const WeightRow& row, int64_t column, F32x16* out) { DecodeFp8(row.codes + column, out); }
  FATHOM_INLINE void DecodeFirst(const WeightRow& row, int64_t column, int64_t n, F32x16* out) {
    DecodeFp8First(row.codes + column, n, out);
  }
  FATHOM_INLINE float Scale(const WeightRow& row, int64_t column) {
    if constexpr (kScale == ScaleType::kF32) {
      float scale;
      std::memcpy(&scale, row.scale + column / 128 * 4, 4);
      return scale;
    } else {
      return PowerScale(row.scale[column / 128]);
    }
  }
};

FATHOM_INLINE F32x16 RoundToBf16(F32x16 a) {
  const I32x16 bits = Bits(a);
  const I32x16 tie = And(ShiftRightUnsigned<16>(bits), BroadcastInt(1));
  const I32x16 upper = BroadcastInt(static_cast<int32_t>(0xFFFF0000u));
  const I32x16 rounded = And(AddInt(AddInt(bits, BroadcastInt(0x7FFF)), tie), upper);
  const I32x16 quiet = And(Or(bits, BroadcastInt(0x400000)), upper);
  return IfNan(a, FromBits(quiet), FromBits(rounded));
}

// Weights rounded to BF16 after scaling (wo_a): nothing is left to scale, but the blocks are still summed apart.
struct Fp8RoundedFormat : Fp8Format<ScaleType::kF32> {
  using Base = Fp8Format<ScaleType::kF32>;
  FATHOM_INLINE void ScaleAndRound(const WeightRow& row, int64_t column, F32x16* out) {
    const F32x16 scale = Broadcast(Base::Scale(row, column));
    for (int v = 0; v < 4; ++v) out[v] = RoundToBf16(Mul(out[v], scale));
  }
  FATHOM_INLINE void Decode(const WeightRow& row, int64_t column, F32x16* out) {
    Base::Decode(row, column, out);
    ScaleAndRound(row, column, out);
  }
  FATHOM_INLINE void DecodeFirst(const WeightRow& row, int64_t column, int64_t n, F32x16* out) {
    Base::DecodeFirst(row, column, n, out);
    ScaleAndRound(row, column, out);
    // Zeros must stay zeros whatever the scale is.
    for (int v = 0; v < 4; ++v) {
      const int64_t left = n - 16 * v;
      out[v] = KeepFirst(out[v], left < 0 ? 0 : left < 16 ? left : 16);
    }
  }
  FATHOM_INLINE float Scale(const WeightRow&, int64_t) { return 1.0f; }
};

void MatMulFp8(const MatMulArgs& args) {
  if (args.w->scale_type != ScaleType::kF32) return MatMulValues<Fp8Format<ScaleType::kE8m0>>(args);
  if (args.round_weights) return MatMulValues<Fp8RoundedFormat>(args);
  return MatMulValues<Fp8Format<ScaleType::kF32>>(args);
}

}  // namespace fathom::FATHOM_ISA
