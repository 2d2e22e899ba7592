#include "checkpoint/tensor_table.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"

namespace fathom {
namespace {

// Adds tensors under a prefix.
class Lister {
 public:
  Lister(std::string prefix, TensorList* out) : prefix_(std::move(prefix)), out_(out) {}

  void Bf16(const char* name, TensorClass c, int64_t size, Vector* v) {
    Add(name, TensorRole::kBf16, c, size, 0).vector = v;
  }
  void F32(const char* name, TensorClass c, int64_t size, Vector* v) {
    Add(name, TensorRole::kF32, c, size, 0).vector = v;
  }
  void Bf16(const char* name, TensorClass c, int64_t rows, int64_t cols, Matrix* m) {
    Add(name, TensorRole::kBf16, c, rows, cols).matrix = m;
  }
  void F32(const char* name, TensorClass c, int64_t rows, int64_t cols, Matrix* m) {
    Add(name, TensorRole::kF32, c, rows, cols).matrix = m;
  }
  void Fp8(const std::string& name, TensorClass c, int64_t rows, int64_t cols, Matrix* m) {
    Add(name + ".weight", TensorRole::kFp8, c, rows, cols).matrix = m;
    Add(name + ".scale", TensorRole::kFp8Scale, c, rows, cols).matrix = m;
  }
  void Routed(const std::string& name, int64_t rows, int64_t cols, Matrix* m) {
    Add(name + ".weight", TensorRole::kRouted, TensorClass::kRoutedExperts, rows, cols).matrix = m;
    Add(name + ".scale", TensorRole::kRoutedScale, TensorClass::kRoutedScales, rows, cols).matrix = m;
  }
  void Table(const char* name, TensorClass c, int64_t rows, int64_t cols, const uint8_t** table) {
    Add(name, TensorRole::kTokenTable, c, rows, cols).table = table;
  }

  // fn [rows, S*D], base [rows], scale [scales].
  void Mix(const std::string& name, const ModelConfig& config, int64_t rows, int64_t scales,
           HyperConnectionWeights* w) {
    const auto c = TensorClass::kHyperConnections;
    F32((name + "_fn").c_str(), c, rows, config.streams * config.hidden_size, &w->fn);
    F32((name + "_base").c_str(), c, rows, &w->base);
    F32((name + "_scale").c_str(), c, scales, &w->scale);
  }

  void Compressor(const std::string& name, TensorClass c, const ModelConfig& config, int64_t ratio, int64_t width,
                  CompressorWeights* w) {
    const int64_t cols = ModelConfig::Overlap(ratio) * width;
    F32((name + ".ape").c_str(), c, ratio, cols, &w->ape);
    Bf16((name + ".wkv.weight").c_str(), c, cols, config.hidden_size, &w->wkv);
    Bf16((name + ".wgate.weight").c_str(), c, cols, config.hidden_size, &w->wgate);
    Bf16((name + ".norm.weight").c_str(), c, width, &w->norm);
  }

 private:
  ExpectedTensor& Add(std::string_view name, TensorRole role, TensorClass tensor_class, int64_t rows, int64_t cols) {
    ExpectedTensor tensor;
    tensor.name = StrCat(prefix_, name);
    tensor.role = role;
    tensor.tensor_class = tensor_class;
    tensor.rows = rows;
    tensor.cols = cols;
    out_->push_back(std::move(tensor));
    return out_->back();
  }

