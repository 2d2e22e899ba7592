#include "train/torch/train_state.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_writer.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

// A model with hash layers, and a state of it after five steps.
class TrainStateTest : public testing::Test {
 protected:
  void SetUp() override {
    auto checkpoint = Checkpoint::Open(std::string(FATHOM_SHARED_DIR) + "/reference/golden/tiny-hash");
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    model_ = (*checkpoint)->config();
    saved_ = std::make_unique<Parameters>(std::move(*Parameters::FromCheckpoint(**checkpoint)));
    const Optimizer optimizer(TrainConfig{}, *saved_);
    ASSERT_TRUE(SaveTrainState(path_, {.step = 5}, model_, *saved_, optimizer).ok());
    loaded_ = std::make_unique<Parameters>(Parameters::Random(model_, 3));
    ASSERT_NE(loaded_->token_tables(), saved_->token_tables());
  }

  Result<TrainPosition> Load(const std::string& path, const ModelConfig& model, const std::string& expert_dtype = "") {
    Optimizer optimizer(TrainConfig{}, *loaded_);
    return LoadTrainState(path, {.model = model, .expert_dtype = expert_dtype}, *loaded_, optimizer);
  }

  // The state with other metadata.
  void WriteWith(const std::string& path, const std::string& key, const std::string& text) {
    const auto file = SafetensorsFile::Open(path_);
    ASSERT_TRUE(file.ok()) << file.status().message();
    std::vector<TensorSpec> specs;
    for (const TensorInfo& info : file->tensors()) specs.push_back({info.name, info.type, info.shape});
    std::vector<std::pair<std::string, std::string>> metadata(file->metadata().begin(), file->metadata().end());
    for (auto& [name, value] : metadata) {
      if (name == key) value = text;
    }
    const auto writer = SafetensorsWriter::Create(path, specs, metadata);
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    for (size_t i = 0; i < specs.size(); ++i) ASSERT_TRUE((*writer)->Write(i, 0, file->tensors()[i].bytes).ok());
    ASSERT_TRUE((*writer)->Finish().ok());
  }

  // The state as earlier versions wrote it: without model and tables.
  void WriteEarlier(const std::string& path) {
    const auto file = SafetensorsFile::Open(path_);
    ASSERT_TRUE(file.ok()) << file.status().message();
    std::vector<TensorSpec> specs;
    std::vector<const TensorInfo*> kept;
    for (const TensorInfo& info : file->tensors()) {
      if (info.name.starts_with("table/")) continue;
      specs.push_back({info.name, info.type, info.shape});
      kept.push_back(&info);
    }
    ASSERT_LT(kept.size(), file->tensors().size());
    std::vector<std::pair<std::string, std::string>> metadata(file->metadata().begin(), file->metadata().end());
    ASSERT_EQ(std::erase_if(metadata, [](const auto& entry) { return entry.first == "model"; }), 1u);
    const auto writer = SafetensorsWriter::Create(path, specs, metadata);
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    for (size_t i = 0; i < kept.size(); ++i) ASSERT_TRUE((*writer)->Write(i, 0, kept[i]->bytes).ok());
    ASSERT_TRUE((*writer)->Finish().ok());
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "state.safetensors";
  ModelConfig model_;
  std::unique_ptr<Parameters> saved_;
  std::unique_ptr<Parameters> loaded_;
};

TEST_F(TrainStateTest, HasTheExpertsOfHashLayers) {
  const Result<TrainPosition> position = Load(path_, model_);
  ASSERT_TRUE(position.ok()) << position.status().message();
  EXPECT_EQ(position->step, 5);
  EXPECT_EQ(loaded_->token_tables(), saved_->token_tables());
  EXPECT_TRUE(torch::equal(loaded_->Find("embed.weight").value, saved_->Find("embed.weight").value));
}

TEST_F(TrainStateTest, OfAnotherModelIsRefusedByTheKey) {
  ModelConfig other = model_;
  other.window = 16;
  EXPECT_EQ(Load(path_, other).status().message(),
            path_ +
                " is of another model configuration: its sliding_window is 32, and model.sliding_window is 16; "
                "name another --run for another model");
  const auto random = Parameters::Random(model_, 3);
  EXPECT_EQ(loaded_->token_tables(), random.token_tables());
}

TEST_F(TrainStateTest, HasTheFormatOfTheExperts) {
  EXPECT_EQ(saved_->expert_dtype(), "fp4");
  saved_->SetExpertDtype("fp8");
  const Optimizer optimizer(TrainConfig{}, *saved_);
  ASSERT_TRUE(SaveTrainState(path_, {.step = 5}, model_, *saved_, optimizer).ok());
  EXPECT_EQ(Load(path_, model_, "fp4").status().message(),
            path_ +
                " is of another model configuration: its expert_dtype is \"fp8\", and model.expert_dtype is \"fp4\"; "
                "name another --run for another model");
  EXPECT_EQ(loaded_->expert_dtype(), "fp4");
  ASSERT_TRUE(Load(path_, model_).ok());
  EXPECT_EQ(loaded_->expert_dtype(), "fp8");

  // A state that names a model but no format leaves it as it is.
  const std::string earlier = directory_ / "earlier.safetensors";
  WriteWith(earlier, "model", ConfigToJson({.model = model_, .expert_dtype = ""}).Dump());
  for (const char* dtype : {"fp4", "fp8"}) {
    loaded_->SetExpertDtype(dtype);
    const Result<TrainPosition> position = Load(earlier, model_, dtype);
    ASSERT_TRUE(position.ok()) << position.status().message();
    EXPECT_EQ(loaded_->expert_dtype(), dtype);
  }
}

TEST_F(TrainStateTest, ParametersThatAreNotFiniteAreNotWritten) {
  Parameter& head = saved_->Find("head.weight");
  Floats(head.value)[3] = std::nanf("");
  const Optimizer optimizer(TrainConfig{}, *saved_);
  const Status status = SaveTrainState(path_, {.step = 6}, model_, *saved_, optimizer);
  EXPECT_EQ(status.exit_code(), 2);
  EXPECT_TRUE(status.message().starts_with("parameter head.weight has a value that is not finite")) << status.message();
  EXPECT_EQ(Load(path_, model_)->step, 5);
  EXPECT_EQ(saved_->Export(directory_ / "model", model_, Json::Object(), {}).message(), status.message());
  EXPECT_FALSE(DirectoryExists(directory_ / "model"));
}

TEST_F(TrainStateTest, OfAnEarlierVersionLeavesTheTablesAsTheyAre) {
  const std::string earlier = directory_ / "earlier.safetensors";
  WriteEarlier(earlier);
  const std::map<std::string, std::vector<int64_t>> tables = loaded_->token_tables();
  const Result<TrainPosition> position = Load(earlier, model_);
  ASSERT_TRUE(position.ok()) << position.status().message();
  EXPECT_EQ(position->step, 5);
  EXPECT_EQ(loaded_->token_tables(), tables);
  EXPECT_TRUE(torch::equal(loaded_->Find("embed.weight").value, saved_->Find("embed.weight").value));
}

}  // namespace
}  // namespace fathom
