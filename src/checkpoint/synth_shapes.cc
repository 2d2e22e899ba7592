#include "checkpoint/synth_shapes.h"

#include <algorithm>

#include "base/strings.h"

namespace fathom {
namespace {

ModelConfig Flash() {
  ModelConfig m;
  m.vocab_size = 129280;
  m.hidden_size = 4096;
  m.layers = 43;
  m.hash_layers = 3;
  m.mtp_layers = 1;
  m.heads = 64;
  m.head_dim = 512;
  m.rope_dim = 64;
  m.q_rank = 1024;
  m.o_groups = 8;
  m.o_rank = 1024;
  m.window = 128;
  m.ratios = {0, 0};
  m.expert_dim = 2048;
  m.experts = 256;
  m.experts_per_token = 6;
  m.routed_scale = 1.5f;
  m.swiglu_limit = 10;
  m.yarn_factor = 16;
  m.yarn_original_context = 65536;
  m.index_heads = 64;
  m.index_dim = 128;
  m.index_topk = 512;
  m.streams = 4;
  m.sinkhorn_iterations = 20;
  m.max_context = 1048576;
  return m;
}

ModelConfig Pro() {
  ModelConfig m = Flash();
  m.hidden_size = 7168;
  m.layers = 61;
  m.heads = 128;
  m.q_rank = 1536;
  m.o_groups = 16;
  m.ratios = {128, 128};
  m.expert_dim = 3072;
  m.experts = 384;
  m.routed_scale = 2.5f;
  m.index_topk = 1024;
  return m;
}

ModelConfig Tiny() {
  ModelConfig m = Flash();
  m.vocab_size = 512;
  m.hidden_size = 256;
  m.layers = 4;
  m.hash_layers = 1;
  m.heads = 4;
  m.head_dim = 128;
  m.q_rank = 128;
  m.o_groups = 2;
  m.o_rank = 64;
  m.window = 64;
  m.ratios = {0};
  m.expert_dim = 128;
  m.experts = 8;
  m.experts_per_token = 2;
  m.yarn_original_context = 1024;
  m.index_heads = 4;
  m.index_dim = 64;
  m.index_topk = 64;
  m.max_context = 8192;
  return m;
}

// The first ratios are those given, then 4 and 128 take turns, as in the releases. A short model drops the second of
// two equal first layers, and a single layer is of ratio 4, the kind with most parts.
void SetLayers(int64_t layers, bool full, ModelConfig* m) {
  std::vector<int64_t> start = m->ratios;
  if (layers < 5 && start.size() > 1) start.pop_back();
  if (layers == 1) start.clear();
  std::vector<int64_t> ratios;
  for (int64_t layer = 0; layer < layers; ++layer) {
    const int64_t after = layer - static_cast<int64_t>(start.size());
    ratios.push_back(after < 0 ? start[static_cast<size_t>(layer)] : after % 2 == 0 ? 4 : 128);
  }
  ratios.insert(ratios.end(), static_cast<size_t>(m->mtp_layers), 0);
  m->ratios = std::move(ratios);
  m->layers = layers;
  // A token-id routed layer where there is room for a scored one beside it.
  if (!full) m->hash_layers = std::min<int64_t>(m->hash_layers, layers == 1 ? 0 : layers < 12 ? 1 : m->hash_layers);
}

}  // namespace

Result<CheckpointConfig> SyntheticShape(std::string_view shape, const ShapeChanges& changes) {
  CheckpointConfig config;
  config.expert_dtype = "fp4";
  ModelConfig& m = config.model;
  if (shape == "v4-flash") {
    m = Flash();
  } else if (shape == "v4-pro") {
    m = Pro();
  } else if (shape == "tiny") {
    m = Tiny();
  } else {
    return InvalidArgument(StrCat("shape '", Printable(shape), "' is unknown; accepted are v4-flash, v4-pro and tiny"));
  }
  const auto range = [](const char* what, int64_t value, int64_t low, int64_t high) -> Status {
    if (value >= low && value <= high) return {};
    return InvalidArgument(StrCat(what, " ", value, " is out of range; accepted are ", low, " to ", high));
  };
  m.mtp_layers = changes.mtp_layers.value_or(m.mtp_layers);
  FATHOM_RETURN_IF_ERROR(range("the number of MTP blocks", m.mtp_layers, 0, 1));
  const int64_t layers = changes.layers.value_or(m.layers);
  FATHOM_RETURN_IF_ERROR(range("the number of layers", layers, 1, 1024));
  SetLayers(layers, layers == m.layers, &m);
  m.experts = changes.experts.value_or(m.experts);
  FATHOM_RETURN_IF_ERROR(range("the number of experts", m.experts, 1, 4096));
  m.experts_per_token = std::min(m.experts_per_token, m.experts);
  m.vocab_size = changes.vocab.value_or(m.vocab_size);
  FATHOM_RETURN_IF_ERROR(m.Validate());
  return config;
}

}  // namespace fathom
