// tile.inl.h - products with weights that are decoded to floats, over the primitives of <isa>/simd.h.
//
// A weight format is a struct `Format`:
//   kStep            columns decoded at a time, a multiple of 16
//   kStepBytes       their bytes
//   kBlock           columns per scale, a multiple of kStep; 0: no scales
//   ScaleRow(matrix, row)                          where the row's scales start
//   Decode(WeightRow, column, F32x16*)             kStep weights
//   DecodeFirst(WeightRow, column, n, F32x16*)     n < kStep weights and zeros
//   Scale(WeightRow, column)                       the block's scale
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

// Where one row of a matrix lies.
struct WeightRow {
  const uint8_t* codes;
  const uint8_t* scale;
  int64_t bytes;
};

template <typename Format>
FATHOM_INLINE WeightRow RowOf(const Matrix& w, int64_t row) {
  const int64_t bytes =
      w.cols / Format::kStep * Format::kStepBytes + w.cols % Format::kStep * Format::kStepBytes / Format::kStep;
  return {w.data + row * bytes, Format::ScaleRow(w, row), bytes};
}

// Prefetches for a tile of `rows` rows, of which this is the r-th and is being read at byte `at`.
// Long rows: what this row needs kAheadBytes later, or the next tile's row does. Short rows: the next tile, which is
// one contiguous run, in the order of its addresses, since several streams in one page confuse the hardware's
// prefetcher.
inline constexpr int64_t kAheadBytes = 1024;
inline constexpr int64_t kShortRowBytes = 1024;
FATHOM_INLINE void PrefetchAhead(const WeightRow& row, int64_t at, int rows, int r, int step_bytes) {
  const int64_t in_next_tile = (rows - r) * row.bytes + rows * at + r * step_bytes;
  const int64_t in_row = at + kAheadBytes + (at + kAheadBytes < row.bytes ? 0 : (rows - 1) * row.bytes);
  __builtin_prefetch(row.codes + (row.bytes <= kShortRowBytes ? in_next_tile : in_row));
}

// ---- few tokens -----------------------------------------------------------------------------------------------------

