#include "train/torch/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "checkpoint/checkpoint.h"
#include "train/torch/gemm.h"

namespace fathom {
namespace {

// Singular values near 1: X X^T is near the identity, from the smaller side.
void ExpectOrthogonal(const Tensor& x, double tolerance) {
  const Tensor small = x.size(0) <= x.size(1) ? torch::matmul(x, x.t()) : torch::matmul(x.t(), x);
  const Tensor difference = (small - torch::eye(small.size(0))).abs();
  EXPECT_LT(difference.max().item<double>(), tolerance);
}

Tensor Orthogonalized(const Tensor& x) {
  const Tensor out = x.contiguous().clone();
  Orthogonalize({out});
  return out;
}

TEST(Orthogonalized, SingularValuesBecomeOneForWideTallAndStackedMatrices) {
  torch::manual_seed(1);
  ExpectOrthogonal(Orthogonalized(torch::randn({32, 96})), 0.05);
  ExpectOrthogonal(Orthogonalized(torch::randn({96, 32}) * 1e-4), 0.05);
  const Tensor stacked = Orthogonalized(torch::randn({3, 16, 64}));
  for (int64_t i = 0; i < 3; ++i) ExpectOrthogonal(stacked[i], 0.05);
}

TEST(Orthogonalized, KeepsTheDirectionOfAnOrthogonalMatrix) {
  torch::manual_seed(2);
  const Tensor q = std::get<0>(torch::linalg_qr(torch::randn({64, 64})));
  EXPECT_LT((Orthogonalized(q * 7) - q).abs().max().item<double>(), 0.05);
}

TEST(Orthogonalized, ZeroStaysZero) { EXPECT_EQ(Orthogonalized(torch::zeros({8, 16})).abs().max().item<double>(), 0); }

TEST(Orthogonalized, WhatIsTooSmallForAnInverseBecomesZero) {
  torch::manual_seed(3);
  EXPECT_EQ(Orthogonalized(torch::randn({8, 16}) * 1e-40).abs().max().item<double>(), 0);
  EXPECT_EQ(Orthogonalized(torch::randn({8, 16}) * 1e-33).abs().max().item<double>(), 0);
  ExpectOrthogonal(Orthogonalized(torch::randn({8, 16}) * 1e-25), 0.05);
}

TEST(OptimizerTest, MatricesWithoutAGradientForLongStayFinite) {
  const auto checkpoint = Checkpoint::Open(std::string(FATHOM_SHARED_DIR) + "/reference/golden/tiny-swa");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  Parameters parameters = std::move(*Parameters::FromCheckpoint(**checkpoint));
  TrainConfig config;
  config.muon_momentum = 0.5;
  Optimizer optimizer(config, parameters);
  for (int step = 0; step < 131; ++step) {  // the momentum of the first gradient falls to 2^-130 of itself
    for (Parameter& p : parameters.all()) {
      if (p.trained) p.value.mutable_grad() = step == 0 ? torch::ones_like(p.value) : torch::zeros_like(p.value);
    }
    ASSERT_TRUE(optimizer.Step(1).ok()) << step;
  }
  const Status finite = parameters.CheckFinite();
  EXPECT_TRUE(finite.ok()) << finite.message();
}

TEST(OptimizerTest, GradientsThatAreNotFiniteChangeNothing) {
  const auto checkpoint = Checkpoint::Open(std::string(FATHOM_SHARED_DIR) + "/reference/golden/tiny-swa");
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  Parameters parameters = std::move(*Parameters::FromCheckpoint(**checkpoint));
  Optimizer optimizer(TrainConfig{}, parameters);
  for (Parameter& p : parameters.all()) {
    if (p.trained) p.value.mutable_grad() = torch::ones_like(p.value);
  }
  const Tensor& value = parameters.Find("head.weight").value;
  const Tensor before = value.detach().clone();
  Floats(value.grad())[3] = INFINITY;
  EXPECT_EQ(optimizer.Step(1).status().message(),
            "the gradients of step 1 are not finite; lower optimizer.muon_rate and optimizer.adam_rate");
  EXPECT_EQ(optimizer.steps(), 0);
  EXPECT_TRUE(torch::equal(value.detach(), before));
  for (const auto& [name, moment] : optimizer.State()) EXPECT_EQ(moment.abs().max().item<double>(), 0) << name;
  Floats(value.grad())[3] = 1;
  EXPECT_TRUE(optimizer.Step(1).ok());
  EXPECT_EQ(optimizer.steps(), 1);
  EXPECT_FALSE(torch::equal(value.detach(), before));
}

}  // namespace
}  // namespace fathom
