// simd.h (neon) - the primitives of avx512/simd.h, explained there, for Armv8.2 with dot products.
#ifndef FATHOM_KERNELS_NEON_SIMD_H_
#define FATHOM_KERNELS_NEON_SIMD_H_

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

#define FATHOM_ISA neon
#define FATHOM_INLINE static inline __attribute__((always_inline))

#include "kernels/simd/power.inc"

namespace fathom::neon {

// 2 x 2 running sums of 16 lanes are 16 of the 32 registers, the operands another 12.
inline constexpr int kTileRows = 2;
inline constexpr int kTileTokens = 2;
// Up to so many tokens weights go from memory through registers to the sums; with more, through panels of decoded rows.
inline constexpr int kStreamTileTokens = 2;
inline constexpr int kStreamTileRows = 2;
inline constexpr int kStreamDecoded = 2;
inline constexpr int kStreamBf16 = 2;
inline constexpr int kStreamF32 = 2;
inline constexpr int kFp4StreamRows = 1;
inline constexpr int kBlockTokens = 0;  // registers are too few to go by blocks of columns
// Of a panel of decoded rows: the same.
inline constexpr int kPanelTileRows = 2;
inline constexpr int kPanelTileTokens = 2;
inline constexpr int kPanelRows = 8;
inline constexpr int kPanelColumns = 512;

// Quarter i holds lanes 4i .. 4i + 3.
struct F32x16 {
  float32x4_t q[4];
};
struct I32x16 {
  int32x4_t q[4];
};

// The same operation on all four quarters.
template <typename Out, typename Function>
FATHOM_INLINE Out Quarters(Function function) {
  Out out;
  out.q[0] = function(0);
  out.q[1] = function(1);
  out.q[2] = function(2);
  out.q[3] = function(3);
  return out;
}

// ---- float32 ------------------------------------------------------------------------------------------------------

FATHOM_INLINE F32x16 Broadcast(float x) {
  return Quarters<F32x16>([=](int) { return vdupq_n_f32(x); });
}
FATHOM_INLINE F32x16 Zero() { return Broadcast(0.0f); }
FATHOM_INLINE F32x16 Load(const void* p) {
  const auto* bytes = static_cast<const uint8_t*>(p);
  return Quarters<F32x16>([=](int i) { return vreinterpretq_f32_u8(vld1q_u8(bytes + 16 * i)); });
}
FATHOM_INLINE F32x16 LoadOnce(const void* p) { return Load(p); }
FATHOM_INLINE F32x16 LoadFirst(const void* p, int64_t n) {
  float padded[16] = {};
  std::memcpy(padded, p, static_cast<size_t>(4 * n));
  return Load(padded);
}
FATHOM_INLINE void Store(float* p, F32x16 x) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + 4 * i, x.q[i]);
}
FATHOM_INLINE void StoreFirst(float* p, int64_t n, F32x16 x) {
  float all[16];
  Store(all, x);
  std::memcpy(p, all, static_cast<size_t>(4 * n));
}
FATHOM_INLINE F32x16 KeepFirst(F32x16 x, int64_t n) {
  static constexpr int32_t kLane[4] = {0, 1, 2, 3};
  const int32x4_t lane = vld1q_s32(kLane);
  return Quarters<F32x16>([=](int i) {
    const uint32x4_t keep = vcltq_s32(lane, vdupq_n_s32(static_cast<int32_t>(n) - 4 * i));
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(x.q[i]), keep));
  });
}

