// Opening checkpoints of the releases' true names, dtypes and shapes, and the reference's tiny ones.
#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "base/file.h"
#include "base/strings.h"
#include "checkpoint/checkpoint.h"
#include "tests/checkpoint/release_shapes.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

std::string SpecFile(const std::string& name) { return StrCat(FATHOM_SHARED_DIR, "/spec/", name); }

Json ReadSpecConfig(const std::string& name) {
  const Result<std::string> text = ReadFile(SpecFile("configs/" + name), 1 << 20);
  return *ParseJson(*text);
}

// Writes the release without data, opens it and prints how long that took.
std::unique_ptr<Checkpoint> OpenRelease(const TemporaryDirectory& directory, const std::string& model,
                                        const Json& config, ReleaseShapes* shapes) {
  Result<ReleaseShapes> expanded = ExpandRelease(model);
  if (!expanded.ok()) {
    ADD_FAILURE() << expanded.status().message();
    return nullptr;
  }
  *shapes = std::move(*expanded);
  const Status written = WriteSparseRelease(directory.path(), config.DumpPretty(), shapes->tensors);
  if (!written.ok()) {
    ADD_FAILURE() << written.message();
    return nullptr;
  }
  const auto start = std::chrono::steady_clock::now();
  Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(directory.path());
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (!checkpoint.ok()) {
    ADD_FAILURE() << checkpoint.status().message();
    return nullptr;
  }
  std::printf("%s: %zu tensors in %zu shards opened in %.3f s\n", model.c_str(), (*checkpoint)->tensors().size(),
              (*checkpoint)->shards().size(), seconds.count());
  return std::move(*checkpoint);
}

class Release : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!FileExists(SpecFile("checkpoint_tensors.json"))) GTEST_SKIP() << "the specification is not here";
  }
  TemporaryDirectory directory_;
  ReleaseShapes shapes_;
};

std::map<TensorClass, std::pair<int64_t, uint64_t>> ByClass(const Checkpoint& checkpoint) {
  std::map<TensorClass, std::pair<int64_t, uint64_t>> out;
  for (const CheckpointTensor& tensor : checkpoint.tensors()) {
    auto& [count, bytes] = out[tensor.tensor_class];
    ++count;
    bytes += tensor.info->bytes.size();
  }
  return out;
}

TEST_F(Release, FlashHasThePublishedTensorsAndBytes) {
  const auto checkpoint = OpenRelease(directory_, "V4-Flash", ReadSpecConfig("v4-flash.config.json"), &shapes_);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->tensors().size(), 69187u);
  EXPECT_EQ(checkpoint->tensor_bytes(), 159609485896u);
  EXPECT_EQ(checkpoint->shards().size(), 46u);
  EXPECT_EQ(checkpoint->model_name(), "DeepSeek-V4-Flash");
  EXPECT_TRUE(checkpoint->notes().empty());
  EXPECT_EQ(checkpoint->config().mtp_layers, 1);
  const ModelWeights& weights = checkpoint->weights();
  EXPECT_EQ(weights.layers[0].experts[255].w2.type, WeightType::kFp4);
  EXPECT_EQ(weights.layers[0].experts[255].w2.cols, 2048);
  EXPECT_EQ(weights.layers[2].compressor.wkv.rows, 1024);
  EXPECT_EQ(weights.layers[3].compressor.wkv.rows, 512);
  EXPECT_NE(weights.layers[2].tid2eid, nullptr);
  EXPECT_TRUE(weights.layers[2].gate_bias.empty());
  EXPECT_EQ(weights.layers[3].tid2eid, nullptr);
  // The specification's table "Bytes by class".
  using Row = std::pair<int64_t, uint64_t>;
  const std::map<TensorClass, Row> expected = {{TensorClass::kRoutedExperts, {33024, 138512695296}},
                                               {TensorClass::kRoutedScales, {33024, 8657043456}},
                                               {TensorClass::kAttention, {559, 4599478144}},
                                               {TensorClass::kMtp, {1575, 3593787756}},
                                               {TensorClass::kSharedExperts, {258, 1082196480}},
                                               {TensorClass::kEmbedding, {1, 1059061760}},
                                               {TensorClass::kHead, {1, 1059061760}},
                                               {TensorClass::kCompressors, {164, 525722624}},
                                               {TensorClass::kIndexers, {147, 275353344}},
                                               {TensorClass::kHyperConnections, {261, 135537756}},
                                               {TensorClass::kRouters, {86, 108834816}},
                                               {TensorClass::kNorms, {87, 712704}}};
  EXPECT_EQ(ByClass(*checkpoint), expected);
}

