// What a bench counts: weights, products, experts.
#include "apps/bench_cost.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "tests/apps/synthetic_model.h"

namespace fathom {
namespace {

TEST(WeightsOfToken, AreWhatTheCostModelCounts) {
  const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(SyntheticModelDirectory());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  const ModelConfig& c = (*checkpoint)->config();
  const StepCost cost = CostModel(c, (*checkpoint)->weights()).Step(1, 1, c.layers * c.experts_per_token);
  std::mt19937_64 random(1);
  std::vector<std::span<const uint8_t>> before;
  for (int token = 0; token < 3; ++token) {
    const std::vector<std::span<const uint8_t>> ranges = WeightsOfToken(c, (*checkpoint)->weights(), random);
    double bytes = 0;
    std::set<const uint8_t*> different;
    for (const std::span<const uint8_t> range : ranges) {
      bytes += static_cast<double>(range.size());
      different.insert(range.data());
    }
    EXPECT_DOUBLE_EQ(bytes, cost.total().weight_bytes);
    EXPECT_EQ(different.size(), ranges.size());
    if (!before.empty()) {
      EXPECT_FALSE(std::ranges::equal(
          before, ranges, {}, [](auto range) { return range.data(); }, [](auto range) { return range.data(); }))
          << "the same experts again";
    }
    before = ranges;
  }
}

TEST(CostModel, CountsEachMatrixOnceAndEachTokensProducts) {
  const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(SyntheticModelDirectory());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  const ModelConfig& c = (*checkpoint)->config();
  const ModelWeights& weights = (*checkpoint)->weights();
  const CostModel costs(c, weights);
  const ExpertWeights& expert = weights.layers[0].experts[0];
  ASSERT_EQ(expert.w1.type, WeightType::kFp4);
  const double expert_bytes = static_cast<double>(expert.w1.bytes() + expert.w2.bytes() + expert.w3.bytes());
  const double expert_weights = 3.0 * static_cast<double>(c.expert_dim * c.hidden_size);
  const double head_weights = static_cast<double>(c.vocab_size * c.hidden_size);

  const Work none = costs.Step(1, 0, 0).total();
  const Work two_experts = costs.Step(1, 0, 2).total();
  EXPECT_DOUBLE_EQ(two_experts.weight_bytes - none.weight_bytes, 2 * expert_bytes);
  EXPECT_DOUBLE_EQ(two_experts.flops, none.flops);  // what a token multiplies does not depend on its neighbours
  EXPECT_DOUBLE_EQ(none.int8_ops, 4 * static_cast<double>(c.layers * c.experts_per_token) * expert_weights);
  EXPECT_DOUBLE_EQ(none.flops, none.f32_ops + none.fp8_ops + none.int8_ops / 2);
  EXPECT_GT(none.fp8_ops, 0);
  const Work exact = CostModel(c, weights, Precision::kExact).Step(1, 0, 0).total();
  EXPECT_DOUBLE_EQ(exact.f32_ops, none.f32_ops + none.fp8_ops) << "inputs are floats there";
  EXPECT_EQ(exact.fp8_ops, 0);

  const Work with_head = costs.Step(1, 1, 0).total();
  EXPECT_GE(with_head.weight_bytes - none.weight_bytes, 2 * head_weights);
  EXPECT_GE(with_head.flops - none.flops, 2 * head_weights);
  const Work many = costs.Step(7, 0, 2).total();
  EXPECT_DOUBLE_EQ(many.weight_bytes, two_experts.weight_bytes);
  EXPECT_DOUBLE_EQ(many.flops, 7 * two_experts.flops);
}

TEST(CostModel, PartsHaveTheMatricesWhoseTimeTheyAreAndAddUp) {
  const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(SyntheticModelDirectory());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  const ModelConfig& c = (*checkpoint)->config();
  const ModelWeights& weights = (*checkpoint)->weights();
  constexpr double kTokens = 5;
  constexpr double kLogitRows = 2;
  constexpr double kExperts = 7;
  const StepCost cost = CostModel(c, weights).Step(5, 2, 7);

  struct Sum {
    double bytes = 0;
    double flops = 0;
    void Add(const Matrix& matrix, double times_read, double inputs) {
      if (matrix.empty()) return;
      bytes += times_read * static_cast<double>(matrix.bytes());
      flops += 2 * inputs * static_cast<double>(matrix.rows * matrix.cols);
    }
  };
  std::array<Sum, kStepParts> sums;
  const auto add = [&](StepPart part, const Matrix& matrix) {
    sums[static_cast<size_t>(part)].Add(matrix, 1, kTokens);
  };
  for (const LayerWeights& layer : weights.layers) {
    add(StepPart::kStreams, layer.attn_mix.fn);
    add(StepPart::kStreams, layer.ffn_mix.fn);
    for (const Matrix* matrix :
         {&layer.wq_a, &layer.wq_b, &layer.wkv, &layer.compressor.wkv, &layer.compressor.wgate, &layer.indexer.wq_b,
          &layer.indexer.weights_proj, &layer.indexer.compressor.wkv, &layer.indexer.compressor.wgate}) {
      add(StepPart::kAttentionInput, *matrix);
    }
    add(StepPart::kAttentionOutput, layer.wo_a);
    add(StepPart::kAttentionOutput, layer.wo_b);
    add(StepPart::kRouter, layer.gate);
    for (const Matrix* matrix : {&layer.shared.w1, &layer.shared.w2, &layer.shared.w3}) {
      add(StepPart::kExperts, *matrix);
    }
  }
  const ExpertWeights& expert = weights.layers[0].experts[0];
  const auto chosen = static_cast<double>(c.layers * c.experts_per_token);
  for (const Matrix* matrix : {&expert.w1, &expert.w2, &expert.w3}) {
    sums[static_cast<size_t>(StepPart::kExperts)].Add(*matrix, kExperts, kTokens * chosen);
  }
  for (const Matrix* matrix : {&weights.head_mix.fn, &weights.head}) {
    sums[static_cast<size_t>(StepPart::kHead)].Add(*matrix, 1, kLogitRows);
  }
  Sum all;
  for (size_t part = 0; part < kStepParts; ++part) {
    EXPECT_EQ(cost.parts[part].weight_bytes, sums[part].bytes) << kStepPartNames[part];
    EXPECT_EQ(cost.parts[part].flops, sums[part].flops) << kStepPartNames[part];
    all.bytes += sums[part].bytes;
    all.flops += sums[part].flops;
  }
  EXPECT_EQ(cost.total().weight_bytes, all.bytes);
  EXPECT_EQ(cost.total().flops, all.flops);
  EXPECT_EQ(cost.total().flops, cost.total().f32_ops + cost.total().fp8_ops + cost.total().int8_ops / 2);
  EXPECT_EQ(cost.part(StepPart::kAttention).flops, 0);
  EXPECT_GT(cost.part(StepPart::kRouter).flops, 0);
}

TEST(CostModel, AttentionIsOfTheRowsThatTokensSee) {
  ModelConfig c;
  c.layers = 3;
  c.heads = 2;
  c.head_dim = 8;
  c.window = 4;
  c.ratios = {0, 4, 128};
  c.index_heads = 3;
  c.index_dim = 32;
  c.index_topk = 2;
  const ModelWeights none;
  StepCost cost;
  CostModel(c, none).AddAttention(126, 2, &cost);
  // 126 and 127: four of the window in each layer; two of 31 and 32 compressed rows; none of ratio 128 and one.
  const Work& attention = cost.part(StepPart::kAttention);
  EXPECT_DOUBLE_EQ(attention.flops, 4 * 2 * 8 * (12 + 2 + 12 + 2 + 1));
  EXPECT_DOUBLE_EQ(attention.f32_ops, attention.flops);
  EXPECT_EQ(attention.weight_bytes, 0);
  const Work& indexer = cost.part(StepPart::kIndexer);
  EXPECT_DOUBLE_EQ(indexer.flops, 2 * 3 * 32 * (31 + 32));
  EXPECT_DOUBLE_EQ(indexer.int8_ops, indexer.flops);

  StepCost exact;
  CostModel(c, none, Precision::kExact).AddAttention(0, 1, &exact);
  CostModel(c, none, Precision::kExact).AddAttention(4, 1, &exact);
  EXPECT_DOUBLE_EQ(exact.part(StepPart::kAttention).f32_ops, 4 * 2 * 8 * (3 + 3 * 4 + 1));
  EXPECT_DOUBLE_EQ(exact.part(StepPart::kIndexer).f32_ops, 2 * 3 * 32) << "of floats";
  EXPECT_EQ(exact.part(StepPart::kIndexer).int8_ops, 0);
}

TEST(CostModel, ProductsAreTheSameWorkByShape) {
  const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(SyntheticModelDirectory());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  const ModelConfig& c = (*checkpoint)->config();
  const CostModel costs(c, (*checkpoint)->weights());
  StepCost cost = costs.Step(12, 0, 8);
  cost += costs.Step(4, 2, 6);
  cost /= 2;
  EXPECT_EQ(cost.tokens, 8);
  double bytes = 0;
  double flops = 0;
  for (const Products& products : cost.products) {
    bytes += products.matrices * static_cast<double>(products.shape.bytes());
    flops += products.flops();
    const double tokens = products.rows / products.matrices;
    if (products.shape.type == WeightType::kFp4) {  // the routed experts
      EXPECT_DOUBLE_EQ(tokens, 16.0 * static_cast<double>(c.layers * c.experts_per_token) / 14);
    } else if (products.matrices < 1) {  // the head, in one step of two
      EXPECT_DOUBLE_EQ(tokens, 2);
    } else {
      EXPECT_DOUBLE_EQ(tokens, 8);
    }
  }
  EXPECT_DOUBLE_EQ(bytes, cost.total().weight_bytes);
  EXPECT_DOUBLE_EQ(flops, cost.total().flops);
}

TEST(CostModel, ExpertsHaveDifferentNumbersOfTokens) {
  const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(SyntheticModelDirectory());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  const CostModel costs((*checkpoint)->config(), (*checkpoint)->weights());
  StepCost cost = costs.Step(12, 0, 8);
  costs.SplitExperts({{2, 5}, {4, 3}}, &cost);
  StepCost more = costs.Step(12, 0, 2);
  costs.SplitExperts({{4, 1}, {9, 1}}, &more);
  cost += more;
  cost /= 2;
  int shapes = 0;
  for (const Products& products : cost.products) {
    if (products.shape.type != WeightType::kFp4) {
      EXPECT_TRUE(products.matrices_by_rows.empty());
      continue;
    }
    ++shapes;
    const double each = products.matrices / 5;  // (8 + 2) / 2 experts: w1 and w3 are of one shape
    EXPECT_TRUE(each == 1 || each == 2) << each;
    EXPECT_EQ(products.matrices_by_rows, (std::map<int64_t, double>{{2, 2.5 * each}, {4, 2 * each}, {9, each / 2}}));
  }
  EXPECT_GT(shapes, 0);
}

TEST(ExpertCounter, CountsPairsOfLayerAndExpertOnce) {
  ModelConfig config;
  config.layers = 2;
  config.experts = 4;
  ExpertCounter counter(config);
  const int32_t ids[] = {0, 3, 3, 1};
  counter.TapIds(0, "expert_ids", {ids, 2, 2});
  EXPECT_EQ(counter.distinct(), 3);
  counter.TapIds(1, "expert_ids", {ids, 1, 2});
  EXPECT_EQ(counter.distinct(), 5);
  EXPECT_EQ(counter.by_tokens(), (std::map<int64_t, int64_t>{{1, 4}, {2, 1}}));
  counter.TapIds(1, "selected", {ids, 2, 2});
  EXPECT_EQ(counter.distinct(), 5);
  counter.Reset();
  EXPECT_EQ(counter.distinct(), 0);
  EXPECT_TRUE(counter.by_tokens().empty());
  EXPECT_TRUE(counter.Wants("expert_ids"));
  EXPECT_FALSE(counter.Wants("index_score"));
  EXPECT_FALSE(counter.Wants("selected"));
}

}  // namespace
}  // namespace fathom
