#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/reference/reference.h"
#include "numeric/formats.h"
#include "numeric/math.h"

namespace fathom::reference {

void Attend(const AttendArgs& args) {
  const int64_t dim = args.layout.dim;
  const float scale = 1.0f / std::sqrt(static_cast<float>(dim));
  float* panel = args.scratch;                        // [64, dim]
  float* scores = args.scratch + kAttendBlock * dim;  // [64]
  for (int64_t head = 0; head < args.heads; ++head) {
    const float* q = args.q + head * dim;
    float* out = args.out + head * dim;
    std::fill(out, out + dim, 0.0f);
    float max = -std::numeric_limits<float>::infinity();
    float total = 0;
    for (int64_t begin = 0; begin < args.count; begin += kAttendBlock) {
      const int64_t n = std::min(kAttendBlock, args.count - begin);
      float block_max = max;
      for (int64_t j = 0; j < n; ++j) {
        DecodeKvRow(args.layout, args.rows[begin + j], panel + j * dim);
        scores[j] = Dot(q, panel + j * dim, dim) * scale;
        block_max = std::max(block_max, scores[j]);
      }
      const float fade = Exp(max - block_max);  // Exp(-inf) = 0 for the first block
      max = block_max;
      Lanes sum;
      for (int64_t j = 0; j < n; ++j) {
        scores[j] = Exp(scores[j] - max);
        sum.lane[static_cast<size_t>(j % 16)] += scores[j];
      }
      total = total * fade + sum.Sum();
      for (int64_t i = 0; i < dim; ++i) out[i] *= fade;
      for (int64_t j = 0; j < n; ++j) {
        for (int64_t i = 0; i < dim; ++i) out[i] = std::fma(scores[j], panel[j * dim + i], out[i]);
      }
    }
    // With no row at all the sink takes everything and the output is zero.
    total += Exp(args.sink[head] - max);
    for (int64_t i = 0; i < dim; ++i) out[i] = args.count == 0 ? 0.0f : out[i] / total;
  }
}

void IndexScores(const IndexScoreArgs& args) {
  const int64_t dim = args.layout.dim;
  const auto dot = [&](const uint8_t* q, const uint8_t* key) {
    if (args.layout.format == RowFormat::kF32) {
      Lanes sum;
      for (int64_t i = 0; i < (dim + 15) / 16 * 16; ++i) {
        sum.Fma(i % 16, i < dim ? LoadUnaligned<float>(q + 4 * i) : 0.0f,
                i < dim ? LoadUnaligned<float>(key + 4 * i) : 0.0f);
      }
      return sum.Sum();
    }
    float s = 0;
    for (int64_t block = 0; block < dim / 32; ++block) {
      int32_t sum = 0;
      for (int64_t i = 16 * block; i < 16 * block + 16; ++i) {
        const auto doubled = [](int nibble) { return static_cast<int32_t>(2 * kE2m1Values[nibble]); };
        sum += doubled(q[i] & 15) * doubled(key[i] & 15) + doubled(q[i] >> 4) * doubled(key[i] >> 4);
      }
      const auto power = [&](const uint8_t* row) {
        return std::bit_cast<float>(static_cast<uint32_t>(row[args.layout.scales_at() + block]) << 23);
      };
      s = std::fma(static_cast<float>(sum), power(q) * 0.25f * power(key), s);
    }
    return s;
  };
  for (int64_t j = 0; j < args.count; ++j) {
    float score = 0;
    for (int64_t head = 0; head < args.heads; ++head) {
      const float s = dot(args.q + head * args.layout.bytes(), args.keys[j]);
      score = std::fma(s > 0 ? s : 0.0f, args.w[head], score);
    }
    args.scores[j] = score;
  }
}

}  // namespace fathom::reference

namespace fathom {

const KernelTable& ReferenceKernels() {
  static constexpr KernelTable kTable = {
      .name = "reference",
      .quantize_fp8 = reference::QuantizeFp8,
      .quantize_int8 = reference::QuantizeInt8,
      .matmul_fp4 = reference::MatMulFp4,
      .matmul_fp4_f32 = reference::MatMulFp4F32,
      .matmul_fp8 = reference::MatMulFp8,
      .matmul_bf16 = reference::MatMulBf16,
      .matmul_f32 = reference::MatMulF32,
      .sum_of_squares = reference::SumOfSquares,
      .swiglu = reference::SwiGlu,
      .hc_post = reference::HcPost,
      .attend = reference::Attend,
      .index_scores = reference::IndexScores,
      .largest_logit = reference::LargestLogit,
      .softmax_weights = reference::SoftmaxWeights,
      .select_at_least = reference::SelectAtLeast,
  };
  return kTable;
}

}  // namespace fathom
