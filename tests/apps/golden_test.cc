// `verify golden` on the shared presets, through the same functions as the command.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "apps/golden_check.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/safetensors_writer.h"
#include "kernels/kernels.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

std::string GoldenPath(const std::string& preset) {
  return std::string(FATHOM_SHARED_DIR) + "/reference/golden/" + preset;
}

void ExpectPassed(const Result<GoldenReport>& report) {
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_TRUE(report->passed());
  for (const GoldenRow& row : report->rows) {
    EXPECT_TRUE(row.passed) << report->mode << " " << row.array << ": max " << row.max << " median " << row.median
                            << " agreement " << row.agreement << ", accepted " << row.limit;
  }
}

class Golden : public ::testing::TestWithParam<const char*> {};

TEST_P(Golden, ExactLogitsExpertsAndRows) {
  ThreadPool pool(2);
  const Result<GoldenReport> report = CheckGoldenFolder(GoldenPath(GetParam()), GoldenMode::kExact, pool);
  ExpectPassed(report);
  EXPECT_GT(report->rows.size(), 20u);
}

TEST_P(Golden, F32LayersAndArgmax) {
  ThreadPool pool(2);
  ExpectPassed(CheckGoldenFolder(GoldenPath(GetParam()), GoldenMode::kF32, pool));
}

TEST_P(Golden, ProductStaysNearerThanTheOfficialRounding) {
  ThreadPool pool(2);
  ExpectPassed(CheckGoldenFolder(GoldenPath(GetParam()), GoldenMode::kProduct, pool));
}