FATHOM_INLINE F32x16 Add(F32x16 x, F32x16 y) {
  return Quarters<F32x16>([=](int i) { return vaddq_f32(x.q[i], y.q[i]); });
}
FATHOM_INLINE F32x16 Sub(F32x16 x, F32x16 y) {
  return Quarters<F32x16>([=](int i) { return vsubq_f32(x.q[i], y.q[i]); });
}
FATHOM_INLINE F32x16 Mul(F32x16 x, F32x16 y) {
  return Quarters<F32x16>([=](int i) { return vmulq_f32(x.q[i], y.q[i]); });
}
FATHOM_INLINE F32x16 Div(F32x16 x, F32x16 y) {
  return Quarters<F32x16>([=](int i) { return vdivq_f32(x.q[i], y.q[i]); });
}
FATHOM_INLINE F32x16 Fma(F32x16 x, F32x16 y, F32x16 z) {
  return Quarters<F32x16>([=](int i) { return vfmaq_f32(z.q[i], x.q[i], y.q[i]); });
}
// Not vmaxq_f32, which returns a NaN where there is one.
FATHOM_INLINE F32x16 Greater(F32x16 x, F32x16 y) {
  return Quarters<F32x16>([=](int i) { return vbslq_f32(vcgtq_f32(x.q[i], y.q[i]), x.q[i], y.q[i]); });
}
FATHOM_INLINE F32x16 Abs(F32x16 x) {
  return Quarters<F32x16>([=](int i) { return vabsq_f32(x.q[i]); });
}
FATHOM_INLINE F32x16 IfLess(F32x16 x, F32x16 y, F32x16 yes, F32x16 no) {
  return Quarters<F32x16>([=](int i) { return vbslq_f32(vcltq_f32(x.q[i], y.q[i]), yes.q[i], no.q[i]); });
}
FATHOM_INLINE F32x16 IfNan(F32x16 x, F32x16 yes, F32x16 no) {
  return Quarters<F32x16>([=](int i) { return vbslq_f32(vceqq_f32(x.q[i], x.q[i]), no.q[i], yes.q[i]); });
}

FATHOM_INLINE float MaxLane(F32x16 x) {
  return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.q[0], x.q[1]), vmaxq_f32(x.q[2], x.q[3])));
}
FATHOM_INLINE float FirstLane(F32x16 x) { return vgetq_lane_f32(x.q[0], 0); }
FATHOM_INLINE float SquareRoot(float x) { return __builtin_sqrtf(x); }

// The lanes folded to four: l += l[+8], then [+4].
FATHOM_INLINE float32x4_t FoldToFour(F32x16 x) {
  return vaddq_f32(vaddq_f32(x.q[0], x.q[2]), vaddq_f32(x.q[1], x.q[3]));
}
FATHOM_INLINE float TreeSum(F32x16 x) {
  const float32x4_t four = FoldToFour(x);
  return vpadds_f32(vadd_f32(vget_low_f32(four), vget_high_f32(four)));
}
// Two vectors of four, each folded to two: [+2].
FATHOM_INLINE float32x4_t FoldPair(float32x4_t x, float32x4_t y) {
  return vaddq_f32(vcombine_f32(vget_low_f32(x), vget_low_f32(y)), vcombine_f32(vget_high_f32(x), vget_high_f32(y)));
}
FATHOM_INLINE F32x16 TreeSums(const F32x16* x) {
  return Quarters<F32x16>([=](int i) {
    const F32x16* four = x + 4 * i;
    return vpaddq_f32(FoldPair(FoldToFour(four[0]), FoldToFour(four[1])),
                      FoldPair(FoldToFour(four[2]), FoldToFour(four[3])));
  });
}

// ---- float64 ------------------------------------------------------------------------------------------------------

// Pair i holds lanes 2i and 2i + 1.
struct F64x8 {
  float64x2_t p[4];
};
FATHOM_INLINE F64x8 ZeroDouble() {
  const float64x2_t zero = vdupq_n_f64(0.0);
  return {{zero, zero, zero, zero}};
}
FATHOM_INLINE F64x8 AddEight(F64x8 sum, float32x4_t low, float32x4_t high) {
  return {{vaddq_f64(sum.p[0], vcvt_f64_f32(vget_low_f32(low))), vaddq_f64(sum.p[1], vcvt_high_f64_f32(low)),
           vaddq_f64(sum.p[2], vcvt_f64_f32(vget_low_f32(high))), vaddq_f64(sum.p[3], vcvt_high_f64_f32(high))}};
}
FATHOM_INLINE F64x8 AddLow(F64x8 sum, F32x16 x) { return AddEight(sum, x.q[0], x.q[1]); }
FATHOM_INLINE F64x8 AddHigh(F64x8 sum, F32x16 x) { return AddEight(sum, x.q[2], x.q[3]); }
FATHOM_INLINE void StoreDouble(double* p, F64x8 x) {
  for (int i = 0; i < 4; ++i) vst1q_f64(p + 2 * i, x.p[i]);
}

