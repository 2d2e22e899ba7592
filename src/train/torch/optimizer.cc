#include "train/torch/optimizer.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/check.h"
#include "base/strings.h"
#include "train/torch/gemm.h"
#include "train/torch/vector_ops.h"

namespace fathom {
namespace {

constexpr double kAdamEps = 1e-8;
constexpr double kMuonUpdateRms = 0.18;  // of an update per unit of learning rate (V4 report)

struct Coefficients {
  float a, b, c;
};
constexpr Coefficients kFast = {3.4445f, -4.7750f, 2.0315f};
constexpr Coefficients kSettling = {2.0f, -1.5f, 0.5f};
constexpr int kFastSteps = 8;
constexpr int kSettlingSteps = 2;
// A matrix below this norm has had no gradient for a thousand steps: what momentum has left of the last one says
// nothing any more, and soon the inverse of its norm is no float.
constexpr double kLeastNorm = 1e-30;

// Work space of one matrix: float and product inputs.
template <typename Half>
class NewtonSchulz {
 public:
  NewtonSchulz(int64_t rows, int64_t cols)
      : rows_(rows),
        cols_(cols),
        small_(std::min(rows, cols)),
        x_half_(static_cast<size_t>(rows * cols)),
        bx_(static_cast<size_t>(rows * cols)),
        a_(static_cast<size_t>(small_ * small_)),
        aa_(a_.size()),
        half_(a_.size()) {}

  // x [rows, cols], in place.
  void Run(float* x) {
    double square = 0;
    for (int64_t i = 0; i < rows_ * cols_; ++i) square += static_cast<double>(x[i]) * x[i];
    if (!(square > 0)) return;
    if (std::sqrt(square) < kLeastNorm) {
      std::fill_n(x, rows_ * cols_, 0.0f);
      return;
    }
    const auto inverse = static_cast<float>(1 / std::sqrt(square));
    for (int64_t i = 0; i < rows_ * cols_; ++i) x[i] *= inverse;
    for (int step = 0; step < kFastSteps + kSettlingSteps; ++step) Iterate(step < kFastSteps ? kFast : kSettling, x);
  }

 private:
  // X <- a X + (b A + c A^2) X with A = X X^T; from the other side if X is tall.
  void Iterate(const Coefficients& k, float* x) {
    const bool wide = rows_ <= cols_;
    Round(x, x_half_);
    if (wide) {
      GemmInto(Product::kNT, small_, small_, cols_, x_half_.data(), x_half_.data(), a_.data());
    } else {
      GemmInto(Product::kTN, small_, small_, rows_, x_half_.data(), x_half_.data(), a_.data());
    }
    Round(a_.data(), half_);
    GemmInto(Product::kNN, small_, small_, small_, half_.data(), half_.data(), aa_.data());
    for (size_t i = 0; i < a_.size(); ++i) a_[i] = k.b * a_[i] + k.c * aa_[i];
    Round(a_.data(), half_);
    if (wide) {
      GemmInto(Product::kNN, rows_, cols_, small_, half_.data(), x_half_.data(), bx_.data());
    } else {
      GemmInto(Product::kNN, rows_, cols_, small_, x_half_.data(), half_.data(), bx_.data());
    }
    for (int64_t i = 0; i < rows_ * cols_; ++i) x[i] = k.a * x[i] + bx_[static_cast<size_t>(i)];
  }

  static void Round(const float* from, std::vector<Half>& to) {
    for (size_t i = 0; i < to.size(); ++i) StoreHalf(to.data(), static_cast<int64_t>(i), from[i]);
  }

