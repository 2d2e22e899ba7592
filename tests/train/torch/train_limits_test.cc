#include "train/torch/train_limits.h"

#include <gtest/gtest.h>

#include <string>

#include "checkpoint/synth.h"
#include "tests/train/torch/train_fixture.h"

namespace fathom {
namespace {

TrainConfig SmallTrainConfig() {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "train.json", SmallConfig({}));
  const Result<TrainConfig> config = ReadTrainConfig(directory / "train.json");
  EXPECT_TRUE(config.ok()) << config.status().message();
  return *config;
}

TEST(TrainLimitsTest, WhatTheOperationsCannotComputeIsRefused) {
  const ModelConfig small = SmallTrainConfig().model;
  const auto error = [](const ModelConfig& model) { return CheckTrainable(model, "mine.json: model.").message(); };
  EXPECT_EQ(error(small), "");
  ModelConfig model = small;
  model.streams = 9;
  EXPECT_EQ(error(model), "mine.json: model.hc_mult is 9; the trainer takes at most 8 streams");
  model = small;
  model.mtp_layers = 2;
  EXPECT_EQ(error(model), "mine.json: model.num_nextn_predict_layers is 2; the trainer takes at most 1 MTP block");
  model = small;
  model.head_dim = 576;
  EXPECT_EQ(error(model), "mine.json: model.head_dim is 576; the trainer takes at most 512 in models with compression");
  model.ratios.assign(model.ratios.size(), 0);
  EXPECT_EQ(error(model), "");
  model.head_dim = 66;
  EXPECT_EQ(error(model), "mine.json: model.head_dim is 66; the trainer needs a multiple of 16");
  model = small;
  model.index_dim = 1024;
  EXPECT_EQ(error(model), "mine.json: model.index_head_dim is 1024; the trainer takes at most 512");
}

TEST(TrainLimitsTest, AStepMustFitIntoMemory) {
  TrainConfig config = SmallTrainConfig();
  constexpr uint64_t kGigabyte = 1'000'000'000;
  EXPECT_LT(LeastStepBytes(config), kGigabyte);
  EXPECT_TRUE(CheckMemory(config, kGigabyte).ok());
  config.batch_tokens = 1 << 22;
  EXPECT_TRUE(CheckMemory(config, 0).ok()) << "unknown";
  const Status status = CheckMemory(config, 8 * kGigabyte);
  EXPECT_EQ(status.exit_code(), 3);
  EXPECT_NE(status.message().find("4194304 + 2048 tokens"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("8.00 GB"), std::string::npos) << status.message();
  EXPECT_TRUE(status.message().starts_with(config.path + ": ")) << status.message();
}

TEST(TrainLimitsTest, AForwardPassMustFitIntoMemory) {
  constexpr uint64_t kGigabyte = 1'000'000'000;
  EXPECT_TRUE(CheckMemory(SmallTrainConfig().model, "small/config.json", 2088, kGigabyte).ok());
  const Result<CheckpointConfig> flash = SyntheticShape("v4-flash");
  ASSERT_TRUE(flash.ok()) << flash.status().message();
  EXPECT_TRUE(CheckMemory(flash->model, "flash/config.json", 2088, 0).ok()) << "unknown";
  const Status status = CheckMemory(flash->model, "flash/config.json", 2088, 500 * kGigabyte);
  EXPECT_EQ(status.exit_code(), 3);
  EXPECT_TRUE(status.message().starts_with("flash/config.json: ")) << status.message();
  EXPECT_NE(status.message().find("2088 tokens), and this machine has 500 GB"), std::string::npos) << status.message();
}

// Nano's steps take 3 to 5 GB: the bound must be below.
TEST(TrainLimitsTest, NanoIsTrainedWithTwoGigabytesOrMore) {
  const Result<TrainConfig> nano = ReadTrainConfig(std::string(FATHOM_SOURCE_DIR) + "/models/nano/train.json");
  ASSERT_TRUE(nano.ok()) << nano.status().message();
  EXPECT_TRUE(CheckTrainable(nano->model, "").ok());
  EXPECT_LT(LeastStepBytes(*nano), uint64_t{2'000'000'000});
}

}  // namespace
}  // namespace fathom
