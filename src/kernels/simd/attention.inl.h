// attention.inl.h - the attention core of one token (kernels.h).
//
// A block of 64 rows is decoded once into a panel for all heads. The panel is cut into strips of 64 columns, each
// [64 rows, 64 columns] and 16 KiB: a strip stays in the first-level cache while all heads take their weighted sum from
// it, and has no two rows a power of two apart.
#include "kernels/simd/dot.inl.h"

namespace fathom::FATHOM_ISA {

inline constexpr int64_t kStripColumns = 64;
inline constexpr int64_t kStripFloats = kAttendBlock * kStripColumns;
// Heads whose running maximum and total are kept at a time. With more, the rows are decoded once per group.
inline constexpr int64_t kHeadGroup = 128;

// Exp() of numeric/math.h, operation by operation.
FATHOM_INLINE F32x16 Exp(F32x16 x) {
  const F32x16 round = Broadcast(12582912.0f);  // 1.5 * 2^23
  const F32x16 low = Broadcast(-87.3f);
  const F32x16 high = Broadcast(88.72f);
  const F32x16 clamped = IfLess(x, low, low, IfLess(high, x, high, x));
  const F32x16 shifted = Add(Mul(clamped, Broadcast(1.44269504088896341f)), round);
  const F32x16 n = Sub(shifted, round);
  const F32x16 r = Sub(Sub(clamped, Mul(n, Broadcast(0.693359375f))), Mul(n, Broadcast(-2.12194440e-4f)));
  F32x16 p = Broadcast(1.0f / 5040);
  p = Add(Mul(p, r), Broadcast(1.0f / 720));
  p = Add(Mul(p, r), Broadcast(1.0f / 120));
  p = Add(Mul(p, r), Broadcast(1.0f / 24));
  p = Add(Mul(p, r), Broadcast(1.0f / 6));
  p = Add(Mul(p, r), Broadcast(0.5f));
  const F32x16 e = Add(Mul(Mul(r, r), p), r);
  const I32x16 whole = SubInt(Bits(shifted), Bits(round));
  const I32x16 half = ShiftRight<1>(whole);
  const I32x16 bias = BroadcastInt(127);
  const F32x16 scale_a = FromBits(ShiftLeft<23>(AddInt(half, bias)));
  const F32x16 scale_b = FromBits(ShiftLeft<23>(AddInt(SubInt(whole, half), bias)));
  const F32x16 result = Mul(Mul(Add(e, Broadcast(1.0f)), scale_a), scale_b);
  return IfLess(x, low, Zero(), result);
}
FATHOM_INLINE float ExpOf(float x) { return FirstLane(Exp(Broadcast(x))); }

// E8m0ToFloat() of numeric/formats.h.
FATHOM_INLINE float RowScale(uint8_t code) {
  const uint32_t bits = code == 255 ? 0x7FC00000u : code == 0 ? 0x00400000u : static_cast<uint32_t>(code) << 23;
  float scale;
  std::memcpy(&scale, &bits, 4);
  return scale;
}

// Where column k (a multiple of 16) of row j lies. `padded` is the row's length.
FATHOM_INLINE float* PanelAt(float* panel, int64_t padded, int64_t row, int64_t k) {
  const int64_t strip = k / kStripColumns;
  const int64_t left = padded - strip * kStripColumns;
  const int64_t width = left < kStripColumns ? left : kStripColumns;
  return panel + strip * kStripFloats + row * width + k % kStripColumns;
}

// A stored row into row j of the panel, padded with zeros. The quantised part is a multiple of 64 columns.
static void DecodeRow(const KvRowLayout& layout, const uint8_t* stored, float* panel, int64_t padded, int64_t j) {
  int64_t column = 0;
  if (layout.format != RowFormat::kF32) {
    const int64_t nope = layout.dim - layout.rope_dim;
    const F32x16 not_a_number = Broadcast(__builtin_nanf(""));
    for (; column < nope; column += 64) {
      F32x16 values[4];
      DecodeFp8(stored + column, values);
      const F32x16 scale = Broadcast(RowScale(stored[nope + column / 64]));
      for (int v = 0; v < 4; ++v) {
        // Code 0x7F, which only a NaN leaves in a cache, reads as 480.
        const F32x16 value = IfLess(Broadcast(448.0f), Abs(values[v]), not_a_number, values[v]);
        Store(PanelAt(panel, padded, j, column + 16 * v), Mul(value, scale));
      }
    }
    stored += nope + nope / 64;
  }
  const bool bf16 = layout.format == RowFormat::kQuantized;
  for (; column < layout.dim; column += 16) {
    const int64_t n = layout.dim - column < 16 ? layout.dim - column : 16;
    Store(PanelAt(panel, padded, j, column), bf16 ? DecodeBf16First(stored, n) : LoadFirst(stored, n));
    stored += n * (bf16 ? 2 : 4);
  }
}

// scores[h, j] = q_h . row_j * scale for the panel's first `rows` rows, rounded up to a multiple of 4.
static void ScoreBlock(const float* q, int64_t heads, int64_t dim, float* panel, int64_t rows, float scale,
                       float* scores) {
  const int64_t padded = (dim + 15) / 16 * 16;
  for (int64_t head = 0; head < heads; head += 4) {
    // With fewer than four heads left the last one is computed again and not stored.
    const float* x[4];
    for (int64_t h = 0; h < 4; ++h) x[h] = q + (head + h < heads ? head + h : heads - 1) * dim;
    for (int64_t j = 0; j < rows; j += 4) {
      const F32x16 dots = Dot4x4([&](int r, int64_t k) { return PanelAt(panel, padded, j + r, k); }, x, dim);
      alignas(64) float of_heads[16];
      Store(of_heads, Mul(dots, Broadcast(scale)));
      for (int64_t h = 0; h < 4 && head + h < heads; ++h) {
        std::memcpy(scores + (head + h) * kAttendBlock + j, of_heads + 4 * h, 4 * sizeof(float));
      }
    }
  }
}

struct Softmax {
  float max;
  float total;
};

// Turns a block's scores of one head into weights, updates the running softmax and returns what the sum so far fades
// by.
static float WeighBlock(float* scores, int64_t rows, Softmax* state) {
  constexpr int kVectors = kAttendBlock / 16;
  for (int64_t j = rows; j < kAttendBlock; ++j) scores[j] = -__builtin_inff();
  F32x16 most = Broadcast(state->max);
  for (int v = 0; v < kVectors; ++v) most = Greater(Load(scores + 16 * v), most);
  const float block_max = MaxLane(most);
  const float fade = ExpOf(state->max - block_max);
  F32x16 sum = Zero();
  for (int v = 0; v < kVectors; ++v) {
    const int64_t left = rows - 16 * v;
    const F32x16 weight = Exp(Sub(Load(scores + 16 * v), Broadcast(block_max)));
    const F32x16 kept = KeepFirst(weight, left < 0 ? 0 : left < 16 ? left : 16);
    Store(scores + 16 * v, kept);
    sum = Add(sum, kept);
  }
  state->max = block_max;
  state->total = state->total * fade + TreeSum(sum);
  return fade;
}

// out[h, 16 V columns] = out * fade + sum_j weight[h, j] * panel[j], for H heads.
template <int H, int V>
FATHOM_INLINE void AccumulateTile(const float* weights, const float* strip, int64_t width, int64_t rows,
                                  const float* fade, float* out, int64_t dim, int64_t columns) {
  F32x16 sums[H][V];
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < V; ++v) {
      const int64_t n = columns - 16 * v;
      sums[h][v] =
          Mul(n >= 16 ? Load(out + h * dim + 16 * v) : LoadFirst(out + h * dim + 16 * v, n), Broadcast(fade[h]));
    }
  }
  for (int64_t j = 0; j < rows; ++j) {
    F32x16 value[V];
    for (int v = 0; v < V; ++v) value[v] = Load(strip + j * width + 16 * v);
    for (int h = 0; h < H; ++h) {
      const F32x16 weight = Broadcast(weights[h * kAttendBlock + j]);
      for (int v = 0; v < V; ++v) sums[h][v] = Fma(weight, value[v], sums[h][v]);
    }
  }
  for (int h = 0; h < H; ++h) {
    for (int v = 0; v < V; ++v) {
      const int64_t n = columns - 16 * v;
      if (n >= 16) {
        Store(out + h * dim + 16 * v, sums[h][v]);
      } else {
        StoreFirst(out + h * dim + 16 * v, n, sums[h][v]);
      }
    }
  }
}

