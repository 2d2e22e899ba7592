#include "apps/bench_cost.h"

#include <algorithm>
#include <array>
#include <numeric>

namespace fathom {
namespace {

// What every token of a layer is multiplied with, some of it empty.
std::array<const Matrix*, 17> DenseMatrices(const LayerWeights& layer) {
  return {&layer.attn_mix.fn,
          &layer.wq_a,
          &layer.wq_b,
          &layer.wkv,
          &layer.wo_a,
          &layer.wo_b,
          &layer.compressor.wkv,
          &layer.compressor.wgate,
          &layer.indexer.wq_b,
          &layer.indexer.weights_proj,
          &layer.indexer.compressor.wkv,
          &layer.indexer.compressor.wgate,
          &layer.ffn_mix.fn,
          &layer.gate,
          &layer.shared.w1,
          &layer.shared.w2,
          &layer.shared.w3};
}

}  // namespace

StepCost& StepCost::operator+=(const StepCost& other) {
  tokens += other.tokens;
  weight_bytes += other.weight_bytes;
  flops += other.flops;
  f32_ops += other.f32_ops;
  int8_ops += other.int8_ops;
  return *this;
}

void CostModel::Add(const Matrix& matrix, Cost* cost) {
  if (matrix.empty()) return;
  cost->bytes += static_cast<double>(matrix.bytes());
  const double weights = static_cast<double>(matrix.rows) * static_cast<double>(matrix.cols);
  (matrix.type == WeightType::kFp4 ? cost->fp4_weights : cost->other_weights) += weights;
}

void CostModel::AddExpert(const ExpertWeights& expert, Cost* cost) {
  for (const Matrix* matrix : {&expert.w1, &expert.w2, &expert.w3}) Add(*matrix, cost);
}

CostModel::CostModel(const ModelConfig& config, const ModelWeights& weights, Precision precision) {
  for (const LayerWeights& layer : weights.layers) {
    for (const Matrix* matrix : DenseMatrices(layer)) Add(*matrix, &dense_);
  }
  Add(weights.head_mix.fn, &head_);
  Add(weights.head, &head_);
  if (!weights.layers.empty()) AddExpert(weights.layers.front().experts.front(), &expert_);
  fp4_byte_products_ = precision == Precision::kInt8 ? 1 : 2;
  chosen_experts_ = static_cast<double>(config.layers * config.experts_per_token);
}

StepCost CostModel::Step(int64_t tokens, int64_t logit_rows, int64_t distinct_experts) const {
  StepCost cost;
  cost.tokens = tokens;
  cost.weight_bytes = dense_.bytes + static_cast<double>(distinct_experts) * expert_.bytes;
  if (logit_rows > 0) cost.weight_bytes += head_.bytes;
  const auto rows = static_cast<double>(tokens);
  const auto head_rows = static_cast<double>(logit_rows);
  const double fp4 =
      rows * (dense_.fp4_weights + chosen_experts_ * expert_.fp4_weights) + head_rows * head_.fp4_weights;
  const double other =
      rows * (dense_.other_weights + chosen_experts_ * expert_.other_weights) + head_rows * head_.other_weights;
  cost.flops = 2 * (fp4 + other);
  cost.f32_ops = 2 * other;
  cost.int8_ops = 2 * fp4_byte_products_ * fp4;
  return cost;
}

std::vector<std::span<const uint8_t>> WeightsOfToken(const ModelConfig& config, const ModelWeights& weights,
                                                     std::mt19937_64& random) {
  std::vector<std::span<const uint8_t>> ranges;
  const auto add = [&](const Matrix& matrix) {
    if (matrix.empty()) return;
    ranges.emplace_back(matrix.data, static_cast<size_t>(matrix.rows * matrix.row_bytes()));
    if (matrix.scale_bytes() > 0) ranges.emplace_back(matrix.scale, static_cast<size_t>(matrix.scale_bytes()));
  };
  for (const LayerWeights& layer : weights.layers) {
    for (const Matrix* matrix : DenseMatrices(layer)) add(*matrix);
    std::vector<size_t> experts(layer.experts.size());
    std::iota(experts.begin(), experts.end(), size_t{0});
    std::shuffle(experts.begin(), experts.end(), random);
    for (int64_t i = 0; i < config.experts_per_token; ++i) {
      const ExpertWeights& expert = layer.experts[experts[static_cast<size_t>(i)]];
      for (const Matrix* matrix : {&expert.w1, &expert.w2, &expert.w3}) add(*matrix);
    }
  }
  add(weights.head_mix.fn);
  add(weights.head);
  return ranges;
}

ExpertCounter::ExpertCounter(const ModelConfig& config)
    : experts_(config.experts), used_(static_cast<size_t>(config.layers * config.experts), false) {}

void ExpertCounter::Reset() { std::fill(used_.begin(), used_.end(), false); }

int64_t ExpertCounter::distinct() const { return std::count(used_.begin(), used_.end(), true); }

void ExpertCounter::Tap(int64_t /*layer*/, std::string_view /*name*/, MatView<const float> /*values*/) {}

void ExpertCounter::TapIds(int64_t layer, std::string_view name, MatView<const int32_t> ids) {
  if (name != "expert_ids") return;
  for (int64_t token = 0; token < ids.rows; ++token) {
    for (const int32_t expert : ids.row_span(token)) used_[static_cast<size_t>(layer * experts_ + expert)] = true;
  }
}

}  // namespace fathom
