#include "train/torch/moe_op.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

namespace fathom {
namespace {

constexpr int64_t kWidth = 16;

// Scores of one token whose z are these, when it goes to experts 0 and 1.
Routing RouteTo(const std::vector<float>& z, Tensor* gate) {
  ModelConfig config;
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

}  // namespace
}  // namespace fathom
