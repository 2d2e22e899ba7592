#include "checkpoint/config_json.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr uint64_t kMaxConfigBytes = 16u << 20;  // a release's is 2 kB
// Layers and draft blocks together; ModelConfig::Validate accepts far less.
constexpr size_t kMaxRatios = 4096;

// What a JSON value is, for messages: `the string "4096"`, `[32,32]`, `an array of 4000`.
std::string Shown(const Json& value) {
  constexpr size_t kMaxShown = 40;
  switch (value.type()) {
    case Json::Type::kString:
      return StrCat("the string \"", Printable(value.string(), kMaxShown), "\"");
    case Json::Type::kObject:
      return "an object";
    case Json::Type::kArray:
      if (value.items().size() > kMaxShown) return StrCat("an array of ", value.items().size());
      return Printable(value.Dump(), kMaxShown);
    default:
      return Printable(value.Dump(), kMaxShown);
  }
}

// Reads keys of one object; the first error sticks and later reads do nothing, so that the mapping below stays a list.
class Reader {
 public:
  Reader(const Json& object, std::string prefix) : object_(object), prefix_(std::move(prefix)) {}

  const Status& status() const { return status_; }

  void Int(const char* key, int64_t* out) { ReadInt(key, out, true); }
  void IntOr(const char* key, int64_t* out) { ReadInt(key, out, false); }
  void Real(const char* key, double* out) { ReadReal(key, out, true); }
  void RealOr(const char* key, double* out) { ReadReal(key, out, false); }
  void RealOr(const char* key, float* out) {
    double value = *out;
    ReadReal(key, &value, false);
    *out = static_cast<float>(value);
  }

  // If present it must be this; absent is fine.
  void MustBeBool(const char* key, bool accepted) {
    const Json* value = Present(key);
    if (value != nullptr && !(value->is_bool() && value->boolean() == accepted)) {
      Fail(key, *value, accepted ? "true" : "false");
    }
  }
  void MustBeInt(const char* key, int64_t accepted) {
    const Json* value = Present(key);
    if (value != nullptr && value->AsInt() != accepted) Fail(key, *value, std::to_string(accepted));
  }
  void MustBeText(const char* key, std::string_view accepted) {
    const Json* value = Present(key);
    if (value != nullptr && !(value->is_string() && value->string() == accepted)) {
      Fail(key, *value, StrCat("\"", accepted, "\""));
    }
  }