TEST_F(Release, ProHasThePublishedTensorsAndBytes) {
  const auto checkpoint = OpenRelease(directory_, "V4-Pro", ReadSpecConfig("v4-pro.config.json"), &shapes_);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->tensors().size(), 145116u);
  EXPECT_EQ(checkpoint->tensor_bytes(), 864704792696u);
  EXPECT_EQ(checkpoint->model_name(), "DeepSeek-V4-Pro");
  EXPECT_TRUE(checkpoint->notes().empty());
}

TEST_F(Release, Flash0731LeavesItsDSparkDraftUnused) {
  const auto checkpoint =
      OpenRelease(directory_, "V4-Flash-0731", ReadSpecConfig("v4-flash-0731.config.json"), &shapes_);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(static_cast<int64_t>(checkpoint->tensors().size()), shapes_.tensor_count);
  EXPECT_EQ(checkpoint->tensor_bytes(), shapes_.total_bytes);
  EXPECT_EQ(checkpoint->config().mtp_layers, 0);
  ASSERT_EQ(checkpoint->notes().size(), 1u);
  EXPECT_EQ(checkpoint->notes()[0], "the DSpark draft module (4705 tensors, 10.9 GB) is left unused");
  EXPECT_EQ(checkpoint->model_name(), "DeepSeek-V4-Flash with DSpark draft");
}

TEST_F(Release, Pro0813LeavesItsDSparkDraftUnused) {
  Json config = ReadSpecConfig("v4-pro.config.json");
  auto& ratios = config.members();
  for (auto& [key, value] : ratios) {
    if (key == "compress_ratios") value.items().insert(value.items().end(), 2, Json::Int(0));
  }
  config.Set("dspark_block_size", Json::Int(5));
  const auto checkpoint = OpenRelease(directory_, "V4-Pro-0813", config, &shapes_);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(static_cast<int64_t>(checkpoint->tensors().size()), shapes_.tensor_count);
  EXPECT_EQ(checkpoint->tensor_bytes(), shapes_.total_bytes);
  EXPECT_EQ(checkpoint->config().mtp_layers, 0);
}

TEST_F(Release, FlashBaseHasFp8ExpertsWithFloatScales) {
  Json config = ReadSpecConfig("v4-flash.config.json");
  std::erase_if(config.members(), [](const Json::Member& member) { return member.first == "expert_dtype"; });
  const auto checkpoint = OpenRelease(directory_, "V4-Flash-Base", config, &shapes_);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(static_cast<int64_t>(checkpoint->tensors().size()), shapes_.tensor_count);
  EXPECT_EQ(checkpoint->tensor_bytes(), shapes_.total_bytes);
  const Matrix& expert = checkpoint->weights().layers[7].experts[3].w1;
  EXPECT_EQ(expert.type, WeightType::kFp8);
  EXPECT_EQ(expert.scale_type, ScaleType::kF32);
  EXPECT_EQ(checkpoint->weights().layers[7].wq_a.scale_type, ScaleType::kF32);
  EXPECT_EQ(checkpoint->model_name(), "DeepSeek-V4-Flash-Base");
}

TEST_F(Release, TinyPresetsOfTheReferenceOpen) {
  for (const char* preset : {"tiny-swa", "tiny-csa", "tiny-hca", "tiny-hash", "tiny-full", "tiny-wide"}) {
    const std::string path = StrCat(FATHOM_SHARED_DIR, "/reference/golden/", preset);
    const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(path);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    EXPECT_TRUE((*checkpoint)->notes().empty()) << preset;
    EXPECT_EQ((*checkpoint)->weights().layers.size(), static_cast<size_t>((*checkpoint)->config().layers));
    EXPECT_EQ((*checkpoint)->weights().mtp.size(), static_cast<size_t>((*checkpoint)->config().mtp_layers));
    const Matrix& expert = (*checkpoint)->weights().layers[0].experts[0].w1;
    EXPECT_EQ(expert.bytes(), expert.rows * expert.cols / 2 + expert.rows * expert.cols / 32) << preset;
  }
}

}  // namespace
}  // namespace fathom
