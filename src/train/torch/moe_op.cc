#include "train/torch/moe_op.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "numeric/math.h"
#include "train/torch/gemm.h"
#include "train/torch/linear_ops.h"
#include "train/torch/vector_ops.h"

namespace fathom {
namespace {

constexpr int64_t kRowPadding = 64;  // of an expert's rows: products of few shapes, see MatMulCache
constexpr int64_t kBlock = 128;      // Q8

// Rows of all experts one after the other, each expert's padded; then all tokens for the shared expert.
struct Grouping {
  std::vector<int64_t> begin;   // [E + 2]: the shared expert is number E
  std::vector<int64_t> count;   // [E + 1] rows in use
  std::vector<int32_t> token;   // [rows], -1 in padding
  std::vector<int32_t> choice;  // [rows]: which of the token's k choices, -1 for the shared expert
  std::vector<int32_t> row_of;  // [T, k + 1]: where a token's rows are

  int64_t rows() const { return begin.back(); }
  // The weight of a row's expert for its token, from weights [T, k].
  float Factor(int64_t row, const float* weights, int64_t k) const {
    const int32_t c = choice[static_cast<size_t>(row)];
    return c < 0 ? 1.0f : weights[token[static_cast<size_t>(row)] * k + c];
  }
};

Grouping Group(const std::vector<int32_t>& experts, int64_t tokens, int64_t k, int64_t expert_count) {
  Grouping group;
  group.count.assign(static_cast<size_t>(expert_count + 1), 0);
  for (const int32_t expert : experts) ++group.count[static_cast<size_t>(expert)];
  group.count.back() = tokens;
  group.begin.assign(1, 0);
  for (const int64_t count : group.count) {
    group.begin.push_back(group.begin.back() + (count + kRowPadding - 1) / kRowPadding * kRowPadding);
  }
  group.token.assign(static_cast<size_t>(group.rows()), -1);
  group.choice.assign(static_cast<size_t>(group.rows()), -1);
  group.row_of.resize(static_cast<size_t>(tokens * (k + 1)));
  std::vector<int64_t> next(group.begin.begin(), group.begin.end() - 1);
  for (int64_t t = 0; t < tokens; ++t) {
    for (int64_t c = 0; c <= k; ++c) {
      const size_t expert =
          c < k ? static_cast<size_t>(experts[static_cast<size_t>(t * k + c)]) : static_cast<size_t>(expert_count);
      const auto row = static_cast<size_t>(next[expert]++);
      group.token[row] = static_cast<int32_t>(t);
      group.choice[row] = c < k ? static_cast<int32_t>(c) : -1;
      group.row_of[static_cast<size_t>(t * (k + 1) + c)] = static_cast<int32_t>(row);
    }
  }
  return group;
}

template <typename Half>
void QuantizeRow(const float* x, int64_t n, Half* out) {
  if (Arithmetic().quantize_activations) {
    for (int64_t i = 0; i < n; i += kBlock) QuantizeBlockFp8(x + i, kBlock, out + i);
  } else {
    for (int64_t i = 0; i < n; ++i) StoreHalf(out, i, x[i]);
  }
}

struct Swiglu {
  float limit;  // 0: none

  float Bound() const { return limit > 0 ? limit : INFINITY; }

  // h [inner] = silu(min(v, limit)) * clamp(u, limit) * factor; vu: v of w1, then u of w3.
  void Forward(const float* vu, int64_t inner, float factor, float* h) const {
    const float bound = Bound();
    const float* v = vu;
    const float* u = vu + inner;
    for (int64_t i = 0; i < inner; ++i) {
      h[i] = Silu(std::min(v[i], bound)) * std::max(-bound, std::min(u[i], bound)) * factor;
    }
  }

