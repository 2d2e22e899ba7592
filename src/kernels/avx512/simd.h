// simd.h (avx512) - the vector types and primitives that the kernels in kernels/simd/ are written over, for AVX-512
// (F, BW, DQ, VL, VNNI, VBMI). The other instruction sets have a file of the same name with the same functions:
//
//   F32x16, I32x16    16 lanes; lane l holds columns l, l + 16, .. of a dot product
//   Fp4Nibbles        512 FP4 weights of a row, a lane for each 32 of them (Fp8Chunk)
//
// Only files of this folder may include it: they alone are compiled for the instruction set. Everything here and in
// kernels/simd/ lives in the instruction set's own namespace, and no inline function of another header is called, so
// that the linker can never put this code where another processor runs it.
#ifndef FATHOM_KERNELS_AVX512_SIMD_H_
#define FATHOM_KERNELS_AVX512_SIMD_H_

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/kernels.h"

#define FATHOM_ISA avx512
#define FATHOM_INLINE static inline __attribute__((always_inline))

#include "kernels/simd/power.inc"

namespace fathom::avx512 {

// Register tiles: 32 registers hold 4 x 4 running sums, the block's own sums and the operands.
inline constexpr int kTileRows = 4;
inline constexpr int kTileTokens = 4;
// Up to so many tokens weights go from memory through registers to the sums, a few rows at a time; with more, through
// panels of decoded rows.
inline constexpr int kStreamDecoded = 4;  // FP8 with scales that tables do not take, FP4 against floats
inline constexpr int kStreamTables = 8;   // FP8 with others
inline constexpr int kStreamBf16 = 4;
inline constexpr int kStreamF32 = 64;  // as many as a task has (kernels/matmul.cc)
// Processors that take table avx512_bf16 do half as many float products in a cycle (dispatch.cc): decoding weights for
// every four tokens anew costs little beside them, and all tokens of a task are streamed. Those that take table
// avx512_bf16_panels do more, and stream up to kStreamPairs, by pairs or not.
inline constexpr int kStreamAll = 64;
inline constexpr int kStreamPairs = 16;
inline constexpr int kFp4StreamTokens = 7;
inline constexpr int kFp4StreamRows = 2;  // of those: one waits for the loads of inputs
inline constexpr int kBlockTokens = 8;    // of BF16, by blocks of columns
// The tiles of that.
inline constexpr int kStreamTileTokens = 4;
inline constexpr int kStreamTileRows = 4;
// Where floats are fast, of FP8 for five to eight tokens: 3 x 8 sums, for which weights are decoded once.
inline constexpr int kWideTileRows = 3;
inline constexpr int kWideTileTokens = 8;
inline constexpr int kBlockTileRows = 3;
inline constexpr int kBlockTileTokens = 8;
inline constexpr int kBlockAheadRows = 24;  // of long rows a task has so many (kernels/matmul.cc)
inline constexpr int kBlockLocality = 2;    // they would not all stay in the first-level cache
// Of a panel of decoded rows: 6 x 4 sums leave registers for a column of weights and one of inputs.
inline constexpr int kPanelTileRows = 6;
inline constexpr int kPanelTileTokens = 4;
inline constexpr int kPanelRows = 12;
inline constexpr int kPanelColumns = 512;
inline constexpr int kFp4TileRows = 6;
inline constexpr int kFp4TileTokens = 4;
// Up to so many residuals of a chunk are added one after the other: all that are listed. Products of inputs behind
// SwiGLU, whose chunks have four or five, mostly take 2 to 8 % less time so than with four (EPYC of the fifth
// generation).
inline constexpr uint32_t kFewResiduals = 14;

struct F32x16 {
  __m512 v;
};
struct I32x16 {
  __m512i v;
};

FATHOM_INLINE __mmask16 FirstLanes(int64_t n) { return static_cast<__mmask16>((1u << n) - 1u); }

// ---- float32 ------------------------------------------------------------------------------------------------------

FATHOM_INLINE F32x16 Zero() { return {_mm512_setzero_ps()}; }
FATHOM_INLINE F32x16 Broadcast(float x) { return {_mm512_set1_ps(x)}; }
// Any alignment; the First versions touch n in [0, 16] floats and give zeros beyond.
FATHOM_INLINE F32x16 Load(const void* p) { return {_mm512_loadu_ps(p)}; }
// Held in a register: the compiler may otherwise read memory again for each use, which takes more than the arithmetic.
FATHOM_INLINE F32x16 LoadOnce(const void* p) {
  F32x16 a = Load(p);
  __asm__("" : "+v"(a.v));
  return a;
}
// Whether all lanes are zero; NaN is not.
FATHOM_INLINE bool AllZero(F32x16 a) { return _mm512_cmp_ps_mask(a.v, _mm512_setzero_ps(), _CMP_NEQ_UQ) == 0; }
FATHOM_INLINE F32x16 LoadFirst(const void* p, int64_t n) { return {_mm512_maskz_loadu_ps(FirstLanes(n), p)}; }
FATHOM_INLINE void Store(float* p, F32x16 a) { _mm512_storeu_ps(p, a.v); }
FATHOM_INLINE void StoreFirst(float* p, int64_t n, F32x16 a) { _mm512_mask_storeu_ps(p, FirstLanes(n), a.v); }
// Lanes n and above replaced by zero.
FATHOM_INLINE F32x16 KeepFirst(F32x16 a, int64_t n) { return {_mm512_maskz_mov_ps(FirstLanes(n), a.v)}; }

FATHOM_INLINE F32x16 Add(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
FATHOM_INLINE F32x16 Sub(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
FATHOM_INLINE F32x16 Mul(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
FATHOM_INLINE F32x16 Div(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
// a * b + c, rounded once.
FATHOM_INLINE F32x16 Fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// a > b ? a : b: b where one of them is NaN.
FATHOM_INLINE F32x16 Greater(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
FATHOM_INLINE F32x16 Abs(F32x16 a) { return {_mm512_abs_ps(a.v)}; }
// a < b ? yes : no
FATHOM_INLINE F32x16 IfLess(F32x16 a, F32x16 b, F32x16 yes, F32x16 no) {
  return {_mm512_mask_mov_ps(no.v, _mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), yes.v)};
}
// a is NaN ? yes : no
FATHOM_INLINE F32x16 IfNan(F32x16 a, F32x16 yes, F32x16 no) {
  return {_mm512_mask_mov_ps(no.v, _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), yes.v)};
}

FATHOM_INLINE float MaxLane(F32x16 a) { return _mm512_reduce_max_ps(a.v); }

FATHOM_INLINE float FirstLane(F32x16 a) { return _mm512_cvtss_f32(a.v); }
FATHOM_INLINE float SquareRoot(float x) { return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x))); }

// The lanes as a tree: l += l[+8], [+4], [+2], [+1].
FATHOM_INLINE float TreeSum(F32x16 a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

// Lane i = TreeSum(a[i]): four rounds that each fold two vectors into one.
FATHOM_INLINE F32x16 TreeSums(const F32x16* a) {
  // The folds deliver their inputs in bit-swapped order (q1 q0 e1 e0 -> q0 q1 e0 e1); reading them so undoes it.
  const auto at = [a](int n) { return a[(n & 8) >> 1 | (n & 4) << 1 | (n & 2) >> 1 | (n & 1) << 1].v; };
  __m512 eight[8];
  for (int i = 0; i < 8; ++i) {
    const __m512 x = at(i);
    const __m512 y = at(i + 8);
    eight[i] = _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xEE));
  }
  __m512 four[4];
  for (int i = 0; i < 4; ++i) {
    four[i] = _mm512_add_ps(_mm512_shuffle_f32x4(eight[i], eight[i + 4], 0x88),
                            _mm512_shuffle_f32x4(eight[i], eight[i + 4], 0xDD));
  }
  __m512 two[2];
  for (int i = 0; i < 2; ++i) {
    const __m512d x = _mm512_castps_pd(four[i]);
    const __m512d y = _mm512_castps_pd(four[i + 2]);
    two[i] = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
  }
  return {_mm512_add_ps(_mm512_shuffle_ps(two[0], two[1], 0x88), _mm512_shuffle_ps(two[0], two[1], 0xDD))};
}

