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

bool HasPairs(const MatMulArgs& args) {
  return args.x.pairs != nullptr && args.w->scale_type != ScaleType::kF32 && AllScales(args, PairsTakeScale);
}

void StreamPairs(const MatMulArgs& args) {
  ForTokenBlocks(args, args.w->cols * 2, [&](int64_t token, int64_t end_token) {
    for (int64_t row = args.row_begin; row < args.row_end; row = EndOfScale(args, row)) {
      StreamRows<Fp8PairTiles>(args, row, EndOfScale(args, row), token, end_token);
    }
  });
}

// ---- many tokens: a few rows are decoded to pairs once for all of them

// Panels of 24 KiB, as those of floats (tile.inc): with a tile's inputs they fit the first-level cache.
constexpr int64_t kPairColumns = 2 * kPanelColumns;
struct PairPanel {
  alignas(64) uint16_t weights[kPanelRows][kPairColumns + 32];  // not a power of two: rows in different cache sets
  alignas(64) PanelLanes lanes;
};

void FillPairPanel(PairPanel& panel, const MatMulArgs& args, int64_t first_row, int rows, int64_t column,
                   int64_t cols) {
  const Matrix& w = *args.w;
  for (int64_t k = 0; k < cols; k += 128) {
    const uint8_t* const scale = w.scale + (column + k) / 128;
    int64_t block = first_row / 128;
    Fp8ScaledTables tables = ScaledFp8(scale[block * (w.cols / 128)]);
    for (int r = 0; r < rows; ++r) {
      const int64_t row = first_row + r;
      if (row / 128 != block) {
        block = row / 128;
        tables = ScaledFp8(scale[block * (w.cols / 128)]);
      }
      for (int64_t at = k; at < k + 128; at += 64) {
        const WeightPairs pairs = DecodePairs(tables, w.data + row * w.cols + column + at);
        Unroll<2>(FATHOM_UNROLLED(half) {
          _mm512_store_si512(panel.weights[r] + at + 32 * half.value, reinterpret_cast<__m512i>(pairs.of[half.value]));
        });
      }
    }
  }
}

// R rows of the panel times T inputs.
template <int R, int T>
void PairPanelTile(PairPanel& panel, int first_row, int first_token, const uint16_t* const* x, int64_t cols) {
  const uint16_t* const weights = panel.weights[first_row];
  __m512 sums[R * T];
  Unroll<R * T>(FATHOM_UNROLLED(at) {
    sums[at.value] = Load(panel.lanes[first_token + at.value / R][first_row + at.value % R]).v;
  });
  for (int64_t k = 0; k < cols; k += 32) {
    __m512i w[R];
    Unroll<R>(FATHOM_UNROLLED(r) {
      w[r.value] = _mm512_load_si512(weights + r.value * (kPairColumns + 32) + k);
      __asm__("" : "+v"(w[r.value]));  // read once for all inputs
    });
    Unroll<T>(FATHOM_UNROLLED(t) {
      const __m512bh input = LoadPairs(x[t.value] + k);
      Unroll<R>(FATHOM_UNROLLED(r) {
        __m512& sum = sums[R * t.value + r.value];
        sum = _mm512_dpbf16_ps(sum, AsPairs(w[r.value]), input);
      });
    });
  }
  Unroll<R * T>(FATHOM_UNROLLED(at) {
    Store(panel.lanes[first_token + at.value / R][first_row + at.value % R], {sums[at.value]});
  });
}

// Rows of the panel beyond the last hold leftovers; their sums are computed and dropped.
void PairPanelRows(const MatMulArgs& args, PairPanel& panel, int64_t first_row, int rows, int64_t first_token,
                   int tokens) {
  const Matrix& w = *args.w;
  const WeightRow row = {w.data + first_row * w.cols, nullptr, w.cols};
  const uint16_t* x[kPanelTokens];
  for (int t = 0; t < tokens; ++t) x[t] = InputPairs(args, first_token + t);
  ClearLanes(panel.lanes, tokens);
  for (int64_t column = 0; column < w.cols; column += kPairColumns) {
    const int64_t cols = column + kPairColumns < w.cols ? kPairColumns : w.cols - column;
    FillPairPanel(panel, args, first_row, rows, column, cols);
    // After the last panel of these rows comes the first of the next.
    const int64_t next = column + kPairColumns;
    PanelPrefetch prefetch(&row, next < w.cols ? next : kPanelRows * w.cols, kPairColumns,
                           kPanelRows / kPanelTileRows * ((tokens + kPanelTileTokens - 1) / kPanelTileTokens));
    ForTokenTiles<kPanelTileTokens>(tokens, [&](auto count, int t) {
      for (int r = 0; r < kPanelRows; r += kPanelTileRows) {
        prefetch.Next();
        PairPanelTile<kPanelTileRows, count.value>(panel, r, t, x + t, cols);
      }
    });
    for (int t = 0; t < tokens; ++t) x[t] += cols;
  }
  StoreSums(panel.lanes, args, first_row, rows, first_token, tokens);
}

void PairPanels(const MatMulArgs& args) {
  PairPanel panel;
  std::memset(&panel.weights, 0, sizeof panel.weights);
  ForTokenBlocks(args, args.w->cols * 2, [&](int64_t token, int64_t end_token) {
    for (int64_t row = args.row_begin; row < args.row_end; row += kPanelRows) {
      const int64_t rows = args.row_end - row < kPanelRows ? args.row_end - row : kPanelRows;
      PairPanelRows(args, panel, row, static_cast<int>(rows), token, static_cast<int>(end_token - token));
    }
  });
}

}  // namespace

void MatMulFp8Pairs(const MatMulArgs& args) { return HasPairs(args) ? StreamPairs(args) : MatMulFp8Streamed(args); }

void MatMulFp8PairPanels(const MatMulArgs& args) {
  if (args.tokens <= kStreamPairs) return MatMulFp8Pairs(args);
  return HasPairs(args) ? PairPanels(args) : MatMulFp8(args);
}

}  // namespace fathom::avx512
