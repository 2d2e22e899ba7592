#include "checkpoint/verify_data.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>

#include "base/sha256.h"
#include "base/signals.h"
#include "base/strings.h"
#include "checkpoint/synth.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

class VerifyDataTest : public ::testing::Test {
 protected:
  void SetUp() override { Write("fp4", false); }

  void Write(const char* expert_dtype, bool f32_scales) {
    SynthOptions options;
    options.config = *SyntheticShape("tiny");
    options.config.expert_dtype = expert_dtype;
    options.f32_scales = f32_scales;
    dir_ = directory_ / expert_dtype;
    const Status status = WriteSyntheticCheckpoint(dir_, options);
    ASSERT_TRUE(status.ok()) << status.message();
    Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(dir_);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    checkpoint_ = std::move(*checkpoint);
  }

  // Overwrites `size` bytes of a tensor in its file; the mapping sees it.
  void Poke(std::string_view name, size_t offset, const void* bytes, size_t size) const {
    for (const CheckpointTensor& tensor : checkpoint_->tensors()) {
      if (tensor.name != name) continue;
      const SafetensorsFile& shard = checkpoint_->shards()[tensor.shard];
      std::fstream file(shard.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(tensor.info->bytes.data() - shard.bytes().data() + static_cast<std::ptrdiff_t>(offset));
      file.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(size));
      ASSERT_TRUE(file.good());
      return;
    }
    FAIL() << name;
  }
  template <typename T>
  void Poke(std::string_view name, size_t index, T value) const {
    Poke(name, index * sizeof value, &value, sizeof value);
  }

  // Defects without the file in front.
  std::vector<std::string> Defects(int threads = 2) const {
    const Result<DataReport> report = VerifyData(*checkpoint_, threads);
    EXPECT_TRUE(report.ok()) << report.status().message();
    std::vector<std::string> defects;
    for (const std::string& defect : report->defects) {
      EXPECT_TRUE(defect.starts_with(dir_ + "/")) << defect;
      defects.push_back(defect.substr(defect.find(": ") + 2));
    }
    return defects;
  }

  TemporaryDirectory directory_;
  std::string dir_;
  std::unique_ptr<Checkpoint> checkpoint_;
};

using List = std::vector<std::string>;

TEST_F(VerifyDataTest, SoundDataHasNoDefects) {
  const Result<DataReport> report = VerifyData(*checkpoint_, 3);
  ASSERT_TRUE(report.ok());
  EXPECT_TRUE(report->defects.empty());
  EXPECT_EQ(report->bytes, DataBytes(*checkpoint_));
  EXPECT_EQ(report->tensors, checkpoint_->tensors().size());
  EXPECT_EQ(report->digests, 0u);
}

TEST_F(VerifyDataTest, NanScalesAreCountedAndPlaced) {
  Poke<uint8_t>("layers.2.ffn.experts.3.w1.scale", 8 * 5 + 3, 255);  // [128, 8]
  Poke<uint8_t>("layers.2.ffn.experts.3.w1.scale", 8 * 7, 255);
  EXPECT_EQ(Defects(),
            (List{"tensor 'layers.2.ffn.experts.3.w1.scale': 2 scales are NaN (code 255), the first at [5, 3]"}));
}

TEST_F(VerifyDataTest, NanAndInfinityInEveryFormat) {
  Poke<uint8_t>("layers.0.attn.wq_a.weight", 256 * 9 + 1, 0xFF);
  Poke<uint8_t>("layers.0.attn.wkv.weight", 0, 0x7F);
  Poke<uint16_t>("embed.weight", 511 * 256 + 255, 0x7F80);
  Poke<float>("layers.1.attn.attn_sink", 3, -INFINITY);
  Poke<float>("layers.1.hc_attn_fn", 1024 * 2 + 5, NAN);
  EXPECT_EQ(Defects(1),
            (List{"tensor 'embed.weight': 1 values are not finite, the first at [511, 255]",
                  "tensor 'layers.0.attn.wq_a.weight': 1 weights are NaN (code 0x7F or 0xFF), the first at [9, 1]",
                  "tensor 'layers.0.attn.wkv.weight': 1 weights are NaN (code 0x7F or 0xFF), the first at [0, 0]",
                  "tensor 'layers.1.hc_attn_fn': 1 values are not finite, the first at [2, 5]",
                  "tensor 'layers.1.attn.attn_sink': 1 values are not finite, the first at [3]"}));
}