  const std::string prefix_;
  TensorList* out_;
};

void ListAttention(const ModelConfig& config, Lister& list, LayerWeights* w) {
  const auto c = TensorClass::kAttention;
  const int64_t head_values = config.heads * config.head_dim;
  list.F32("attn.attn_sink", c, config.heads, &w->sink);
  list.Fp8("attn.wq_a", c, config.q_rank, config.hidden_size, &w->wq_a);
  list.Bf16("attn.q_norm.weight", c, config.q_rank, &w->q_norm);
  list.Fp8("attn.wq_b", c, head_values, config.q_rank, &w->wq_b);
  list.Fp8("attn.wkv", c, config.head_dim, config.hidden_size, &w->wkv);
  list.Bf16("attn.kv_norm.weight", c, config.head_dim, &w->kv_norm);
  list.Fp8("attn.wo_a", c, config.o_groups * config.o_rank, head_values / config.o_groups, &w->wo_a);
  list.Fp8("attn.wo_b", c, config.hidden_size, config.o_groups * config.o_rank, &w->wo_b);
  if (w->ratio != 0) {
    list.Compressor("attn.compressor", TensorClass::kCompressors, config, w->ratio, config.head_dim, &w->compressor);
  }
  if (w->ratio == 4) {
    const auto index = TensorClass::kIndexers;
    list.Fp8("attn.indexer.wq_b", index, config.index_heads * config.index_dim, config.q_rank, &w->indexer.wq_b);
    list.Bf16("attn.indexer.weights_proj.weight", index, config.index_heads, config.hidden_size,
              &w->indexer.weights_proj);
    list.Compressor("attn.indexer.compressor", index, config, 4, config.index_dim, &w->indexer.compressor);
  }
}

void ListMoe(const ModelConfig& config, bool hash, Lister& list, LayerWeights* w) {
  const int64_t width = config.hidden_size;
  const int64_t inner = config.expert_dim;
  list.Bf16("ffn.gate.weight", TensorClass::kRouters, config.experts, width, &w->gate);
  if (hash) {
    list.Table("ffn.gate.tid2eid", TensorClass::kRouters, config.vocab_size, config.experts_per_token, &w->tid2eid);
  } else {
    list.F32("ffn.gate.bias", TensorClass::kRouters, config.experts, &w->gate_bias);
  }
  w->experts.resize(static_cast<size_t>(config.experts));
  for (int64_t expert = 0; expert < config.experts; ++expert) {
    ExpertWeights& e = w->experts[static_cast<size_t>(expert)];
    const std::string name = StrCat("ffn.experts.", expert);
    list.Routed(name + ".w1", inner, width, &e.w1);
    list.Routed(name + ".w2", width, inner, &e.w2);
    list.Routed(name + ".w3", inner, width, &e.w3);
  }
  list.Fp8("ffn.shared_experts.w1", TensorClass::kSharedExperts, inner, width, &w->shared.w1);
  list.Fp8("ffn.shared_experts.w2", TensorClass::kSharedExperts, width, inner, &w->shared.w2);
  list.Fp8("ffn.shared_experts.w3", TensorClass::kSharedExperts, inner, width, &w->shared.w3);
}

void ListBlock(const ModelConfig& config, int64_t ratio, bool hash, Lister& list, LayerWeights* w) {
  w->ratio = ratio;
  list.Bf16("attn_norm.weight", TensorClass::kNorms, config.hidden_size, &w->attn_norm);
  list.Bf16("ffn_norm.weight", TensorClass::kNorms, config.hidden_size, &w->ffn_norm);
  list.Mix("hc_attn", config, config.mix_rows(), 3, &w->attn_mix);
  list.Mix("hc_ffn", config, config.mix_rows(), 3, &w->ffn_mix);
  ListAttention(config, list, w);
  ListMoe(config, hash, list, w);
}

struct Alias {
  std::string_view other;
  std::string_view release;  // empty: the segment is dropped
};

// Segments (between dots) of names as other tools write them.
constexpr Alias kAliases[] = {
    {"model", ""},
    {"embed_tokens", "embed"},
    {"lm_head", "head"},
    {"self_attn", "attn"},
    {"mlp", "ffn"},
    {"input_layernorm", "attn_norm"},
    {"post_attention_layernorm", "ffn_norm"},
    {"gate_proj", "w1"},
    {"down_proj", "w2"},
    {"up_proj", "w3"},
    {"weight_scale_inv", "scale"},
    {"e_score_correction_bias", "bias"},
};

const Alias* FindAlias(std::string_view segment) {
  for (const Alias& alias : kAliases) {
    if (alias.other == segment) return &alias;
  }
  return nullptr;
}

std::string_view FirstSegment(std::string_view name) { return name.substr(0, name.find('.')); }

}  // namespace

std::string_view TensorClassName(TensorClass tensor_class) {
  switch (tensor_class) {
    case TensorClass::kRoutedExperts:
      return "routed expert weights";
    case TensorClass::kRoutedScales:
      return "routed expert scales";
    case TensorClass::kAttention:
      return "attention";
    case TensorClass::kMtp:
      return "MTP blocks";
    case TensorClass::kSharedExperts:
      return "shared experts";
    case TensorClass::kEmbedding:
      return "embedding";
    case TensorClass::kHead:
      return "output head";
    case TensorClass::kCompressors:
      return "attention compressors";
    case TensorClass::kIndexers:
      return "indexers";
    case TensorClass::kHyperConnections:
      return "hyper-connections";
    case TensorClass::kRouters:
      return "routers";
    case TensorClass::kNorms:
      return "layer and final norms";
    case TensorClass::kUnused:
      return "unused";
  }
  return "";
}

void ListGlobalTensors(const ModelConfig& config, ModelWeights* weights, TensorList* out) {
  out->clear();
  Lister list("", out);
  list.Bf16("embed.weight", TensorClass::kEmbedding, config.vocab_size, config.hidden_size, &weights->embed);
  list.Bf16("head.weight", TensorClass::kHead, config.vocab_size, config.hidden_size, &weights->head);
  list.Bf16("norm.weight", TensorClass::kNorms, config.hidden_size, &weights->norm);
  list.Mix("hc_head", config, config.streams, 1, &weights->head_mix);
}

void ListLayerTensors(const ModelConfig& config, int64_t layer, LayerWeights* weights, TensorList* out) {
  FATHOM_CHECK(layer >= 0 && layer < config.layers);
  out->clear();
  Lister list(StrCat("layers.", layer, "."), out);
  ListBlock(config, config.ratio(layer), layer < config.hash_layers, list, weights);
}

void ListMtpTensors(const ModelConfig& config, int64_t block, MtpWeights* weights, TensorList* out) {
  FATHOM_CHECK(block >= 0 && block < config.mtp_layers);
  out->clear();
  Lister list(StrCat("mtp.", block, "."), out);
  const int64_t width = config.hidden_size;
  ListBlock(config, config.ratio(config.layers + block), /*hash=*/false, list, &weights->layer);
  list.Fp8("e_proj", TensorClass::kMtp, width, width, &weights->e_proj);
  list.Fp8("h_proj", TensorClass::kMtp, width, width, &weights->h_proj);
  list.Bf16("enorm.weight", TensorClass::kMtp, width, &weights->enorm);
  list.Bf16("hnorm.weight", TensorClass::kMtp, width, &weights->hnorm);
  list.Bf16("norm.weight", TensorClass::kMtp, width, &weights->norm);
  list.Mix("hc_head", config, config.streams, 1, &weights->head_mix);
  for (ExpectedTensor& tensor : *out) tensor.tensor_class = TensorClass::kMtp;
}

std::string_view CanonicalTensorName(std::string_view name, std::string* storage) {
  bool differs = false;
  for (std::string_view rest = name; !rest.empty();) {
    const std::string_view segment = FirstSegment(rest);
    differs = differs || FindAlias(segment) != nullptr;
    rest.remove_prefix(std::min(rest.size(), segment.size() + 1));
  }
  if (!differs) return name;
  storage->clear();
  for (std::string_view rest = name; !rest.empty();) {
    const std::string_view segment = FirstSegment(rest);
    const Alias* alias = FindAlias(segment);
    const std::string_view release = alias != nullptr ? alias->release : segment;
    if (!release.empty()) {
      if (!storage->empty()) *storage += '.';
      *storage += release;
    }
    rest.remove_prefix(std::min(rest.size(), segment.size() + 1));
  }
  return *storage;
}

}  // namespace fathom
