#include "model/moe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace fathom {
namespace {

// A model of two hash layers with tables of 3 tokens x 2 experts, 4 experts.
struct HashModel {
  ModelConfig config;
  ModelWeights weights;
  std::vector<int64_t> first = {0, 1, 2, 3, 0, 3};
  std::vector<int64_t> second = {3, 2, 1, 0, 2, 1};

  HashModel() {
    config.vocab_size = 3;
    config.experts = 4;
    config.experts_per_token = 2;
    weights.layers.resize(3);  // the last one routes by score
    weights.layers[0].tid2eid = reinterpret_cast<const uint8_t*>(first.data());
    weights.layers[1].tid2eid = reinterpret_cast<const uint8_t*>(second.data());
  }
};

TEST(HashTables, SoundTablesPass) {
  const HashModel model;
  EXPECT_TRUE(CheckHashTables(model.config, model.weights).ok());
}

TEST(HashTables, AnExpertTheModelDoesNotHaveIsNamed) {
  for (const int64_t bad : {int64_t{4}, int64_t{-1}, int64_t{1} << 40}) {
    HashModel model;
    model.second[3] = bad;
    const Status status = CheckHashTables(model.config, model.weights);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.message(), "tensor layers.1.ffn.gate.tid2eid sends token 1 to expert " + std::to_string(bad) +
                                    "; the model has experts 0 to 3");
  }
}

TEST(RouteToken, TakesTheBestByScoreAndBias) {
  HashModel model;
  model.config.scoring = ScoringFunction::kSoftmax;
  model.config.routed_scale = 2;
  LayerWeights layer;
  float score[] = {0, 0, 0, 0};
  int32_t ids[2] = {};
  float weights[2] = {};
  RouteToken(model.config, layer, 0, score, ids, weights);
  EXPECT_EQ(ids[0], 0) << "of equal ones the first";
  EXPECT_EQ(ids[1], 1);
  EXPECT_EQ(score[3], 0.25f);
  EXPECT_EQ(weights[0], 0.5f);
  const float bias[] = {0, 0, 2, 1};
  layer.gate_bias = {reinterpret_cast<const uint8_t*>(bias), WeightType::kF32, 4};
  std::fill_n(score, 4, 0.0f);
  RouteToken(model.config, layer, 0, score, ids, weights);
  EXPECT_EQ(ids[0], 2);
  EXPECT_EQ(ids[1], 3);
  EXPECT_EQ(weights[0], 0.5f) << "the bias only chooses";
  std::fill_n(score, 4, 0.0f);
  RouteToken(model.config, model.weights.layers[1], 2, score, ids, weights);
  EXPECT_EQ(ids[0], 2) << "as the table says";
  EXPECT_EQ(ids[1], 1);
}

TEST(RouteToken, OrdersAsManyAsThereAreWithTiesAndNaN) {
  ModelConfig config;
  config.scoring = ScoringFunction::kSqrtSoftplus;
  config.experts = 96;
  LayerWeights layer;
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    config.experts_per_token = 1 + round % 64;
    std::vector<float> score(96);
    std::vector<float> bias(96);
    for (float& z : score) z = static_cast<float>(random() % 12);
    for (float& z : bias) z = static_cast<float>(random() % 3);
    const size_t not_numbers = round % 4 == 0 ? random() % 90 : 0;
    for (size_t i = 0; i < not_numbers; ++i) score[random() % 96] = std::nanf("");
    layer.gate_bias = {reinterpret_cast<const uint8_t*>(bias.data()), WeightType::kF32, 96};
    std::vector<int32_t> ids(64);
    std::vector<float> weights(64);
    RouteToken(config, layer, 0, score.data(), ids.data(), weights.data());
    std::vector<int32_t> expected(96);
    std::iota(expected.begin(), expected.end(), 0);
    std::ranges::stable_sort(expected, [&](int32_t a, int32_t b) {
      const float x = score[static_cast<size_t>(a)] + bias[static_cast<size_t>(a)];
      const float y = score[static_cast<size_t>(b)] + bias[static_cast<size_t>(b)];
      return x > y || (std::isnan(y) && !std::isnan(x));
    });
    for (size_t i = 0; i < static_cast<size_t>(config.experts_per_token); ++i) {
      ASSERT_EQ(ids[i], expected[i]) << "round " << round << ", place " << i;
    }
  }
}

TEST(SumExpertOutputs, AddsRowsInAscendingOrder) {
  // 1 is lost beside 2^24, so the order shows.
  const float outputs[] = {16777216, 1, 1, -16777216};
  const int32_t routed[] = {2, 0};
  float out = 7;
  SumExpertOutputs(outputs, routed, 2, 3, 1, &out);
  EXPECT_EQ(out, 0.0f);
  const float other[] = {1, 1, 16777216, -16777216};
  const int32_t rows[] = {2, 1, 0};
  SumExpertOutputs(other, rows, 3, 3, 1, &out);
  EXPECT_EQ(out, 2.0f);
}

}  // namespace
}  // namespace fathom
