// tensor_table.h - which tensors a config calls for: names, formats, shapes and where they go. The one place that knows
// the release's naming; the loader, `synth` and `inspect` all go through it.
#ifndef FATHOM_CHECKPOINT_TENSOR_TABLE_H_
#define FATHOM_CHECKPOINT_TENSOR_TABLE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "model/weights.h"

namespace fathom {

// How a tensor is stored. kRouted is FP4 (I8, two codes a byte) or FP8, whatever the checkpoint has.
enum class TensorRole : uint8_t { kBf16, kF32, kFp8, kFp8Scale, kRouted, kRoutedScale, kTokenTable, kUnused };

// What it is for: the rows of inspect's table of bytes.
enum class TensorClass : uint8_t {
  kRoutedExperts,
  kRoutedScales,
  kAttention,
  kMtp,
  kSharedExperts,
  kEmbedding,
  kHead,
  kCompressors,
  kIndexers,
  kHyperConnections,
  kRouters,
  kNorms,
  kUnused,
};
constexpr int kTensorClasses = 13;
// "routed expert weights".
std::string_view TensorClassName(TensorClass tensor_class);

// One tensor. A quantised matrix has two: the codes (`matrix->data`) and their scales (`matrix->scale`).
struct ExpectedTensor {
  std::string name;  // the release's
  TensorRole role = TensorRole::kBf16;
  TensorClass tensor_class = TensorClass::kNorms;
  // Of the matrix [rows, cols], for its scales too; a vector has cols 0.
  int64_t rows = 0;
  int64_t cols = 0;
  // Exactly one is set.
  Matrix* matrix = nullptr;
  Vector* vector = nullptr;
  const uint8_t** table = nullptr;

  bool is_scale() const { return role == TensorRole::kFp8Scale || role == TensorRole::kRoutedScale; }
};

using TensorList = std::vector<ExpectedTensor>;

// Each sets `out` to the tensors of one part; the pointers go into the weights given. Of a layer at a time, so that a
// config with absurd counts costs nothing before its first tensor turns out to be missing. Sizes experts and fills
// ratio, nothing else.
void ListGlobalTensors(const ModelConfig& config, ModelWeights* weights, TensorList* out);
void ListLayerTensors(const ModelConfig& config, int64_t layer, LayerWeights* weights, TensorList* out);
void ListMtpTensors(const ModelConfig& config, int64_t block, MtpWeights* weights, TensorList* out);

// The release's name of a tensor that other tools call differently: "model.layers.0.mlp.experts.1.w1.weight_scale_inv"
// -> "layers.0.ffn.experts.1.w1.scale". Other names come back as they are; a changed one is in `*storage`.
std::string_view CanonicalTensorName(std::string_view name, std::string* storage);

}  // namespace fathom

#endif  // FATHOM_CHECKPOINT_TENSOR_TABLE_H_