// ---- int32 --------------------------------------------------------------------------------------------------------

FATHOM_INLINE I32x16 BroadcastInt(int32_t x) {
  return Quarters<I32x16>([=](int) { return vdupq_n_s32(x); });
}
FATHOM_INLINE I32x16 LoadInt(const void* p) {
  return Quarters<I32x16>([=](int i) { return vld1q_s32(static_cast<const int32_t*>(p) + 4 * i); });
}
FATHOM_INLINE void StoreInt(int32_t* p, I32x16 x) {
  for (int i = 0; i < 4; ++i) vst1q_s32(p + 4 * i, x.q[i]);
}
FATHOM_INLINE I32x16 AddInt(I32x16 x, I32x16 y) {
  return Quarters<I32x16>([=](int i) { return vaddq_s32(x.q[i], y.q[i]); });
}
FATHOM_INLINE I32x16 SubInt(I32x16 x, I32x16 y) {
  return Quarters<I32x16>([=](int i) { return vsubq_s32(x.q[i], y.q[i]); });
}
FATHOM_INLINE I32x16 And(I32x16 x, I32x16 y) {
  return Quarters<I32x16>([=](int i) { return vandq_s32(x.q[i], y.q[i]); });
}
FATHOM_INLINE I32x16 Or(I32x16 x, I32x16 y) {
  return Quarters<I32x16>([=](int i) { return vorrq_s32(x.q[i], y.q[i]); });
}
template <int kBits>
FATHOM_INLINE I32x16 ShiftLeft(I32x16 x) {
  return Quarters<I32x16>([=](int i) { return vshlq_n_s32(x.q[i], kBits); });
}
template <int kBits>
FATHOM_INLINE I32x16 ShiftRight(I32x16 x) {
  return Quarters<I32x16>([=](int i) { return vshrq_n_s32(x.q[i], kBits); });
}
template <int kBits>
FATHOM_INLINE I32x16 ShiftRightUnsigned(I32x16 x) {
  if constexpr (kBits == 0) return x;  // which the instruction does not take
  return Quarters<I32x16>(
      [=](int i) { return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(x.q[i]), kBits)); });
}
FATHOM_INLINE I32x16 Bits(F32x16 x) {
  return Quarters<I32x16>([=](int i) { return vreinterpretq_s32_f32(x.q[i]); });
}
FATHOM_INLINE F32x16 FromBits(I32x16 x) {
  return Quarters<F32x16>([=](int i) { return vreinterpretq_f32_s32(x.q[i]); });
}
FATHOM_INLINE F32x16 ToFloat(I32x16 x) {
  return Quarters<F32x16>([=](int i) { return vcvtq_f32_s32(x.q[i]); });
}
FATHOM_INLINE I32x16 ToInt(F32x16 x) {
  return Quarters<I32x16>([=](int i) { return vcvtq_s32_f32(x.q[i]); });
}
FATHOM_INLINE bool AnyBit(I32x16 x) {
  const int32x4_t any = vorrq_s32(vorrq_s32(x.q[0], x.q[1]), vorrq_s32(x.q[2], x.q[3]));
  return vmaxvq_u32(vreinterpretq_u32_s32(any)) != 0;
}
FATHOM_INLINE void StoreLowBytes(void* p, I32x16 x) {
  const int16x8_t low = vcombine_s16(vmovn_s32(x.q[0]), vmovn_s32(x.q[1]));
  const int16x8_t high = vcombine_s16(vmovn_s32(x.q[2]), vmovn_s32(x.q[3]));
  vst1q_s8(static_cast<int8_t*>(p), vcombine_s8(vmovn_s16(low), vmovn_s16(high)));
}

