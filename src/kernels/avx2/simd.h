// simd.h (avx2) - the primitives of avx512/simd.h, explained there, for AVX2 with FMA and F16C.
#ifndef FATHOM_KERNELS_AVX2_SIMD_H_
#define FATHOM_KERNELS_AVX2_SIMD_H_

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

#define FATHOM_ISA avx2
#define FATHOM_INLINE static inline __attribute__((always_inline))

#include "kernels/simd/power.inc"

namespace fathom::avx2 {

// 2 x 2 running sums of 16 lanes are 8 of the 16 registers.
inline constexpr int kTileRows = 2;
inline constexpr int kTileTokens = 2;
// Up to so many tokens weights go from memory through registers to the sums, a few rows at a time; up to kBlockTokens
// by blocks of columns; with more, through panels of decoded rows.
inline constexpr int kStreamDecoded = 2;
inline constexpr int kStreamBf16 = 2;
inline constexpr int kStreamF32 = 2;
inline constexpr int kFp4StreamTokens = 3;
inline constexpr int kFp4StreamRows = 1;
inline constexpr int kBlockTokens = 8;
// The tiles of that; one row alone does not hide the latency.
inline constexpr int kStreamTileTokens = 2;
inline constexpr int kStreamTileRows = 2;
inline constexpr int kBlockTileRows = 2;  // times 6 inputs: 12 sums of half the lanes
inline constexpr int kBlockTileTokens = 6;
inline constexpr int kBlockAheadRows = 12;
inline constexpr int kBlockLocality = 3;  // lines are fetched into the first-level cache
// Of a panel of decoded rows: 3 x 4 sums of half the lanes leave registers for a column of weights and one of inputs;
// products of words need one more.
inline constexpr int kPanelTileRows = 3;
inline constexpr int kPanelTileTokens = 4;
inline constexpr int kPanelRows = 12;
inline constexpr int kPanelColumns = 384;
inline constexpr int kFp4TileRows = 2;
inline constexpr int kFp4TileTokens = 4;
// Up to so many residuals of a chunk are added one after the other: with four in each, products of 12 tokens take 13 %
// less time so, by a small program that is not kept. All that are listed, which was not tried apart.
inline constexpr uint32_t kFewResiduals = 10;

// Lanes 0..7 and 8..15.
struct F32x16 {
  __m256 a;
  __m256 b;
};
struct I32x16 {
  __m256i a;
  __m256i b;
};

// All ones in the first n of 8 lanes; n may lie outside [0, 8].
FATHOM_INLINE __m256i FirstLanes(int64_t n) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(n)), lane);
}

// ---- float32 ------------------------------------------------------------------------------------------------------

FATHOM_INLINE F32x16 Zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
FATHOM_INLINE F32x16 Broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
FATHOM_INLINE F32x16 Load(const void* p) {
  const auto* f = static_cast<const float*>(p);
  return {_mm256_loadu_ps(f), _mm256_loadu_ps(f + 8)};
}
FATHOM_INLINE F32x16 LoadFirst(const void* p, int64_t n) {
  const auto* f = static_cast<const float*>(p);
  return {_mm256_maskload_ps(f, FirstLanes(n)), _mm256_maskload_ps(f + 8, FirstLanes(n - 8))};
}
FATHOM_INLINE void Store(float* p, F32x16 x) {
  _mm256_storeu_ps(p, x.a);
  _mm256_storeu_ps(p + 8, x.b);
}
FATHOM_INLINE void StoreFirst(float* p, int64_t n, F32x16 x) {
  _mm256_maskstore_ps(p, FirstLanes(n), x.a);
  _mm256_maskstore_ps(p + 8, FirstLanes(n - 8), x.b);
}
FATHOM_INLINE F32x16 KeepFirst(F32x16 x, int64_t n) {
  return {_mm256_and_ps(x.a, _mm256_castsi256_ps(FirstLanes(n))),
          _mm256_and_ps(x.b, _mm256_castsi256_ps(FirstLanes(n - 8)))};
}