// ---- float64: lane l of eight takes the floats of lanes l and l + 8 -------------------------------------------------

struct F64x8 {
  __m512d v;
};
FATHOM_INLINE F64x8 ZeroDouble() { return {_mm512_setzero_pd()}; }
// sum + lanes 0 to 7, and + lanes 8 to 15.
FATHOM_INLINE F64x8 AddLow(F64x8 sum, F32x16 a) {
  return {_mm512_add_pd(sum.v, _mm512_cvtps_pd(_mm512_castps512_ps256(a.v)))};
}
FATHOM_INLINE F64x8 AddHigh(F64x8 sum, F32x16 a) {
  return {_mm512_add_pd(sum.v, _mm512_cvtps_pd(_mm512_extractf32x8_ps(a.v, 1)))};
}
FATHOM_INLINE void StoreDouble(double* p, F64x8 a) { _mm512_storeu_pd(p, a.v); }

// ---- int32 --------------------------------------------------------------------------------------------------------

FATHOM_INLINE I32x16 BroadcastInt(int32_t x) { return {_mm512_set1_epi32(x)}; }
FATHOM_INLINE I32x16 LoadInt(const void* p) { return {_mm512_loadu_si512(p)}; }
// The same number in one register: g++ 12 may otherwise hold a sum twice, as vectors of two types.
FATHOM_INLINE I32x16 InRegister(I32x16 a) {
  __asm__("" : "+v"(a.v));
  return a;
}
// As LoadOnce().
FATHOM_INLINE I32x16 LoadIntOnce(const void* p) { return InRegister(LoadInt(p)); }
FATHOM_INLINE void StoreInt(int32_t* p, I32x16 a) { _mm512_storeu_si512(p, a.v); }
FATHOM_INLINE I32x16 AddInt(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
FATHOM_INLINE I32x16 SubInt(I32x16 a, I32x16 b) { return {_mm512_sub_epi32(a.v, b.v)}; }
FATHOM_INLINE I32x16 And(I32x16 a, I32x16 b) { return {_mm512_and_si512(a.v, b.v)}; }
FATHOM_INLINE I32x16 Or(I32x16 a, I32x16 b) { return {_mm512_or_si512(a.v, b.v)}; }
template <int kBits>
FATHOM_INLINE I32x16 ShiftLeft(I32x16 a) {
  return {_mm512_slli_epi32(a.v, kBits)};
}
// Arithmetic: the sign is kept.
template <int kBits>
FATHOM_INLINE I32x16 ShiftRight(I32x16 a) {
  return {_mm512_srai_epi32(a.v, kBits)};
}
template <int kBits>
FATHOM_INLINE I32x16 ShiftRightUnsigned(I32x16 a) {
  return {_mm512_srli_epi32(a.v, kBits)};
}
FATHOM_INLINE I32x16 Bits(F32x16 a) { return {_mm512_castps_si512(a.v)}; }
FATHOM_INLINE F32x16 FromBits(I32x16 a) { return {_mm512_castsi512_ps(a.v)}; }
FATHOM_INLINE F32x16 ToFloat(I32x16 a) { return {_mm512_cvtepi32_ps(a.v)}; }
// Towards zero.
FATHOM_INLINE I32x16 ToInt(F32x16 a) { return {_mm512_cvttps_epi32(a.v)}; }
FATHOM_INLINE bool AnyBit(I32x16 a) { return _mm512_test_epi32_mask(a.v, a.v) != 0; }
// The low byte of every lane.
FATHOM_INLINE void StoreLowBytes(void* p, I32x16 a) {
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_cvtepi32_epi8(a.v));
}