  const int64_t rows_, cols_, small_;
  std::vector<Half> x_half_;
  std::vector<float> bx_, a_, aa_;
  std::vector<Half> half_;
};

double SquareOf(const Tensor& x) {
  constexpr int64_t kParts = 16;
  double sums[kParts] = {};
  const float* data = Floats(x);
  const int64_t n = x.numel();
  ParallelParts(kParts, [&](int64_t part) {
    double sum = 0;
    for (int64_t i = n * part / kParts; i < n * (part + 1) / kParts; ++i) {
      sum += static_cast<double>(data[i]) * data[i];
    }
    sums[part] = sum;
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace

void Orthogonalize(const std::vector<Tensor>& stacks) {
  struct Job {
    float* data;
    int64_t rows, cols;
    int64_t work() const { return rows * cols * std::min(rows, cols); }
  };
  std::vector<Job> matrices;
  for (const Tensor& stack : stacks) {
    FATHOM_CHECK(stack.is_contiguous());
    const int64_t rows = stack.size(-2);
    const int64_t cols = stack.size(-1);
    for (int64_t at = 0; at < stack.numel(); at += rows * cols) matrices.push_back({Floats(stack) + at, rows, cols});
  }
  // The largest first: the small ones at the end leave no core idle for long.
  std::ranges::stable_sort(matrices, std::greater(), &Job::work);
  const bool half = Arithmetic().half;
  ParallelParts(static_cast<int64_t>(matrices.size()), [&](int64_t i) {
    const Job& matrix = matrices[static_cast<size_t>(i)];
    if (half) {
      NewtonSchulz<uint16_t>(matrix.rows, matrix.cols).Run(matrix.data);
    } else {
      NewtonSchulz<float>(matrix.rows, matrix.cols).Run(matrix.data);
    }
  });
}

Optimizer::Optimizer(const TrainConfig& config, Parameters& parameters) : config_(config), parameters_(parameters) {
  for (const Parameter& p : parameters.all()) {
    Moments moments;
    if (p.trained) {
      moments.first = torch::zeros(p.value.sizes(), torch::kFloat32);
      if (!p.matrix) moments.second = torch::zeros(p.value.sizes(), torch::kFloat32);
    }
    moments_.push_back(std::move(moments));
  }
}

std::vector<std::pair<std::string, Tensor>> Optimizer::State() const {
  std::vector<std::pair<std::string, Tensor>> state;
  for (size_t i = 0; i < moments_.size(); ++i) {
    const Parameter& p = parameters_.all()[i];
    if (!p.trained) continue;
    state.emplace_back(StrCat(p.matrix ? "muon/" : "adam1/", p.name), moments_[i].first);
    if (!p.matrix) state.emplace_back(StrCat("adam2/", p.name), moments_[i].second);
  }
  return state;
}

// W <- (1 - rate decay) W - rate * 0.18 sqrt(max(rows, cols)) * orthogonal(G + momentum * M), M <- momentum * M + G.
void Optimizer::Muon(double rate, float clip) {
  std::vector<size_t> trained;
  std::vector<Tensor> updates;
  for (size_t i = 0; i < moments_.size(); ++i) {
    const Parameter& p = parameters_.all()[i];
    if (!p.trained || !p.matrix || !p.value.grad().defined()) continue;
    const Tensor g = p.value.grad() * clip;
    moments_[i].first.mul_(config_.muon_momentum).add_(g);
    trained.push_back(i);
    updates.push_back(g.add(moments_[i].first, config_.muon_momentum).contiguous());
  }
  Orthogonalize(updates);
  for (size_t at = 0; at < trained.size(); ++at) {
    Tensor& value = parameters_.all()[trained[at]].value;
    const auto longest = static_cast<double>(std::max(value.size(-2), value.size(-1)));
    value.mul_(1 - rate * config_.weight_decay).sub_(updates[at], rate * kMuonUpdateRms * std::sqrt(longest));
  }
}

// Loshchilov and Hutter 2019. No decay of vectors: norms and mixes have their own scale.
void Optimizer::Adam(Parameter& p, Moments& moments, double rate, float clip) const {
  const Tensor g = p.value.grad() * clip;
  const auto t = static_cast<double>(steps_);
  moments.first.mul_(config_.adam_beta1).add_(g, 1 - config_.adam_beta1);
  moments.second.mul_(config_.adam_beta2).addcmul_(g, g, 1 - config_.adam_beta2);
  const double correction1 = 1 - std::pow(config_.adam_beta1, t);
  const double correction2 = 1 - std::pow(config_.adam_beta2, t);
  const Tensor divisor = (moments.second / correction2).sqrt_().add_(kAdamEps);
  if (p.value.dim() > 1) p.value.mul_(1 - rate * config_.weight_decay);
  p.value.addcdiv_(moments.first, divisor, -rate / correction1);
}

Result<double> Optimizer::Step(double rate) {
  const torch::NoGradGuard no_grad;
  double square = 0;
  for (const Parameter& p : parameters_.all()) {
    if (p.trained && p.value.grad().defined()) square += SquareOf(p.value.grad().contiguous());
  }
  const double norm = std::sqrt(square);
  if (!std::isfinite(norm)) {
    return DataLoss(StrCat("the gradients of step ", steps_ + 1,
                           " are not finite; lower optimizer.muon_rate and optimizer.adam_rate"));
  }
  ++steps_;
  const auto clip = static_cast<float>(norm > config_.clip_norm ? config_.clip_norm / norm : 1.0);
  Muon(rate * config_.muon_rate, clip);
  for (size_t i = 0; i < moments_.size(); ++i) {
    Parameter& p = parameters_.all()[i];
    if (!p.trained || !p.value.grad().defined()) continue;
    if (!p.matrix) Adam(p, moments_[i], rate * config_.adam_rate, clip);
    p.value.mutable_grad().reset();
  }
  return norm;
}

}  // namespace fathom