FATHOM_INLINE F32x16 Add(F32x16 x, F32x16 y) { return {_mm256_add_ps(x.a, y.a), _mm256_add_ps(x.b, y.b)}; }
FATHOM_INLINE F32x16 Sub(F32x16 x, F32x16 y) { return {_mm256_sub_ps(x.a, y.a), _mm256_sub_ps(x.b, y.b)}; }
FATHOM_INLINE F32x16 Mul(F32x16 x, F32x16 y) { return {_mm256_mul_ps(x.a, y.a), _mm256_mul_ps(x.b, y.b)}; }
FATHOM_INLINE F32x16 Div(F32x16 x, F32x16 y) { return {_mm256_div_ps(x.a, y.a), _mm256_div_ps(x.b, y.b)}; }
FATHOM_INLINE F32x16 Fma(F32x16 x, F32x16 y, F32x16 z) {
  return {_mm256_fmadd_ps(x.a, y.a, z.a), _mm256_fmadd_ps(x.b, y.b, z.b)};
}
FATHOM_INLINE F32x16 Greater(F32x16 x, F32x16 y) { return {_mm256_max_ps(x.a, y.a), _mm256_max_ps(x.b, y.b)}; }
FATHOM_INLINE F32x16 Abs(F32x16 x) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  return {_mm256_andnot_ps(sign, x.a), _mm256_andnot_ps(sign, x.b)};
}
FATHOM_INLINE F32x16 IfLess(F32x16 x, F32x16 y, F32x16 yes, F32x16 no) {
  return {_mm256_blendv_ps(no.a, yes.a, _mm256_cmp_ps(x.a, y.a, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.b, yes.b, _mm256_cmp_ps(x.b, y.b, _CMP_LT_OQ))};
}
FATHOM_INLINE F32x16 IfNan(F32x16 x, F32x16 yes, F32x16 no) {
  return {_mm256_blendv_ps(no.a, yes.a, _mm256_cmp_ps(x.a, x.a, _CMP_UNORD_Q)),
          _mm256_blendv_ps(no.b, yes.b, _mm256_cmp_ps(x.b, x.b, _CMP_UNORD_Q))};
}

// Whether every lane is 0 (or -0).
FATHOM_INLINE bool AllZero(F32x16 x) {
  const __m256 zero = _mm256_setzero_ps();
  const __m256 both = _mm256_and_ps(_mm256_cmp_ps(x.a, zero, _CMP_EQ_OQ), _mm256_cmp_ps(x.b, zero, _CMP_EQ_OQ));
  return _mm256_movemask_ps(both) == 255;
}
FATHOM_INLINE float MaxLane(F32x16 x) {
  const __m256 eight = _mm256_max_ps(x.a, x.b);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
FATHOM_INLINE float FirstLane(F32x16 x) { return _mm256_cvtss_f32(x.a); }
FATHOM_INLINE float SquareRoot(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }

FATHOM_INLINE float TreeSum(F32x16 x) {
  const __m256 eight = _mm256_add_ps(x.a, x.b);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// Lane i = the tree sum of eight[i]'s lanes.
FATHOM_INLINE __m256 TreeSums8(const __m256* eight) {
  // Each round folds two vectors into one; eight[i] and eight[i + 4] meet in the first, so that the halves come out in
  // order.
  __m256 four[4];
  for (int i = 0; i < 4; ++i) {
    four[i] = _mm256_add_ps(_mm256_permute2f128_ps(eight[i], eight[i + 4], 0x20),
                            _mm256_permute2f128_ps(eight[i], eight[i + 4], 0x31));
  }
  __m256 two[2];
  for (int i = 0; i < 2; ++i) {
    const __m256d x = _mm256_castps_pd(four[i]);
    const __m256d y = _mm256_castps_pd(four[i + 2]);
    two[i] = _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(x, y)), _mm256_castpd_ps(_mm256_unpackhi_pd(x, y)));
  }
  // Quarters now hold sums of inputs 0, 2 (or 4, 6) and 1, 3 (or 5, 7).
  const __m256 sums = _mm256_add_ps(_mm256_shuffle_ps(two[0], two[1], 0x88), _mm256_shuffle_ps(two[0], two[1], 0xDD));
  return _mm256_permute_ps(sums, 0xD8);
}
FATHOM_INLINE F32x16 TreeSums(const F32x16* x) {
  __m256 eight[16];
  for (int i = 0; i < 16; ++i) eight[i] = _mm256_add_ps(x[i].a, x[i].b);
  return {TreeSums8(eight), TreeSums8(eight + 8)};
}

// ---- parts --------------------------------------------------------------------------------------------------------

// What of sixteen lanes one register holds: lanes 0..7 or 8..15. Tiles over decoded weights go over the columns once
// for each part: twelve sums of one part need fewer loads than six of both.
inline constexpr int kPartLanes = 8;
#define FATHOM_COLUMN_BLOCKS 1
struct F32Part {
  __m256 v;
};
struct I32Part {
  __m256i v;
};
FATHOM_INLINE F32Part ZeroPart() { return {_mm256_setzero_ps()}; }
FATHOM_INLINE F32Part BroadcastPart(float x) { return {_mm256_set1_ps(x)}; }
FATHOM_INLINE F32Part LoadPart(const void* p) { return {_mm256_loadu_ps(static_cast<const float*>(p))}; }
FATHOM_INLINE F32Part LoadPartOnce(const void* p) {
  F32Part x = LoadPart(p);
  __asm__("" : "+x"(x.v));
  return x;
}
// Read once, too: three rows that read it again would take two loads for each product and a half, which are as many as
// there are.
FATHOM_INLINE F32Part LoadInput(const void* p) { return LoadPartOnce(p); }
// n may lie outside [0, 8].
FATHOM_INLINE F32Part LoadPartFirst(const void* p, int64_t n) {
  return {_mm256_maskload_ps(static_cast<const float*>(p), FirstLanes(n))};
}
FATHOM_INLINE F32Part LoadPartFourTimes(const float* four) {
  return {_mm256_broadcast_ps(reinterpret_cast<const __m128*>(four))};
}
template <int kLane>
FATHOM_INLINE F32Part PartOf(F32x16 x) {
  return {kLane == 0 ? x.a : x.b};
}
FATHOM_INLINE void Store(float* p, F32Part x) { _mm256_storeu_ps(p, x.v); }
FATHOM_INLINE F32Part Mul(F32Part x, F32Part y) { return {_mm256_mul_ps(x.v, y.v)}; }
FATHOM_INLINE F32Part Fma(F32Part x, F32Part y, F32Part z) { return {_mm256_fmadd_ps(x.v, y.v, z.v)}; }
FATHOM_INLINE I32Part ZeroIntPart() { return {_mm256_setzero_si256()}; }
FATHOM_INLINE I32Part BroadcastIntPart(int32_t x) { return {_mm256_set1_epi32(x)}; }
FATHOM_INLINE I32Part And(I32Part x, I32Part y) { return {_mm256_and_si256(x.v, y.v)}; }
FATHOM_INLINE I32Part LoadIntPart(const void* p) { return {_mm256_loadu_si256(static_cast<const __m256i*>(p))}; }
// g++ 12 otherwise holds sums as vectors of two types, and stores one of them in every round.
FATHOM_INLINE I32Part InRegister(I32Part x) {
  __asm__("" : "+x"(x.v));
  return x;
}
FATHOM_INLINE I32Part LoadIntPartOnce(const void* p) { return InRegister(LoadIntPart(p)); }
FATHOM_INLINE F32Part ToFloat(I32Part x) { return {_mm256_cvtepi32_ps(x.v)}; }

// ---- float64 ------------------------------------------------------------------------------------------------------

// Lanes 0..3 and 4..7.
struct F64x8 {
  __m256d a;
  __m256d b;
};
FATHOM_INLINE F64x8 ZeroDouble() { return {_mm256_setzero_pd(), _mm256_setzero_pd()}; }
FATHOM_INLINE F64x8 AddEight(F64x8 sum, __m256 x) {
  return {_mm256_add_pd(sum.a, _mm256_cvtps_pd(_mm256_castps256_ps128(x))),
          _mm256_add_pd(sum.b, _mm256_cvtps_pd(_mm256_extractf128_ps(x, 1)))};
}
FATHOM_INLINE F64x8 AddLow(F64x8 sum, F32x16 x) { return AddEight(sum, x.a); }
FATHOM_INLINE F64x8 AddHigh(F64x8 sum, F32x16 x) { return AddEight(sum, x.b); }
FATHOM_INLINE void StoreDouble(double* p, F64x8 x) {
  _mm256_storeu_pd(p, x.a);
  _mm256_storeu_pd(p + 4, x.b);
}

// ---- int32 --------------------------------------------------------------------------------------------------------

FATHOM_INLINE I32x16 BroadcastInt(int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
FATHOM_INLINE I32x16 LoadInt(const void* p) {
  const auto* v = static_cast<const __m256i*>(p);
  return {_mm256_loadu_si256(v), _mm256_loadu_si256(v + 1)};
}
FATHOM_INLINE void StoreInt(int32_t* p, I32x16 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), x.a);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p + 8), x.b);
}
FATHOM_INLINE I32x16 AddInt(I32x16 x, I32x16 y) { return {_mm256_add_epi32(x.a, y.a), _mm256_add_epi32(x.b, y.b)}; }
FATHOM_INLINE I32x16 SubInt(I32x16 x, I32x16 y) { return {_mm256_sub_epi32(x.a, y.a), _mm256_sub_epi32(x.b, y.b)}; }
FATHOM_INLINE I32x16 And(I32x16 x, I32x16 y) { return {_mm256_and_si256(x.a, y.a), _mm256_and_si256(x.b, y.b)}; }
FATHOM_INLINE I32x16 Or(I32x16 x, I32x16 y) { return {_mm256_or_si256(x.a, y.a), _mm256_or_si256(x.b, y.b)}; }
template <int kBits>
FATHOM_INLINE I32x16 ShiftLeft(I32x16 x) {
  return {_mm256_slli_epi32(x.a, kBits), _mm256_slli_epi32(x.b, kBits)};
}
template <int kBits>
FATHOM_INLINE I32x16 ShiftRight(I32x16 x) {
  return {_mm256_srai_epi32(x.a, kBits), _mm256_srai_epi32(x.b, kBits)};
}
template <int kBits>
FATHOM_INLINE I32x16 ShiftRightUnsigned(I32x16 x) {
  return {_mm256_srli_epi32(x.a, kBits), _mm256_srli_epi32(x.b, kBits)};
}
FATHOM_INLINE I32x16 Bits(F32x16 x) { return {_mm256_castps_si256(x.a), _mm256_castps_si256(x.b)}; }
FATHOM_INLINE F32x16 FromBits(I32x16 x) { return {_mm256_castsi256_ps(x.a), _mm256_castsi256_ps(x.b)}; }
FATHOM_INLINE F32x16 ToFloat(I32x16 x) { return {_mm256_cvtepi32_ps(x.a), _mm256_cvtepi32_ps(x.b)}; }
FATHOM_INLINE I32x16 ToInt(F32x16 x) { return {_mm256_cvttps_epi32(x.a), _mm256_cvttps_epi32(x.b)}; }
FATHOM_INLINE bool AnyBit(I32x16 x) {
  const __m256i any = _mm256_or_si256(x.a, x.b);
  return _mm256_testz_si256(any, any) == 0;
}
FATHOM_INLINE void StoreLowBytes(void* p, I32x16 x) {
  const __m256i low = _mm256_set1_epi32(255);
  const __m256i words = _mm256_packus_epi32(_mm256_and_si256(x.a, low), _mm256_and_si256(x.b, low));
  const __m256i bytes = _mm256_packus_epi16(words, words);  // 0-3 8-11 0-3 8-11 | 4-7 12-15 4-7 12-15
  const __m256i ordered = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 0, 0, 0, 0));
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm256_castsi256_si128(ordered));
}

