#include "checkpoint/synth.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <filesystem>

#include "base/signals.h"
#include "base/strings.h"
#include "checkpoint/checkpoint.h"
#include "numeric/formats.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

std::vector<std::string> FilesIn(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

SynthOptions TinyOptions() { return {.config = *SyntheticShape("tiny"), .threads = 2}; }

std::unique_ptr<Checkpoint> WriteAndOpen(const std::string& directory, const SynthOptions& options) {
  const Status status = WriteSyntheticCheckpoint(directory, options);
  if (!status.ok()) {
    ADD_FAILURE() << status.message();
    return nullptr;
  }
  Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(directory);
  if (!checkpoint.ok()) {
    ADD_FAILURE() << checkpoint.status().message();
    return nullptr;
  }
  return std::move(*checkpoint);
}

// Root mean square of a matrix's decoded values.
double Rms(const Matrix& m) {
  double sum = 0;
  for (int64_t row = 0; row < m.rows; ++row) {
    for (int64_t col = 0; col < m.cols; ++col) {
      double value = 0;
      if (m.type == WeightType::kFp4) {
        const uint8_t byte = m.data[row * m.row_bytes() + col / 2];
        value =
            E2m1ToFloat(col % 2 == 0 ? byte & 15 : byte >> 4) * E8m0ToFloat(m.scale[row * (m.cols / 32) + col / 32]);
      } else {
        const int64_t block = row / 128 * ((m.cols + 127) / 128) + col / 128;
        const float scale =
            m.scale_type == ScaleType::kF32 ? LoadUnaligned<float>(m.scale + block * 4) : E8m0ToFloat(m.scale[block]);
        value = E4m3ToFloat(m.data[row * m.cols + col]) * scale;
      }
      sum += value * value;
    }
  }
  return std::sqrt(sum / static_cast<double>(m.rows * m.cols));
}

TEST(Synth, TinyHasEveryFeatureAndOpens) {
  TemporaryDirectory directory;
  SynthOptions options = TinyOptions();
  options.extra_files = {{"tokenizer.json", "{}"}};
  const auto checkpoint = WriteAndOpen(directory / "tiny", options);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_EQ(checkpoint->tensor_bytes(), SyntheticBytes(options));
  EXPECT_LT(checkpoint->tensor_bytes(), 10'000'000u);
  EXPECT_TRUE(checkpoint->notes().empty());
  const ModelConfig& config = checkpoint->config();
  EXPECT_EQ(config.ratios, (std::vector<int64_t>{0, 4, 128, 4, 0}));
  EXPECT_EQ(config.streams, 4);
  EXPECT_EQ(config.max_context, 8192);
  EXPECT_EQ(checkpoint->weights().mtp.size(), 1u);
  EXPECT_NE(checkpoint->weights().layers[0].tid2eid, nullptr);
  EXPECT_FALSE(checkpoint->weights().layers[1].gate_bias.empty());
  EXPECT_EQ(ReadTestFile(directory / "tiny/tokenizer.json"), "{}");
  EXPECT_EQ(FilesIn(directory.path()), (std::vector<std::string>{"tiny"}));
}

TEST(Synth, WeightsHaveTheSpreadThatKeepsActivationsNearOne) {
  TemporaryDirectory directory;
  const auto checkpoint = WriteAndOpen(directory / "tiny", TinyOptions());
  ASSERT_NE(checkpoint, nullptr);
  // cols^-0.5 times the root mean square of the block gains 1/2, 1, 2, which is 1.32.
  const LayerWeights& layer = checkpoint->weights().layers[1];
  EXPECT_NEAR(Rms(layer.experts[3].w1) * 16, 1.32, 0.2);           // 256 columns
  EXPECT_NEAR(Rms(layer.experts[3].w2) * 11.31 / 0.7, 1.32, 0.2);  // 128 columns, gain 0.7
  EXPECT_NEAR(Rms(layer.wq_b) * 11.31, 1.32, 0.6);                 // few blocks: their gains do not average out
  for (int64_t i = 0; i < layer.attn_norm.size; ++i) {
    EXPECT_NEAR(Bf16ToFloat(LoadUnaligned<uint16_t>(layer.attn_norm.data + 2 * i)), 1, 1);
  }
}

TEST(Synth, ExpertTablesHoldDifferentValidIds) {
  TemporaryDirectory directory;
  const auto checkpoint = WriteAndOpen(directory / "tiny", TinyOptions());
  ASSERT_NE(checkpoint, nullptr);
  const ModelConfig& config = checkpoint->config();
  const uint8_t* table = checkpoint->weights().layers[0].tid2eid;
  for (int64_t token = 0; token < config.vocab_size; ++token) {
    const auto first = LoadUnaligned<int64_t>(table + token * 16);
    const auto second = LoadUnaligned<int64_t>(table + token * 16 + 8);
    ASSERT_TRUE(first >= 0 && first < config.experts && second >= 0 && second < config.experts && first != second);
  }
}

TEST(Synth, BytesDependOnTheSeedAndNotOnThreads) {
  TemporaryDirectory directory;
  SynthOptions options = TinyOptions();
  options.threads = 1;
  ASSERT_TRUE(WriteSyntheticCheckpoint(directory / "a", options).ok());
  options.threads = 3;
  ASSERT_TRUE(WriteSyntheticCheckpoint(directory / "b", options).ok());
  options.seed = 2;
  ASSERT_TRUE(WriteSyntheticCheckpoint(directory / "c", options).ok());
  for (const std::string& name : FilesIn(directory / "a")) {
    const std::string a = ReadTestFile(directory / ("a/" + name));
    EXPECT_EQ(a, ReadTestFile(directory / ("b/" + name))) << name;
    if (name.ends_with(".safetensors")) {
      EXPECT_NE(a, ReadTestFile(directory / ("c/" + name))) << name;
    }
  }
}

TEST(Synth, OtherHeadsStreamsFormatsAndWindows) {
  TemporaryDirectory directory;
  SynthOptions options = TinyOptions();
  options.config.expert_dtype = "fp8";
  options.f32_scales = true;
  ModelConfig& m = options.config.model;
  m.streams = 3;
  m.heads = 6;
  m.head_dim = 192;
  m.o_groups = 3;
  m.o_rank = 128;
  m.window = 20;
  m.experts = 5;
  m.vocab_size = 100;
  const auto checkpoint = WriteAndOpen(directory / "x", options);
  ASSERT_NE(checkpoint, nullptr);
  const LayerWeights& layer = checkpoint->weights().layers[1];
  EXPECT_EQ(layer.experts[4].w3.type, WeightType::kFp8);
  EXPECT_EQ(layer.experts[4].w3.scale_type, ScaleType::kF32);
  EXPECT_EQ(layer.attn_mix.fn.rows, 15);
  EXPECT_EQ(layer.wo_a.cols, 6 * 192 / 3);
  EXPECT_NEAR(Rms(layer.experts[4].w1) * 16, 1.4, 1.2);  // two blocks: gains 1/2 to 2, scales 0.75 to 1.25
  EXPECT_EQ(checkpoint->checkpoint_config().expert_dtype, "fp8");
}

TEST(Synth, SparseExpertsTakeNoDisk) {
  TemporaryDirectory directory;
  SynthOptions options = TinyOptions();
  options.config.model.experts = 256;
  options.holes = SynthHoles::kExperts;
  const auto checkpoint = WriteAndOpen(directory / "x", options);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_GT(checkpoint->tensor_bytes(), 60'000'000u);
  EXPECT_LT(SyntheticBytes(options), 10'000'000u);
  uint64_t blocks = 0;
  for (const SafetensorsFile& shard : checkpoint->shards()) {
    struct stat info = {};
    ASSERT_EQ(::stat(shard.path().c_str(), &info), 0);
    blocks += static_cast<uint64_t>(info.st_blocks);
  }
  EXPECT_LT(blocks * 512, 16'000'000u);
  const Matrix& expert = checkpoint->weights().layers[1].experts[7].w1;
  EXPECT_EQ(std::string(expert.data, expert.data + 64), std::string(64, '\0'));
}

TEST(Synth, AllHolesHaveShapesOnly) {
  TemporaryDirectory directory;
  SynthOptions options = TinyOptions();
  options.holes = SynthHoles::kAll;
  EXPECT_EQ(SyntheticBytes(options), 0u);
  const auto checkpoint = WriteAndOpen(directory / "x", options);
  ASSERT_NE(checkpoint, nullptr);
  EXPECT_GT(checkpoint->tensor_bytes(), 5'000'000u);
}

TEST(Synth, DoesNotTouchADirectoryWithFiles) {
  TemporaryDirectory directory;
  WriteTestFile(directory / "notes.txt", "mine");
  const Status status = WriteSyntheticCheckpoint(directory.path(), TinyOptions());
  EXPECT_EQ(status.message(), directory.path() + ": exists already; a new or empty directory is accepted");
  EXPECT_EQ(FilesIn(directory.path()), (std::vector<std::string>{"notes.txt"}));
  EXPECT_EQ(WriteSyntheticCheckpoint(directory / "notes.txt", TinyOptions()).exit_code(), 2);
  EXPECT_EQ(WriteSyntheticCheckpoint(directory / "no/such/parent", TinyOptions()).exit_code(), 2);
}

TEST(Synth, WritesIntoAnEmptyDirectory) {
  TemporaryDirectory directory;
  ASSERT_NE(WriteAndOpen(directory.path() + "/", TinyOptions()), nullptr);
}

TEST(Synth, TooLittleRoomIsFoundBeforeWriting) {
  TemporaryDirectory directory;
  SynthOptions options;
  options.config = *SyntheticShape("v4-pro", {.layers = 1024, .experts = 256});
  const Status status = WriteSyntheticCheckpoint(directory / "x", options);
  EXPECT_EQ(status.code(), ErrorCode::kResource);
  EXPECT_NE(status.message().find("/x: needs "), std::string::npos) << status.message();
  EXPECT_TRUE(FilesIn(directory.path()).empty());
}

TEST(Synth, InterruptLeavesNothing) {
  TemporaryDirectory directory;
  RequestInterrupt();
  const Status status = WriteSyntheticCheckpoint(directory / "x", TinyOptions());
  ClearInterrupt();
  EXPECT_EQ(status.exit_code(), 130);
  EXPECT_TRUE(FilesIn(directory.path()).empty());
}

}  // namespace
}  // namespace fathom