// ---- weights as floats ----------------------------------------------------------------------------------------------

FATHOM_INLINE F32x16 DecodeBf16(const uint8_t* p) {
  const __m256i codes = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(codes), 16))};
}
FATHOM_INLINE F32x16 DecodeBf16First(const uint8_t* p, int64_t n) {
  const __m256i codes = _mm256_maskz_loadu_epi16(FirstLanes(n), p);
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(codes), 16))};
}

// The tables take a block's scale: nothing is multiplied (matmul_fp8_tables.inc).
#define FATHOM_FP8_FEW 0
#define FATHOM_FP8_SCALED_TABLES 1
#define FATHOM_COLUMN_BLOCKS 1
#define FATHOM_FP4_CHUNKS 0

// E4M3 codes without sign as BF16 numbers, split into low and high bytes, and twice these numbers; NaN counts as 480.
struct Fp8Tables {
  alignas(64) uint8_t low[2][128];
  alignas(64) uint8_t high[2][128];
  // Where each code goes so that two byte unpacks and the two halves of a dword deliver 16 consecutive ones.
  alignas(64) uint8_t order[64];
};

constexpr Fp8Tables MakeFp8Tables() {
  Fp8Tables t{};
  for (int code = 0; code < 128; ++code) {
    int exponent = code >> 3;
    int mantissa = code & 7;
    int bf16 = ((exponent + 120) << 7) | (mantissa << 4);
    if (exponent == 0) {
      // mantissa * 2^-9 = 2^-6 * mantissa / 8: shift the leading one out.
      bf16 = 0;
      if (mantissa != 0) {
        exponent = 121;
        while ((mantissa & 8) == 0) {
          mantissa <<= 1;
          --exponent;
        }
        bf16 = (exponent << 7) | ((mantissa & 7) << 4);
      }
    }
    for (int twice = 0; twice < 2; ++twice) {
      const int value = bf16 == 0 ? 0 : bf16 + (twice << 7);
      t.low[twice][code] = static_cast<uint8_t>(value & 255);
      t.high[twice][code] = static_cast<uint8_t>(value >> 8);
    }
  }
  for (int q = 0; q < 4; ++q) {
    for (int j = 0; j < 4; ++j) {
      for (int vector = 0; vector < 4; ++vector) {
        t.order[16 * q + 8 * (vector >> 1) + 2 * j + (vector & 1)] = static_cast<uint8_t>(16 * vector + 4 * q + j);
      }
    }
  }
  return t;
}
inline constexpr Fp8Tables kFp8Tables = MakeFp8Tables();