// Columns [begin, begin + n) of R rows times T inputs, added to sums.
template <typename Format, int R, int T>
FATHOM_INLINE void StreamStep(const WeightRow* row, const float* const* x, int64_t column, int64_t n,
                              F32x16 (&sums)[R][T]) {
  constexpr int kVectors = Format::kStep / 16;
  for (int r = 0; r < R; ++r) {
    F32x16 w[kVectors];
    if (n == Format::kStep) {
      Format::Decode(row[r], column, w);
      PrefetchAhead(row[r], column / Format::kStep * Format::kStepBytes, R, r, Format::kStepBytes);
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
  WeightRow row[R];
  for (int r = 0; r < R; ++r) row[r] = RowOf<Format>(w, first_row + r);
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

// 8 rows x 512 columns (16 KiB) and 4 inputs of 512 columns (8 KiB) fit the first-level cache; 512 columns are enough
// to hide the loads and stores of the running lanes. Measured with AVX-512, 64 tokens, FP8 and BF16, GFLOP/s per core:
// 128 columns 85 and 69, 256: 91 and 83, 512: 95 and 86, 1024: 89 and 81.
inline constexpr int kPanelRows = 8;
inline constexpr int kPanelTokens = 64;
inline constexpr int kPanelColumns = 512;
inline constexpr int kPanelStride = kPanelColumns + 16;  // not a power of two: rows in different cache sets

// Tokens taken together: as many as stay in the second-level cache (1 MiB of it) while all rows go by.
FATHOM_INLINE int64_t TokenBlock(int64_t input_bytes) {
  const int64_t tokens = (int64_t{1} << 20) / (input_bytes > 0 ? input_bytes : 1) / 4 * 4;
  return tokens < 16 ? 16 : tokens < kPanelTokens ? tokens : kPanelTokens;
}

struct Panel {
  alignas(64) float weights[kPanelRows][kPanelStride];
  alignas(64) float lanes[kPanelTokens][kPanelRows][16];
  float scale[kPanelRows][kPanelColumns / 32];
};

// sums += R rows of the panel times T inputs over `steps` times 16 columns.
template <int R, int T>
FATHOM_INLINE void PanelSteps(const float* weights, const float* const* x, int64_t steps, F32x16 (&sums)[R][T]) {
  for (int64_t k = 0; k < 16 * steps; k += 16) {
    F32x16 w[R];
    for (int r = 0; r < R; ++r) w[r] = Load(weights + r * kPanelStride + k);
    for (int t = 0; t < T; ++t) {
      const F32x16 input = Load(x[t] + k);
      for (int r = 0; r < R; ++r) sums[r][t] = Fma(w[r], input, sums[r][t]);
    }
  }
}

// sums += R rows of the panel times T inputs over n <= kPanelColumns columns.
template <int R, int T>
FATHOM_INLINE void PanelSpan(const float* weights, const float* const* x, int64_t n, F32x16 (&sums)[R][T]) {
  PanelSteps<R, T>(weights, x, n / 16, sums);
  if (n % 16 == 0) return;
  const int64_t k = n / 16 * 16;
  for (int t = 0; t < T; ++t) {
    const F32x16 input = LoadFirst(x[t] + k, n - k);
    for (int r = 0; r < R; ++r) sums[r][t] = Fma(Load(weights + r * kPanelStride + k), input, sums[r][t]);
  }
}

// R rows of the panel from first_row, times T inputs from x[t], over `cols` columns. kBlock as in Format.
template <int kBlock, int R, int T>
static void PanelTile(Panel& panel, int first_row, int first_token, const float* const* x, int64_t cols) {
  const float* weights = panel.weights[first_row];
  F32x16 lanes[R][T];
  for (int t = 0; t < T; ++t) {
    for (int r = 0; r < R; ++r) lanes[r][t] = Load(panel.lanes[first_token + t][first_row + r]);
  }
  if constexpr (kBlock == 0) {
    PanelSpan<R, T>(weights, x, cols, lanes);
  } else {
    for (int64_t begin = 0; begin < cols; begin += kBlock) {
      F32x16 sums[R][T];
      const float* at[T];
      for (int t = 0; t < T; ++t) {
        at[t] = x[t] + begin;
        for (int r = 0; r < R; ++r) sums[r][t] = Zero();
      }
      if (begin + kBlock <= cols) {
        PanelSteps<R, T>(weights + begin, at, kBlock / 16, sums);  // of constant length: unrolled
      } else {
        PanelSpan<R, T>(weights + begin, at, cols - begin, sums);
      }
      for (int r = 0; r < R; ++r) {
        const F32x16 scale = Broadcast(panel.scale[first_row + r][begin / kBlock]);
        for (int t = 0; t < T; ++t) lanes[r][t] = Fma(sums[r][t], scale, lanes[r][t]);
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    for (int r = 0; r < R; ++r) Store(panel.lanes[first_token + t][first_row + r], lanes[r][t]);
  }
}

template <typename Format>
static void FillPanel(Panel& panel, const WeightRow* row, int rows, int64_t column, int64_t cols) {
  constexpr int kVectors = Format::kStep / 16;
  for (int r = 0; r < rows; ++r) {
    for (int64_t k = 0; k < cols; k += Format::kStep) {
      F32x16 w[kVectors];
      if (k + Format::kStep <= cols) {
        Format::Decode(row[r], column + k, w);
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

// Fetches the panel to come while this one is worked on: before each tile its share of the lines.
class PanelPrefetch {
 public:
  // Columns of a panel are `bytes` long in memory; `tiles` is how often Next() will be called.
  PanelPrefetch(const WeightRow* row, int64_t at, int64_t bytes, int tiles)
      : row_(row), at_(at), lines_((bytes + 63) / 64), share_((kPanelRows * lines_ + tiles - 1) / tiles) {}
  void Next() {
    for (int64_t i = 0; i < share_ && r_ < kPanelRows; ++i) {
      __builtin_prefetch(row_->codes + r_ * row_->bytes + at_ + 64 * line_);
      if (++line_ == lines_) {
        line_ = 0;
        ++r_;
      }
    }
  }

 private:
  const WeightRow* row_;
  int64_t at_;
  int64_t lines_;
  int64_t share_;
  int64_t line_ = 0;
  int64_t r_ = 0;
};

template <int kBlock, int T>
FATHOM_INLINE void PanelTiles(Panel& panel, int rows, int first_token, const float* const* x, int64_t cols,
                              PanelPrefetch& prefetch) {
  for (int r = 0; r < rows; r += kTileRows) {
    prefetch.Next();
    PanelTile<kBlock, kTileRows, T>(panel, r, first_token, x, cols);
  }
}

// Rows of the panel beyond the last hold leftovers; their sums are computed and dropped.
template <typename Format>
static void PanelRows(const MatMulArgs& args, Panel& panel, int64_t first_row, int rows, int64_t first_token,
                      int tokens) {
  constexpr int kBlock = Format::kBlock;
  const Matrix& w = *args.w;
  WeightRow row[kPanelRows];
  for (int r = 0; r < rows; ++r) row[r] = RowOf<Format>(w, first_row + r);
  const float* x[kPanelTokens];
  for (int t = 0; t < tokens; ++t) x[t] = InputRow(args, first_token + t);
  for (int t = 0; t < (tokens + 1) / 2 * 2; ++t) {
    for (int r = 0; r < kPanelRows; ++r) Store(panel.lanes[t][r], Zero());
  }
  for (int64_t column = 0; column < w.cols; column += kPanelColumns) {
    const int64_t cols = column + kPanelColumns < w.cols ? kPanelColumns : w.cols - column;
    FillPanel<Format>(panel, row, rows, column, cols);
    // After the last panel of these rows comes the first of the next.
    constexpr int kPanelBytes = kPanelColumns / Format::kStep * Format::kStepBytes;
    const int64_t next = (column / kPanelColumns + 1) * kPanelBytes;
    PanelPrefetch prefetch(row, next < row[0].bytes ? next : kPanelRows * row[0].bytes, kPanelBytes,
                           kPanelRows / kTileRows * ((tokens + kTileTokens - 1) / kTileTokens));
    int t = 0;
    for (; t + kTileTokens <= tokens; t += kTileTokens) {
      PanelTiles<kBlock, kTileTokens>(panel, rows, t, x + t, cols, prefetch);
    }
    if (kTileTokens > 2 && t + 2 <= tokens) {
      PanelTiles<kBlock, 2>(panel, rows, t, x + t, cols, prefetch);
      t += 2;
    }
    for (; t < tokens; ++t) PanelTiles<kBlock, 1>(panel, rows, t, x + t, cols, prefetch);
    for (int i = 0; i < tokens; ++i) x[i] += cols;
  }
  // The sums of two tokens at a time, 8 rows each.
  for (int t = 0; t < tokens; t += 2) {
    F32x16 lanes[2 * kPanelRows];
    for (int i = 0; i < 2 * kPanelRows; ++i) lanes[i] = Load(panel.lanes[t + i / kPanelRows][i % kPanelRows]);
    alignas(64) float sums[2][kPanelRows];
    Store(&sums[0][0], TreeSums(lanes));
    for (int i = 0; i < 2 && t + i < tokens; ++i) {
      float* y = args.y + (first_token + t + i) * args.y_stride + first_row;
      std::memcpy(y, sums[i], static_cast<size_t>(rows) * sizeof(float));
    }
  }
}

// ---- both -----------------------------------------------------------------------------------------------------------

template <typename Format>
static void MatMulValues(const MatMulArgs& args) {
  static_assert(kPanelRows == 8 && kPanelRows % kTileRows == 0 && kTileTokens <= 4 && kPanelTokens % 4 == 0);
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
  const int64_t block = TokenBlock(args.w->cols * 4);
  for (int64_t token = 0; token < args.tokens; token += block) {
    const int64_t tokens = args.tokens - token < block ? args.tokens - token : block;
    for (int64_t row = args.row_begin; row < args.row_end; row += kPanelRows) {
      const int64_t rows = args.row_end - row < kPanelRows ? args.row_end - row : kPanelRows;
      PanelRows<Format>(args, panel, row, static_cast<int>(rows), token, static_cast<int>(tokens));
    }
  }
}

}  // namespace fathom::FATHOM_ISA
