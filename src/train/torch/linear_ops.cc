#include "train/torch/linear_ops.h"

#include <cmath>

#include "base/check.h"
#include "numeric/math.h"
#include "train/torch/gemm.h"
#include "train/torch/vector_ops.h"

namespace fathom {
namespace {

constexpr int64_t kActivationBlock = 128;
constexpr int64_t kFp8Block = 128;
constexpr int64_t kFp4Block = 32;
constexpr int64_t kTokenGrain = 64;  // rows of a part in loops over tokens
constexpr int64_t kSumParts = 16;    // partial sums of gradients that run over all tokens

void RoundFp8Block(const float* w, int64_t rows, int64_t cols, int64_t stride, float* out) {
  float amax = 0;
  for (int64_t r = 0; r < rows; ++r) amax = std::max(amax, MaxMagnitude(w + r * stride, cols));
  const float scale = Fp8BlockScale(std::max(amax, kFp8AmaxFloor));
  const float inverse = 1.0f / scale;
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) out[r * stride + c] = RoundToE4m3(w[r * stride + c] * inverse) * scale;
  }
}

void RoundWeights(const Tensor& w, StoredAs format, Tensor& out) {
  const float* from = Floats(w);
  float* to = Floats(out);
  if (format == StoredAs::kBf16) {
    ParallelRanges(w.numel(), 1 << 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) to[i] = RoundToBf16(from[i]);
    });
  } else if (format == StoredAs::kFp4) {
    FATHOM_CHECK(w.size(-1) % kFp4Block == 0);
    ParallelRanges(w.numel() / kFp4Block, 2048, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) QuantizeBlockFp4(from + b * kFp4Block, kFp4Block, to + b * kFp4Block);
    });
  } else {
    const int64_t rows = w.size(-2);
    const int64_t cols = w.size(-1);
    const int64_t blocks = (rows + kFp8Block - 1) / kFp8Block;
    ParallelParts(w.numel() / (rows * cols) * blocks, [&](int64_t part) {  // of each matrix, one below the other
      const int64_t row = part % blocks * kFp8Block;
      const float* matrix = from + part / blocks * rows * cols;
      float* rounded = to + part / blocks * rows * cols;
      for (int64_t col = 0; col < cols; col += kFp8Block) {
        const int64_t at = row * cols + col;
        RoundFp8Block(matrix + at, std::min(kFp8Block, rows - row), std::min(kFp8Block, cols - col), cols,
                      rounded + at);
      }
    });
  }
}

struct StoredValuesFunction : torch::autograd::Function<StoredValuesFunction> {
  static Tensor forward(AutogradContext*, const Tensor& w, int64_t format) {
    Tensor out = torch::empty_like(w);
    RoundWeights(w, static_cast<StoredAs>(format), out);
    return out;
  }
  static variable_list backward(AutogradContext*, variable_list grads) { return {grads[0], Tensor()}; }
};

// x [T, K] as the products' input type, rounded by Q8 where asked for.
Tensor ProductInput(const Tensor& x, bool quantize) {
  if (!quantize || !Arithmetic().quantize_activations) return ToHalf(x);
  FATHOM_CHECK(x.size(1) % kActivationBlock == 0);
  Tensor out = EmptyHalf(x.sizes());
  const float* from = Floats(x);
  WithHalf(out, [&](auto* to) {
    ParallelRanges(x.numel() / kActivationBlock, 512, [&](int64_t begin, int64_t end) {
      for (int64_t b = begin; b < end; ++b) {
        QuantizeBlockFp8(from + b * kActivationBlock, kActivationBlock, to + b * kActivationBlock);
      }
    });
  });
  return out;
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& w, int64_t input) {
    const bool full = static_cast<LinearInput>(input) == LinearInput::kFloat;
    const Tensor x_half = full ? x : ProductInput(x, static_cast<LinearInput>(input) == LinearInput::kQuantized);
    const Tensor w_half = full ? w : ToHalf(w);
    context->saved_data["x"] = x_half;
    context->saved_data["w"] = w_half;
    context->saved_data["dx"] = x.requires_grad();
    return Gemm(Product::kNT, x_half, w_half);
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const Tensor w = context->saved_data["w"].toTensor();
    const Tensor g = grads[0].contiguous();
    const Tensor gradient = w.scalar_type() == torch::kFloat32 ? g : ToHalf(g);
    Tensor dx;
    if (context->saved_data["dx"].toBool()) dx = Gemm(Product::kNN, gradient, w);
    return {dx, Gemm(Product::kTN, gradient, context->saved_data["x"].toTensor()), Tensor()};
  }
};

