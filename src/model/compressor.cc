#include "model/compressor.h"

#include <algorithm>
#include <cmath>

#include "model/rotary.h"
#include "numeric/formats.h"
#include "numeric/math.h"

namespace fathom {
namespace {

constexpr int64_t kMaxMembers = 128;

// One compressor of one sequence during a step.
class BlockBuilder {
 public:
  BlockBuilder(const CompressorState& state, int64_t first_position, const float* kv, const float* score)
      : state_(state), first_position_(first_position), kv_(kv), score_(score) {}

  CompressorMember At(int64_t position) const {
    if (position < first_position_) return {state_.kv_row(position), state_.score_row(position)};
    const int64_t at = (position - first_position_) * state_.width;
    return {kv_ + at, score_ + at};
  }

  // The members of block `block`, in ascending position; returns how many. Ratio 4: the first halves of the previous
  // block's rows, then the second halves of this block's.
  int64_t Members(int64_t block, int64_t ratio, CompressorMember* members) const {
    int64_t count = 0;
    if (ratio == 4) {
      for (int64_t position = 4 * block - 4; position < 4 * block; ++position) members[count++] = At(position);
    }
    const int64_t half = ratio == 4 ? state_.width / 2 : 0;
    for (int64_t position = ratio * block; position < ratio * (block + 1); ++position) {
      const CompressorMember member = At(position);
      members[count++] = {member.kv + half, member.score + half};
    }
    return count;
  }

  // Keeps the last rows of the step for blocks that finish later.
  void Store(int64_t tokens) const {
    for (int64_t token = std::max<int64_t>(0, tokens - state_.slots); token < tokens; ++token) {
      const int64_t position = first_position_ + token;
      std::copy_n(kv_ + token * state_.width, state_.width, state_.kv_row(position));
      std::copy_n(score_ + token * state_.width, state_.width, state_.score_row(position));
    }
  }

 private:
  CompressorState state_;
  int64_t first_position_;
  const float* kv_;
  const float* score_;
};

}  // namespace

void CompressorSoftmaxSum(const CompressorMember* members, int64_t count, int64_t width, float* row) {
  constexpr int64_t kTile = 64;
  for (int64_t at = 0; at < width; at += kTile) {
    const int64_t n = std::min(kTile, width - at);
    float max[kTile];
    float total[kTile];
    float sum[kTile];
    std::copy_n(members[0].score + at, n, max);
    for (int64_t m = 1; m < count; ++m) {
      const float* score = members[m].score + at;
      for (int64_t c = 0; c < n; ++c) max[c] = score[c] > max[c] ? score[c] : max[c];
    }
    std::fill_n(total, n, 0.0f);
    std::fill_n(sum, n, 0.0f);
    for (int64_t m = 0; m < count; ++m) {
      const float* score = members[m].score + at;
      const float* kv = members[m].kv + at;
      for (int64_t c = 0; c < n; ++c) {
        const float e = Exp(score[c] - max[c]);
        total[c] += e;
        sum[c] += e * kv[c];
      }
    }
    for (int64_t c = 0; c < n; ++c) row[at + c] = sum[c] / total[c];
  }
}

void Hadamard(float* row, int64_t n) {
  for (int64_t half = 1; half < n; half *= 2) {
    for (int64_t begin = 0; begin < n; begin += 2 * half) {
      for (int64_t i = begin; i < begin + half; ++i) {
        const float a = row[i];
        const float b = row[i + half];
        row[i] = a + b;
        row[i + half] = a - b;
      }
    }
  }
  const float norm = 1.0f / std::sqrt(static_cast<float>(n));
  for (int64_t i = 0; i < n; ++i) row[i] *= norm;
}

void Compress(const Step& step, const CompressorWeights& w, CompressorKind kind, int64_t layer, int64_t ratio,
              const float* kv, float* score) {
  const ModelConfig& config = step.config;
  const bool main = kind == CompressorKind::kMain;
  const int64_t dim = main ? config.head_dim : config.index_dim;
  const int64_t width = ModelConfig::Overlap(ratio) * dim;
  step.pool.ParallelFor(step.tokens, 8, [&](int64_t begin, int64_t end, int) {
    for (int64_t token = begin; token < end; ++token) {
      const uint8_t* ape = w.ape.data + step.ws.position[token] % ratio * w.ape.row_bytes();
      for (int64_t c = 0; c < width; ++c) score[token * width + c] += LoadUnaligned<float>(ape + 4 * c);
    }
  });
  for (size_t s = 0; s < step.batch.segments.size(); ++s) {
    const Segment& segment = step.batch.segments[s];
    const int64_t first_token = step.ws.first[s];
    const int64_t position = segment.cache->position();
    const CompressorState state = main ? segment.cache->compressor(layer) : segment.cache->index_compressor(layer);
    const BlockBuilder builder(state, position, kv + first_token * width, score + first_token * width);
    // Of a replay the rows are there already; its own were inexact.
    const int64_t first_block = std::max(position, segment.cache->sealed()) / ratio;
    const int64_t blocks = std::max(int64_t{0}, (position + segment.tokens) / ratio - first_block);
    step.pool.ParallelFor(blocks, 1, [&](int64_t begin, int64_t end, int worker) {
      float* row = step.ws.workers[static_cast<size_t>(worker)].row.data();
      float cosine[2048];  // r/2 values; Validate() bounds head_dim by 4096
      float sine[2048];
      CompressorMember members[kMaxMembers];
      for (int64_t block = first_block + begin; block < first_block + end; ++block) {
        const int64_t count = builder.Members(block, ratio, members);
        CompressorSoftmaxSum(members, count, dim, row);
        RmsNormRow(row, w.norm, dim, config.rms_eps, row);
        RotaryTable(step.compressed_frequencies, block * ratio, cosine, sine);
        Rotate(row + dim - config.rope_dim, config.rope_dim, cosine, sine);
        if (main) {
          EncodeKvRow(segment.cache->layout().kv(), row, segment.cache->mutable_compressed_row(layer, block));
        } else {
          Hadamard(row, dim);
          EncodeIndexRow(segment.cache->layout().index(), row, segment.cache->mutable_index_row(layer, block));
        }
      }
    });
    builder.Store(segment.tokens);
  }
}

}  // namespace fathom
