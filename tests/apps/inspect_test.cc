// `fathom inspect` and `fathom synth` as a user runs them, and the numbers behind the report.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "apps/inspect_report.h"
#include "base/json.h"
#include "base/strings.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/synth.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

std::unique_ptr<Checkpoint> MakeShapes(const std::string& directory, const char* shape) {
  SynthOptions options;
  options.config = *SyntheticShape(shape);
  options.holes = SynthHoles::kAll;
  const Status status = WriteSyntheticCheckpoint(directory, options);
  if (!status.ok()) {
    ADD_FAILURE() << status.message();
    return nullptr;
  }
  Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(directory);
  if (checkpoint.ok()) return std::move(*checkpoint);
  ADD_FAILURE() << checkpoint.status().message();
  return nullptr;
}

constexpr uint64_t kGiB = uint64_t{1} << 30;

TEST(InspectReport, FlashCostsWhatTheSpecificationSays) {
  const TemporaryDirectory directory;
  const auto checkpoint = MakeShapes(directory / "flash", "v4-flash");
  ASSERT_NE(checkpoint, nullptr);
  const InspectReport report = MakeInspectReport(*checkpoint, {8192, 1048576, 2097152}, {24 * kGiB, 2, 20e9});
  // 33,024 expert matrices of 2048 x 4096 alone are 277 billion.
  EXPECT_NEAR(static_cast<double>(report.parameters), 284e9, 1e9);
  EXPECT_NEAR(static_cast<double>(report.active_parameters), 13.3e9, 0.1e9);
  EXPECT_NEAR(static_cast<double>(report.mtp_parameters), 6.6e9, 0.1e9);
  // 43 layers x 6 experts x 13,369,344 bytes.
  EXPECT_EQ(report.routed_bytes_per_token, 3449290752u);
  // Everything else: 8,845,959,388 less all of the embedding but a row of 8,192 bytes, and less all of three tables of
  // 129,280 x 48 bytes but a row.
  EXPECT_EQ(report.other_bytes_per_token, 8845959388u - 129279u * 8192u - 3u * 129279u * 48u);
  EXPECT_EQ(report.weight_bytes, 159609485896u - 3593787756u);
  // 21 layers of ratio 4 with 584 + 68 bytes per row, 20 of ratio 128, rows padded per block.
  EXPECT_GT(report.cache_bytes_per_token, 3500);
  EXPECT_LT(report.cache_bytes_per_token, 3600);
  ASSERT_EQ(report.contexts.size(), 2u) << "2M tokens are beyond the model's context";
  EXPECT_LT(report.contexts[1].cache_bytes, 3800000000u);
  EXPECT_FALSE(report.fits_ram());
  EXPECT_NEAR(report.tokens_per_second(), 20e9 / 11.22e9, 0.01);
  // Most experts come from the disk, but not those that 24 GiB hold.
  EXPECT_GT(report.disk_bytes_per_token(), 2.8e9);
  EXPECT_LT(report.disk_bytes_per_token(), 3.449e9);
}

TEST(InspectReport, MemoryDecidesWhatComesFromDisk) {
  const TemporaryDirectory directory;
  const auto checkpoint = MakeShapes(directory / "flash", "v4-flash");
  ASSERT_NE(checkpoint, nullptr);
  const auto at = [&](uint64_t ram) { return MakeInspectReport(*checkpoint, {8192}, {ram, 2, 20e9}); };
  EXPECT_TRUE(at(256 * kGiB).fits_ram());
  EXPECT_EQ(at(256 * kGiB).disk_bytes_per_token(), 0);
  EXPECT_GT(at(64 * kGiB).disk_bytes_per_token(), at(128 * kGiB).disk_bytes_per_token());
  EXPECT_GT(at(4 * kGiB).disk_bytes_per_token(), 3.449e9) << "the dense part does not fit either";
  EXPECT_EQ(at(0).disk_bytes_per_token(), 0) << "unknown memory: nothing is claimed";
}

TEST(InspectReport, WhatACheckpointIsCanBeSaidBeforeAnythingIsMeasured) {
  const TemporaryDirectory directory;
  const auto checkpoint = MakeShapes(directory / "tiny", "tiny");
  ASSERT_NE(checkpoint, nullptr);
  InspectReport report = MakeInspectReport(*checkpoint, {8192}, {24 * kGiB, 2});
  const std::string text = InspectText(*checkpoint, report);
  EXPECT_NE(text.find("cache of one sequence"), std::string::npos) << text;
  EXPECT_EQ(text.find("this machine"), std::string::npos) << text;
  report.machine.read_bandwidth = 20e9;
  EXPECT_EQ(InspectText(*checkpoint, report), text);
  EXPECT_NE(MachineText(report).find("read bandwidth        20.0 GB/s with 2 threads, measured now"),
            std::string::npos);
}

class InspectCommand : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = new TemporaryDirectory();
    const RunResult result = RunFathom({"synth", Model(), "--shape", "tiny"});
    ASSERT_EQ(result.exit_code, 0) << result;
    EXPECT_EQ(result.err, "");
  }
  static void TearDownTestSuite() {
    delete directory_;
    directory_ = nullptr;
  }
  static std::string Model() { return *directory_ / "tiny"; }

  static TemporaryDirectory* directory_;
};
TemporaryDirectory* InspectCommand::directory_ = nullptr;