// ---- weights as floats ----------------------------------------------------------------------------------------------

FATHOM_INLINE F32x16 DecodeBf16(const uint8_t* p) {
  const uint16x8_t low = vreinterpretq_u16_u8(vld1q_u8(p));
  const uint16x8_t high = vreinterpretq_u16_u8(vld1q_u8(p + 16));
  return {{vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(low), 16)),
           vreinterpretq_f32_u32(vshll_n_u16(vget_high_u16(low), 16)),
           vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(high), 16)),
           vreinterpretq_f32_u32(vshll_n_u16(vget_high_u16(high), 16))}};
}
FATHOM_INLINE F32x16 DecodeBf16First(const uint8_t* p, int64_t n) {
  uint8_t padded[32] = {};
  std::memcpy(padded, p, static_cast<size_t>(2 * n));
  return DecodeBf16(padded);
}

// Registers are enough for 64 numbers decoded at a time.
#define FATHOM_FP8_FEW 0
#define FATHOM_FP8_SCALED_TABLES 0
#define FATHOM_COLUMN_BLOCKS 0
#define FATHOM_FP4_CHUNKS 0
// Whether 256 times the power is a finite float and `code` not 0, which stands for 0.
FATHOM_INLINE bool HasPowerTimes256(uint8_t code) { return code >= 1 && code <= 246; }

// Eight signed bytes of E4M3 as FP16 / 256: the code's bits moved to FP16's places are the number / 256, subnormal
// codes included; the NaN code becomes 480.
FATHOM_INLINE float16x8_t Fp8ToHalf(int8x8_t codes) {
  const int16x8_t half = vandq_s16(vshlq_n_s16(vmovl_s8(codes), 7), vdupq_n_s16(static_cast<int16_t>(0xBF80)));
  return vreinterpretq_f16_s16(half);
}
// 16 numbers / 256, times `factor`.
FATHOM_INLINE F32x16 DecodeFp8x16(const uint8_t* p, float factor) {
  const int8x16_t codes = vreinterpretq_s8_u8(vld1q_u8(p));
  const float16x8_t low = Fp8ToHalf(vget_low_s8(codes));
  const float16x8_t high = Fp8ToHalf(vget_high_s8(codes));
  const float32x4_t scale = vdupq_n_f32(factor);
  return {{vmulq_f32(vcvt_f32_f16(vget_low_f16(low)), scale), vmulq_f32(vcvt_high_f32_f16(low), scale),
           vmulq_f32(vcvt_f32_f16(vget_low_f16(high)), scale), vmulq_f32(vcvt_high_f32_f16(high), scale)}};
}
FATHOM_INLINE void DecodeFp8(const uint8_t* codes, F32x16* out) {
  for (int v = 0; v < 4; ++v) out[v] = DecodeFp8x16(codes + 16 * v, 256.0f);
}

FATHOM_INLINE void DecodeFp8Times(const uint8_t* codes, uint8_t power, F32x16* out) {
  if (HasPowerTimes256(power)) {
    const float scale = PowerOf(static_cast<uint8_t>(power + 8));
    for (int v = 0; v < 4; ++v) out[v] = DecodeFp8x16(codes + 16 * v, scale);
    return;
  }
  DecodeFp8(codes, out);
  for (int v = 0; v < 4; ++v) out[v] = Mul(out[v], Broadcast(PowerOf(power)));
}