  // From dh the gradient of vu [2 inner]; returns that of the factor.
  float Backward(const float* vu, const float* dh, int64_t inner, float factor, float* gradient) const {
    const float bound = Bound();
    const float* v = vu;
    const float* u = vu + inner;
    float dfactor[16] = {};
    for (int64_t i = 0; i < inner; i += 16) {
      for (int64_t l = 0; l < 16; ++l) {
        const float gate = std::min(v[i + l], bound);
        const float up = std::max(-bound, std::min(u[i + l], bound));
        const float sigma = Sigmoid(gate);
        const float silu = gate * sigma;
        const float g = dh[i + l];
        dfactor[l] += g * silu * up;
        gradient[i + l] = v[i + l] <= bound ? g * up * sigma * (1 + gate * (1 - sigma)) * factor : 0.0f;
        gradient[inner + i + l] = up == u[i + l] ? g * silu * factor : 0.0f;
      }
    }
    float total = 0;
    for (const float part : dfactor) total += part;
    return total;
  }
};

struct ExpertsFunction : torch::autograd::Function<ExpertsFunction> {
  // Everything the backward needs that is no gradient.
  struct State : torch::CustomClassHolder {
    Grouping group;
    Tensor x_rows;                      // [rows, D] product input
    Tensor vu;                          // [rows, 2F] float
    Tensor h_rows;                      // [rows, F] product input
    Tensor w13, w2, shared13, shared2;  // product inputs
    Tensor weights;
    Swiglu swiglu;
    int64_t k = 0;
  };

  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weights, const Tensor& w13,
                        const Tensor& w2, const Tensor& shared13, const Tensor& shared2, const Routing* routing,
                        float limit);
  static variable_list backward(AutogradContext* context, variable_list grads);
};

// One product for each expert: out rows = in rows * W^T (kNT) or W (kNN), W [E, ...] and the shared expert's.
void EachExpert(const Grouping& group, Product product, const Tensor& in, const Tensor& w, const Tensor& shared,
                Tensor& out) {
  const int64_t k = in.size(1);
  const int64_t n = out.size(1);
  const auto experts = static_cast<int64_t>(group.count.size()) - 1;
  for (int64_t e = 0; e <= experts; ++e) {
    const int64_t begin = group.begin[static_cast<size_t>(e)];
    const int64_t rows = group.begin[static_cast<size_t>(e) + 1] - begin;
    WithHalf(in, [&](auto* data) {
      const auto* weights = static_cast<decltype(data)>(e < experts ? w.data_ptr() : shared.data_ptr());
      GemmInto(product, rows, n, k, data + begin * k, weights + (e < experts ? e * n * k : 0), Floats(out) + begin * n);
    });
  }
}

// Gradients of weights: dW_e = g_rows^T in_rows.
void EachExpertWeights(const Grouping& group, const Tensor& g, const Tensor& in, Tensor& dw, Tensor& dshared) {
  const int64_t m = g.size(1);
  const int64_t n = in.size(1);
  const auto experts = static_cast<int64_t>(group.count.size()) - 1;
  for (int64_t e = 0; e <= experts; ++e) {
    const int64_t begin = group.begin[static_cast<size_t>(e)];
    const int64_t rows = group.begin[static_cast<size_t>(e) + 1] - begin;
    float* to = e < experts ? Floats(dw) + e * m * n : Floats(dshared);
    if (rows == 0) {
      std::fill_n(to, m * n, 0.0f);
      continue;
    }
    WithHalf(g, [&](auto* data) {
      const auto* inputs = static_cast<decltype(data)>(in.data_ptr());
      GemmInto(Product::kTN, m, n, rows, data + begin * m, inputs + begin * n, to);
    });
  }
}

// [T, width]: the sum of each token's rows.
Tensor SumOfRows(const Grouping& group, const Tensor& rows, int64_t tokens, int64_t k) {
  const int64_t width = rows.size(1);
  Tensor out = torch::empty({tokens, width}, torch::kFloat32);
  float* to = Floats(out);
  const float* from = Floats(rows);
  ParallelRanges(tokens, 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      float* sum = to + t * width;
      std::fill_n(sum, width, 0.0f);
      for (int64_t c = 0; c <= k; ++c) {
        const float* row = from + group.row_of[static_cast<size_t>(t * (k + 1) + c)] * width;
        for (int64_t i = 0; i < width; ++i) sum[i] += row[i];
      }
    }
  });
  return out;
}