// ---- weights as floats ----------------------------------------------------------------------------------------------

// Numbers kLane to kLane + 7 of sixteen, by a shuffle like FP8's.
template <int kLane>
FATHOM_INLINE F32Part DecodeBf16Part(const uint8_t* p) {
  const __m256i places = _mm256_setr_epi8(-1, -1, 0, 1, -1, -1, 2, 3, -1, -1, 4, 5, -1, -1, 6, 7,  //
                                          -1, -1, 8, 9, -1, -1, 10, 11, -1, -1, 12, 13, -1, -1, 14, 15);
  const __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 2 * kLane)));
  return {_mm256_castsi256_ps(_mm256_shuffle_epi8(twice, places))};
}
FATHOM_INLINE F32x16 DecodeBf16(const uint8_t* p) { return {DecodeBf16Part<0>(p).v, DecodeBf16Part<8>(p).v}; }
FATHOM_INLINE F32x16 DecodeBf16First(const uint8_t* p, int64_t n) {
  uint8_t padded[32] = {};
  std::memcpy(padded, p, static_cast<size_t>(2 * n));
  return DecodeBf16(padded);
}

// Numbers / 2^120: a code's bits moved to a float's places, subnormal codes included (as subnormal floats, which a
// product leaves); the NaN code becomes 480. Bytes go to the top of their lanes by a shuffle: widening moves take two
// to three times as long.
#define FATHOM_FP8_FEW 1
#define FATHOM_FP8_SCALED_TABLES 0
template <int kLane>
FATHOM_INLINE F32Part DecodeSmallFp8Part(const uint8_t* codes) {
  constexpr char kFirst = kLane;
  const __m256i places =
      _mm256_setr_epi8(-1, -1, -1, kFirst, -1, -1, -1, kFirst + 1, -1, -1, -1, kFirst + 2, -1, -1, -1, kFirst + 3,  //
                       -1, -1, -1, kFirst + 4, -1, -1, -1, kFirst + 5, -1, -1, -1, kFirst + 6, -1, -1, -1, kFirst + 7);
  const __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
  const __m256i top = _mm256_shuffle_epi8(twice, places);
  const __m256i moved = _mm256_and_si256(_mm256_srai_epi32(top, 4), _mm256_set1_epi32(static_cast<int>(0x87F00000)));
  return {_mm256_castsi256_ps(moved)};
}
// Sixteen of them in swapped order (see Swapped()), by words: fewer instructions.
FATHOM_INLINE F32x16 DecodeSmallFp8(const uint8_t* codes) {
  const __m256i places = _mm256_setr_epi8(-1, 0, -1, 1, -1, 2, -1, 3, -1, 4, -1, 5, -1, 6, -1, 7,  //
                                          -1, 8, -1, 9, -1, 10, -1, 11, -1, 12, -1, 13, -1, 14, -1, 15);
  const __m256i twice = _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
  const __m256i top = _mm256_shuffle_epi8(twice, places);
  const __m256i moved = _mm256_and_si256(_mm256_srai_epi16(top, 4), _mm256_set1_epi16(static_cast<int16_t>(0x87F0)));
  const __m256i zero = _mm256_setzero_si256();
  return {_mm256_castsi256_ps(_mm256_unpacklo_epi16(zero, moved)),
          _mm256_castsi256_ps(_mm256_unpackhi_epi16(zero, moved))};
}
// Lanes 0-3 8-11 4-7 12-15 instead of 0-15, and back.
FATHOM_INLINE F32x16 Swapped(F32x16 x) {
  return {_mm256_permute2f128_ps(x.a, x.b, 0x20), _mm256_permute2f128_ps(x.a, x.b, 0x31)};
}

