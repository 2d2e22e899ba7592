#include "train/torch/row_ops.h"

#include <cmath>

#include "base/check.h"
#include "model/rotary.h"
#include "numeric/math.h"
#include "train/torch/gemm.h"
#include "train/torch/vector_ops.h"

namespace fathom {
namespace {

constexpr int64_t kKvBlock = 64;
constexpr int64_t kIndexBlock = 32;

float InverseNorm(const float* x, int64_t n, double eps) {
  return 1.0f / std::sqrt(Dot(x, x, n) / static_cast<float>(n) + static_cast<float>(eps));
}

void Finish(RowFinish finish, float* row, int64_t width, int64_t rope) {
  if (finish == RowFinish::kHadamardFp4) HadamardInPlace(row, width);
  if (!Arithmetic().quantize_activations) return;
  if (finish == RowFinish::kHadamardFp4) {
    for (int64_t i = 0; i < width; i += kIndexBlock) QuantizeBlockFp4(row + i, kIndexBlock, row + i);
  } else if (finish == RowFinish::kQ8Row) {
    for (int64_t i = 0; i < width - rope; i += kKvBlock) QuantizeBlockFp8(row + i, kKvBlock, row + i);
  }
}

struct RotateRowsFunction : torch::autograd::Function<RotateRowsFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& cosine, const Tensor& sine,
                        int64_t heads, bool normalize, double eps, int64_t finish) {
    const int64_t count = x.size(0);
    const int64_t width = x.size(1) / heads;
    const int64_t half = cosine.size(1);
    FATHOM_CHECK(cosine.size(0) == count);
    Tensor out = torch::empty_like(x);
    const float* x_data = Floats(x);
    const float* cosines = Floats(cosine);
    const float* sines = Floats(sine);
    float* out_data = Floats(out);
    ParallelRanges(count, 32, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        for (int64_t head = 0; head < heads; ++head) {
          const float* in = x_data + (n * heads + head) * width;
          float* row = out_data + (n * heads + head) * width;
          const float factor = normalize ? InverseNorm(in, width, eps) : 1.0f;
          for (int64_t i = 0; i < width; ++i) row[i] = in[i] * factor;
          Rotate(row + width - 2 * half, 2 * half, cosines + n * half, sines + n * half);
          Finish(static_cast<RowFinish>(finish), row, width, 2 * half);
        }
      }
    });
    context->save_for_backward({normalize ? x : Tensor(), cosine, sine});
    context->saved_data["heads"] = heads;
    context->saved_data["eps"] = eps;
    context->saved_data["finish"] = finish;
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const Tensor g = grads[0].contiguous();
    const int64_t heads = context->saved_data["heads"].toInt();
    const double eps = context->saved_data["eps"].toDouble();
    const auto finish = static_cast<RowFinish>(context->saved_data["finish"].toInt());
    const bool normalize = saved[0].defined();
    const int64_t count = g.size(0);
    const int64_t width = g.size(1) / heads;
    const int64_t half = saved[1].size(1);
    Tensor dx = torch::empty_like(g);
    const float* g_data = Floats(g);
    const float* x_data = normalize ? Floats(saved[0]) : nullptr;
    const float* cosines = Floats(saved[1]);
    const float* sines = Floats(saved[2]);
    float* dx_data = Floats(dx);
    ParallelRanges(count, 32, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        for (int64_t head = 0; head < heads; ++head) {
          const int64_t at = (n * heads + head) * width;
          float* row = dx_data + at;
          std::copy_n(g_data + at, width, row);
          if (finish == RowFinish::kHadamardFp4) HadamardInPlace(row, width);
          Rotate(row + width - 2 * half, 2 * half, cosines + n * half, sines + n * half, /*inverse=*/true);
          if (!normalize) continue;
          const float* in = x_data + at;
          const float r = InverseNorm(in, width, eps);
          const float pull = Dot(row, in, width) * r * r * r / static_cast<float>(width);
          for (int64_t i = 0; i < width; ++i) row[i] = row[i] * r - pull * in[i];
        }
      }
    });
    return {dx, Tensor(), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

// The members of block `block` of a sequence: token (in the sequence) and which half of the columns. Ratio 4 looks at
// the block before with the first halves.
struct Members {
  int64_t ratio;
  int64_t columns;  // w

  bool overlaps() const { return ratio == 4; }
  int64_t wide() const { return overlaps() ? 2 * columns : columns; }
  int64_t count(int64_t block) const { return overlaps() && block > 0 ? 2 * ratio : ratio; }
  // Member i: the token.
  int64_t token(int64_t block, int64_t i) const {
    return overlaps() && block > 0 ? (block - 1) * ratio + i : block * ratio + i;
  }
  // First column of its values.
  int64_t column(int64_t block, int64_t i) const {
    if (!overlaps()) return 0;
    return block > 0 && i < ratio ? 0 : columns;
  }
};

// Softmax weights over members [count][w] from gates with ape, in place of `weights`.
void MemberWeights(const Members& members, int64_t block, const float* kv_gate, const float* ape, float* weights) {
  const int64_t w = members.columns;
  const int64_t wide = members.wide();
  const int64_t count = members.count(block);
  float largest[kMaxRowWidth];
  float sum[kMaxRowWidth];
  std::fill_n(largest, w, -INFINITY);
  std::fill_n(sum, w, 0.0f);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t token = members.token(block, i);
    const float* gate = kv_gate + token * 2 * wide + wide + members.column(block, i);
    const float* offset = ape + (token % members.ratio) * wide + members.column(block, i);
    for (int64_t c = 0; c < w; ++c) {
      weights[i * w + c] = gate[c] + offset[c];
      largest[c] = std::max(largest[c], weights[i * w + c]);
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t c = 0; c < w; ++c) {
      weights[i * w + c] = Exp(weights[i * w + c] - largest[c]);
      sum[c] += weights[i * w + c];
    }
  }
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t c = 0; c < w; ++c) weights[i * w + c] /= sum[c];
  }
}

