#include "apps/model_fingerprint.h"

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>

#include "tests/support/run_binary.h"
#include "tests/support/tiny_tokenizer.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

class ModelFingerprintTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& entry : fs::directory_iterator(std::string(FATHOM_SHARED_DIR) + "/reference/golden/tiny-full")) {
      fs::copy(entry.path(), directory_.path() + "/" + entry.path().filename().string());
    }
    fs::permissions(directory_.path(), fs::perms::owner_all);
    WriteTestFile(directory_.path() + "/tokenizer.json", TinyTokenizerJson({}, {}).Dump());
  }

  uint64_t Fingerprint(const ModelOptions& options = {}, int numerics_version = kNumericsVersion) const {
    const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(directory_.path());
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status().message();
    if (!checkpoint.ok()) return 0;
    const Result<uint64_t> fingerprint = ModelFingerprint(**checkpoint, options, numerics_version);
    EXPECT_TRUE(fingerprint.ok()) << fingerprint.status().message();
    return fingerprint.ok() ? *fingerprint : 0;
  }
  void ChangeLastByte(const std::string& name) const {
    const std::string path = directory_.path() + "/" + name;
    std::string bytes = ReadTestFile(path);
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    fs::remove(path);  // it may not be writable
    WriteTestFile(path, bytes);
  }

  TemporaryDirectory directory_;
};

TEST_F(ModelFingerprintTest, StaysTheSame) { EXPECT_EQ(Fingerprint(), Fingerprint()); }

TEST_F(ModelFingerprintTest, EverythingThatChangesBitsChangesIt) {
  std::set<uint64_t> seen = {Fingerprint()};
  const auto is_new = [&](uint64_t fingerprint) { return seen.insert(fingerprint).second; };
  EXPECT_TRUE(is_new(Fingerprint({.precision = Precision::kExact})));
  EXPECT_TRUE(is_new(Fingerprint({.row_format = RowFormat::kQuantizedF32})));
  EXPECT_TRUE(is_new(Fingerprint({}, kNumericsVersion + 1)));
  ChangeLastByte("model-00002-of-00002.safetensors");
  EXPECT_TRUE(is_new(Fingerprint())) << "weights";
  std::string config = ReadTestFile(directory_.path() + "/config.json");
  fs::remove(directory_.path() + "/config.json");
  WriteTestFile(directory_.path() + "/config.json", config + "\n");
  EXPECT_TRUE(is_new(Fingerprint())) << "configuration";
  WriteTestFile(directory_.path() + "/tokenizer.json", TinyTokenizerJson({}, {}).Dump() + "\n");
  EXPECT_TRUE(is_new(Fingerprint())) << "tokenizer";
}

TEST_F(ModelFingerprintTest, ShardsThatWereChangedBetweenTheirEndsAreOthers) {
  const uint64_t before = Fingerprint();
  const std::string path = directory_.path() + "/model-00002-of-00002.safetensors";
  fs::permissions(path, fs::perms::owner_all);
  const fs::file_time_type written = fs::last_write_time(path);
  fs::last_write_time(path, written + std::chrono::seconds(1));
  EXPECT_NE(Fingerprint(), before);
  fs::last_write_time(path, written);
  EXPECT_EQ(Fingerprint(), before);
}

TEST_F(ModelFingerprintTest, AMissingTokenizerIsAnError) {
  fs::remove(directory_.path() + "/tokenizer.json");
  const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(directory_.path());
  ASSERT_TRUE(checkpoint.ok());
  const Result<uint64_t> fingerprint = ModelFingerprint(**checkpoint, {});
  ASSERT_FALSE(fingerprint.ok());
  EXPECT_NE(fingerprint.status().message().find("tokenizer.json"), std::string::npos);
}

}  // namespace
}  // namespace fathom