Tensor ExpertsFunction::forward(AutogradContext* context, const Tensor& x, const Tensor& weights, const Tensor& w13,
                                const Tensor& w2, const Tensor& shared13, const Tensor& shared2, const Routing* routing,
                                float limit) {
  const int64_t tokens = x.size(0);
  const int64_t width = x.size(1);
  const int64_t inner = w2.size(2);
  auto state = c10::make_intrusive<State>();
  state->k = weights.size(1);
  state->swiglu = {limit};
  state->weights = weights.contiguous();
  state->group = Group(routing->experts, tokens, state->k, w2.size(0));
  const Grouping& group = state->group;
  state->w13 = ToHalf(w13);
  state->w2 = ToHalf(w2);
  state->shared13 = ToHalf(shared13);
  state->shared2 = ToHalf(shared2);
  const int64_t rows = group.rows();
  state->x_rows = EmptyHalf({rows, width});
  state->vu = torch::empty({rows, 2 * inner}, torch::kFloat32);
  state->h_rows = EmptyHalf({rows, inner});
  const float* x_data = Floats(x);
  WithHalf(state->x_rows, [&](auto* data) {
    ParallelRanges(rows, 64, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int32_t token = group.token[static_cast<size_t>(row)];
        if (token < 0) {
          std::fill_n(data + row * width, width, 0);
        } else {
          QuantizeRow(x_data + token * width, width, data + row * width);
        }
      }
    });
  });
  EachExpert(group, Product::kNT, state->x_rows, state->w13, state->shared13, state->vu);
  const float* route_weights = Floats(state->weights);
  const float* vu = Floats(state->vu);
  WithHalf(state->h_rows, [&](auto* data) {
    ParallelRanges(rows, 64, [&](int64_t begin, int64_t end) {
      std::vector<float> h(static_cast<size_t>(inner));
      for (int64_t row = begin; row < end; ++row) {
        state->swiglu.Forward(vu + row * 2 * inner, inner, group.Factor(row, route_weights, state->k), h.data());
        QuantizeRow(h.data(), inner, data + row * inner);
      }
    });
  });
  Tensor out_rows = torch::empty({rows, width}, torch::kFloat32);
  EachExpert(group, Product::kNT, state->h_rows, state->w2, state->shared2, out_rows);
  Tensor y = SumOfRows(group, out_rows, tokens, state->k);
  context->saved_data["state"] = torch::IValue::make_capsule(state);
  return y;
}

variable_list ExpertsFunction::backward(AutogradContext* context, variable_list grads) {
  const auto capsule = context->saved_data["state"].toCapsule();
  const auto& state = static_cast<const State&>(*capsule);
  const Grouping& group = state.group;
  const Tensor g = grads[0].contiguous();
  const int64_t tokens = g.size(0);
  const int64_t width = g.size(1);
  const int64_t inner = state.h_rows.size(1);
  const int64_t rows = group.rows();
  Tensor g_rows = EmptyHalf({rows, width});
  const float* g_data = Floats(g);
  WithHalf(g_rows, [&](auto* data) {
    ParallelRanges(rows, 64, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        const int32_t token = group.token[static_cast<size_t>(row)];
        auto* to = data + row * width;
        if (token < 0) {
          std::fill_n(to, width, 0);
          continue;
        }
        const float* from = g_data + token * width;
        for (int64_t i = 0; i < width; ++i) StoreHalf(to, i, from[i]);
      }
    });
  });
  Tensor dh = torch::empty({rows, inner}, torch::kFloat32);
  EachExpert(group, Product::kNN, g_rows, state.w2, state.shared2, dh);
  Tensor dw2 = torch::empty(state.w2.sizes(), torch::kFloat32);
  Tensor dshared2 = torch::empty(state.shared2.sizes(), torch::kFloat32);
  EachExpertWeights(group, g_rows, state.h_rows, dw2, dshared2);

  Tensor dvu = EmptyHalf({rows, 2 * inner});
  Tensor dweights = torch::zeros_like(state.weights);
  const float* route_weights = Floats(state.weights);
  const float* vu = Floats(state.vu);
  const float* dh_data = Floats(dh);
  float* dweights_data = Floats(dweights);
  WithHalf(dvu, [&](auto* data) {
    ParallelRanges(rows, 64, [&](int64_t begin, int64_t end) {
      std::vector<float> gradient(static_cast<size_t>(2 * inner));
      for (int64_t row = begin; row < end; ++row) {
        const float dfactor = state.swiglu.Backward(vu + row * 2 * inner, dh_data + row * inner, inner,
                                                    group.Factor(row, route_weights, state.k), gradient.data());
        auto* to = data + row * 2 * inner;
        for (int64_t i = 0; i < 2 * inner; ++i) StoreHalf(to, i, gradient[static_cast<size_t>(i)]);
        const int32_t choice = group.choice[static_cast<size_t>(row)];
        if (choice >= 0) dweights_data[group.token[static_cast<size_t>(row)] * state.k + choice] = dfactor;
      }
    });
  });
  Tensor dx_rows = torch::empty({rows, width}, torch::kFloat32);
  EachExpert(group, Product::kNN, dvu, state.w13, state.shared13, dx_rows);
  Tensor dw13 = torch::empty(state.w13.sizes(), torch::kFloat32);
  Tensor dshared13 = torch::empty(state.shared13.sizes(), torch::kFloat32);
  EachExpertWeights(group, dvu, state.x_rows, dw13, dshared13);
  Tensor dx = SumOfRows(group, dx_rows, tokens, state.k);
  return {dx, dweights, dw13, dw2, dshared13, dshared2, Tensor(), Tensor()};
}