struct RmsNormFunction : torch::autograd::Function<RmsNormFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& w, double eps) {
    FATHOM_CHECK(x.is_contiguous());
    const int64_t n = x.size(-1);
    const int64_t rows = x.numel() / n;
    Tensor y = torch::empty_like(x);
    Tensor inverse = torch::empty({rows}, torch::kFloat32);
    const float* x_data = Floats(x);
    const float* w_data = Floats(w);
    float* y_data = Floats(y);
    float* r_data = Floats(inverse);
    ParallelRanges(rows, kTokenGrain, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const float* in = x_data + row * n;
        float* out = y_data + row * n;
        const float r = 1.0f / std::sqrt(Dot(in, in, n) / static_cast<float>(n) + static_cast<float>(eps));
        r_data[row] = r;
        for (int64_t i = 0; i < n; ++i) out[i] = w_data[i] * (in[i] * r);
      }
    });
    context->save_for_backward({x, w, inverse});
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& x = saved[0];
    const Tensor gradient = grads[0].contiguous();
    const int64_t n = x.size(-1);
    const int64_t rows = x.numel() / n;
    Tensor dx = torch::empty_like(x);
    Tensor dw_parts = torch::zeros({kSumParts, n}, torch::kFloat32);
    const float* x_data = Floats(x);
    const float* w_data = Floats(saved[1]);
    const float* r_data = Floats(saved[2]);
    const float* g_data = Floats(gradient);
    float* dx_data = Floats(dx);
    float* dw_data = Floats(dw_parts);
    ParallelParts(kSumParts, [&](int64_t part) {
      float* dw = dw_data + part * n;
      for (int64_t row = rows * part / kSumParts; row < rows * (part + 1) / kSumParts; ++row) {
        const float* in = x_data + row * n;
        const float* g = g_data + row * n;
        float* out = dx_data + row * n;
        const float r = r_data[row];
        float sum[16] = {};
        for (int64_t i = 0; i < n; i += 16) {
          for (int64_t lane = 0; lane < 16; ++lane) {
            sum[lane] += w_data[i + lane] * g[i + lane] * in[i + lane];
            dw[i + lane] += g[i + lane] * in[i + lane] * r;
          }
        }
        float total = 0;
        for (const float each : sum) total += each;
        const float pull = total * r * r * r / static_cast<float>(n);
        for (int64_t i = 0; i < n; ++i) out[i] = r * w_data[i] * g[i] - pull * in[i];
      }
    });
    return {dx, dw_parts.sum(0), Tensor()};
  }
};

struct EmbedFunction : torch::autograd::Function<EmbedFunction> {
  static Tensor forward(AutogradContext* context, const Tensor& embed, const Tensor& tokens, int64_t streams) {
    const int64_t count = tokens.size(0);
    const int64_t width = embed.size(1);
    Tensor out = torch::empty({count, streams, width}, torch::kFloat32);
    const int32_t* ids = tokens.data_ptr<int32_t>();
    const float* from = Floats(embed);
    float* to = Floats(out);
    ParallelRanges(count, kTokenGrain, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        for (int64_t s = 0; s < streams; ++s) {
          std::copy_n(from + ids[t] * width, width, to + (t * streams + s) * width);
        }
      }
    });
    context->saved_data["tokens"] = tokens;
    context->saved_data["rows"] = embed.size(0);
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const Tensor gradient = grads[0].contiguous();
    const Tensor tokens = context->saved_data["tokens"].toTensor();
    const int64_t streams = gradient.size(1);
    const int64_t width = gradient.size(2);
    Tensor out = torch::zeros({context->saved_data["rows"].toInt(), width}, torch::kFloat32);
    const int32_t* ids = tokens.data_ptr<int32_t>();
    const float* from = Floats(gradient);
    float* to = Floats(out);
    constexpr int64_t kColumns = 64;  // a part owns columns, so sums run over the tokens in order
    ParallelRanges(width, kColumns, [&](int64_t begin, int64_t end) {
      for (int64_t t = 0; t < tokens.size(0); ++t) {
        float* row = to + ids[t] * width;
        for (int64_t s = 0; s < streams; ++s) {
          const float* g = from + (t * streams + s) * width;
          for (int64_t i = begin; i < end; ++i) row[i] += g[i];
        }
      }
    });
    return {out, Tensor(), Tensor()};
  }
};

// Replaces logits [V] by the gradient weight * (softmax - onehot). Returns -log p(target); `*right` tells whether the
// target has the largest logit.
float SoftmaxGradient(float* logits, int64_t vocab, int64_t target, float weight, bool* right) {
  float largest = logits[0];
  for (int64_t v = 0; v < vocab; ++v) largest = std::max(largest, logits[v]);
  const float target_logit = logits[target];
  *right = target_logit == largest;
  float sums[16] = {};
  int64_t v = 0;
  for (; v + 16 <= vocab; v += 16) {
    for (int64_t lane = 0; lane < 16; ++lane) {
      logits[v + lane] = Exp(logits[v + lane] - largest);
      sums[lane] += logits[v + lane];
    }
  }
  float sum = 0;
  for (; v < vocab; ++v) sum += logits[v] = Exp(logits[v] - largest);
  for (const float part : sums) sum += part;
  const float factor = weight / sum;
  for (int64_t i = 0; i < vocab; ++i) logits[i] *= factor;
  logits[target] -= weight;
  return std::log(sum) - (target_logit - largest);
}

