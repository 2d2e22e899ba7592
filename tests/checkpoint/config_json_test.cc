#include "checkpoint/config_json.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/strings.h"
#include "checkpoint/synth_shapes.h"

namespace fathom {
namespace {

Json TinyConfig() { return ConfigToJson(*SyntheticShape("tiny")); }

// The error of a config with one key replaced by this JSON text, without "config.json: ".
std::string ErrorWith(const std::string& key, const std::string& value) {
  Json config = TinyConfig();
  const Result<Json> parsed = ParseJson(value);
  config.Set(key, parsed.ok() ? *parsed : Json::Number(value));
  const Result<CheckpointConfig> result = ParseConfigJson(config.Dump(), "config.json");
  if (result.ok()) return "accepted";
  EXPECT_EQ(result.status().exit_code(), 2);
  EXPECT_TRUE(result.status().message().starts_with("config.json: ")) << result.status().message();
  return result.status().message().substr(13);
}

std::string ErrorWithout(const std::string& key) {
  Json config = TinyConfig();
  std::erase_if(config.members(), [&](const Json::Member& member) { return member.first == key; });
  const Result<CheckpointConfig> result = ParseConfigJson(config.Dump(), "config.json");
  return result.ok() ? "accepted" : result.status().message();
}

TEST(ConfigJson, ReleasesRoundTripKeyForKey) {
  for (const char* name : {"v4-flash", "v4-pro"}) {
    const std::string path = StrCat(FATHOM_SHARED_DIR, "/spec/configs/", name, ".config.json");
    if (!FileExists(path)) GTEST_SKIP() << path << " is not here";
    const Result<CheckpointConfig> config = ReadConfigJson(path);
    ASSERT_TRUE(config.ok()) << config.status().message();
    const Json original = *ParseJson(*ReadFile(path, 1 << 20));
    const Json written = ConfigToJson(*config);
    for (const auto& [key, value] : original.members()) {
      ASSERT_NE(written.Find(key), nullptr) << key;
      EXPECT_EQ(written.Find(key)->Dump(), value.Dump()) << name << " " << key;
    }
    EXPECT_EQ(written.members().size(), original.members().size());
    // The shapes that synth makes are the releases'.
    EXPECT_EQ(ConfigToJson(*SyntheticShape(name)).Dump(), written.Dump());
  }
}

TEST(ConfigJson, DsparkIsRecognisedAndTurnsMtpOff) {
  const std::string path = StrCat(FATHOM_SHARED_DIR, "/spec/configs/v4-flash-0731.config.json");
  if (!FileExists(path)) GTEST_SKIP() << path << " is not here";
  const Result<CheckpointConfig> config = ReadConfigJson(path);
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_TRUE(config->has_dspark);
  EXPECT_EQ(config->model.mtp_layers, 0);
  EXPECT_EQ(config->model.ratios.size(), 43u);
  EXPECT_EQ(ModelName(*config), "DeepSeek-V4-Flash with DSpark draft");
}

TEST(ConfigJson, ToleratesWhatToolsChange) {
  EXPECT_EQ(ErrorWith("hidden_size", "256.0"), "accepted");
  EXPECT_EQ(ErrorWith("compress_ratios", "[0, 4.0, 128, 4, 0, 0, 0]"), "accepted");
  EXPECT_EQ(ErrorWith("eos_token_id", "[1, 2]"), "accepted");
  EXPECT_EQ(ErrorWith("swiglu_limit", "null"), "accepted");
  EXPECT_EQ(ErrorWith("rope_scaling", "null"), "accepted");
  EXPECT_EQ(ErrorWith("some_new_key", "{\"a\": [1]}"), "accepted");
  EXPECT_EQ(ErrorWith("rope_theta", "10000.0"), "accepted");
  for (const char* key : {"expert_dtype", "quantization_config", "rope_scaling", "architectures", "model_type",
                          "scoring_func", "swiglu_limit", "num_hash_layers", "num_nextn_predict_layers", "rms_norm_eps",
                          "bos_token_id", "n_shared_experts", "torch_dtype"}) {
    EXPECT_EQ(ErrorWithout(key), "accepted") << key;
  }
}

TEST(ConfigJson, OptionalKeysHaveTheReleasesMeaning) {
  Json json = TinyConfig();
  json.Set("rope_scaling", Json());
  json.Set("swiglu_limit", Json());
  json.Set("scoring_func", Json::String("sigmoid"));
  const Result<CheckpointConfig> config = ParseConfigJson(json.Dump(), "c");
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->model.yarn_original_context, 0);
  EXPECT_EQ(config->model.swiglu_limit, 0);
  EXPECT_EQ(config->model.scoring, ScoringFunction::kSigmoid);
  EXPECT_EQ(config->model.max_context, 8192);
}

TEST(ConfigJson, MissingKeysAreNamed) {
  for (const char* key : {"vocab_size",        "hidden_size",
                          "num_hidden_layers", "num_attention_heads",
                          "head_dim",          "qk_rope_head_dim",
                          "q_lora_rank",       "o_groups",
                          "o_lora_rank",       "sliding_window",
                          "compress_ratios",   "moe_intermediate_size",
                          "n_routed_experts",  "num_experts_per_tok",
                          "rope_theta",        "compress_rope_theta",
                          "index_n_heads",     "index_head_dim",
                          "index_topk",        "hc_mult",
                          "hc_sinkhorn_iters", "max_position_embeddings"}) {
    EXPECT_EQ(ErrorWithout(key), StrCat("config.json: config key ", key, " is missing"));
  }
}

TEST(ConfigJson, IndexerKeysAreBoundedWhereNoLayerHasOne) {
  Json config = TinyConfig();
  config.Set("compress_ratios", *ParseJson("[0, 0, 128, 0, 0, 0, 0]"));
  config.Set("index_head_dim", *ParseJson("48"));
  EXPECT_TRUE(ParseConfigJson(config.Dump(), "c").ok()) << "nobody computes with it";
  config.Set("index_topk", *ParseJson("4611686018427387904"));
  EXPECT_EQ(ParseConfigJson(config.Dump(), "c").status().message(),
            "c: config key index_topk is 4611686018427387904; accepted are 0 to 1048576");
}

struct BadValue {
  const char* key;
  const char* value;
  const char* error;
};

TEST(ConfigJson, AbsurdValuesNameKeyFoundAndAccepted) {
  const BadValue cases[] = {
      {"hidden_size", "\"256\"", "config key hidden_size is the string \"256\"; accepted is a whole number"},
      {"hidden_size", "256.5", "config key hidden_size is 256.5; accepted is a whole number"},
      {"hidden_size", "[256]", "config key hidden_size is [256]; accepted is a whole number"},
      {"hidden_size", "{}", "config key hidden_size is an object; accepted is a whole number"},
      {"hidden_size", "true", "config key hidden_size is true; accepted is a whole number"},
      {"hidden_size", "1e999", "config key hidden_size is 1e999; accepted is a whole number"},
      {"rms_norm_eps", "1e999", "config key rms_norm_eps is inf; accepted are numbers above 0 up to 1"},
      {"hidden_size", "99999999999999999999",
       "config key hidden_size is 99999999999999999999; accepted is a whole number"},
      {"hidden_size", "0", "config key hidden_size is 0; accepted are 128 to 65536"},
      {"hidden_size", "-256", "config key hidden_size is -256; accepted are 128 to 65536"},
      {"hidden_size", "200", "config key hidden_size is 200; it must be a multiple of 128"},
      {"hidden_size", "null", "config key hidden_size is missing"},
      {"vocab_size", "9223372036854775807", "config key vocab_size is 9223372036854775807; accepted are 1 to 4194304"},
      {"num_hidden_layers", "1000000", "config key num_hidden_layers is 1000000; accepted are 1 to 1024"},
      {"n_routed_experts", "-8", "config key n_routed_experts is -8; accepted are 1 to 4096"},
      {"num_experts_per_tok", "9", "config key num_experts_per_tok is 9; accepted are 1 to 8"},
      {"o_groups", "3", "config key o_groups is 3; it must divide num_attention_heads 4"},
      {"compress_ratios", "[0, 4]",
       "config key compress_ratios has 2 entries; 5 are needed, one per layer and MTP block"},
      {"compress_ratios", "[0, 4, 64, 4, 0]", "config key compress_ratios[2] is 64; accepted are 0, 4 and 128"},
      {"compress_ratios", "[0, 4, \"128\", 4, 0]",
       "config key compress_ratios[2] is the string \"128\"; accepted is 0, 4 or 128"},
      {"compress_ratios", "4", "config key compress_ratios is 4; accepted is an array of at most 4096 whole numbers"},
      {"scoring_func", "\"relu\"",
       "config key scoring_func is the string \"relu\"; accepted is \"sqrtsoftplus\", \"sigmoid\" or \"softmax\""},
      {"rms_norm_eps", "0", "config key rms_norm_eps is 0; accepted are numbers above 0 up to 1"},
      {"rms_norm_eps", "\"small\"", "config key rms_norm_eps is the string \"small\"; accepted is a number"},
      {"swiglu_limit", "-1", "config key swiglu_limit is -1; accepted are 0 to 1e6"},
      {"rope_theta", "1e300", "config key rope_theta is 1e+300; accepted are numbers above 0 up to 1e+12"},
      {"rope_scaling", "\"yarn\"", "config key rope_scaling is the string \"yarn\"; accepted is an object or null"},
      {"rope_scaling", "{\"type\": \"linear\", \"factor\": 2}",
       "config key rope_scaling.type is the string \"linear\"; accepted is \"yarn\""},
      {"rope_scaling", "{\"factor\": 2}", "config key rope_scaling.type is missing"},
      {"rope_scaling", "{\"type\": \"yarn\", \"original_max_position_embeddings\": 64}",
       "config key rope_scaling.factor is missing"},
      {"rope_scaling", "{\"type\": \"yarn\", \"factor\": -4, \"original_max_position_embeddings\": 64}",
       "config key rope_scaling.factor is -4; accepted are numbers from 1 to 1e+06"},
      {"architectures", "[\"LlamaForCausalLM\"]",
       "config key architectures is \"LlamaForCausalLM\"; accepted is \"DeepseekV4ForCausalLM\""},
      {"architectures", "[\"DeepseekV41ForCausalLM\"]",
       "config key architectures is \"DeepseekV41ForCausalLM\"; DeepSeek-V4.1 is another architecture than V4 and "
       "cannot be "
       "run by this program; accepted is \"DeepseekV4ForCausalLM\""},
      {"architectures", "5", "config key architectures is 5; an array is accepted"},
      {"model_type", "\"deepseek_v3\"", "config key model_type is \"deepseek_v3\"; accepted is \"deepseek_v4\""},
      {"hidden_act", "\"gelu\"", "config key hidden_act is the string \"gelu\"; accepted is \"silu\""},
      {"attention_bias", "true", "config key attention_bias is true; accepted is false"},
      {"tie_word_embeddings", "true", "config key tie_word_embeddings is true; accepted is false"},
      {"n_shared_experts", "2", "config key n_shared_experts is 2; accepted is 1"},
      {"num_key_value_heads", "\"x\"", "config key num_key_value_heads is the string \"x\"; accepted is 1"},
      {"expert_dtype", "\"int4\"", "config key expert_dtype is the string \"int4\"; accepted is \"fp4\" or \"fp8\""},
      {"quantization_config", "7", "config key quantization_config is 7; accepted is an object"},
      {"quantization_config", "{\"weight_block_size\": [32, 32]}",
       "config key quantization_config.weight_block_size is [32,32]; accepted is [128, 128]"},
      {"quantization_config", "{\"quant_method\": \"awq\"}",
       "config key quantization_config.quant_method is the string \"awq\"; accepted is \"fp8\""},
      {"bos_token_id", "-1", "config key bos_token_id is -1; accepted is a token id"},
      {"eos_token_id", "512", "config key eos_token_id is 512; accepted are 0 to 511"},
      {"eos_token_id", "\"</s>\"", "config key eos_token_id is the string \"</s>\"; accepted is a token id"},
      {"index_head_dim", "48",
       "config key index_head_dim is 48; it must be a power of two and at least qk_rope_head_dim 64"},
      {"hc_mult", "0", "config key hc_mult is 0; accepted are 1 to 16"},
  };
  for (const BadValue& bad : cases) EXPECT_EQ(ErrorWith(bad.key, bad.value), bad.error) << bad.key << " " << bad.value;
  for (const char* value : {"NaN", "-Infinity", "0x10", "01"}) {
    EXPECT_TRUE(ErrorWith("rms_norm_eps", value).starts_with("JSON is malformed at byte ")) << value;
  }
}

TEST(ConfigJson, OtherDocuments) {
  const auto error = [](std::string_view text) { return ParseConfigJson(text, "c.json").status().message(); };
  EXPECT_EQ(error("[]"), "c.json: is []; a JSON object is expected");
  EXPECT_EQ(error("{}"),
            "c.json: config keys architectures and model_type are missing; accepted is \"DeepseekV4ForCausalLM\"");
  EXPECT_TRUE(error("not json").starts_with("c.json: JSON is malformed at byte "));
  EXPECT_TRUE(error("").starts_with("c.json: JSON is malformed at byte "));
  EXPECT_TRUE(error(std::string(100000, '[')).starts_with("c.json: JSON is nested deeper than "));
}

TEST(ConfigJson, V41IsRefusedByName) {
  const Result<CheckpointConfig> config = ParseConfigJson(
      R"({"architectures": ["DeepseekV41ForCausalLM"], "text_config": {"hidden_size": 5120}})", "config.json");
  ASSERT_FALSE(config.ok());
  EXPECT_NE(config.status().message().find("DeepSeek-V4.1 is another architecture"), std::string::npos);
}

TEST(SyntheticShape, ShortModelsKeepEveryKindOfLayer) {
  const auto ratios = [](const char* shape, int64_t layers) {
    return SyntheticShape(shape, {.layers = layers, .mtp_layers = 0})->model.ratios;
  };
  using List = std::vector<int64_t>;
  EXPECT_EQ(ratios("v4-flash", 1), (List{4}));
  EXPECT_EQ(ratios("v4-flash", 2), (List{0, 4}));
  EXPECT_EQ(ratios("v4-flash", 3), (List{0, 4, 128}));
  EXPECT_EQ(ratios("v4-flash", 4), (List{0, 4, 128, 4}));
  EXPECT_EQ(ratios("v4-flash", 6), (List{0, 0, 4, 128, 4, 128}));
  EXPECT_EQ(ratios("v4-pro", 4), (List{128, 4, 128, 4}));
  EXPECT_EQ(SyntheticShape("v4-flash", {.layers = 4})->model.hash_layers, 1);
  EXPECT_EQ(SyntheticShape("v4-flash", {.layers = 1})->model.hash_layers, 0);
  EXPECT_EQ(SyntheticShape("v4-flash", {.layers = 20})->model.hash_layers, 3);
  EXPECT_EQ(SyntheticShape("v4-flash", {.experts = 4})->model.experts_per_token, 4);
}

TEST(SyntheticShape, RefusesWhatCannotBe) {
  EXPECT_EQ(SyntheticShape("v5").status().message(), "shape 'v5' is unknown; accepted are v4-flash, v4-pro and tiny");
  EXPECT_EQ(SyntheticShape("tiny", {.layers = 0}).status().message(),
            "the number of layers 0 is out of range; accepted are 1 to 1024");
  EXPECT_EQ(SyntheticShape("tiny", {.experts = -1}).status().message(),
            "the number of experts -1 is out of range; accepted are 1 to 4096");
  EXPECT_EQ(SyntheticShape("tiny", {.mtp_layers = 3}).status().message(),
            "the number of MTP blocks 3 is out of range; accepted are 0 to 1");
  EXPECT_FALSE(SyntheticShape("tiny", {.vocab = 0}).ok());
}

}  // namespace
}  // namespace fathom
