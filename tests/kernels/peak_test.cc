#include "kernels/peak.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/kernels.h"

namespace fathom {
namespace {

TEST(MeasurePeak, GivesARateForEveryInstructionSet) {
  ThreadPool pool(2);
  for (const KernelTable* table : SupportedKernels()) {
    ASSERT_TRUE(SelectKernels(table->name));
    const PeakRates rates = MeasurePeak(pool, 0.01);
    EXPECT_TRUE(std::isfinite(rates.f32_flops) && rates.f32_flops > 0) << table->name;
    EXPECT_TRUE(std::isfinite(rates.int8_ops) && rates.int8_ops > 0) << table->name;
    EXPECT_TRUE(std::isfinite(rates.bf16_flops)) << table->name;
    EXPECT_EQ(rates.bf16_flops > 0, table->uses_pairs) << table->name;
  }
  EXPECT_TRUE(SelectKernels("auto"));
}

}  // namespace
}  // namespace fathom