Tensor RouterScores(const Tensor& z, ScoringFunction scoring) {
  switch (scoring) {
    case ScoringFunction::kSqrtSoftplus:
      // The root's slope is infinite at 0, to where softplus underflows. Normal numbers stay as they are.
      return torch::softplus(z, 1, 20).clamp_min(std::numeric_limits<float>::min()).sqrt();
    case ScoringFunction::kSigmoid:
      return torch::sigmoid(z);
    case ScoringFunction::kSoftmax:
      return torch::softmax(z, 1);
  }
  return z;
}

}  // namespace

Routing Route(const Tensor& x, const Tensor& gate, const Tensor& bias, const int64_t* table,
              const std::vector<int32_t>& tokens, const ModelConfig& config) {
  Routing routing;
  const int64_t count = x.size(0);
  const int64_t experts = config.experts;
  const int64_t k = config.experts_per_token;
  routing.scores = RouterScores(Linear(x, gate, LinearInput::kFloat), config.scoring);
  const Tensor plain = routing.scores.detach().contiguous();
  routing.experts.resize(static_cast<size_t>(count * k));
  std::vector<int64_t> ids(routing.experts.size());
  ParallelRanges(count, 256, [&](int64_t begin, int64_t end) {
    std::vector<int32_t> order(static_cast<size_t>(experts));
    std::vector<float> biased(static_cast<size_t>(experts));
    for (int64_t t = begin; t < end; ++t) {
      if (table != nullptr) {
        const int64_t* row = table + tokens[static_cast<size_t>(t)] * k;
        for (int64_t c = 0; c < k; ++c) ids[static_cast<size_t>(t * k + c)] = row[c];
        continue;
      }
      std::iota(order.begin(), order.end(), 0);
      for (int64_t e = 0; e < experts; ++e) {
        biased[static_cast<size_t>(e)] = Floats(plain)[t * experts + e] + Floats(bias)[e];
      }
      std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int32_t a, int32_t b) {
        const float x_a = biased[static_cast<size_t>(a)];
        const float x_b = biased[static_cast<size_t>(b)];
        return x_a != x_b ? x_a > x_b : a < b;
      });
      for (int64_t c = 0; c < k; ++c) ids[static_cast<size_t>(t * k + c)] = order[static_cast<size_t>(c)];
    }
  });
  routing.load.assign(static_cast<size_t>(experts), 0);
  for (size_t i = 0; i < ids.size(); ++i) {
    routing.experts[i] = static_cast<int32_t>(ids[i]);
    ++routing.load[static_cast<size_t>(ids[i])];
  }
  const Tensor index = torch::from_blob(ids.data(), {count, k}, torch::kInt64).clone();
  const Tensor chosen = routing.scores.gather(1, index);
  // Those of a softmax are shares of all experts and stay as they are (the reference's code).
  const bool normalize = config.scoring != ScoringFunction::kSoftmax;
  const Tensor shares = normalize ? chosen / chosen.sum(1, /*keepdim=*/true) : chosen;
  routing.weights = shares * static_cast<double>(config.routed_scale);
  return routing;
}

Tensor SequenceBalance(const Routing& routing, const std::vector<int64_t>& begins, int64_t experts) {
  const int64_t tokens = routing.scores.size(0);
  const auto k = static_cast<int64_t>(routing.experts.size()) / tokens;
  // Each token's row: E / k * (its sequence's share of every expert); the mean over tokens weighs sequences by length.
  Tensor shares = torch::zeros({tokens, experts}, torch::kFloat32);
  for (size_t s = 0; s + 1 < begins.size(); ++s) {
    const int64_t length = begins[s + 1] - begins[s];
    std::vector<float> row(static_cast<size_t>(experts));
    for (int64_t i = begins[s] * k; i < begins[s + 1] * k; ++i) {
      row[static_cast<size_t>(routing.experts[static_cast<size_t>(i)])] +=
          static_cast<float>(experts) / static_cast<float>(k * length);
    }
    for (int64_t t = begins[s]; t < begins[s + 1]; ++t) {
      std::copy(row.begin(), row.end(), Floats(shares) + t * experts);
    }
  }
  const Tensor normalized = routing.scores / routing.scores.sum(1, /*keepdim=*/true);
  return (normalized * shares).sum() / static_cast<double>(tokens);
}

Tensor Experts(const Tensor& x, const Routing& routing, const Tensor& w13, const Tensor& w2, const Tensor& shared13,
               const Tensor& shared2, const ModelConfig& config) {
  return ExpertsFunction::apply(x.contiguous(), routing.weights, w13.contiguous(), w2.contiguous(),
                                shared13.contiguous(), shared2.contiguous(), &routing, config.swiglu_limit);
}

}  // namespace fathom
