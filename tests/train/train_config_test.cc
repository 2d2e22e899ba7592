#include "train/train_config.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "checkpoint/config_json.h"
#include "checkpoint/synth.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

class TrainConfigTest : public testing::Test {
 protected:
  // A good file, with a member replaced or added: "optimizer", R"({"clip_norm": 2})".
  Result<TrainConfig> Read(const std::string& key = "", const std::string& value = "null") {
    Json root = Json::Object({{"model", model_}, {"data", *ParseJson(R"({"tokenizer": "t/tokenizer.json"})")}});
    if (!key.empty()) root.Set(key, *ParseJson(value));
    return ReadText(root.Dump());
  }
  Result<TrainConfig> ReadText(const std::string& text) {
    WriteTestFile(path_, text);
    return ReadTrainConfig(path_);
  }
  // The error without the file's name.
  std::string Error(const Result<TrainConfig>& config) {
    if (config.ok()) return "no error";
    const std::string prefix = path_ + ": ";
    EXPECT_TRUE(config.status().message().starts_with(prefix)) << config.status().message();
    return config.status().message().substr(prefix.size());
  }

  const Json model_ = [] {
    CheckpointConfig config = *SyntheticShape("tiny");
    config.model.max_context = 65536;
    return ConfigToJson(config);
  }();
  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "nano.json";
};

TEST_F(TrainConfigTest, WhatIsNotThereHasItsDefault) {
  const Result<TrainConfig> config = Read();
  ASSERT_TRUE(config.ok()) << config.status().message();
  const TrainConfig defaults;
  EXPECT_EQ(config->model.hidden_size, model_.Find("hidden_size")->AsInt());
  EXPECT_EQ(config->model_json.Dump(), model_.Dump());
  EXPECT_EQ(config->expert_dtype, "fp4");
  EXPECT_EQ(config->path, path_);
  EXPECT_EQ(config->tokenizer, directory_ / "t/tokenizer.json");
  EXPECT_EQ(config->jsonl, "");
  EXPECT_EQ(config->seed, defaults.seed);
  EXPECT_EQ(config->prompt_weight, defaults.prompt_weight);
  EXPECT_EQ(config->steps, defaults.steps);
  EXPECT_EQ(config->clip_norm, defaults.clip_norm);
  EXPECT_EQ(config->indexer_weight, defaults.indexer_weight);
}

TEST_F(TrainConfigTest, EveryKeyIsRead) {
  Json root = *ParseJson(R"({
    "data": {"tokenizer": "/abs/tokenizer.json", "jsonl": "own.jsonl", "seed": 2, "max_sequence_tokens": 3,
             "prompt_weight": 0.5},
    "schedule": {"steps": 104, "batch_tokens": 105, "warmup_steps": 6, "decay_share": 0.07, "final_rate": 0.08,
                 "quantize_from": 9, "checkpoint_every": 10, "evaluate_every": 11, "evaluate_tokens": 12},
    "optimizer": {"muon_rate": 0.13, "adam_rate": 0.14, "muon_momentum": 0.15, "adam_beta1": 0.16, "adam_beta2": 0.17,
                  "weight_decay": 0.18, "clip_norm": 0.19},
    "loss": {"mtp_weight": 0.2, "mtp_from": 21, "balance_weight": 0.22, "bias_rate": 0.23, "indexer_weight": 0.24}})");
  root.Set("model", model_);
  const Result<TrainConfig> config = ReadText(root.Dump());
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->tokenizer, "/abs/tokenizer.json");
  EXPECT_EQ(config->jsonl, directory_ / "own.jsonl");
  EXPECT_EQ(config->seed, 2u);
  EXPECT_EQ(config->max_sequence_tokens, 3);
  EXPECT_EQ(config->prompt_weight, 0.5f);
  EXPECT_EQ(config->steps, 104);
  EXPECT_EQ(config->batch_tokens, 105);
  EXPECT_EQ(config->warmup_steps, 6);
  EXPECT_EQ(config->decay_share, 0.07);
  EXPECT_EQ(config->final_rate, 0.08);
  EXPECT_EQ(config->quantize_from, 9);
  EXPECT_EQ(config->checkpoint_every, 10);
  EXPECT_EQ(config->evaluate_every, 11);
  EXPECT_EQ(config->evaluate_tokens, 12);
  EXPECT_EQ(config->muon_rate, 0.13);
  EXPECT_EQ(config->adam_rate, 0.14);
  EXPECT_EQ(config->muon_momentum, 0.15);
  EXPECT_EQ(config->adam_beta1, 0.16);
  EXPECT_EQ(config->adam_beta2, 0.17);
  EXPECT_EQ(config->weight_decay, 0.18);
  EXPECT_EQ(config->clip_norm, 0.19);
  EXPECT_EQ(config->mtp_weight, 0.2);
  EXPECT_EQ(config->mtp_from, 21);
  EXPECT_EQ(config->balance_weight, 0.22);
  EXPECT_EQ(config->bias_rate, 0.23);
  EXPECT_EQ(config->indexer_weight, 0.24);
}