TEST_F(VerifyDataTest, ExpertIdsOutOfRange) {
  Poke<int64_t>("layers.0.ffn.gate.tid2eid", 2 * 100 + 1, 8);
  Poke<int64_t>("layers.0.ffn.gate.tid2eid", 2 * 511 + 1, -1);
  EXPECT_EQ(Defects(),
            (List{"tensor 'layers.0.ffn.gate.tid2eid': 2 expert ids are out of range, the first at [100, 1]"}));
}

TEST_F(VerifyDataTest, Fp8ExpertsWithFloatScales) {
  Write("fp8", true);
  EXPECT_EQ(Defects(), List{});
  Poke<float>("mtp.0.ffn.experts.7.w3.scale", 1, INFINITY);
  Poke<uint8_t>("mtp.0.ffn.experts.7.w3.weight", 5, 0x7F);
  EXPECT_EQ(Defects(),
            (List{"tensor 'mtp.0.ffn.experts.7.w3.weight': 1 weights are NaN (code 0x7F or 0xFF), the first at [0, 5]",
                  "tensor 'mtp.0.ffn.experts.7.w3.scale': 1 scales are not finite, the first at [0, 1]"}));
}

TEST_F(VerifyDataTest, DigestsAreCompared) {
  if (!Sha256::Available()) GTEST_SKIP() << "this build has no SHA-256";
  const auto digest = [&](const std::string& name) {
    Sha256 hash;
    const std::string text = ReadTestFile(dir_ + "/" + name);
    hash.Update({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    return hash.HexDigest();
  };
  std::string sums;
  for (const SafetensorsFile& shard : checkpoint_->shards()) {
    const std::string name = shard.path().substr(shard.path().rfind('/') + 1);
    sums += digest(name) + "  " + name + "\n";
  }
  std::string config = digest("config.json");
  for (char& c : config) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  sums += config + " *./config.json\r\n";
  WriteTestFile(dir_ + "/SHA256SUMS", sums);
  Result<DataReport> report = VerifyData(*checkpoint_, 2);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_TRUE(report->defects.empty()) << report->defects[0];
  EXPECT_EQ(report->digests, 8u);

  Poke<uint8_t>("layers.2.ffn.experts.3.w1.weight", 77, 0x12);
  WriteTestFile(dir_ + "/SHA256SUMS", sums + std::string(64, '0') + "  absent.bin\n");
  report = VerifyData(*checkpoint_, 2);
  ASSERT_TRUE(report.ok());
  ASSERT_EQ(report->defects.size(), 2u);
  EXPECT_NE(report->defects[0].find("model-00004-of-00007.safetensors: its SHA-256 is "), std::string::npos);
  EXPECT_NE(report->defects[0].find(", but SHA256SUMS says "), std::string::npos);
  EXPECT_NE(report->defects[1].find("absent.bin: cannot open"), std::string::npos);
}

TEST_F(VerifyDataTest, MalformedDigestListIsAnError) {
  if (!Sha256::Available()) GTEST_SKIP() << "this build has no SHA-256";
  WriteTestFile(dir_ + "/SHA256SUMS", "\nhello\n");
  const Result<DataReport> report = VerifyData(*checkpoint_, 2);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().message(),
            dir_ + "/SHA256SUMS: line 2 is 'hello'; 64 hex digits, two spaces and a file name are expected");
}

TEST_F(VerifyDataTest, InterruptStopsIt) {
  RequestInterrupt();
  const Result<DataReport> report = VerifyData(*checkpoint_, 2);
  ClearInterrupt();
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.status().exit_code(), 130);
}

}  // namespace
}  // namespace fathom