// 2^120 times a scale, where that is a finite float.
FATHOM_INLINE bool HasFp8Scale(uint8_t power) { return power <= 134; }
FATHOM_INLINE float Fp8Scale(uint8_t power) { return PowerOf(static_cast<uint8_t>(power + 120)); }

FATHOM_INLINE F32x16 DecodeFp8x16(const uint8_t* codes, F32x16 scale) {
  return Mul({DecodeSmallFp8Part<0>(codes).v, DecodeSmallFp8Part<8>(codes).v}, scale);
}
FATHOM_INLINE void DecodeFp8(const uint8_t* codes, F32x16* out) {
  const F32x16 one = Broadcast(Fp8Scale(127));
  for (int v = 0; v < 4; ++v) out[v] = DecodeFp8x16(codes + 16 * v, one);
}
FATHOM_INLINE void DecodeFp8Times(const uint8_t* codes, uint8_t power, F32x16* out) {
  const bool at_once = power >= 1 && HasFp8Scale(power);  // a code of 0 stands for 0
  const F32x16 scale = Broadcast(Fp8Scale(at_once ? power : 127));
  for (int v = 0; v < 4; ++v) out[v] = DecodeFp8x16(codes + 16 * v, scale);
  if (at_once) return;
  for (int v = 0; v < 4; ++v) out[v] = Mul(out[v], Broadcast(PowerOf(power)));
}