TEST_F(TrainConfigTest, UnknownKeysAreRefused) {
  EXPECT_EQ(Error(Read("optimiser", "{}")),
            "there is no key optimiser; accepted are model, data, schedule, optimizer, loss");
  EXPECT_EQ(Error(Read("optimizer", R"({"rate": 1})")),
            "there is no key optimizer.rate; accepted are muon_rate, adam_rate, muon_momentum, adam_beta1, adam_beta2, "
            "weight_decay, clip_norm");
}

TEST_F(TrainConfigTest, NumbersHaveBounds) {
  EXPECT_EQ(Error(Read("schedule", R"({"steps": 0})")),
            "schedule.steps is 0; accepted are whole numbers from 1 to 1000000000");
  EXPECT_EQ(Error(Read("schedule", R"({"steps": 1.5})")),
            "schedule.steps is 1.5; accepted are whole numbers from 1 to 1000000000");
  EXPECT_EQ(Error(Read("schedule", R"({"batch_tokens": 4194305})")),
            "schedule.batch_tokens is 4194305; accepted are whole numbers from 1 to 4194304");
  EXPECT_EQ(Error(Read("optimizer", R"({"clip_norm": 0})")),
            "optimizer.clip_norm is 0; accepted are numbers from 1e-06 to 1e+06");
  EXPECT_EQ(Error(Read("optimizer", R"({"adam_beta2": 1})")),
            "optimizer.adam_beta2 is 1; accepted are numbers from 0 to 0.999999");
  EXPECT_EQ(Error(Read("loss", R"({"mtp_weight": "high"})")),
            "loss.mtp_weight is \"high\"; accepted are numbers from 0 to 10");
  EXPECT_EQ(Error(Read("loss", "[]")), "loss is []; accepted is an object");
  EXPECT_EQ(Error(Read("data", R"({"tokenizer": 1})")), "data.tokenizer is 1; accepted is a string");
}

TEST_F(TrainConfigTest, WhatIsRequiredMustBeThere) {
  EXPECT_EQ(Error(Read("data", "{}")), "data.tokenizer is missing; the path of a tokenizer.json is needed");
  EXPECT_EQ(Error(ReadText("{}")), "model is missing; an object with the keys of a config.json is needed");
  EXPECT_EQ(Error(ReadText("3")), "the file holds 3; a JSON object is expected");
  EXPECT_EQ(Error(Read("model", R"({"model_type": "deepseek_v4"})")).substr(0, 18), "model: config key ");
  EXPECT_FALSE(ReadText("{").ok());
  EXPECT_FALSE(ReadTrainConfig(directory_ / "none.json").ok());
}

TEST_F(TrainConfigTest, TheCorpusBeginsWithTheSubjectsAskedFor) {
  const Result<TrainConfig> config = Read("data", R"({"tokenizer": "t", "opening": [
      {"subjects": ["lookup", "strings.copy"], "dialogues": 5}, {"subjects": ["strings"], "dialogues": 7}]})");
  ASSERT_TRUE(config.ok()) << config.status().message();
  ASSERT_EQ(config->opening.size(), 2u);
  EXPECT_EQ(config->opening[0].subjects, (std::vector<std::string>{"lookup", "strings.copy"}));
  EXPECT_EQ(config->opening[0].dialogues, 5);
  EXPECT_EQ(config->opening[1].subjects, std::vector<std::string>{"strings"});
  EXPECT_EQ(config->opening[1].dialogues, 7);
  EXPECT_TRUE(Read("data", R"({"tokenizer": "t", "opening": []})")->opening.empty());
}