// The tables of a block's numbers, in registers.
struct Fp8ScaledTables {
  __m512i low[2];
  __m512i high[2];
};
FATHOM_INLINE Fp8ScaledTables UnscaledFp8() {
  return {{_mm512_load_si512(kFp8Tables.low[0]), _mm512_load_si512(kFp8Tables.low[0] + 64)},
          {_mm512_load_si512(kFp8Tables.high[0]), _mm512_load_si512(kFp8Tables.high[0] + 64)}};
}
// Whether all codes but zero, times the power of two with this E8M0 code, are normal floats: then adding to the
// exponents, of which all but the lowest bit are in the high bytes, multiplies.
FATHOM_INLINE bool TablesTakeScale(uint8_t power) { return power >= 10 && power <= 246; }
FATHOM_INLINE Fp8ScaledTables ScaledFp8(uint8_t power) {
  const int twice = (power & 1) ^ 1;  // 127 stands for 1
  const __m512i more = _mm512_set1_epi8(static_cast<int8_t>((power - twice - 127) / 2));
  const __m512i first = _mm512_load_si512(kFp8Tables.high[twice]);
  return {{_mm512_load_si512(kFp8Tables.low[twice]), _mm512_load_si512(kFp8Tables.low[twice] + 64)},
          {_mm512_mask_add_epi8(first, ~__mmask64{1}, first, more),  // zero stays zero
           _mm512_add_epi8(_mm512_load_si512(kFp8Tables.high[twice] + 64), more)}};
}

