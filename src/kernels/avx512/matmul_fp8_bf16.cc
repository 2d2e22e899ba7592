// Products of FP8 weights and quantised input where the processor multiplies pairs of BF16 numbers (AVX512_BF16). Both
// are BF16 numbers exactly, and vdpbf16ps adds the two products of a lane one after the other, that of the upper halves
// first, each rounded as a fused multiply-add is: these are the sums of kernels.h, in their order, with two products an
// instruction, and weights need not be widened to floats.
//
// What differs are numbers below 2^-126, which it takes and gives as zeros. There are none unless weights are scaled
// far down (PairsTakeScale), since every sum is a multiple of the smallest product.
#include "kernels/avx512/simd.h"
#include "kernels/simd/fp8_scales.inc"
#include "kernels/simd/tables.h"
#include "kernels/simd/tile.inc"

namespace fathom::avx512 {
namespace {

// A weight is a multiple of 2^-9 and its scale, an input of 2^-9 and 2^-22 (BlockScale() in quantize.inc) or more.
bool PairsTakeScale(uint8_t power) { return TablesTakeScale(power) && power - 127 - 9 - 9 - 22 >= -126; }

// Where each code goes so that two byte unpacks deliver dwords of pairs: in its 128 bits, code 2 i of dword l's lower
// half, and code 2 i + 1 of the upper one.
struct PairOrder {
  alignas(64) uint8_t place[64];
};
constexpr PairOrder MakePairOrder() {
  PairOrder order{};
  for (int at = 0; at < 64; ++at) order.place[at] = kFp8Tables.order[at ^ 1];
  return order;
}
constexpr PairOrder kPairOrder = MakePairOrder();

FATHOM_INLINE __m512bh AsPairs(__m512i bits) { return reinterpret_cast<__m512bh>(bits); }

// 64 weights as BF16 numbers: columns 0 to 31 and 32 to 63 by PairPlace().
struct WeightPairs {
  __m512bh of[2];
};
FATHOM_INLINE WeightPairs DecodePairs(const Fp8ScaledTables& tables, const uint8_t* codes) {
  const __m512i p = _mm512_permutexvar_epi8(_mm512_load_si512(kPairOrder.place), _mm512_loadu_si512(codes));
  const __m512i low = _mm512_permutex2var_epi8(tables.low[0], p, tables.low[1]);
  const __m512i magnitude = _mm512_permutex2var_epi8(tables.high[0], p, tables.high[1]);
  const __m512i high = _mm512_ternarylogic_epi32(magnitude, p, _mm512_set1_epi8(-128), 0xF8);  // magnitude | (p & sign)
  return {{AsPairs(_mm512_unpacklo_epi8(low, high)), AsPairs(_mm512_unpackhi_epi8(low, high))}};
}

FATHOM_INLINE const uint16_t* InputPairs(const MatMulArgs& args, int64_t token) {
  return args.x.pairs + (args.x_rows != nullptr ? args.x_rows[token] : token) * args.w->cols;
}
FATHOM_INLINE __m512bh LoadPairs(const uint16_t* pairs) { return AsPairs(_mm512_loadu_si512(pairs)); }

// R rows that share their scales times T tokens.
struct Fp8PairTiles {
  template <int R, int T>
  static void Tile(const MatMulArgs& args, int64_t first_row, int64_t first_token) {
    const int64_t cols = args.w->cols;
    const uint8_t* const codes = args.w->data + first_row * cols;
    const uint8_t* const scale = args.w->scale + first_row / 128 * (cols / 128);
    const uint16_t* x[T];
    for (int t = 0; t < T; ++t) x[t] = InputPairs(args, first_token + t);
    F32x16 sums[R * T];
    Unroll<R * T>(FATHOM_UNROLLED(at) { sums[at.value] = Zero(); });
    const int64_t ahead = TileAhead(R * cols);
    for (int64_t begin = 0; begin < cols; begin += 128) {
      const Fp8ScaledTables tables = ScaledFp8(scale[begin / 128]);
      Unroll<2>(FATHOM_UNROLLED(half) {
        const int64_t column = begin + 64 * half.value;
        Unroll<R>(FATHOM_UNROLLED(r) {
          PrefetchLine(codes + ahead + R * column + 64 * r.value);
          if constexpr (T == 1) PrefetchSoon(codes + r.value * cols + column);
          const WeightPairs w = DecodePairs(tables, codes + r.value * cols + column);
          Unroll<T>(FATHOM_UNROLLED(t) {
            __m512& sum = sums[R * t.value + r.value].v;
            const uint16_t* const inputs = (T == 1 ? LoadedAnew(x[t.value]) : x[t.value]) + column;
            sum = _mm512_dpbf16_ps(sum, w.of[0], LoadPairs(inputs));
            sum = _mm512_dpbf16_ps(sum, w.of[1], LoadPairs(inputs + 32));
          });
        });
      });
    }
    StoreTileSums<R, T>(sums, args, first_row, first_token);
  }
};

}  // namespace

void MatMulFp8Pairs(const MatMulArgs& args) {
  const bool pairs =
      args.x.pairs != nullptr && args.w->scale_type != ScaleType::kF32 && AllScales(args, PairsTakeScale);
  if (!pairs) return MatMulFp8Streamed(args);
  ForTokenBlocks(args, args.w->cols * 2, [&](int64_t token, int64_t end_token) {
    for (int64_t row = args.row_begin; row < args.row_end; row = EndOfScale(args, row)) {
      StreamRows<Fp8PairTiles>(args, row, EndOfScale(args, row), token, end_token);
    }
  });
}

}  // namespace fathom::avx512