TEST_F(TrainConfigTest, ABadOpeningIsRefused) {
  const auto error = [&](const std::string& opening) {
    return Error(Read("data", R"({"tokenizer": "t", "opening": )" + opening + "}"));
  };
  EXPECT_EQ(error(R"("lookup")"),
            "data.opening is \"lookup\"; accepted is a list of {\"subjects\": [...], \"dialogues\": N}");
  EXPECT_EQ(error(R"(["lookup"])"),
            "data.opening[0] is \"lookup\"; accepted are objects {\"subjects\": [...], \"dialogues\": N}");
  EXPECT_EQ(
      error(R"([{"subjects": ["cooking"]}])"),
      "an item of data.opening[0].subjects is \"cooking\"; accepted are subjects and groups of the corpus, such as "
      "\"strings.copy\" and \"lookup\"");
  EXPECT_EQ(error(R"([{"subjects": "lookup"}])"),
            "data.opening[0].subjects is \"lookup\"; accepted is a list of subjects");
  EXPECT_EQ(error(R"([{"dialogues": 0}])"),
            "data.opening[0].dialogues is 0; accepted are whole numbers from 1 to 1000000000");
  EXPECT_EQ(error(R"([{"dialogue": 3}])"),
            "there is no key data.opening[0].dialogue; accepted are subjects, dialogues");
  const std::string needed = "; an object {\"subjects\": [...], \"dialogues\": N} with at least one of both is needed";
  EXPECT_EQ(error(R"([{"subjects": ["lookup"], "dialogues": 3}, {"subjects": ["lookup"]}])"),
            "data.opening[1] lacks dialogues" + needed);
  EXPECT_EQ(error(R"([{"dialogues": 5}])"), "data.opening[0] lacks subjects" + needed);
  EXPECT_EQ(Error(Read("data", R"({"tokenizer": "t", "jsonl": "j",
                                    "opening": [{"subjects": ["lookup"], "dialogues": 5}]})")),
            "data.opening is for the generated corpus and does not go with data.jsonl");
}

TEST_F(TrainConfigTest, TheNarrowWindowIsThatOfTheFirstStepsAndOfAShareOfTheOthers) {
  const Result<TrainConfig> config =
      Read("schedule", R"({"narrow_window": 2, "narrow_until": 5, "narrow_share": 0.25})");
  ASSERT_TRUE(config.ok()) << config.status().message();
  const int64_t wide = config->model.window;
  ASSERT_GT(wide, 2);
  for (int64_t step = 0; step < 5; ++step) EXPECT_EQ(WindowAt(*config, step), 2) << step;
  int64_t narrow = 0;
  for (int64_t step = 5; step < 105; ++step) narrow += WindowAt(*config, step) == 2 ? 1 : 0;
  EXPECT_EQ(narrow, 25);
  EXPECT_EQ(WindowAt(*Read(), 0), wide);
  const Result<TrainConfig> later =
      Read("schedule", R"({"narrow_window": 2, "narrow_from": 3, "narrow_until": 5, "narrow_share": 0})");
  ASSERT_TRUE(later.ok()) << later.status().message();
  for (int64_t step = 0; step < 10; ++step)
    EXPECT_EQ(WindowAt(*later, step), step == 3 || step == 4 ? 2 : wide) << step;
  EXPECT_EQ(Error(Read("schedule", R"({"narrow_window": 2000})")),
            StrCat("schedule.narrow_window is 2000; accepted are at most the ", wide, " of model.sliding_window"));
}

TEST_F(TrainConfigTest, SequencesFitTheContext) {
  EXPECT_EQ(Error(Read("data", R"({"tokenizer": "t", "max_sequence_tokens": 65537})")),
            "data.max_sequence_tokens is 65537; accepted are at most the 65536 of model.max_position_embeddings");
  EXPECT_TRUE(Read("data", R"({"tokenizer": "t", "max_sequence_tokens": 65536})").ok());
}

}  // namespace
}  // namespace fathom