FATHOM_INLINE __m256 HalfOf(__m128i doubled) {
  return _mm256_mul_ps(_mm256_set1_ps(0.5f), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(doubled)));
}
FATHOM_INLINE void DecodeFp4ToFloat(const uint8_t* nibbles, F32x16* out) {
  const __m128i table = _mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(nibbles));
  const __m128i mask = _mm_set1_epi8(15);
  const __m128i even = _mm_shuffle_epi8(table, _mm_and_si128(bytes, mask));
  const __m128i odd = _mm_shuffle_epi8(table, _mm_and_si128(_mm_srli_epi16(bytes, 4), mask));
  const __m128i first = _mm_unpacklo_epi8(even, odd);
  const __m128i second = _mm_unpackhi_epi8(even, odd);
  out[0] = {HalfOf(first), HalfOf(_mm_srli_si128(first, 8))};
  out[1] = {HalfOf(second), HalfOf(_mm_srli_si128(second, 8))};
}

// ---- FP4 against quantised input ------------------------------------------------------------------------------------

// 2w + 12 of the low nibbles; bytes are at most 15.
FATHOM_INLINE __m256i Fp4Bytes(__m256i nibbles) {
  const __m256i table =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  return _mm256_shuffle_epi8(table, nibbles);
}
FATHOM_INLINE __m256i LowNibbles(__m256i bytes) { return _mm256_and_si256(bytes, _mm256_set1_epi8(15)); }
FATHOM_INLINE __m256i HighNibbles(__m256i bytes) { return LowNibbles(_mm256_srli_epi16(bytes, 4)); }