// 64 E4M3 codes as floats, 16 consecutive ones a vector.
FATHOM_INLINE void DecodeFp8(const Fp8ScaledTables& tables, const uint8_t* codes, F32x16* out) {
  // Two 128-entry look-ups and one shuffle give 64 numbers: half the instructions of the route over FP16.
  const __m512i p = _mm512_permutexvar_epi8(_mm512_load_si512(kFp8Tables.order), _mm512_loadu_si512(codes));
  const __m512i low = _mm512_permutex2var_epi8(tables.low[0], p, tables.low[1]);
  const __m512i magnitude = _mm512_permutex2var_epi8(tables.high[0], p, tables.high[1]);
  const __m512i high = _mm512_ternarylogic_epi32(magnitude, p, _mm512_set1_epi8(-128), 0xF8);  // magnitude | (p & sign)
  const __m512i a = _mm512_unpacklo_epi8(low, high);
  const __m512i b = _mm512_unpackhi_epi8(low, high);
  const __m512i upper = _mm512_set1_epi32(static_cast<int32_t>(0xFFFF0000u));
  out[0].v = _mm512_castsi512_ps(_mm512_slli_epi32(a, 16));
  out[1].v = _mm512_castsi512_ps(_mm512_and_si512(a, upper));
  out[2].v = _mm512_castsi512_ps(_mm512_slli_epi32(b, 16));
  out[3].v = _mm512_castsi512_ps(_mm512_and_si512(b, upper));
}
FATHOM_INLINE void DecodeFp8(const uint8_t* codes, F32x16* out) { DecodeFp8(UnscaledFp8(), codes, out); }
// The same times the power of two with this E8M0 code.
FATHOM_INLINE void DecodeFp8Times(const uint8_t* codes, uint8_t power, F32x16* out) {
  DecodeFp8(codes, out);
  const F32x16 scale = Broadcast(PowerOf(power));
  for (int v = 0; v < 4; ++v) out[v] = Mul(out[v], scale);
}

// E2M1 nibbles of 32 columns (16 bytes) as floats. Negative zero counts as zero.
FATHOM_INLINE void DecodeFp4ToFloat(const uint8_t* nibbles, F32x16* out) {
  const __m128i doubled = _mm_setr_epi8(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(nibbles));
  const __m128i mask = _mm_set1_epi8(15);
  const __m128i even = _mm_shuffle_epi8(doubled, _mm_and_si128(bytes, mask));
  const __m128i odd = _mm_shuffle_epi8(doubled, _mm_and_si128(_mm_srli_epi16(bytes, 4), mask));
  const __m512 half = _mm512_set1_ps(0.5f);
  out[0].v = _mm512_mul_ps(half, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_unpacklo_epi8(even, odd))));
  out[1].v = _mm512_mul_ps(half, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_unpackhi_epi8(even, odd))));
}

// ---- FP4 against quantised input ------------------------------------------------------------------------------------

// The table of 2w + 12 for vpermb, which looks at six bits of an index: it repeats every 16 entries, so that the other
// nibble need not be masked.
FATHOM_INLINE __m512i Fp4Bytes(__m512i nibbles) {
  const __m512i table =
      _mm512_broadcast_i32x4(_mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0));
  return _mm512_permutexvar_epi8(nibbles, table);
}
// 2w of the low nibble of every word; vpermw looks at five bits of an index.
FATHOM_INLINE __m512i Fp4Word(__m512i nibbles) {
  const __m512i table =
      _mm512_broadcast_i64x4(_mm256_setr_epi16(0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12));
  return _mm512_permutexvar_epi16(nibbles, table);
}