TEST_F(InspectCommand, WithoutADirectoryItSpeaksOfTheModelOfChat) {
  RunOptions options;
  options.environment = {{"FATHOM_MODEL", Model()}};
  const RunResult result = RunFathom({"inspect"}, options);
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find(Model()), std::string::npos) << result;
}

TEST_F(InspectCommand, SaysEverythingAboutAModel) {
  const RunResult result = RunFathom({"inspect", Model()});
  EXPECT_EQ(result.exit_code, 0) << result;
  // Nothing but the progress of the bandwidth's measurement, which a busy machine takes more than two seconds for.
  std::istringstream errors(result.err);
  for (std::string line; std::getline(errors, line);) {
    EXPECT_TRUE(line.starts_with("filling a buffer to read:") || line.starts_with("measuring how fast memory is read:"))
        << line;
  }
  for (const char* part : {"DeepSeek-V4 architecture", "parameters", "act per token", "bytes by class",
                           "routed expert weights", "read per decoded token", "cache of one sequence", "8K tokens",
                           "fit in", "read bandwidth", "decode speed          at most"}) {
    EXPECT_NE(result.out.find(part), std::string::npos) << part << result;
  }
}

TEST_F(InspectCommand, JsonHasTheSameInBytes) {
  const RunResult result = RunFathom({"inspect", Model(), "--json", "--context", "1000", "--verify"});
  EXPECT_EQ(result.exit_code, 0) << result;
  const Result<Json> json = ParseJson(result.out);
  ASSERT_TRUE(json.ok()) << json.status().message();
  EXPECT_EQ(json->Find("tensors")->AsInt(), 427);
  int64_t sum = 0;
  for (const Json& row : json->Find("classes")->items()) sum += *row.Find("bytes")->AsInt();
  EXPECT_EQ(sum, *json->Find("tensor_bytes")->AsInt());
  EXPECT_EQ(json->Find("contexts")->items()[0].Find("tokens")->AsInt(), 1000);
  EXPECT_GT(*json->Find("machine")->Find("read_bytes_per_second")->AsDouble(), 0);
  EXPECT_TRUE(json->Find("verify")->Find("defects")->items().empty());
}

TEST_F(InspectCommand, TensorsAreListedWithTypeShapeAndFile) {
  const RunResult result = RunFathom({"inspect", Model(), "--tensors"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(std::count(result.out.begin(), result.out.end(), '\n'), 427);
  EXPECT_NE(result.out.find("layers.0.ffn.gate.tid2eid                            I64      [512, 2]"),
            std::string::npos);
  const RunResult json = RunFathom({"inspect", Model(), "--tensors", "--json"});
  EXPECT_EQ(ParseJson(json.out)->items().size(), 427u);
}

TEST_F(InspectCommand, VerifyFindsBadData) {
  const RunResult sound = RunFathom({"inspect", Model(), "--verify"});
  EXPECT_EQ(sound.exit_code, 0) << sound;
  EXPECT_NE(sound.out.find("no digests (there is no SHA256SUMS): sound\n"), std::string::npos) << sound;

  const TemporaryDirectory directory;
  const std::string model = directory / "bad";
  ASSERT_EQ(RunFathom({"synth", model}).exit_code, 0);
  {
    const Result<SafetensorsFile> shard = SafetensorsFile::Open(model + "/model-00006-of-00007.safetensors");
    ASSERT_TRUE(shard.ok());
    std::fstream file(shard->path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(shard->Find("norm.weight")->bytes.data() - shard->bytes().data());
    file.write("\xFF\xFF", 2);
  }
  const RunResult bad = RunFathom({"inspect", model, "--verify"});
  EXPECT_EQ(bad.exit_code, 2);
  const std::string defect =
      model + "/model-00006-of-00007.safetensors: tensor 'norm.weight': 1 values are not finite, the first at [0]";
  EXPECT_NE(bad.out.find(defect + "\n"), std::string::npos) << bad;
  EXPECT_EQ(bad.err, "fathom: " + model + ": 1 defect found, the first: " + defect + "\n");
}

TEST(SynthCommand, RefusesWhatCannotBe) {
  const TemporaryDirectory directory;
  const auto error = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"synth", directory / "x"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const RunResult result = RunFathom(arguments);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(result.out, "");
    return result.err;
  };
  EXPECT_EQ(error({"--shape", "v5"}), "fathom: shape 'v5' is unknown; accepted are v4-flash, v4-pro and tiny\n");
  EXPECT_EQ(error({"--vocab", "100"}),
            "fathom: a made-up tokenizer cannot have 100 tokens; accepted are 306 to 400000\n");
  EXPECT_EQ(error({"--layers", "0"}), "fathom: the number of layers 0 is out of range; accepted are 1 to 1024\n");
  EXPECT_NE(error({"--layers", "many"}).find("fathom synth: "), std::string::npos);
  const RunResult unnamed = RunFathom({"synth", ""});
  EXPECT_EQ(unnamed.exit_code, 2);
  EXPECT_EQ(unnamed.err, "fathom synth: OUT is empty; it needs a value; `fathom synth --help` explains the options.\n");
}

TEST(SynthCommand, HelpHasAnExample) {
  for (const char* command : {"synth", "inspect"}) {
    const RunResult result = RunFathom({command, "--help"});
    EXPECT_EQ(result.exit_code, 0);
    EXPECT_NE(result.out.find(StrCat("fathom ", command, " ")), std::string::npos) << result;
    EXPECT_NE(result.out.find("Examples:"), std::string::npos) << result;
  }
}

}  // namespace
}  // namespace fathom