struct Fp4Nibbles {
  __m256i dwords[4][2];
};
FATHOM_INLINE Fp4Nibbles LoadFp4(const uint8_t* nibbles) {
  Fp4Nibbles w;
  for (int h = 0; h < 2; ++h) {
    const auto at = [&](int i) {
      return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(nibbles + 64 * i + 32 * h));
    };
    const __m256i ab_low = _mm256_unpacklo_epi32(at(0), at(1));
    const __m256i ab_high = _mm256_unpackhi_epi32(at(0), at(1));
    const __m256i cd_low = _mm256_unpacklo_epi32(at(2), at(3));
    const __m256i cd_high = _mm256_unpackhi_epi32(at(2), at(3));
    w.dwords[0][h] = _mm256_unpacklo_epi64(ab_low, cd_low);
    w.dwords[1][h] = _mm256_unpackhi_epi64(ab_low, cd_low);
    w.dwords[2][h] = _mm256_unpacklo_epi64(ab_high, cd_high);
    w.dwords[3][h] = _mm256_unpackhi_epi64(ab_high, cd_high);
  }
  return w;
}

struct Fp4Pair {
  __m256i even[2];
  __m256i odd[2];
};
FATHOM_INLINE Fp4Pair DecodeFp4Pair(const Fp4Nibbles& w, int j) {
  Fp4Pair pair;
  for (int h = 0; h < 2; ++h) {
    pair.even[h] = Fp4Bytes(LowNibbles(w.dwords[j][h]));
    pair.odd[h] = Fp4Bytes(HighNibbles(w.dwords[j][h]));
  }
  return pair;
}

// A chunk of codes times T inputs, half of the lanes after the other, so that nothing is stored between. Eight products
// are at most 8 * 24 * 128 = 24576, within 16 bits.
#define FATHOM_FP4_CHUNKS 1
template <int kHalf, int T, bool kInt8, int kWide>
FATHOM_INLINE void DotFp4Half(const uint8_t* codes, const Fp8Chunk* const* x, __m256i (&sums)[T], __m256i (&rest)[T]) {
  const auto at = [&](int i) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(codes + 64 * i + 32 * kHalf));
  };
  const __m256i ab_low = _mm256_unpacklo_epi32(at(0), at(1));
  const __m256i ab_high = _mm256_unpackhi_epi32(at(0), at(1));
  const __m256i cd_low = _mm256_unpacklo_epi32(at(2), at(3));
  const __m256i cd_high = _mm256_unpackhi_epi32(at(2), at(3));
  const __m256i dwords[4] = {_mm256_unpacklo_epi64(ab_low, cd_low), _mm256_unpackhi_epi64(ab_low, cd_low),
                             _mm256_unpacklo_epi64(ab_high, cd_high), _mm256_unpackhi_epi64(ab_high, cd_high)};
  for (int t = 0; t < T; ++t) {
    sums[t] = _mm256_load_si256(reinterpret_cast<const __m256i*>(x[t]->offset + 8 * kHalf));
    if (kWide >> t & 1)
      rest[t] = _mm256_load_si256(reinterpret_cast<const __m256i*>(x[t]->residual_offset + 8 * kHalf));
  }