// Twice the E2M1 numbers of the low or the high nibbles.
struct Nibbles {
  int8x16_t low;
  int8x16_t high;
};
FATHOM_INLINE Nibbles DoubledFp4(uint8x16_t bytes) {
  static constexpr int8_t kDoubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const int8x16_t table = vld1q_s8(kDoubled);
  return {vqtbl1q_s8(table, vandq_u8(bytes, vdupq_n_u8(15))), vqtbl1q_s8(table, vshrq_n_u8(bytes, 4))};
}
FATHOM_INLINE F32x16 HalfOf(int8x16_t doubled) {
  const float32x4_t half = vdupq_n_f32(0.5f);
  const int16x8_t low = vmovl_s8(vget_low_s8(doubled));
  const int16x8_t high = vmovl_s8(vget_high_s8(doubled));
  return {{vmulq_f32(half, vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)))),
           vmulq_f32(half, vcvtq_f32_s32(vmovl_s16(vget_high_s16(low)))),
           vmulq_f32(half, vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)))),
           vmulq_f32(half, vcvtq_f32_s32(vmovl_s16(vget_high_s16(high))))}};
}
FATHOM_INLINE void DecodeFp4ToFloat(const uint8_t* nibbles, F32x16* out) {
  const Nibbles doubled = DoubledFp4(vld1q_u8(nibbles));
  out[0] = HalfOf(vzip1q_s8(doubled.low, doubled.high));
  out[1] = HalfOf(vzip2q_s8(doubled.low, doubled.high));
}

// ---- FP4 against quantised input ------------------------------------------------------------------------------------

struct Fp4Nibbles {
  uint8x16_t dwords[4][4];  // [j][quarter]
};
FATHOM_INLINE Fp4Nibbles LoadFp4(const uint8_t* nibbles) {
  Fp4Nibbles w;
  for (int q = 0; q < 4; ++q) {
    const auto at = [&](int i) { return vreinterpretq_u32_u8(vld1q_u8(nibbles + 64 * i + 16 * q)); };
    const auto pairs = [](uint32x4_t x) { return vreinterpretq_u64_u32(x); };
    const uint64x2_t ab_even = pairs(vtrn1q_u32(at(0), at(1)));
    const uint64x2_t ab_odd = pairs(vtrn2q_u32(at(0), at(1)));
    const uint64x2_t cd_even = pairs(vtrn1q_u32(at(2), at(3)));
    const uint64x2_t cd_odd = pairs(vtrn2q_u32(at(2), at(3)));
    w.dwords[0][q] = vreinterpretq_u8_u64(vtrn1q_u64(ab_even, cd_even));
    w.dwords[1][q] = vreinterpretq_u8_u64(vtrn1q_u64(ab_odd, cd_odd));
    w.dwords[2][q] = vreinterpretq_u8_u64(vtrn2q_u64(ab_even, cd_even));
    w.dwords[3][q] = vreinterpretq_u8_u64(vtrn2q_u64(ab_odd, cd_odd));
  }
  return w;
}

// Signed: 2w.
struct Fp4Pair {
  Nibbles quarter[4];
};
FATHOM_INLINE Fp4Pair DecodeFp4Pair(const Fp4Nibbles& w, int j) {
  return {
      {DoubledFp4(w.dwords[j][0]), DoubledFp4(w.dwords[j][1]), DoubledFp4(w.dwords[j][2]), DoubledFp4(w.dwords[j][3])}};
}
// Where they lie: 32 registers do not hold them beside the weights.
struct BytePair {
  const int8_t* plane;
};
FATHOM_INLINE BytePair LoadBytePair(const int8_t* plane) { return {plane}; }
FATHOM_INLINE I32x16 DotPair(const I32x16& sum, const Fp4Pair& w, const BytePair& x) {
  const int8_t* const plane = x.plane;
  return Quarters<I32x16>([&](int i) {
    const int32x4_t even = vdotq_s32(sum.q[i], w.quarter[i].low, vld1q_s8(plane + 16 * i));
    return vdotq_s32(even, w.quarter[i].high, vld1q_s8(plane + 64 + 16 * i));
  });
}
// Signed weights need no offset.
FATHOM_INLINE I32x16 Fp4Start(const int32_t* /*offset*/) { return BroadcastInt(0); }

// A product of words takes more instructions here than the two of bytes: bytes serve any number of tokens.
#define FATHOM_FP4_WORDS 0