template <int H>
static void AccumulateHeads(const float* weights, const float* strip, int64_t width, int64_t rows, const float* fade,
                            float* out, int64_t dim, int64_t columns) {
  int64_t v = 0;
  for (; 16 * (v + kTileRows) <= width; v += kTileRows) {
    AccumulateTile<H, kTileRows>(weights, strip + 16 * v, width, rows, fade, out + 16 * v, dim, columns - 16 * v);
  }
  for (; 16 * v < width; ++v) {
    AccumulateTile<H, 1>(weights, strip + 16 * v, width, rows, fade, out + 16 * v, dim, columns - 16 * v);
  }
}

static void AccumulateBlock(const float* weights, int64_t heads, int64_t dim, const float* panel, int64_t rows,
                            const float* fade, float* out) {
  const int64_t padded = (dim + 15) / 16 * 16;
  for (int64_t column = 0; column < dim; column += kStripColumns) {
    const float* strip = panel + column / kStripColumns * kStripFloats;
    const int64_t width = padded - column < kStripColumns ? padded - column : kStripColumns;
    int64_t head = 0;
    for (; head + kTileTokens <= heads; head += kTileTokens) {
      AccumulateHeads<kTileTokens>(weights + head * kAttendBlock, strip, width, rows, fade + head,
                                   out + head * dim + column, dim, dim - column);
    }
    for (; head < heads; ++head) {
      AccumulateHeads<1>(weights + head * kAttendBlock, strip, width, rows, fade + head, out + head * dim + column, dim,
                         dim - column);
    }
  }
}