// --activations int8 changes logits, and not by much: the tiny presets' experts are a third of their layers.
TEST_P(Golden, Int8ActivationsAreShownAndDoNotDependOnTheCut) {
  ThreadPool pool(2);
  const Result<GoldenReport> product = CheckGoldenFolder(GoldenPath(GetParam()), GoldenMode::kProduct, pool);
  const Result<GoldenReport> int8 = CheckGoldenFolder(GoldenPath(GetParam()), GoldenMode::kInt8, pool);
  ExpectPassed(int8);
  ASSERT_TRUE(product.ok());
  EXPECT_NE(int8->hash, product->hash);
  for (const GoldenRow& row : int8->rows) {
    if (row.array.starts_with("layer alone") && row.array.ends_with("ffn_out")) {
      EXPECT_LT(row.median, 0.05) << row.array;
      EXPECT_GT(row.median, 1e-6) << row.array;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Presets, Golden,
                         ::testing::Values("tiny-swa", "tiny-csa", "tiny-hca", "tiny-hash", "tiny-full", "tiny-wide"),
                         [](const auto& param) { return std::string(param.param).substr(5); });

TEST(GoldenUnits, EveryOperationOnEveryInstructionSet) {
  for (const KernelTable* table : SupportedKernels()) {
    ASSERT_TRUE(SelectKernels(table->name));
    ExpectPassed(CheckGoldenUnits(GoldenPath("units")));
  }
  SelectKernels("auto");
}

// The comparison itself must be able to fail.
TEST(CompareArrays, FindsTheLargestDifferenceTheMedianAndTheArgmax) {
  const float want[6] = {1, 2, 4, 0, -1, 3};
  const float same[6] = {1, 2, 4, 0, -1, 3};
  const float other[6] = {1, 2, 4, 0, 3, 2};
  EXPECT_EQ(CompareArrays("a", same, want, 3).max, 0);
  EXPECT_EQ(CompareArrays("a", same, want, 3).agreement, 1);
  const GoldenRow row = CompareArrays("a", other, want, 3);
  EXPECT_EQ(row.max, 1);  // 4 of a largest value of 4
  EXPECT_EQ(row.agreement, 0.5);
}

TEST(CompareArrays, NanNeverPasses) {
  const float want[2] = {1, 2};
  const float got[2] = {1, std::nanf("")};
  EXPECT_GT(CompareArrays("a", got, want, 2).max, 1e100);
}

TEST(CompareArrays, WhatIsNoNumberIsInfinitelyFarAndMarksAreNot) {
  const float mark = -3e38f;
  const float inf = HUGE_VALF;
  const float want[4] = {1, 2, mark, -inf};
  EXPECT_EQ(CompareArrays("a", want, want, 4).max, 0);
  const float got[4] = {1, 2, mark, inf};
  EXPECT_EQ(CompareArrays("a", got, want, 4).max, HUGE_VAL);
  // An infinite value of the file is no yardstick.
  const float infinite[4] = {1, 2, 3, inf};
  const float finite[4] = {1, 2, 3, 4};
  EXPECT_EQ(CompareArrays("a", finite, infinite, 4).max, HUGE_VAL);
}

// A preset whose arrays are others.
class GoldenCopy {
 public:
  struct Array {
    TensorType type = TensorType::kF32;
    std::vector<int64_t> shape;
    std::vector<uint8_t> bytes;
  };

  explicit GoldenCopy(const std::string& preset, const std::string& file_name = "golden.safetensors")
      : file_name_(file_name) {
    for (const auto& entry : std::filesystem::directory_iterator(GoldenPath(preset))) {
      const std::string name = entry.path().filename().string();
      if (name != file_name_) std::filesystem::create_symlink(entry.path(), directory_ / name);
    }
    const Result<SafetensorsFile> file = SafetensorsFile::Open(GoldenPath(preset) + "/" + file_name_);
    EXPECT_TRUE(file.ok()) << file.status().message();
    if (!file.ok()) return;
    for (const TensorInfo& info : file->tensors()) {
      arrays[info.name] = {info.type, info.shape, {info.bytes.begin(), info.bytes.end()}};
    }
  }

  const std::string& path() const { return directory_.path(); }

  void Write() const {
    std::vector<TensorSpec> specs;
    for (const auto& [name, array] : arrays) specs.push_back({name, array.type, array.shape});
    const auto writer = SafetensorsWriter::Create(directory_ / file_name_, specs);
    ASSERT_TRUE(writer.ok()) << writer.status().message();
    size_t index = 0;
    for (const auto& [name, array] : arrays) ASSERT_TRUE((*writer)->Write(index++, 0, array.bytes).ok()) << name;
    ASSERT_TRUE((*writer)->Finish().ok());
  }

  Result<GoldenReport> Check(GoldenMode mode) const {
    Write();
    ThreadPool pool(2);
    return CheckGoldenFolder(directory_.path(), mode, pool);
  }

  std::map<std::string, Array> arrays;

 private:
  const std::string file_name_;
  TemporaryDirectory directory_;
};

// Weights are read out by a square of unit vectors, which must fit the memory.
TEST(GoldenUnits, LargeMatricesAreRefused) {
  struct Case {
    const char* name;
    TensorType type;
    std::vector<int64_t> shape;
    const char* found;
  };
  const std::vector<Case> cases = {
      {"fp8.weight", TensorType::kF8E4m3, {1, 1 << 20}, "1 x 1048576"},
      {"fp8.weight", TensorType::kF8E4m3, {1 << 20, 1}, "1048576 x 1"},
      {"fp4.weight", TensorType::kI8, {1, 1 << 19}, "1 x 1048576"},
  };
  for (const Case& one : cases) {
    GoldenCopy copy("units", "units.safetensors");
    const TensorSpec spec = {one.name, one.type, one.shape};
    copy.arrays[one.name] = {one.type, one.shape, std::vector<uint8_t>(spec.bytes())};
    copy.Write();
    const Status status = CheckGoldenUnits(copy.path()).status();
    EXPECT_EQ(status.exit_code(), 2) << status.message();
    EXPECT_NE(status.message().find(std::string("tensor ") + one.name + " is a matrix of " + one.found +
                                    "; at most 4096 x 4096 is accepted"),
              std::string::npos)
        << status.message();
  }
}

TEST(GoldenUnits, EmptyMatricesAreRefused) {
  GoldenCopy copy("units", "units.safetensors");
  copy.arrays["fp8.weight"] = {TensorType::kF8E4m3, {0, 128}, {}};
  copy.Write();
  const Status status = CheckGoldenUnits(copy.path()).status();
  EXPECT_EQ(status.exit_code(), 2);
  EXPECT_NE(status.message().find("tensor fp8.weight is F8_E4M3 [0, 128]; expected"), std::string::npos)
      << status.message();
}

// The f32 limits have none for the largest difference of logits and caches.
TEST(GoldenFolder, ARowOfNanFailsWhereNoLimitIsSet) {
  GoldenCopy copy("tiny-swa");
  for (const char* name : {"f32.A.decode_logits", "f32.A.0.ring"}) {
    GoldenCopy::Array& array = copy.arrays.at(name);
    const float nan = std::nanf("");
    for (int64_t col = 0; col < array.shape.back(); ++col) std::memcpy(array.bytes.data() + 4 * col, &nan, 4);
  }
  const Result<GoldenReport> report = copy.Check(GoldenMode::kF32);
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_FALSE(report->passed());
  for (const GoldenRow& row : report->rows) {
    const bool changed = row.array == "A.decode_logits" || row.array == "A.0.ring";
    EXPECT_EQ(row.passed, !changed) << row.array;
  }
  const RunResult command = RunFathom({"verify", "golden", copy.path(), "--mode", "f32", "--json"});
  EXPECT_EQ(command.exit_code, 1) << command;
  EXPECT_TRUE(ParseJson(command.out).ok()) << command;
}

TEST(GoldenFolder, AFileWithoutLogitsOfTheModeIsRefused) {
  GoldenCopy copy("tiny-swa");
  std::erase_if(copy.arrays, [](const auto& entry) { return entry.first.starts_with("exact."); });
  const Status exact = copy.Check(GoldenMode::kExact).status();
  EXPECT_EQ(exact.exit_code(), 2);
  EXPECT_NE(exact.message().find("golden.safetensors: holds no logits to compare with"), std::string::npos)
      << exact.message();
  EXPECT_NE(exact.message().find("exact.A.prefill_logits"), std::string::npos) << exact.message();
  ExpectPassed(copy.Check(GoldenMode::kF32));
  std::erase_if(copy.arrays, [](const auto& entry) { return entry.first != "tokens"; });
  const Status f32 = copy.Check(GoldenMode::kF32).status();
  EXPECT_EQ(f32.exit_code(), 2);
  EXPECT_NE(f32.message().find("f32.trace.logits"), std::string::npos) << f32.message();
}

TEST(GoldenFolder, ArraysOfAnotherDtypeOrShapeAreRefused) {
  struct Case {
    const char* name;
    TensorType type;
    std::vector<int64_t> shape;
  };
  const std::vector<Case> cases = {
      {"exact.trace.0.attn_in", TensorType::kF32, {4096, 128}},  // more rows than tokens
      {"exact.trace.0.attn_in", TensorType::kF32, {0, 128}},    {"exact.A.0.attn_in", TensorType::kF32, {24, 64}},
      {"exact.trace.0.ffn_in", TensorType::kU8, {20000, 128}},  {"exact.trace.0.ffn_in", TensorType::kF32, {24 * 128}},
      {"exact.A.0.expert_ids", TensorType::kI32, {}},           {"exact.A.0.expert_ids", TensorType::kF32, {240, 2}},
      {"exact.A.prefill_logits", TensorType::kF32, {}},         {"f32.A.prefill_logits", TensorType::kF32, {}},
  };
  for (const Case& one : cases) {
    GoldenCopy copy("tiny-swa");
    const TensorSpec spec = {one.name, one.type, one.shape};
    copy.arrays[one.name] = {one.type, one.shape, std::vector<uint8_t>(spec.bytes())};
    const Status status = copy.Check(GoldenMode::kExact).status();
    EXPECT_EQ(status.exit_code(), 2) << status.message();
    EXPECT_NE(status.message().find(std::string("tensor ") + one.name + " is "), std::string::npos) << status.message();
  }
}

TEST(VerifyGoldenCommand, MistakesInFlagsAreOneSentence) {
  const auto refused = [](std::vector<std::string> arguments, const std::string& message) {
    arguments.insert(arguments.begin(), {"verify", "golden"});
    const RunResult result = RunFathom(arguments);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err.starts_with("fathom verify golden: ")) << result;
    EXPECT_NE(result.err.find(message), std::string::npos) << message << "\n" << result;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result;
  };
  refused({}, "DIR is required; `fathom verify golden --help` explains the options.");
  refused({"/nonexistent", "--mode", "foo"}, "--mode: foo not in {");
  refused({"/nonexistent", "--threads", "0"}, "--threads: ");
  refused({"/nonexistent", "--bogus"}, "--bogus");
  refused({"/nonexistent", "--isa", "z80"}, "--isa is 'z80'");
  refused({"/nonexistent"}, "/nonexistent: holds neither");
}

TEST(GoldenFolder, MissingFilesAreNamed) {
  ThreadPool pool(1);
  const Result<GoldenReport> report = CheckGoldenFolder("/nonexistent", GoldenMode::kExact, pool);
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.status().message().find("/nonexistent"), std::string::npos);
}

}  // namespace
}  // namespace fathom
