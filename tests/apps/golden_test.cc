// `verify golden` on the shared presets, through the same functions as the command.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "apps/golden_check.h"
#include "kernels/kernels.h"

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

TEST(GoldenFolder, MissingFilesAreNamed) {
  ThreadPool pool(1);
  const Result<GoldenReport> report = CheckGoldenFolder("/nonexistent", GoldenMode::kExact, pool);
  ASSERT_FALSE(report.ok());
  EXPECT_NE(report.status().message().find("/nonexistent"), std::string::npos);
}

}  // namespace
}  // namespace fathom