  // The value if the key is there and not null.
  const Json* Present(const char* key) const {
    const Json* value = object_.Find(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }

  void Fail(std::string_view key, const Json& value, std::string_view accepted) {
    if (!status_.ok()) return;
    status_ = InvalidArgument(StrCat("config key ", prefix_, key, " is ", Shown(value), "; accepted is ", accepted));
  }
  void Missing(std::string_view key) {
    if (status_.ok()) status_ = InvalidArgument(StrCat("config key ", prefix_, key, " is missing"));
  }
  void Set(Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

 private:
  void ReadInt(const char* key, int64_t* out, bool required) {
    const Json* value = Present(key);
    if (value == nullptr) {
      if (required) Missing(key);
      return;
    }
    const std::optional<int64_t> number = value->AsInt();
    if (!number) return Fail(key, *value, "a whole number");
    *out = *number;
  }

  void ReadReal(const char* key, double* out, bool required) {
    const Json* value = Present(key);
    if (value == nullptr) {
      if (required) Missing(key);
      return;
    }
    const std::optional<double> number = value->AsDouble();
    if (!number) return Fail(key, *value, "a number");
    *out = *number;
  }

  const Json& object_;
  const std::string prefix_;
  Status status_;
};

// The architecture by `architectures` and `model_type`: at least one must say DeepSeek-V4, none anything else.
Status CheckArchitecture(const Json& root) {
  const auto refuse = [](const char* key, const std::string& found) {
    const bool v41 = found.starts_with("DeepseekV41") || found.starts_with("deepseek_v41");
    return InvalidArgument(StrCat(
        "config key ", key, " is \"", Printable(found), "\"; ",
        v41 ? "DeepSeek-V4.1 is another architecture than V4 and cannot be run by this program; " : "",
        "accepted is \"", std::string_view(key) == "model_type" ? "deepseek_v4" : "DeepseekV4ForCausalLM", "\""));
  };
  bool named = false;
  if (const Json* value = root.Find("architectures"); value != nullptr && !value->is_null()) {
    if (!value->is_array())
      return InvalidArgument(StrCat("config key architectures is ", Shown(*value), "; an array is accepted"));
    for (const Json& item : value->items()) {
      if (!item.is_string()) return InvalidArgument("config key architectures must hold strings");
      if (item.string() != "DeepseekV4ForCausalLM") return refuse("architectures", item.string());
      named = true;
    }
  }
  if (const Json* value = root.Find("model_type"); value != nullptr && !value->is_null()) {
    if (!value->is_string())
      return InvalidArgument(StrCat("config key model_type is ", Shown(*value), "; a string is accepted"));
    if (value->string() != "deepseek_v4") return refuse("model_type", value->string());
    named = true;
  }
  if (named) return {};
  return InvalidArgument("config keys architectures and model_type are missing; accepted is \"DeepseekV4ForCausalLM\"");
}

void ReadRatios(Reader& read, std::vector<int64_t>* ratios) {
  const Json* value = read.Present("compress_ratios");
  if (value == nullptr) return read.Missing("compress_ratios");
  if (!value->is_array() || value->items().size() > kMaxRatios) {
    return read.Fail("compress_ratios", *value, StrCat("an array of at most ", kMaxRatios, " whole numbers"));
  }
  for (const Json& item : value->items()) {
    const std::optional<int64_t> number = item.AsInt();
    if (!number) return read.Fail(StrCat("compress_ratios[", ratios->size(), "]"), item, "0, 4 or 128");
    ratios->push_back(*number);
  }
}

void ReadScoring(Reader& read, ScoringFunction* out) {
  const Json* value = read.Present("scoring_func");
  if (value == nullptr) return;
  const std::string_view name = value->is_string() ? std::string_view{value->string()} : "";
  if (name == "sqrtsoftplus") {
    *out = ScoringFunction::kSqrtSoftplus;
  } else if (name == "sigmoid") {
    *out = ScoringFunction::kSigmoid;
  } else if (name == "softmax") {
    *out = ScoringFunction::kSoftmax;
  } else {
    read.Fail("scoring_func", *value, "\"sqrtsoftplus\", \"sigmoid\" or \"softmax\"");
  }
}

// An id, or a list of ids of which the first counts (generation configs write both).
void ReadToken(Reader& read, const char* key, int32_t* out) {
  const Json* value = read.Present(key);
  if (value == nullptr) return;
  if (value->is_array() && !value->items().empty()) value = &value->items().front();
  const std::optional<int64_t> number = value->AsInt();
  if (!number || *number < 0 || *number > INT32_MAX) return read.Fail(key, *value, "a token id");
  *out = static_cast<int32_t>(*number);
}

void ReadRopeScaling(Reader& read, ModelConfig* config) {
  const Json* value = read.Present("rope_scaling");
  if (value == nullptr) return;
  if (!value->is_object()) return read.Fail("rope_scaling", *value, "an object or null");
  Reader scaling(*value, "rope_scaling.");
  const char* type_key = scaling.Present("type") != nullptr ? "type" : "rope_type";
  if (scaling.Present(type_key) == nullptr) scaling.Missing("type");
  scaling.MustBeText(type_key, "yarn");
  scaling.Real("factor", &config->yarn_factor);
  scaling.RealOr("beta_fast", &config->yarn_beta_fast);
  scaling.RealOr("beta_slow", &config->yarn_beta_slow);
  scaling.Int("original_max_position_embeddings", &config->yarn_original_context);
  read.Set(scaling.status());
}

// The formats themselves are told by the tensors' dtypes; this only refuses what would be read wrongly.
void CheckQuantization(Reader& read) {
  const Json* value = read.Present("quantization_config");
  if (value == nullptr) return;
  if (!value->is_object()) return read.Fail("quantization_config", *value, "an object");
  Reader quantization(*value, "quantization_config.");
  quantization.MustBeText("quant_method", "fp8");
  quantization.MustBeText("fmt", "e4m3");
  quantization.MustBeText("scale_fmt", "ue8m0");
  quantization.MustBeText("activation_scheme", "dynamic");
  if (const Json* block = quantization.Present("weight_block_size"); block != nullptr) {
    const bool good = block->is_array() && block->items().size() == 2 && block->items()[0].AsInt() == 128 &&
                      block->items()[1].AsInt() == 128;
    if (!good) quantization.Fail("weight_block_size", *block, "[128, 128]");
  }
  read.Set(quantization.status());
}

void ReadFixed(Reader& read) {
  read.MustBeBool("attention_bias", false);
  read.MustBeBool("tie_word_embeddings", false);
  read.MustBeBool("norm_topk_prob", true);
  read.MustBeText("hidden_act", "silu");
  read.MustBeText("topk_method", "noaux_tc");
  read.MustBeInt("n_shared_experts", 1);
  read.MustBeInt("num_key_value_heads", 1);
}

void ReadModel(Reader& read, ModelConfig* config) {
  read.Int("vocab_size", &config->vocab_size);
  read.Int("hidden_size", &config->hidden_size);
  read.Int("num_hidden_layers", &config->layers);
  read.IntOr("num_hash_layers", &config->hash_layers);
  read.IntOr("num_nextn_predict_layers", &config->mtp_layers);
  read.Int("num_attention_heads", &config->heads);
  read.Int("head_dim", &config->head_dim);
  read.Int("qk_rope_head_dim", &config->rope_dim);
  read.Int("q_lora_rank", &config->q_rank);
  read.Int("o_groups", &config->o_groups);
  read.Int("o_lora_rank", &config->o_rank);
  read.Int("sliding_window", &config->window);
  ReadRatios(read, &config->ratios);
  read.Int("moe_intermediate_size", &config->expert_dim);
  read.Int("n_routed_experts", &config->experts);
  read.Int("num_experts_per_tok", &config->experts_per_token);
  ReadScoring(read, &config->scoring);
  read.RealOr("routed_scaling_factor", &config->routed_scale);
  read.RealOr("swiglu_limit", &config->swiglu_limit);
  read.RealOr("rms_norm_eps", &config->rms_eps);
  read.Real("rope_theta", &config->rope_theta);
  read.Real("compress_rope_theta", &config->compress_rope_theta);
  ReadRopeScaling(read, config);
  const bool indexer = std::find(config->ratios.begin(), config->ratios.end(), 4) != config->ratios.end();
  if (indexer) {
    read.Int("index_n_heads", &config->index_heads);
    read.Int("index_head_dim", &config->index_dim);
    read.Int("index_topk", &config->index_topk);
  } else {
    read.IntOr("index_n_heads", &config->index_heads);
    read.IntOr("index_head_dim", &config->index_dim);
    read.IntOr("index_topk", &config->index_topk);
  }
  read.Int("hc_mult", &config->streams);
  read.Int("hc_sinkhorn_iters", &config->sinkhorn_iterations);
  read.RealOr("hc_eps", &config->hc_eps);
  read.Int("max_position_embeddings", &config->max_context);
  ReadToken(read, "bos_token_id", &config->bos_token);
  ReadToken(read, "eos_token_id", &config->eos_token);
}

Result<CheckpointConfig> ParseConfig(std::string_view text) {
  FATHOM_ASSIGN_OR_RETURN(const Json root, ParseJson(text));
  if (!root.is_object()) return DataLoss(StrCat("is ", Shown(root), "; a JSON object is expected"));
  FATHOM_RETURN_IF_ERROR(CheckArchitecture(root));
  CheckpointConfig config;
  Reader read(root, "");
  ReadFixed(read);
  ReadModel(read, &config.model);
  CheckQuantization(read);
  if (const Json* dtype = read.Present("expert_dtype"); dtype != nullptr) {
    if (dtype->is_string() && (dtype->string() == "fp4" || dtype->string() == "fp8")) {
      config.expert_dtype = dtype->string();
    } else {
      read.Fail("expert_dtype", *dtype, "\"fp4\" or \"fp8\"");
    }
  }
  FATHOM_RETURN_IF_ERROR(read.status());
  config.has_dspark = read.Present("dspark_block_size") != nullptr;
  if (config.has_dspark) config.model.mtp_layers = 0;
  FATHOM_RETURN_IF_ERROR(config.model.Validate());
  // Entries of draft blocks that are not run.
  config.model.ratios.resize(static_cast<size_t>(config.model.layers + config.model.mtp_layers));
  return config;
}

Json Number(double value) {
  const auto whole = static_cast<int64_t>(value);
  return static_cast<double>(whole) == value ? Json::Int(whole) : Json::Double(value);
}

// A float's shortest text as Python writes floats: 10.0, and 1e-06 instead of 9.999999974752427e-07.
Json ShortFloat(float value) {
  if (value == std::trunc(value) && std::fabs(value) < 1e6f) return Json::Number(StrFormat("%.1f", value));
  for (int digits = 1; digits < 9; ++digits) {
    const std::string text = StrFormat("%.*g", digits, static_cast<double>(value));
    if (std::strtof(text.c_str(), nullptr) == value) return Json::Number(text);
  }
  return Json::Number(StrFormat("%.9g", static_cast<double>(value)));
}

const char* ScoringName(ScoringFunction scoring) {
  switch (scoring) {
    case ScoringFunction::kSqrtSoftplus:
      return "sqrtsoftplus";
    case ScoringFunction::kSigmoid:
      return "sigmoid";
    case ScoringFunction::kSoftmax:
      break;
  }
  return "softmax";
}

Json QuantizationJson() {
  Json out = Json::Object();
  out.Set("activation_scheme", Json::String("dynamic"));
  out.Set("fmt", Json::String("e4m3"));
  out.Set("quant_method", Json::String("fp8"));
  out.Set("scale_fmt", Json::String("ue8m0"));
  out.Set("weight_block_size", Json::Array({Json::Int(128), Json::Int(128)}));
  return out;
}

Json RopeScalingJson(const ModelConfig& m) {
  if (m.yarn_original_context == 0) return {};
  Json out = Json::Object();
  out.Set("beta_fast", Number(m.yarn_beta_fast));
  out.Set("beta_slow", Number(m.yarn_beta_slow));
  out.Set("factor", Number(m.yarn_factor));
  out.Set("original_max_position_embeddings", Json::Int(m.yarn_original_context));
  out.Set("type", Json::String("yarn"));
  return out;
}

}  // namespace

Result<CheckpointConfig> ParseConfigJson(std::string_view text, std::string_view source) {
  Result<CheckpointConfig> config = ParseConfig(text);
  if (config.ok()) return config;
  return Status(config.status().code(), StrCat(source, ": ", config.status().message()));
}

Result<CheckpointConfig> ReadConfigJson(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxConfigBytes));
  return ParseConfigJson(text, path);
}