#pragma GCC unroll 2
  for (int j = 0; j < 4; j += 2) {
    const __m256i w[4] = {Fp4Bytes(LowNibbles(dwords[j])), Fp4Bytes(HighNibbles(dwords[j])),
                          Fp4Bytes(LowNibbles(dwords[j + 1])), Fp4Bytes(HighNibbles(dwords[j + 1]))};
    const auto dot = [&](const int8_t* plane) {
      const auto* bytes = reinterpret_cast<const __m256i*>(plane + 128 * j + 32 * kHalf);
      const __m256i first =
          _mm256_add_epi16(_mm256_maddubs_epi16(w[0], bytes[0]), _mm256_maddubs_epi16(w[1], bytes[2]));
      const __m256i second =
          _mm256_add_epi16(_mm256_maddubs_epi16(w[2], bytes[4]), _mm256_maddubs_epi16(w[3], bytes[6]));
      return _mm256_add_epi16(first, second);
    };
    for (int t = 0; t < T; ++t) {
      sums[t] = _mm256_add_epi32(sums[t], _mm256_madd_epi16(dot(x[t]->low), _mm256_set1_epi16(1)));
      if (kInt8) continue;
      sums[t] = _mm256_add_epi32(sums[t], _mm256_madd_epi16(dot(x[t]->high), _mm256_set1_epi16(256)));
      if (kWide >> t & 1)
        rest[t] = _mm256_add_epi32(rest[t], _mm256_madd_epi16(dot(x[t]->residual), _mm256_set1_epi16(1)));
    }
  }
}
template <int T, bool kInt8, int kWide>
FATHOM_INLINE void DotFp4Chunk(const uint8_t* codes, const Fp8Chunk* const* x, I32x16 (&sums)[T], I32x16 (&rest)[T]) {
  __m256i half[T];
  __m256i half_rest[T];
  DotFp4Half<0, T, kInt8, kWide>(codes, x, half, half_rest);
  for (int t = 0; t < T; ++t) {
    sums[t].a = half[t];
    if (kWide >> t & 1) rest[t].a = half_rest[t];
  }
  DotFp4Half<1, T, kInt8, kWide>(codes, x, half, half_rest);
  for (int t = 0; t < T; ++t) {
    sums[t].b = half[t];
    if (kWide >> t & 1) rest[t].b = half_rest[t];
  }
}

// Words as in avx512: fewer instructions for several tokens here, too.
#define FATHOM_FP4_WORDS 1
// 2w of the nibbles in the high bytes of words, where nothing else is.
FATHOM_INLINE __m256i Fp4Word(__m256i nibbles) {
  const __m256i table =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12));
  const __m256i high = _mm256_and_si256(nibbles, _mm256_set1_epi16(0x0F00));
  return _mm256_srai_epi16(_mm256_shuffle_epi8(table, high), 8);
}
FATHOM_INLINE void StoreFp4Words(const Fp4Nibbles& w, int16_t* words) {
  for (int j = 0; j < 4; ++j) {
    for (int h = 0; h < 2; ++h) {
      const __m256i d = w.dwords[j][h];
      auto* out = reinterpret_cast<__m256i*>(words + 128 * j + 16 * h);
      _mm256_store_si256(out, Fp4Word(_mm256_slli_epi16(d, 8)));
      _mm256_store_si256(out + 2, Fp4Word(_mm256_slli_epi16(d, 4)));
      _mm256_store_si256(out + 4, Fp4Word(d));
      _mm256_store_si256(out + 6, Fp4Word(_mm256_srli_epi16(d, 4)));
    }
  }
}
FATHOM_INLINE void StoreFp4Bytes(const Fp4Nibbles& w, uint8_t* bytes) {
  for (int j = 0; j < 4; ++j) {
    const Fp4Pair pair = DecodeFp4Pair(w, j);
    for (int h = 0; h < 2; ++h) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(bytes + 128 * j + 32 * h), pair.even[h]);
      _mm256_store_si256(reinterpret_cast<__m256i*>(bytes + 128 * j + 64 + 32 * h), pair.odd[h]);
    }
  }
}
FATHOM_INLINE I32Part DotWords(I32Part sum, I32Part w, I32Part x) {
  return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(w.v, x.v))};
}
FATHOM_INLINE I32Part BroadcastWords(const int16_t* pair) {
  int32_t both;
  std::memcpy(&both, pair, sizeof both);
  return {_mm256_set1_epi32(both)};
}
// Sums in words: two products of every 64 columns, for 256 columns 8 * 24 * 128 = 24576; residuals (-4 to 3) add up to
// less for all 512.
inline constexpr bool kBytesAddUpInWords = true;
FATHOM_INLINE I32Part DotBytes(I32Part words, I32Part w, I32Part x) {
  return {_mm256_add_epi16(words.v, _mm256_maddubs_epi16(w.v, x.v))};
}
FATHOM_INLINE I32Part AddWords(I32Part sum, I32Part words) {
  return {_mm256_add_epi32(sum.v, _mm256_madd_epi16(words.v, _mm256_set1_epi16(1)))};
}