// 512 weights of a row: lane l of dwords[j] has columns 8j .. 8j + 7 of the lane's 32.
struct Fp4Nibbles {
  __m512i dwords[4];
};
FATHOM_INLINE Fp4Nibbles LoadFp4(const uint8_t* nibbles) {
  const __m512i a = _mm512_loadu_si512(nibbles);
  const __m512i b = _mm512_loadu_si512(nibbles + 64);
  const __m512i c = _mm512_loadu_si512(nibbles + 128);
  const __m512i d = _mm512_loadu_si512(nibbles + 192);
  const __m512i ab_low = _mm512_unpacklo_epi32(a, b);
  const __m512i ab_high = _mm512_unpackhi_epi32(a, b);
  const __m512i cd_low = _mm512_unpacklo_epi32(c, d);
  const __m512i cd_high = _mm512_unpackhi_epi32(c, d);
  return {{_mm512_unpacklo_epi64(ab_low, cd_low), _mm512_unpackhi_epi64(ab_low, cd_low),
           _mm512_unpacklo_epi64(ab_high, cd_high), _mm512_unpackhi_epi64(ab_high, cd_high)}};
}

// Eight columns of every lane as bytes 2w + 12.
struct Fp4Pair {
  __m512i even;
  __m512i odd;
};
FATHOM_INLINE Fp4Pair DecodeFp4Pair(const Fp4Nibbles& w, int j) {
  return {Fp4Bytes(w.dwords[j]), Fp4Bytes(_mm512_srli_epi16(w.dwords[j], 4))};
}
// The same columns of a plane of bytes of the inputs, for as many rows as are multiplied with them.
struct BytePair {
  __m512i even;
  __m512i odd;
};
FATHOM_INLINE BytePair LoadBytePair(const int8_t* plane) { return {LoadIntOnce(plane).v, LoadIntOnce(plane + 64).v}; }
// sum + their products.
FATHOM_INLINE I32x16 DotPair(I32x16 sum, const Fp4Pair& w, const BytePair& x) {
  return {_mm512_dpbusd_epi32(_mm512_dpbusd_epi32(sum.v, w.even, x.even), w.odd, x.odd)};
}
// Where a sum starts, so that weights may be biased.
FATHOM_INLINE I32x16 Fp4Start(const int32_t* offset) { return {_mm512_load_si512(offset)}; }

// Words take more work to decode and less to multiply, X being one number: with several tokens that pays.
#define FATHOM_FP4_WORDS 1
FATHOM_INLINE void StoreFp4Words(const Fp4Nibbles& w, int16_t* words) {
  for (int j = 0; j < 4; ++j) {
    const __m512i d = w.dwords[j];
    _mm512_store_si512(words + 128 * j, Fp4Word(d));
    _mm512_store_si512(words + 128 * j + 32, Fp4Word(_mm512_srli_epi16(d, 4)));
    _mm512_store_si512(words + 128 * j + 64, Fp4Word(_mm512_srli_epi16(d, 8)));
    _mm512_store_si512(words + 128 * j + 96, Fp4Word(_mm512_srli_epi16(d, 12)));
  }
}
FATHOM_INLINE void StoreFp4Bytes(const Fp4Nibbles& w, uint8_t* bytes) {
  for (int j = 0; j < 4; ++j) {
    const Fp4Pair pair = DecodeFp4Pair(w, j);
    _mm512_store_si512(bytes + 128 * j, pair.even);
    _mm512_store_si512(bytes + 128 * j + 64, pair.odd);
  }
}
FATHOM_INLINE I32x16 BroadcastWords(const int16_t* pair) {
  int32_t both;
  std::memcpy(&both, pair, sizeof both);
  return {_mm512_set1_epi32(both)};
}
// sum + two products of words, or four of unsigned and signed bytes, a lane.
FATHOM_INLINE I32x16 DotWords(I32x16 sum, I32x16 w, I32x16 x) { return {_mm512_dpwssd_epi32(sum.v, w.v, x.v)}; }
// Whether DotBytes() sums words instead, which AddWords() adds to a sum of lanes.
inline constexpr bool kBytesAddUpInWords = false;
FATHOM_INLINE I32x16 AddWords(I32x16 sum, I32x16 /*words*/) { return sum; }
FATHOM_INLINE I32x16 DotBytes(I32x16 sum, I32x16 w, I32x16 x) { return {_mm512_dpbusd_epi32(sum.v, w.v, x.v)}; }

