#include "apps/bench_cost.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include "base/check.h"
#include "base/strings.h"
#include "checkpoint/tensor_table.h"

namespace fathom {
namespace {

struct PartMatrix {
  StepPart part;
  const Matrix* matrix;
};

// What every token of a layer is multiplied with, some of it empty, by the part whose time the product is.
std::array<PartMatrix, 17> DenseMatrices(const LayerWeights& layer) {
  return {{{StepPart::kStreams, &layer.attn_mix.fn},
           {StepPart::kAttentionInput, &layer.wq_a},
           {StepPart::kAttentionInput, &layer.wq_b},
           {StepPart::kAttentionInput, &layer.wkv},
           {StepPart::kAttentionOutput, &layer.wo_a},
           {StepPart::kAttentionOutput, &layer.wo_b},
           {StepPart::kAttentionInput, &layer.compressor.wkv},
           {StepPart::kAttentionInput, &layer.compressor.wgate},
           {StepPart::kAttentionInput, &layer.indexer.wq_b},
           {StepPart::kAttentionInput, &layer.indexer.weights_proj},
           {StepPart::kAttentionInput, &layer.indexer.compressor.wkv},
           {StepPart::kAttentionInput, &layer.indexer.compressor.wgate},
           {StepPart::kStreams, &layer.ffn_mix.fn},
           {StepPart::kRouter, &layer.gate},
           {StepPart::kExperts, &layer.shared.w1},
           {StepPart::kExperts, &layer.shared.w2},
           {StepPart::kExperts, &layer.shared.w3}}};
}

// "FP8 with F32 scales".
std::string FormatName(const Matrix& matrix) {
  const char* const type = matrix.type == WeightType::kFp4   ? "FP4"
                           : matrix.type == WeightType::kFp8 ? "FP8"
                                                             : "neither FP4 nor FP8";
  return StrCat(type, matrix.scale_type == ScaleType::kF32 ? " with F32 scales" : "");
}

bool SameShape(const Matrix& a, const Matrix& b) {
  return a.type == b.type && a.scale_type == b.scale_type && a.rows == b.rows && a.cols == b.cols;
}

}  // namespace

Work& Work::operator+=(const Work& other) {
  weight_bytes += other.weight_bytes;
  flops += other.flops;
  f32_ops += other.f32_ops;
  int8_ops += other.int8_ops;
  fp8_ops += other.fp8_ops;
  return *this;
}

Work& Work::operator/=(double count) {
  weight_bytes /= count;
  flops /= count;
  f32_ops /= count;
  int8_ops /= count;
  fp8_ops /= count;
  return *this;
}

Work StepCost::total() const {
  Work sum;
  for (const Work& work : parts) sum += work;
  return sum;
}

StepCost& StepCost::operator+=(const StepCost& other) {
  tokens += other.tokens;
  for (size_t part = 0; part < kStepParts; ++part) parts[part] += other.parts[part];
  if (products.empty()) {
    products = other.products;
    return *this;
  }
  FATHOM_CHECK(products.size() == other.products.size());
  for (size_t at = 0; at < products.size(); ++at) {
    products[at].matrices += other.products[at].matrices;
    products[at].rows += other.products[at].rows;
    for (const auto& [rows, matrices] : other.products[at].matrices_by_rows) {
      products[at].matrices_by_rows[rows] += matrices;
    }
  }
  return *this;
}

StepCost& StepCost::operator/=(int64_t count) {
  const auto n = static_cast<double>(count);
  tokens /= count;
  for (Work& work : parts) work /= n;
  for (Products& same : products) {
    same.matrices /= n;
    same.rows /= n;
    for (auto& [rows, matrices] : same.matrices_by_rows) matrices /= n;
  }
  return *this;
}

Status CheckExpertsAlike(const ModelWeights& weights) {
  for (size_t layer = 1; layer < weights.layers.size(); ++layer) {
    const ExpertWeights& first = weights.layers.front().experts.front();
    const ExpertWeights& expert = weights.layers[layer].experts.front();
    const auto alike = [](const Matrix& a, const Matrix& b) {
      return a.type == b.type && a.scale_type == b.scale_type;
    };
    if (alike(first.w1, expert.w1) && alike(first.w2, expert.w2) && alike(first.w3, expert.w3)) continue;
    return InvalidArgument(StrCat("the experts of layer ", layer, " are ", FormatName(expert.w1),
                                  " and those of layer 0 ", FormatName(first.w1),
                                  "; bench measures models whose layers have experts of one format"));
  }
  return {};
}

void CostModel::Add(StepPart part, Inputs inputs, const Matrix& matrix, int64_t groups, bool round_weights,
                    bool activated) {
  if (matrix.empty()) return;
  auto found = std::ranges::find_if(matrices_, [&](const Matrices& other) {
    return other.part == part && other.inputs == inputs && other.groups == groups &&
           other.round_weights == round_weights && other.activated == activated && SameShape(other.shape, matrix);
  });
  if (found == matrices_.end()) {
    Matrix shape = matrix;
    shape.data = shape.scale = nullptr;
    found = matrices_.insert(found, {part, inputs, shape, groups, round_weights, activated});
  }
  ++found->count;
}

CostModel::CostModel(const ModelConfig& config, const ModelWeights& weights, Precision precision) : config_(config) {
  for (const LayerWeights& layer : weights.layers) {
    for (const auto& [part, matrix] : DenseMatrices(layer)) {
      const bool grouped = matrix == &layer.wo_a;
      Add(part, Inputs::kTokens, *matrix, grouped ? config.o_groups : 1, /*round_weights=*/grouped);
    }
  }
  if (!weights.layers.empty()) {
    const ExpertWeights& expert = weights.layers.front().experts.front();
    for (const Matrix* matrix : {&expert.w1, &expert.w3}) Add(StepPart::kExperts, Inputs::kChosen, *matrix);
    Add(StepPart::kExperts, Inputs::kChosen, expert.w2, /*groups=*/1, /*round_weights=*/false, /*activated=*/true);
  }
  for (const Matrix* matrix : {&weights.head_mix.fn, &weights.head}) Add(StepPart::kHead, Inputs::kLogitRows, *matrix);
  fp4_byte_products_ = precision == Precision::kInt8 ? 1 : 2;
  quantized_ = precision != Precision::kExact;
  chosen_experts_ = static_cast<double>(config.layers * config.experts_per_token);
}

StepCost CostModel::Step(int64_t tokens, int64_t logit_rows, int64_t distinct_experts) const {
  StepCost cost;
  cost.tokens = tokens;
  for (const Matrices& matrices : matrices_) {
    Products products = {matrices.part,      matrices.shape, matrices.groups, matrices.round_weights,
                         matrices.activated, matrices.count, matrices.count};
    switch (matrices.inputs) {
      case Inputs::kTokens:
        products.rows *= static_cast<double>(tokens);
        break;
      case Inputs::kChosen:
        products.matrices *= static_cast<double>(distinct_experts);
        products.rows *= static_cast<double>(tokens) * chosen_experts_;
        break;
      case Inputs::kLogitRows:
        products.matrices *= logit_rows > 0 ? 1 : 0;
        products.rows *= static_cast<double>(logit_rows);
        break;
    }
    const double flops = products.flops();
    Work& work = cost.parts[static_cast<size_t>(matrices.part)];
    work.weight_bytes += products.matrices * static_cast<double>(products.shape.bytes());
    work.flops += flops;
    if (products.shape.type == WeightType::kFp4) {
      work.int8_ops += fp4_byte_products_ * flops;
    } else if (products.shape.type == WeightType::kFp8 && products.shape.scale_type != ScaleType::kF32 &&
               !products.round_weights && quantized_) {
      work.fp8_ops += flops;
    } else {
      work.f32_ops += flops;
    }
    cost.products.push_back(products);
  }
  return cost;
}

void CostModel::SplitExperts(const std::map<int64_t, int64_t>& experts_by_tokens, StepCost* step) const {
  for (size_t at = 0; at < matrices_.size(); ++at) {
    if (matrices_[at].inputs != Inputs::kChosen) continue;
    for (const auto& [tokens, experts] : experts_by_tokens) {
      step->products[at].matrices_by_rows[tokens] += static_cast<double>(experts) * matrices_[at].count;
    }
  }
}

void CostModel::AddAttention(int64_t first, int64_t tokens, StepCost* step) const {
  double attended = 0;  // rows
  double scored = 0;    // the indexer's keys
  for (int64_t layer = 0; layer < config_.layers; ++layer) {
    const int64_t ratio = config_.ratio(layer);
    for (int64_t position = first; position < first + tokens; ++position) {
      const int64_t compressed = ratio == 0 ? 0 : (position + 1) / ratio;
      attended += static_cast<double>(std::min(config_.window, position + 1) +
                                      (ratio == 4 ? std::min(config_.index_topk, compressed) : compressed));
      if (ratio == 4) scored += static_cast<double>(compressed);
    }
  }
  Work& attention = step->parts[static_cast<size_t>(StepPart::kAttention)];
  const double products = 4 * attended * static_cast<double>(config_.heads * config_.head_dim);
  attention.flops += products;
  attention.f32_ops += products;
  Work& indexer = step->parts[static_cast<size_t>(StepPart::kIndexer)];
  const double scores = 2 * scored * static_cast<double>(config_.index_heads * config_.index_dim);
  indexer.flops += scores;
  (quantized_ ? indexer.int8_ops : indexer.f32_ops) += scores;
}

double DenseWeightBytes(const ModelConfig& config, int64_t layer, StepPart part) {
  LayerWeights weights;
  TensorList tensors;
  ListLayerTensors(config, layer, &weights, &tensors);
  double bytes = 0;
  for (const PartMatrix& dense : DenseMatrices(weights)) {
    if (dense.part != part) continue;
    for (const ExpectedTensor& tensor : tensors) {
      if (tensor.matrix != dense.matrix || tensor.is_scale()) continue;
      const double each = tensor.role == TensorRole::kFp8 ? 1 : tensor.role == TensorRole::kBf16 ? 2 : 4;
      bytes += each * static_cast<double>(tensor.rows) * static_cast<double>(tensor.cols);
    }
  }
  return bytes;
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
    for (const PartMatrix& dense : DenseMatrices(layer)) add(*dense.matrix);
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
    : experts_(config.experts), tokens_(static_cast<size_t>(config.layers * config.experts), 0) {}

void ExpertCounter::Reset() { std::ranges::fill(tokens_, 0); }

int64_t ExpertCounter::distinct() const {
  return std::ranges::count_if(tokens_, [](int64_t tokens) { return tokens > 0; });
}

std::map<int64_t, int64_t> ExpertCounter::by_tokens() const {
  std::map<int64_t, int64_t> experts;
  for (const int64_t tokens : tokens_) {
    if (tokens > 0) ++experts[tokens];
  }
  return experts;
}

bool ExpertCounter::Wants(std::string_view name) const { return name == "expert_ids"; }

void ExpertCounter::Tap(int64_t /*layer*/, std::string_view /*name*/, MatView<const float> /*values*/) {}

void ExpertCounter::TapIds(int64_t layer, std::string_view name, MatView<const int32_t> ids) {
  if (name != "expert_ids") return;
  for (int64_t token = 0; token < ids.rows; ++token) {
    for (const int32_t expert : ids.row_span(token)) ++tokens_[static_cast<size_t>(layer * experts_ + expert)];
  }
}

}  // namespace fathom