// A value whose gradients were computed together with it: logits of all rows never exist at once.
struct GivenGradients : torch::autograd::Function<GivenGradients> {
  static Tensor forward(AutogradContext* context, const Tensor&, const Tensor&, const Tensor& value, const Tensor& dx,
                        const Tensor& dhead) {
    context->saved_data["dx"] = dx;
    context->saved_data["dhead"] = dhead;
    return value.clone();
  }
  static variable_list backward(AutogradContext* context, variable_list grads) {
    const Tensor factor = grads[0];
    return {context->saved_data["dx"].toTensor() * factor, context->saved_data["dhead"].toTensor() * factor, Tensor(),
            Tensor(), Tensor()};
  }
};

}  // namespace

Tensor StoredValues(const Tensor& w, StoredAs format) {
  if (format == StoredAs::kF32 || !Arithmetic().quantize_weights) return w;
  return StoredValuesFunction::apply(w, static_cast<int64_t>(format));
}

Tensor Linear(const Tensor& x, const Tensor& w, LinearInput input) {
  return LinearFunction::apply(x.contiguous(), w.contiguous(), static_cast<int64_t>(input));
}

Tensor RmsNorm(const Tensor& x, const Tensor& w, double eps) {
  FATHOM_CHECK(x.size(-1) % 16 == 0);
  return RmsNormFunction::apply(x.contiguous(), w, eps);
}

Tensor EmbedStreams(const Tensor& embed, const std::vector<int32_t>& tokens, int64_t streams) {
  const Tensor ids = torch::tensor(at::ArrayRef<int32_t>(tokens), torch::kInt32);
  return EmbedFunction::apply(embed, ids, streams);
}

Tensor Embed(const Tensor& embed, const std::vector<int32_t>& tokens) {
  return EmbedStreams(embed, tokens, 1).squeeze(1);
}

HeadLoss HeadCrossEntropy(const Tensor& x, const Tensor& head, const Targets& targets) {
  HeadLoss loss;
  const bool gradients = torch::GradMode::is_enabled();
  const int64_t vocab = head.size(0);
  const int64_t width = head.size(1);
  std::vector<int64_t> rows;
  for (size_t t = 0; t < targets.weights.size(); ++t) {
    if (targets.weights[t] > 0) rows.push_back(static_cast<int64_t>(t));
  }
  Tensor dx;
  Tensor dhead_transposed;  // [width, vocab]: the product is twice as fast this way round
  if (gradients) {
    dx = torch::zeros_like(x, torch::kFloat32);
    dhead_transposed = torch::zeros({width, vocab}, torch::kFloat32);
  }
  const torch::NoGradGuard no_grad;
  const Tensor head_half = ToHalf(head.detach().contiguous());
  const Tensor x_half = ToHalf(x.detach().contiguous());
  constexpr int64_t kRows = 512;  // logits of a chunk: 8 MB for a vocabulary of 4096
  double sum = 0;
  for (size_t begin = 0; begin < rows.size(); begin += kRows) {
    const auto count = static_cast<int64_t>(std::min<size_t>(kRows, rows.size() - begin));
    const int64_t* chunk_rows = rows.data() + begin;
    // The last chunk is as large as the others: products of few shapes.
    Tensor inputs = EmptyHalf({kRows, width}).zero_();
    WithHalf(x_half, [&](auto* from) {
      auto* to = static_cast<decltype(from)>(inputs.data_ptr());
      for (int64_t i = 0; i < count; ++i) std::copy_n(from + chunk_rows[i] * width, width, to + i * width);
    });
    Tensor logits = Gemm(Product::kNT, inputs, head_half);
    float losses[kRows];
    bool right[kRows];
    ParallelRanges(count, 16, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        const auto row = static_cast<size_t>(chunk_rows[i]);
        losses[i] =
            SoftmaxGradient(Floats(logits) + i * vocab, vocab, targets.tokens[row], targets.weights[row], &right[i]);
      }
    });
    for (int64_t i = 0; i < count; ++i) {
      const auto row = static_cast<size_t>(chunk_rows[i]);
      const float weight = targets.weights[row];
      sum += static_cast<double>(weight) * losses[i];
      loss.weight += weight;
      if (targets.answers[row] != 0) {
        loss.answer_sum += losses[i];
        ++loss.answer_rows;
        loss.answer_right += right[i] ? 1 : 0;
      }
    }
    if (!gradients) continue;
    std::fill(Floats(logits) + count * vocab, Floats(logits) + kRows * vocab, 0.0f);
    const Tensor gradient = ToHalf(logits);
    const Tensor chunk_dx = Gemm(Product::kNN, gradient, head_half);
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(Floats(chunk_dx) + i * width, width, Floats(dx) + chunk_rows[i] * width);
    }
    WithHalf(inputs, [&](auto* data) {
      GemmInto(Product::kTN, width, vocab, kRows, data, static_cast<decltype(data)>(gradient.data_ptr()),
               Floats(dhead_transposed), /*accumulate=*/true);
    });
  }
  const Tensor value = torch::full({1}, sum, torch::kFloat32);
  if (gradients) {
    const torch::AutoGradMode with_grad(true);
    loss.sum = GivenGradients::apply(x, head, value, dx, dhead_transposed.t().contiguous());
  } else {
    loss.sum = value;
  }
  return loss;
}

}  // namespace fathom