struct CompressFunction : torch::autograd::Function<CompressFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& kv_gate, const Tensor& ape, int64_t ratio,
                        const SequenceLayout* layout) {
    const Members members = {ratio, ape.size(1) / (ratio == 4 ? 2 : 1)};
    const int64_t w = members.columns;
    FATHOM_CHECK(w <= kMaxRowWidth);
    Tensor out = torch::zeros({layout->rows(ratio), w}, torch::kFloat32);
    ParallelParts(layout->sequences(), [&](int64_t sequence) {
      const float* tokens = Floats(kv_gate) + layout->token_begin(sequence) * kv_gate.size(1);
      std::vector<float> weights(static_cast<size_t>(members.count(1) * w));
      const int64_t first = layout->row_begin(ratio, sequence);
      for (int64_t block = 0; first + block < layout->row_begin(ratio, sequence + 1); ++block) {
        float* row = Floats(out) + (first + block) * w;
        MemberWeights(members, block, tokens, Floats(ape), weights.data());
        for (int64_t i = 0; i < members.count(block); ++i) {
          const float* kv = tokens + members.token(block, i) * 2 * members.wide() + members.column(block, i);
          for (int64_t c = 0; c < w; ++c) row[c] += weights[static_cast<size_t>(i * w + c)] * kv[c];
        }
      }
    });
    context->save_for_backward({kv_gate, ape, out});
    context->saved_data["ratio"] = ratio;
    context->saved_data["layout"] = reinterpret_cast<int64_t>(layout);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& kv_gate = saved[0];
    const Tensor& ape = saved[1];
    const Tensor& out = saved[2];
    const Tensor g = grads[0].contiguous();
    const int64_t ratio = context->saved_data["ratio"].toInt();
    const auto* layout = reinterpret_cast<const SequenceLayout*>(context->saved_data["layout"].toInt());
    const Members members = {ratio, out.size(1)};
    const int64_t w = members.columns;
    const int64_t wide = members.wide();
    Tensor dkv_gate = torch::zeros_like(kv_gate);
    const int64_t sequences = layout->sequences();
    const int64_t parts = std::min<int64_t>(16, sequences);
    Tensor dape_parts = torch::zeros({parts, ape.size(0), ape.size(1)}, torch::kFloat32);
    ParallelParts(parts, [&](int64_t part) {
      float* dape = Floats(dape_parts) + part * ape.numel();
      std::vector<float> weights(static_cast<size_t>(members.count(1) * w));
      for (int64_t sequence = sequences * part / parts; sequence < sequences * (part + 1) / parts; ++sequence) {
        const int64_t begin = layout->token_begin(sequence) * kv_gate.size(1);
        const float* tokens = Floats(kv_gate) + begin;
        float* dtokens = Floats(dkv_gate) + begin;
        const int64_t first = layout->row_begin(ratio, sequence);
        for (int64_t block = 0; first + block < layout->row_begin(ratio, sequence + 1); ++block) {
          const float* row = Floats(out) + (first + block) * w;
          const float* dy = Floats(g) + (first + block) * w;
          MemberWeights(members, block, tokens, Floats(ape), weights.data());
          for (int64_t i = 0; i < members.count(block); ++i) {
            const int64_t token = members.token(block, i);
            const int64_t at = token * 2 * wide + members.column(block, i);
            float* offset = dape + (token % ratio) * wide + members.column(block, i);
            for (int64_t c = 0; c < w; ++c) {
              const float dkv = weights[static_cast<size_t>(i * w + c)] * dy[c];
              const float dgate = dkv * (tokens[at + c] - row[c]);
              dtokens[at + c] += dkv;
              dtokens[at + wide + c] += dgate;
              offset[c] += dgate;
            }
          }
        }
      }
    });
    return {dkv_gate, dape_parts.sum(0), Tensor(), Tensor()};
  }
};

}  // namespace

Tensor RotateRows(const Tensor& x, const Rotation& rotation, const RowRules& rules) {
  return RotateRowsFunction::apply(x.contiguous(), rotation.cosine, rotation.sine, rules.heads, rules.normalize,
                                   rules.eps, static_cast<int64_t>(rules.finish));
}

Tensor CompressBlocks(const Tensor& kv_gate, const Tensor& ape, int64_t ratio, const SequenceLayout& layout) {
  return CompressFunction::apply(kv_gate.contiguous(), ape, ratio, &layout);
}

}  // namespace fathom
