#include "train/torch/train_state.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/strings.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_writer.h"
#include "tests/support/run_binary.h"
#include "tests/train/torch/train_fixture.h"

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
    loaded_ = std::make_unique<Parameters>(std::move(*Parameters::Random(model_, 3)));
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

  // The state as earlier versions wrote it: without model, tables and what goes into products.
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
    ASSERT_EQ(
        std::erase_if(metadata, [](const auto& entry) { return entry.first == "model" || entry.first == "products"; }),
        2u);
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
  const Result<Parameters> random = Parameters::Random(model_, 3);
  EXPECT_EQ(loaded_->token_tables(), random->token_tables());
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

TEST_F(TrainStateTest, HasWhatGoesIntoProducts) {
  const Optimizer optimizer(TrainConfig{}, *saved_);
  for (const bool half : {false, true}) {
    ASSERT_TRUE(SaveTrainState(path_, {.step = 5, .half = half}, model_, *saved_, optimizer).ok());
    const Result<TrainPosition> position = Load(path_, model_);
    ASSERT_TRUE(position.ok()) << position.status().message();
    EXPECT_EQ(position->half, half);
  }
  const std::string other = directory_ / "other.safetensors";
  WriteWith(other, "products", "fp8");
  EXPECT_EQ(Load(other, model_).status().message(),
            other + " is no training state: its metadata products is \"fp8\"; accepted are bf16 and float");
}

TEST_F(TrainStateTest, NumbersOfTheMetadataHaveBounds) {
  const std::string other = directory_ / "other.safetensors";
  const auto error = [&](const std::string& key, const std::string& text) {
    WriteWith(other, key, text);
    const std::string message = Load(other, model_).status().message();
    const std::string beginning = StrCat(other, " is no training state: its metadata ");
    EXPECT_TRUE(message.starts_with(beginning)) << message;
    return message.substr(std::min(beginning.size(), message.size()));
  };
  EXPECT_EQ(error("step", "12abc"), "step is \"12abc\"; accepted are whole numbers from 0 to 1000000000");
  EXPECT_EQ(error("step", "9223372036854775808"),
            "step is \"9223372036854775808\"; accepted are whole numbers from 0 to 1000000000");
  EXPECT_EQ(error("step", "-1"), "step is \"-1\"; accepted are whole numbers from 0 to 1000000000");
  EXPECT_EQ(error("step", ""), "step is \"\"; accepted are whole numbers from 0 to 1000000000");
  EXPECT_EQ(error("optimizer_steps", "1000000001"),
            "optimizer_steps is \"1000000001\"; accepted are whole numbers from 0 to 1000000000");
  EXPECT_EQ(error("next_dialogue", "18446744073709551615"),
            "next_dialogue is \"18446744073709551615\"; accepted are whole numbers from 0 to 9007199254740992");
  EXPECT_EQ(error("milliseconds", "99999999999999999999"),
            "milliseconds is \"99999999999999999999\"; accepted are whole numbers from 0 to 9007199254740992");
  WriteWith(other, "step", "1000000000");
  EXPECT_EQ(Load(other, model_)->step, 1000000000);
}

TEST_F(TrainStateTest, AShapeOfTheSameSizeIsAnotherShape) {
  std::string bytes = ReadTestFile(path_);
  const std::string expected = ShapeText(std::vector<int64_t>{model_.vocab_size, model_.hidden_size});
  const std::string turned = ShapeText(std::vector<int64_t>{model_.hidden_size, model_.vocab_size});
  ASSERT_NE(turned, expected);
  const size_t shape = bytes.find(expected, bytes.find("\"value/embed.weight\""));
  ASSERT_LT(shape, bytes.size());
  WriteTestFile(path_, bytes.replace(shape, expected.size(), turned));
  EXPECT_EQ(Load(path_, model_).status().message(),
            StrCat(path_, ": tensor value/embed.weight is F32 ", turned, "; the config needs F32 ", expected));
}

TEST_F(TrainStateTest, ValuesThatAreNotFiniteAreNotRead) {
  const Tensor before = loaded_->Find("head.weight").value.detach().clone();
  const std::string good = ReadTestFile(path_);
  for (const char* name : {"value/head.weight", "muon/layers.0.attn.wq_a.weight", "adam2/norm.weight"}) {
    PutValue(path_, name, 3, std::numeric_limits<float>::quiet_NaN());
    EXPECT_EQ(Load(path_, model_).status().message(),
              StrCat(path_, ": tensor ", name, " has a value that is not finite; no run goes on from it"));
    EXPECT_TRUE(torch::equal(loaded_->Find("head.weight").value.detach(), before)) << "nothing has changed";
    WriteTestFile(path_, good);
    PutValue(path_, name, 0, -std::numeric_limits<float>::infinity());
    EXPECT_FALSE(Load(path_, model_).ok());
    WriteTestFile(path_, good);
  }
  EXPECT_TRUE(Load(path_, model_).ok());
}

TEST_F(TrainStateTest, ATensorOfTheModelThatIsNotFiniteIsNamed) {
  const std::string model = directory_ / "model";
  ASSERT_TRUE(saved_->Export(model, model_, ConfigToJson({.model = model_, .expert_dtype = "fp4"}), {}).ok());
  constexpr uint16_t kBf16Infinity = 0x7f80;
  PutValue(model + "/model-00001-of-00001.safetensors", "head.weight", 5, kBf16Infinity);
  const auto checkpoint = Checkpoint::Open(model);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  EXPECT_EQ(Parameters::FromCheckpoint(**checkpoint).status().message(),
            model + ": tensor head.weight has a value that is not finite; bring back an intact copy of the model");
}

TEST_F(TrainStateTest, IsWholeWithTheExpertsAndTheirFormat) {
  const Result<bool> whole = IsWholeState(path_);
  ASSERT_TRUE(whole.ok()) << whole.status().message();
  EXPECT_TRUE(*whole);
  const std::string earlier = directory_ / "earlier.safetensors";
  WriteEarlier(earlier);
  EXPECT_FALSE(*IsWholeState(earlier));
  WriteWith(earlier, "model", ConfigToJson({.model = model_, .expert_dtype = ""}).Dump());
  EXPECT_FALSE(*IsWholeState(earlier));
  WriteWith(earlier, "model", "{}");
  const std::string damaged = IsWholeState(earlier).status().message();
  EXPECT_TRUE(damaged.starts_with(earlier + ", metadata model: ")) << damaged;
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
  EXPECT_TRUE(position->half) << "as in those versions";
  EXPECT_EQ(loaded_->token_tables(), tables);
  EXPECT_TRUE(torch::equal(loaded_->Find("embed.weight").value, saved_->Find("embed.weight").value));
}

}  // namespace
}  // namespace fathom