Json ConfigToJson(const CheckpointConfig& config) {
  const ModelConfig& m = config.model;
  Json out = Json::Object();
  out.Set("architectures", Json::Array({Json::String("DeepseekV4ForCausalLM")}));
  out.Set("attention_bias", Json::Bool(false));
  out.Set("attention_dropout", Json::Number("0.0"));
  out.Set("bos_token_id", Json::Int(m.bos_token));
  out.Set("eos_token_id", Json::Int(m.eos_token));
  if (!config.expert_dtype.empty()) out.Set("expert_dtype", Json::String(config.expert_dtype));
  out.Set("hc_eps", ShortFloat(m.hc_eps));
  out.Set("hc_mult", Json::Int(m.streams));
  out.Set("hc_sinkhorn_iters", Json::Int(m.sinkhorn_iterations));
  out.Set("head_dim", Json::Int(m.head_dim));
  out.Set("hidden_act", Json::String("silu"));
  out.Set("hidden_size", Json::Int(m.hidden_size));
  out.Set("index_head_dim", Json::Int(m.index_dim));
  out.Set("index_n_heads", Json::Int(m.index_heads));
  out.Set("index_topk", Json::Int(m.index_topk));
  out.Set("initializer_range", Json::Number("0.02"));
  out.Set("max_position_embeddings", Json::Int(m.max_context));
  out.Set("model_type", Json::String("deepseek_v4"));
  out.Set("moe_intermediate_size", Json::Int(m.expert_dim));
  out.Set("n_routed_experts", Json::Int(m.experts));
  out.Set("n_shared_experts", Json::Int(1));
  out.Set("norm_topk_prob", Json::Bool(true));
  out.Set("num_attention_heads", Json::Int(m.heads));
  out.Set("num_experts_per_tok", Json::Int(m.experts_per_token));
  out.Set("num_hidden_layers", Json::Int(m.layers));
  out.Set("num_hash_layers", Json::Int(m.hash_layers));
  out.Set("num_key_value_heads", Json::Int(1));
  out.Set("num_nextn_predict_layers", Json::Int(m.mtp_layers));
  out.Set("o_groups", Json::Int(m.o_groups));
  out.Set("o_lora_rank", Json::Int(m.o_rank));
  out.Set("q_lora_rank", Json::Int(m.q_rank));
  out.Set("qk_rope_head_dim", Json::Int(m.rope_dim));
  out.Set("quantization_config", QuantizationJson());
  out.Set("rms_norm_eps", ShortFloat(m.rms_eps));
  out.Set("rope_scaling", RopeScalingJson(m));
  out.Set("rope_theta", Number(m.rope_theta));
  out.Set("routed_scaling_factor", ShortFloat(m.routed_scale));
  out.Set("scoring_func", Json::String(ScoringName(m.scoring)));
  out.Set("sliding_window", Json::Int(m.window));
  out.Set("swiglu_limit", ShortFloat(m.swiglu_limit));
  out.Set("tie_word_embeddings", Json::Bool(false));
  out.Set("topk_method", Json::String("noaux_tc"));
  out.Set("torch_dtype", Json::String("bfloat16"));
  out.Set("transformers_version", Json::String("4.57.1"));
  out.Set("use_cache", Json::Bool(true));
  out.Set("vocab_size", Json::Int(m.vocab_size));
  out.Set("compress_rope_theta", Number(m.compress_rope_theta));
  std::vector<Json> ratios;
  for (const int64_t ratio : m.ratios) ratios.push_back(Json::Int(ratio));
  out.Set("compress_ratios", Json::Array(std::move(ratios)));
  return out;
}

std::string ModelName(const CheckpointConfig& config) {
  struct Release {
    const char* name;
    int64_t hidden_size, layers, heads, experts, expert_dim;
  };
  constexpr Release kReleases[] = {{"DeepSeek-V4-Flash", 4096, 43, 64, 256, 2048},
                                   {"DeepSeek-V4-Pro", 7168, 61, 128, 384, 3072}};
  const ModelConfig& m = config.model;
  for (const Release& release : kReleases) {
    if (m.hidden_size == release.hidden_size && m.layers == release.layers && m.heads == release.heads &&
        m.experts == release.experts && m.expert_dim == release.expert_dim) {
      return StrCat(release.name, config.has_dspark ? " with DSpark draft" : "");
    }
  }
  return "DeepSeek-V4 architecture";
}

}  // namespace fathom
