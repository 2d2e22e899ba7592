// tile.inl.h - products with weights that are decoded to floats, over the primitives of <isa>/simd.h.
//
// A weight format is a struct `Format`:
//   kStep            columns decoded at a time, a multiple of 16
//   kBlock           columns per scale, a multiple of kStep; 0: no scales
//   Row              where one row lies; Format::At(matrix, row) makes it
//   Decode(row, column, F32x16*)           kStep weights
//   DecodeFirst(row, column, n, F32x16*)   n < kStep weights and zeros
//   Scale(row, column)                     the block's scale
//   Ahead(row, column, rows)               prefetches what a tile of `rows` rows reads a little later
//
// Few tokens: weights go from memory to the sums through registers (StreamRows). Many: a panel of rows is decoded into
// the first-level cache once for all tokens (PanelRows). Both add in the order that kernels.h gives.
#ifndef FATHOM_ISA
#error "include <isa>/simd.h first"
#endif

namespace fathom::FATHOM_ISA {

FATHOM_INLINE const float* InputRow(const MatMulArgs& args, int64_t token) {
  return args.x.values + (args.x_rows != nullptr ? args.x_rows[token] : token) * args.x.stride;
}

// Prefetches what a tile of `rows` rows reads kAheadBytes later: further on in the row whose byte `at` (of row_bytes)
// is at p, or in the next tile's row.
inline constexpr int64_t kAheadBytes = 1024;
FATHOM_INLINE void PrefetchAhead(const uint8_t* p, int64_t at, int64_t row_bytes, int rows) {
  const int64_t next_tile = at + kAheadBytes < row_bytes ? 0 : (rows - 1) * row_bytes;
  __builtin_prefetch(p + kAheadBytes + next_tile);
}

// ---- few tokens -----------------------------------------------------------------------------------------------------

// Columns [begin, begin + n) of R rows times T inputs, added to sums.
template <typename Format, int R, int T>
FATHOM_INLINE void StreamStep(const typename Format::Row* row, const float* const* x, int64_t column, int64_t n,
                              F32x16 (&sums)[R][T]) {
  constexpr int kVectors = Format::kStep / 16;
  for (int r = 0; r < R; ++r) {
    F32x16 w[kVectors];
    if (n == Format::kStep) {
      Format::Decode(row[r], column, w);
      Format::Ahead(row[r], column, R);
      for (int t = 0; t < T; ++t) {
        for (int v = 0; v < kVectors; ++v) sums[r][t] = Fma(w[v], Load(x[t] + column + 16 * v), sums[r][t]);
      }
    } else {
      Format::DecodeFirst(row[r], column, n, w);
      for (int t = 0; t < T; ++t) {
        for (int v = 0; v < kVectors && 16 * v < n; ++v) {
          const int64_t left = n - 16 * v;
          sums[r][t] = Fma(w[v], LoadFirst(x[t] + column + 16 * v, left < 16 ? left : 16), sums[r][t]);
        }
      }
    }
  }
}

template <typename Format, int R, int T>
static void StreamRows(const MatMulArgs& args, int64_t first_row, int64_t first_token) {
  const Matrix& w = *args.w;
  typename Format::Row row[R];
  for (int r = 0; r < R; ++r) row[r] = Format::At(w, first_row + r);
  const float* x[T];
  for (int t = 0; t < T; ++t) x[t] = InputRow(args, first_token + t);
  F32x16 lanes[R][T];
  for (auto& of_row : lanes) {
    for (F32x16& lane : of_row) lane = Zero();
  }
  const int64_t cols = w.cols;
  if constexpr (Format::kBlock == 0) {
    int64_t column = 0;
    for (; column + Format::kStep <= cols; column += Format::kStep) {
      StreamStep<Format, R, T>(row, x, column, Format::kStep, lanes);
    }
    if (column < cols) StreamStep<Format, R, T>(row, x, column, cols - column, lanes);
  } else {
    for (int64_t begin = 0; begin < cols; begin += Format::kBlock) {
      const int64_t end = begin + Format::kBlock < cols ? begin + Format::kBlock : cols;
      F32x16 part[R][T];
      for (auto& of_row : part) {
        for (F32x16& lane : of_row) lane = Zero();
      }
      int64_t column = begin;
      for (; column + Format::kStep <= end; column += Format::kStep) {
        StreamStep<Format, R, T>(row, x, column, Format::kStep, part);
      }
      if (column < end) StreamStep<Format, R, T>(row, x, column, end - column, part);
      for (int r = 0; r < R; ++r) {
        const F32x16 scale = Broadcast(Format::Scale(row[r], begin));
        for (int t = 0; t < T; ++t) lanes[r][t] = Fma(part[r][t], scale, lanes[r][t]);
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    float* y = args.y + (first_token + t) * args.y_stride + first_row;
    for (int r = 0; r < R; ++r) y[r] = TreeSum(lanes[r][t]);
  }
}

template <typename Format, int T>
static void StreamTokens(const MatMulArgs& args, int64_t first_token) {
  int64_t row = args.row_begin;
  for (; row + kTileRows <= args.row_end; row += kTileRows) StreamRows<Format, kTileRows, T>(args, row, first_token);
  for (; row < args.row_end; ++row) StreamRows<Format, 1, T>(args, row, first_token);
}

// ---- many tokens ----------------------------------------------------------------------------------------------------

// 8 rows x 128 columns (4 KiB), the running lanes (32 KiB) and a strip of 64 inputs stay close to the core; decoding
// costs a twentieth of the products at 64 tokens.
inline constexpr int kPanelRows = 8;
inline constexpr int kPanelTokens = 64;
inline constexpr int kPanelColumns = 128;

struct Panel {
  alignas(64) float weights[kPanelRows][kPanelColumns];
  alignas(64) float lanes[kPanelRows][kPanelTokens][16];
  float scale[kPanelRows][kPanelColumns / 32];
};

// R rows of the panel from first_row, times T inputs. kBlock as in Format.
template <int kBlock, int R, int T>
static void PanelTile(Panel& panel, int first_row, int first_token, const float* const* x, int64_t column,
                      int64_t cols) {
  constexpr int kSpan = kBlock == 0 ? kPanelColumns : kBlock;
  for (int64_t begin = 0; begin < cols; begin += kSpan) {
    const int64_t end = begin + kSpan < cols ? begin + kSpan : cols;
    F32x16 sums[R][T];
    for (int r = 0; r < R; ++r) {
      for (int t = 0; t < T; ++t) {
        sums[r][t] = kBlock == 0 ? Load(panel.lanes[first_row + r][first_token + t]) : Zero();
      }
    }
    int64_t k = begin;
    for (; k + 16 <= end; k += 16) {
      F32x16 w[R];
      for (int r = 0; r < R; ++r) w[r] = Load(panel.weights[first_row + r] + k);
      for (int t = 0; t < T; ++t) {
        const F32x16 input = Load(x[t] + column + k);
        for (int r = 0; r < R; ++r) sums[r][t] = Fma(w[r], input, sums[r][t]);
      }
    }
    if (k < end) {
      for (int t = 0; t < T; ++t) {
        const F32x16 input = LoadFirst(x[t] + column + k, end - k);
        for (int r = 0; r < R; ++r) sums[r][t] = Fma(Load(panel.weights[first_row + r] + k), input, sums[r][t]);
      }
    }
    for (int r = 0; r < R; ++r) {
      for (int t = 0; t < T; ++t) {
        float* lanes = panel.lanes[first_row + r][first_token + t];
        if constexpr (kBlock == 0) {
          Store(lanes, sums[r][t]);
        } else {
          const F32x16 scale = Broadcast(panel.scale[first_row + r][begin / kSpan]);
          Store(lanes, Fma(sums[r][t], scale, Load(lanes)));
        }
      }
    }
  }
}

template <typename Format>
static void FillPanel(Panel& panel, const typename Format::Row* row, int rows, int64_t column, int64_t cols) {
  constexpr int kVectors = Format::kStep / 16;
  for (int r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < cols; k += Format::kStep) {
      F32x16 w[kVectors];
      if (k + Format::kStep <= cols) {
        Format::Decode(row[r], column + k, w);
        Format::Ahead(row[r], column + k, kPanelRows);
      } else {
        Format::DecodeFirst(row[r], column + k, cols - k, w);
      }
      for (int v = 0; v < kVectors; ++v) Store(panel.weights[r] + k + 16 * v, w[v]);
      if constexpr (Format::kBlock != 0) {
        if (k % Format::kBlock == 0) panel.scale[r][k / Format::kBlock] = Format::Scale(row[r], column + k);
      }
    }
  }
}

// Rows of the panel beyond the last hold leftovers; their sums are computed and dropped.
template <typename Format>
static void PanelRows(const MatMulArgs& args, Panel& panel, int64_t first_row, int rows, int64_t first_token,
                      int tokens) {
  constexpr int kBlock = Format::kBlock;
  const Matrix& w = *args.w;
  typename Format::Row row[kPanelRows];
  for (int r = 0; r < rows; ++r) row[r] = Format::At(w, first_row + r);
  const float* x[kPanelTokens];
  for (int t = 0; t < tokens; ++t) x[t] = InputRow(args, first_token + t);
  for (int r = 0; r < kPanelRows; ++r) {
    for (int t = 0; t < tokens; ++t) Store(panel.lanes[r][t], Zero());
  }
  for (int64_t column = 0; column < w.cols; column += kPanelColumns) {
    const int64_t cols = column + kPanelColumns < w.cols ? kPanelColumns : w.cols - column;
    FillPanel<Format>(panel, row, rows, column, cols);
    int t = 0;
    for (; t + kTileTokens <= tokens; t += kTileTokens) {
      for (int r = 0; r < rows; r += kTileRows) {
        PanelTile<kBlock, kTileRows, kTileTokens>(panel, r, t, x + t, column, cols);
      }
    }
    for (; t < tokens; ++t) {
      for (int r = 0; r < rows; r += kTileRows) PanelTile<kBlock, kTileRows, 1>(panel, r, t, x + t, column, cols);
    }
  }
  for (int t = 0; t < tokens; ++t) {
    float* y = args.y + (first_token + t) * args.y_stride + first_row;
    for (int r = 0; r < rows; ++r) y[r] = TreeSum(Load(panel.lanes[r][t]));
  }
}

// ---- both -----------------------------------------------------------------------------------------------------------

template <typename Format>
static void MatMulValues(const MatMulArgs& args) {
  static_assert(kPanelRows % kTileRows == 0 && kTileTokens <= 4);
  switch (args.tokens) {
    case 0:
      return;
    case 1:
      return StreamTokens<Format, 1>(args, 0);
    case 2:
      return StreamTokens<Format, 2>(args, 0);
    default:
      break;
  }
  Panel panel;
  std::memset(&panel.weights, 0, sizeof panel.weights);
  std::memset(&panel.scale, 0, sizeof panel.scale);
  for (int64_t token = 0; token < args.tokens; token += kPanelTokens) {
    const int64_t tokens = args.tokens - token < kPanelTokens ? args.tokens - token : kPanelTokens;
    for (int64_t row = args.row_begin; row < args.row_end; row += kPanelRows) {
      const int64_t rows = args.row_end - row < kPanelRows ? args.row_end - row : kPanelRows;
      PanelRows<Format>(args, panel, row, static_cast<int>(rows), token, static_cast<int>(tokens));
    }
  }
}

}  // namespace fathom::FATHOM_ISA
