// train_fixture.h - a small configuration of every kind of layer, and its vocabulary, in a directory of its own.
#ifndef FATHOM_TESTS_TRAIN_TORCH_TRAIN_FIXTURE_H_
#define FATHOM_TESTS_TRAIN_TORCH_TRAIN_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "base/strings.h"
#include "checkpoint/safetensors.h"
#include "corpus/tokenizer_training.h"
#include "tests/support/run_binary.h"
#include "train/loss_log.h"

namespace fathom {

inline constexpr int64_t kTrainVocab = 640;

struct SmallRun {
  int64_t steps = 8;
  int64_t checkpoint_every = 1000;
  std::string data = "";      // more members of `data`, beginning with a comma
  std::string schedule = "";  // and of `schedule`
};

// Writes a value over the bytes of a tensor in a safetensors file, as its element number `index`.
template <typename Value>
void PutValue(const std::string& path, const std::string& tensor, int64_t index, Value value) {
  std::string bytes = ReadTestFile(path);
  const auto file = SafetensorsFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const TensorInfo* info = file->Find(tensor);
  ASSERT_NE(info, nullptr) << tensor;
  const auto begin = static_cast<size_t>(info->bytes.data() - file->bytes().data());
  std::memcpy(bytes.data() + begin + static_cast<size_t>(index) * sizeof value, &value, sizeof value);
  WriteTestFile(path, bytes);
}

// Writes an expert's id over the first of a token in the first hash layer's table of a model with one shard.
inline void PutExpert(const std::string& model, int64_t token, int64_t expert) {
  constexpr int64_t kExpertsPerToken = 2;  // SmallConfig's
  PutValue(model + "/model-00001-of-00001.safetensors", "layers.0.ffn.gate.tid2eid", token * kExpertsPerToken, expert);
}

inline std::string SmallConfig(const SmallRun& run) {
  return StrCat(R"({"model": {"architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4",
    "vocab_size": )",
                kTrainVocab, R"(, "hidden_size": 128, "num_hidden_layers": 3, "num_hash_layers": 1,
    "num_nextn_predict_layers": 1, "num_attention_heads": 2, "head_dim": 96, "qk_rope_head_dim": 32,
    "q_lora_rank": 128, "o_groups": 1, "o_lora_rank": 128, "sliding_window": 32, "compress_ratios": [0, 4, 128, 0],
    "moe_intermediate_size": 128, "n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2,
    "scoring_func": "sqrtsoftplus", "routed_scaling_factor": 1.5, "norm_topk_prob": true, "swiglu_limit": 10.0,
    "rms_norm_eps": 1e-06, "rope_theta": 10000, "compress_rope_theta": 40000, "index_n_heads": 2,
    "index_head_dim": 32, "index_topk": 16, "hc_mult": 2, "hc_sinkhorn_iters": 20, "hc_eps": 1e-06,
    "max_position_embeddings": 2048, "bos_token_id": 0, "eos_token_id": 1, "expert_dtype": "fp4"},
   "data": {"tokenizer": "tokenizer.json", "max_sequence_tokens": 2048)",
                run.data, R"(},
   "schedule": {"steps": )",
                run.steps, R"(, "batch_tokens": 1500, "warmup_steps": 2, "evaluate_every": 1000,
    "evaluate_tokens": 1000, "checkpoint_every": )",
                run.checkpoint_every, run.schedule, R"(},
   "optimizer": {"muon_rate": 0.01, "adam_rate": 0.005}, "loss": {"mtp_weight": 0.3}})");
}

// A test with a directory that holds tokenizer.json.
class TrainFixture : public testing::Test {
 protected:
  void SetUp() override {
    static const TrainedTokenizer kTokenizer = [] {
      auto tokenizer = TrainTokenizer(1, 3000, kTrainVocab);
      EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
      return *tokenizer;
    }();
    WriteTestFile(directory_ / "tokenizer.json", kTokenizer.tokenizer_json);
    WriteTestFile(directory_ / "tokenizer_config.json", kTokenizer.tokenizer_config_json);
  }

  // A run's log.
  std::vector<TrainRecord> Records(const std::string& run) const {
    auto log = LossLog::Open((directory_ / run) + "/log.jsonl", 1000000);
    EXPECT_TRUE(log.ok()) << log.status().message();
    return log.ok() ? log->records() : std::vector<TrainRecord>();
  }
  // The losses in it.
  std::vector<double> Losses(const std::string& run) const {
    std::vector<double> losses;
    for (const TrainRecord& record : Records(run)) losses.push_back(record.train_loss);
    return losses;
  }

  TemporaryDirectory directory_;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_TRAIN_TORCH_TRAIN_FIXTURE_H_
