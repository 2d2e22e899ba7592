#include "train/torch/moe_op.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace fathom {
namespace {

constexpr int64_t kWidth = 16;

// Scores of one token whose z are these, when it goes to experts 0 and 1.
Routing RouteTo(const std::vector<float>& z, Tensor* gate, ScoringFunction scoring = ScoringFunction::kSqrtSoftplus) {
  ModelConfig config;
  config.scoring = scoring;
  config.experts = static_cast<int64_t>(z.size());
  config.experts_per_token = 2;
  const Tensor x = torch::zeros({1, kWidth}, torch::kFloat32);
  Floats(x)[0] = 1;
  *gate = torch::zeros({config.experts, kWidth}, torch::kFloat32);
  for (int64_t e = 0; e < config.experts; ++e) Floats(*gate)[e * kWidth] = z[static_cast<size_t>(e)];
  gate->set_requires_grad(true);
  const std::vector<int64_t> table = {0, 1};
  return Route(x, *gate, Tensor(), table.data(), {0}, config);
}

TEST(RouteTest, AScoreThatUnderflowsHasAFiniteGradient) {
  Tensor gate;
  const Routing routing = RouteTo({1, -200, 0, 0}, &gate);
  const Tensor weight = routing.weights.select(1, 0).sum();
  EXPECT_EQ(weight.item<double>(), 1.0);
  weight.backward();
  EXPECT_TRUE(gate.grad().isfinite().all().item<bool>());
}

TEST(RouteTest, OrdinaryScoresAreTheRootsOfSoftplus) {
  std::vector<float> z;
  for (int e = 0; e < 64; ++e) z.push_back(-80.0f + 2.5f * static_cast<float>(e));
  Tensor gate;
  const Routing routing = RouteTo(z, &gate);
  const Tensor expected =
      torch::softplus(torch::tensor(at::ArrayRef<float>(z), torch::kFloat32).reshape({1, 64}), 1, 20).sqrt();
  EXPECT_TRUE(torch::equal(routing.scores.detach(), expected));
}

// As the reference's code and the engine have it.
TEST(RouteTest, OnlySoftmaxIsNotDividedByTheChosenScores) {
  Tensor gate;
  for (const ScoringFunction scoring :
       {ScoringFunction::kSqrtSoftplus, ScoringFunction::kSigmoid, ScoringFunction::kSoftmax}) {
    const Routing routing = RouteTo({1, -1, 0.5, 2}, &gate, scoring);
    const Tensor chosen = routing.scores.detach().narrow(1, 0, 2);
    const Tensor weights = routing.weights.detach();
    if (scoring == ScoringFunction::kSoftmax) {
      EXPECT_NEAR(routing.scores.sum().item<double>(), 1.0, 1e-6);
      EXPECT_TRUE(torch::equal(weights, chosen));
    } else {
      EXPECT_NEAR(weights.sum().item<double>(), 1.0, 1e-6);
      EXPECT_TRUE(torch::allclose(weights, chosen / chosen.sum()));
    }
  }
}

}  // namespace
}  // namespace fathom