static void AttendGroup(const AttendArgs& args, int64_t first_head, int64_t heads) {
  const int64_t dim = args.layout.dim;
  const int64_t padded = (dim + 15) / 16 * 16;
  const float scale = 1.0f / SquareRoot(static_cast<float>(dim));
  float* panel = args.scratch;
  float* scores = panel + kAttendBlock * padded;  // [heads, 64]
  const float* q = args.q + first_head * dim;
  float* out = args.out + first_head * dim;
  Softmax state[kHeadGroup];
  float fade[kHeadGroup];
  for (int64_t head = 0; head < heads; ++head) state[head] = {-__builtin_inff(), 0.0f};
  std::memset(out, 0, static_cast<size_t>(heads * dim) * sizeof(float));
  for (int64_t begin = 0; begin < args.count; begin += kAttendBlock) {
    const int64_t rows = args.count - begin < kAttendBlock ? args.count - begin : kAttendBlock;
    const int64_t filled = (rows + 3) / 4 * 4;
    for (int64_t j = 0; j < rows; ++j) DecodeRow(args.layout, args.rows[begin + j], panel, padded, j);
    for (int64_t j = rows; j < filled; ++j) {
      for (int64_t k = 0; k < padded; k += 16) Store(PanelAt(panel, padded, j, k), Zero());
    }
    ScoreBlock(q, heads, dim, panel, filled, scale, scores);
    for (int64_t head = 0; head < heads; ++head)
      fade[head] = WeighBlock(scores + head * kAttendBlock, rows, &state[head]);
    AccumulateBlock(scores, heads, dim, panel, rows, fade, out);
  }
  for (int64_t head = 0; head < heads; ++head) {
    const float total = state[head].total + ExpOf(args.sink[first_head + head] - state[head].max);
    for (int64_t k = 0; k < dim; k += 16) {
      const int64_t n = dim - k < 16 ? dim - k : 16;
      // With no row at all the sink takes everything and the output is zero, as it already is.
      if (args.count > 0)
        StoreFirst(out + head * dim + k, n, Div(LoadFirst(out + head * dim + k, n), Broadcast(total)));
    }
  }
}

void Attend(const AttendArgs& args) {
  for (int64_t head = 0; head < args.heads; head += kHeadGroup) {
    AttendGroup(args, head, args.heads - head < kHeadGroup ? args.heads - head : kHeadGroup);
  }
}

}  // namespace fathom::FATHOM_ISA