// Sixteen E8M0 codes as floats, that of columns 128 i + 32 q in lane 4 q + i.
FATHOM_INLINE F32x16 DecodeFp4Scales(const uint8_t* codes) {
  const __m128i order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m128i sorted = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)), order);
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu8_epi32(sorted), 23))};
}
// Lane 4 q + i = four[i].
FATHOM_INLINE F32x16 LoadFourTimes(const float* four) { return {_mm512_broadcast_f32x4(_mm_loadu_ps(four))}; }

// ---- indexer keys --------------------------------------------------------------------------------------------------

// Keys are fed as unsigned 2k + 12.
inline constexpr int32_t kKeyBias = 12;

// Four dwords of each of sixteen rows from `byte` on: row r's i-th one goes to out[i] + 4 r.
FATHOM_INLINE void TransposeFour(const uint8_t* const* row, int64_t byte, uint8_t (*out)[64]) {
  __m512i rows[4];  // 128-bit part q of rows[i] is of row 4 q + i
  for (int i = 0; i < 4; ++i) {
    const auto four = [&](int q) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(row[4 * q + i] + byte)); };
    rows[i] = _mm512_castsi128_si512(four(0));
    rows[i] = _mm512_inserti32x4(rows[i], four(1), 1);
    rows[i] = _mm512_inserti32x4(rows[i], four(2), 2);
    rows[i] = _mm512_inserti32x4(rows[i], four(3), 3);
  }
  const __m512i low01 = _mm512_unpacklo_epi32(rows[0], rows[1]);
  const __m512i high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
  const __m512i low23 = _mm512_unpacklo_epi32(rows[2], rows[3]);
  const __m512i high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
  _mm512_store_si512(out[0], _mm512_unpacklo_epi64(low01, low23));
  _mm512_store_si512(out[1], _mm512_unpackhi_epi64(low01, low23));
  _mm512_store_si512(out[2], _mm512_unpacklo_epi64(high01, high23));
  _mm512_store_si512(out[3], _mm512_unpackhi_epi64(high01, high23));
}

// The low and the high nibbles of 64 bytes as doubled, biased numbers.
FATHOM_INLINE void DecodeKeys(const uint8_t* nibbles, uint8_t* low, uint8_t* high) {
  const __m512i bytes = _mm512_loadu_si512(nibbles);
  _mm512_store_si512(low, Fp4Bytes(bytes));
  _mm512_store_si512(high, Fp4Bytes(_mm512_srli_epi16(bytes, 4)));
}

// Heads that are done together.
inline constexpr int kIndexHeadTile = 1;
// 32 values of 16 keys: vector i holds four values of every key.
struct KeyBlock {
  __m512i v[8];
};
FATHOM_INLINE KeyBlock LoadKeyBlock(const uint8_t* values) {
  KeyBlock block;
  for (int i = 0; i < 8; ++i) block.v[i] = _mm512_load_si512(values + 64 * i);
  return block;
}
// Per head and key: offset + the sum over 32 values of key times q, four values of q in each of eight dwords.
template <int H>
FATHOM_INLINE void DotKeys(const KeyBlock& keys, const int32_t* const (&q)[H], const int32_t (&offset)[H],
                           I32x16 (&dots)[H]) {
  for (int head = 0; head < H; ++head) {
    // Two chains: a dependent vpdpbusd takes five cycles.
    __m512i a = _mm512_set1_epi32(offset[head]);
    __m512i b = _mm512_setzero_si512();
    for (int i = 0; i < 8; i += 2) {
      a = _mm512_dpbusd_epi32(a, keys.v[i], _mm512_set1_epi32(q[head][i]));
      b = _mm512_dpbusd_epi32(b, keys.v[i + 1], _mm512_set1_epi32(q[head][i + 1]));
    }
    dots[head] = {_mm512_add_epi32(a, b)};
  }
}

}  // namespace fathom::avx512

#include "kernels/simd/whole_parts.inc"

#endif  // FATHOM_KERNELS_AVX512_SIMD_H_
