// index_scores.inl.h - the indexer's scores (kernels.h).
//
// 16 keys at a time, one a lane: their nibbles are transposed and decoded once, then every head takes its whole-number
// dot products from them with four values of q in every lane.
#include "kernels/simd/dot.inl.h"

namespace fathom::FATHOM_ISA {

// Buffers on the stack bound what is done at once: heads in groups of kIndexHeads, up to kIndexDim values a row.
inline constexpr int64_t kIndexHeads = 64;
inline constexpr int64_t kIndexDim = 256;

struct IndexQueries {
  // Per head and 8 values: four dwords' worth of doubled numbers at even places, then those at odd ones.
  int32_t values[kIndexHeads][kIndexDim / 4];
  int32_t offset[kIndexHeads][kIndexDim / 32];  // what DotKeys() must start from
  float scale[kIndexHeads][kIndexDim / 32];
};
struct IndexKeys {
  alignas(64) uint8_t values[kIndexDim / 4][64];  // [value group][key][4]
  alignas(64) float scale[kIndexDim / 32][16];
};

FATHOM_INLINE float IndexScale(uint8_t code) {
  const uint32_t bits = static_cast<uint32_t>(code) << 23;
  float scale;
  std::memcpy(&scale, &bits, 4);
  return scale;
}

static void LoadQueries(const IndexScoreArgs& args, int64_t first_head, int64_t heads, IndexQueries* q) {
  static constexpr int8_t kDoubled[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
  const int64_t dim = args.layout.dim;
  const int64_t stride = (dim / 2 + dim / 32 + 3) / 4 * 4;
  for (int64_t head = 0; head < heads; ++head) {
    const uint8_t* row = args.q + (first_head + head) * stride;
    for (int64_t group = 0; group < dim / 8; ++group) {
      int8_t even[4];
      int8_t odd[4];
      for (int i = 0; i < 4; ++i) {
        even[i] = kDoubled[row[4 * group + i] & 15];
        odd[i] = kDoubled[row[4 * group + i] >> 4];
      }
      std::memcpy(&q->values[head][2 * group], even, 4);
      std::memcpy(&q->values[head][2 * group + 1], odd, 4);
    }
    for (int64_t block = 0; block < dim / 32; ++block) {
      int32_t sum = 0;
      for (int64_t i = 16 * block; i < 16 * block + 16; ++i) sum += kDoubled[row[i] & 15] + kDoubled[row[i] >> 4];
      q->offset[head][block] = -kKeyBias * sum;
      q->scale[head][block] = IndexScale(row[dim / 2 + block]);
    }
  }
}

// Fewer than 16 keys: the last one fills the rest.
static void LoadKeys(const IndexScoreArgs& args, int64_t first, int64_t count, IndexKeys* keys) {
  const int64_t dim = args.layout.dim;
  const uint8_t* row[16];
  for (int64_t i = 0; i < 16; ++i) row[i] = args.keys[first + (i < count ? i : count - 1)];
  for (int64_t group = 0; group < dim / 8; ++group) {
    alignas(64) uint8_t nibbles[64];
    for (int i = 0; i < 16; ++i) std::memcpy(nibbles + 4 * i, row[i] + 4 * group, 4);
    DecodeKeys(nibbles, keys->values[2 * group], keys->values[2 * group + 1]);
  }
  for (int64_t block = 0; block < dim / 32; ++block) {
    for (int i = 0; i < 16; ++i) keys->scale[block][i] = IndexScale(row[i][dim / 2 + block]);
  }
}

static void QuantizedScores(const IndexScoreArgs& args, int64_t first_head, int64_t heads) {
  const int64_t blocks = args.layout.dim / 32;
  IndexQueries q;
  LoadQueries(args, first_head, heads, &q);
  for (int64_t j = 0; j < args.count; j += 16) {
    const int64_t count = args.count - j < 16 ? args.count - j : 16;
    IndexKeys keys;
    LoadKeys(args, j, count, &keys);
    alignas(64) float dots[kIndexHeads][16];
    for (int64_t block = 0; block < blocks; ++block) {
      const KeyBlock key = LoadKeyBlock(keys.values[8 * block]);
      const F32x16 key_scale = Load(keys.scale[block]);
      for (int64_t head = 0; head < heads; ++head) {
        const F32x16 sum = ToFloat(DotKeys(key, &q.values[head][8 * block], q.offset[head][block]));
        const F32x16 scale = Mul(Mul(Broadcast(q.scale[head][block]), key_scale), Broadcast(0.25f));
        Store(dots[head], Fma(sum, scale, block == 0 ? Zero() : Load(dots[head])));
      }
    }
    F32x16 score = first_head == 0 ? Zero() : LoadFirst(args.scores + j, count);
    for (int64_t head = 0; head < heads; ++head) {
      score = Fma(Greater(Load(dots[head]), Zero()), Broadcast(args.w[first_head + head]), score);
    }
    StoreFirst(args.scores + j, count, score);
  }
}

static void FloatScores(const IndexScoreArgs& args) {
  const int64_t dim = args.layout.dim;
  for (int64_t j = 0; j < args.count; j += 4) {
    const int64_t count = args.count - j < 4 ? args.count - j : 4;
    float score[4] = {};
    for (int64_t head = 0; head < args.heads; head += 4) {
      const float* q[4];
      for (int64_t h = 0; h < 4; ++h) {
        const int64_t clamped = head + h < args.heads ? head + h : args.heads - 1;
        q[h] = reinterpret_cast<const float*>(args.q + clamped * dim * 4);
      }
      const auto key = [&](int r, int64_t k) { return args.keys[j + (r < count ? r : count - 1)] + 4 * k; };
      alignas(64) float dots[16];
      Store(dots, Dot4x4(key, q, dim));
      for (int64_t h = 0; h < 4 && head + h < args.heads; ++h) {
        for (int64_t i = 0; i < count; ++i) {
          const float dot = dots[4 * h + i] > 0 ? dots[4 * h + i] : 0.0f;
          score[i] = __builtin_fmaf(dot, args.w[head + h], score[i]);
        }
      }
    }
    std::memcpy(args.scores + j, score, static_cast<size_t>(count) * sizeof(float));
  }
}

void IndexScores(const IndexScoreArgs& args) {
  if (args.layout.format == RowFormat::kF32) return FloatScores(args);
  if (args.layout.dim > kIndexDim) return ReferenceKernels().index_scores(args);  // no known model
  int64_t head = 0;
  do {
    QuantizedScores(args, head, args.heads - head < kIndexHeads ? args.heads - head : kIndexHeads);
    head += kIndexHeads;
  } while (head < args.heads);
}

}  // namespace fathom::FATHOM_ISA