FATHOM_INLINE F32x16 DecodeFp4Scales(const uint8_t* codes) {
  const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m128i sorted = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)), order);
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu8_epi32(sorted), 23)),
          _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu8_epi32(_mm_srli_si128(sorted, 8)), 23))};
}
FATHOM_INLINE F32x16 LoadFourTimes(const float* four) {
  const __m256 twice = _mm256_broadcast_ps(reinterpret_cast<const __m128*>(four));
  return {twice, twice};
}

// ---- indexer keys --------------------------------------------------------------------------------------------------

inline constexpr int32_t kKeyBias = 12;

// Four dwords of each of sixteen rows from `byte` on: row r's i-th one goes to out[i] + 4 r.
FATHOM_INLINE void TransposeFour(const uint8_t* const* row, int64_t byte, uint8_t (*out)[64]) {
  for (int half = 0; half < 2; ++half) {
    __m256i rows[4];  // 128-bit part q of rows[i] is of row 8 half + 4 q + i
    for (int i = 0; i < 4; ++i) {
      const auto four = [&](int q) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row[8 * half + 4 * q + i] + byte));
      };
      rows[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(four(0)), four(1), 1);
    }
    const __m256i low01 = _mm256_unpacklo_epi32(rows[0], rows[1]);
    const __m256i high01 = _mm256_unpackhi_epi32(rows[0], rows[1]);
    const __m256i low23 = _mm256_unpacklo_epi32(rows[2], rows[3]);
    const __m256i high23 = _mm256_unpackhi_epi32(rows[2], rows[3]);
    const auto store = [&](int i, __m256i x) { _mm256_store_si256(reinterpret_cast<__m256i*>(out[i] + 32 * half), x); };
    store(0, _mm256_unpacklo_epi64(low01, low23));
    store(1, _mm256_unpackhi_epi64(low01, low23));
    store(2, _mm256_unpacklo_epi64(high01, high23));
    store(3, _mm256_unpackhi_epi64(high01, high23));
  }
}

FATHOM_INLINE void DecodeKeys(const uint8_t* nibbles, uint8_t* low, uint8_t* high) {
  for (int h = 0; h < 2; ++h) {
    const __m256i bytes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(nibbles + 32 * h));
    _mm256_store_si256(reinterpret_cast<__m256i*>(low + 32 * h), Fp4Bytes(LowNibbles(bytes)));
    _mm256_store_si256(reinterpret_cast<__m256i*>(high + 32 * h), Fp4Bytes(HighNibbles(bytes)));
  }
}

// Sixteen registers do not hold the block: it is read again for every two heads.
inline constexpr int kIndexHeadTile = 2;
struct KeyBlock {
  const uint8_t* values;
};
FATHOM_INLINE KeyBlock LoadKeyBlock(const uint8_t* values) { return {values}; }
template <int H>
FATHOM_INLINE void DotKeys(const KeyBlock& keys, const int32_t* const (&q)[H], const int32_t (&offset)[H],
                           I32x16 (&dots)[H]) {
  // Pairs of products are at most 2 * 24 * 12 = 576: eight of them stay within 16 bits.
  __m256i low[H];
  __m256i high[H];
  // g++ would add products up as a tree, and have to store half of them.
  const auto add = [](__m256i sum, __m256i product) {
    sum = _mm256_add_epi16(sum, product);
    __asm__("" : "+x"(sum));
    return sum;
  };
  for (int i = 0; i < 8; ++i) {
    const auto* key = reinterpret_cast<const __m256i*>(keys.values + 64 * i);
    const __m256i first = _mm256_load_si256(key);
    const __m256i second = _mm256_load_si256(key + 1);
    for (int head = 0; head < H; ++head) {
      const __m256i four = _mm256_set1_epi32(q[head][i]);
      const __m256i products[2] = {_mm256_maddubs_epi16(first, four), _mm256_maddubs_epi16(second, four)};
      low[head] = i == 0 ? products[0] : add(low[head], products[0]);
      high[head] = i == 0 ? products[1] : add(high[head], products[1]);
    }
  }
  const __m256i ones = _mm256_set1_epi16(1);
  for (int head = 0; head < H; ++head) {
    const __m256i start = _mm256_set1_epi32(offset[head]);
    dots[head] = {_mm256_add_epi32(start, _mm256_madd_epi16(low[head], ones)),
                  _mm256_add_epi32(start, _mm256_madd_epi16(high[head], ones))};
  }
}

}  // namespace fathom::avx2

#endif  // FATHOM_KERNELS_AVX2_SIMD_H_