FATHOM_INLINE F32x16 DecodeFp4Scales(const uint8_t* codes) {
  static constexpr uint8_t kOrder[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  const uint8x16_t sorted = vqtbl1q_u8(vld1q_u8(codes), vld1q_u8(kOrder));
  const uint16x8_t low = vmovl_u8(vget_low_u8(sorted));
  const uint16x8_t high = vmovl_u8(vget_high_u8(sorted));
  const auto power = [](uint16x4_t code) { return vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(code), 23)); };
  return {{power(vget_low_u16(low)), power(vget_high_u16(low)), power(vget_low_u16(high)), power(vget_high_u16(high))}};
}
FATHOM_INLINE F32x16 LoadFourTimes(const float* four) {
  return Quarters<F32x16>([=](int) { return vld1q_f32(four); });
}

// ---- indexer keys --------------------------------------------------------------------------------------------------

// Keys are signed here.
inline constexpr int32_t kKeyBias = 0;

// Four dwords of each of sixteen rows from `byte` on: row r's i-th one goes to out[i] + 4 r.
FATHOM_INLINE void TransposeFour(const uint8_t* const* row, int64_t byte, uint8_t (*out)[64]) {
  for (int q = 0; q < 4; ++q) {
    const auto four = [&](int i) { return vreinterpretq_u32_u8(vld1q_u8(row[4 * q + i] + byte)); };
    const uint32x4x2_t rows01 = vzipq_u32(four(0), four(1));
    const uint32x4x2_t rows23 = vzipq_u32(four(2), four(3));
    for (int pair = 0; pair < 2; ++pair) {
      const uint64x2_t a = vreinterpretq_u64_u32(rows01.val[pair]);
      const uint64x2_t b = vreinterpretq_u64_u32(rows23.val[pair]);
      vst1q_u8(out[2 * pair] + 16 * q, vreinterpretq_u8_u64(vzip1q_u64(a, b)));
      vst1q_u8(out[2 * pair + 1] + 16 * q, vreinterpretq_u8_u64(vzip2q_u64(a, b)));
    }
  }
}

FATHOM_INLINE void DecodeKeys(const uint8_t* nibbles, uint8_t* low, uint8_t* high) {
  for (int i = 0; i < 4; ++i) {
    const Nibbles doubled = DoubledFp4(vld1q_u8(nibbles + 16 * i));
    vst1q_u8(low + 16 * i, vreinterpretq_u8_s8(doubled.low));
    vst1q_u8(high + 16 * i, vreinterpretq_u8_s8(doubled.high));
  }
}

// A block fills 32 registers: it is read again for every head.
inline constexpr int kIndexHeadTile = 1;
struct KeyBlock {
  const uint8_t* values;
};
FATHOM_INLINE KeyBlock LoadKeyBlock(const uint8_t* values) { return {values}; }
template <int H>
FATHOM_INLINE void DotKeys(const KeyBlock& keys, const int32_t* const (&q)[H], const int32_t (&offset)[H],
                           I32x16 (&dots)[H]) {
  for (int head = 0; head < H; ++head) {
    const int8x16_t first = vreinterpretq_s8_s32(vld1q_s32(q[head]));
    const int8x16_t second = vreinterpretq_s8_s32(vld1q_s32(q[head] + 4));
    dots[head] = Quarters<I32x16>([&](int i) {
      const auto key = [&](int group) { return vreinterpretq_s8_u8(vld1q_u8(keys.values + 64 * group + 16 * i)); };
      int32x4_t sum = vdupq_n_s32(offset[head]);
      sum = vdotq_laneq_s32(sum, key(0), first, 0);
      sum = vdotq_laneq_s32(sum, key(1), first, 1);
      sum = vdotq_laneq_s32(sum, key(2), first, 2);
      sum = vdotq_laneq_s32(sum, key(3), first, 3);
      sum = vdotq_laneq_s32(sum, key(4), second, 0);
      sum = vdotq_laneq_s32(sum, key(5), second, 1);
      sum = vdotq_laneq_s32(sum, key(6), second, 2);
      return vdotq_laneq_s32(sum, key(7), second, 3);
    });
  }
}

}  // namespace fathom::neon

#include "kernels/simd/whole_parts.inc"

#endif  // FATHOM_KERNELS_NEON_SIMD_H_
