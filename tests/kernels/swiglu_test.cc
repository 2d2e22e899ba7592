#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "numeric/math.h"
#include "tests/kernels/cases.h"

namespace fathom {
namespace {

using test::Inputs;

TEST(SwiGlu, IsTheFormula) {
  const std::vector<float> gate = {0, 1, -1, 12, -12, 100, -60, 3, 3};
  const std::vector<float> up = {5, 2, 2, 2, 2, -30, 30, 12, -12};
  std::vector<float> h(gate.size());
  ReferenceKernels().swiglu(gate.data(), up.data(), 10, 0.5f, static_cast<int64_t>(gate.size()), h.data());
  for (size_t i = 0; i < gate.size(); ++i) {
    const double v = std::min<double>(gate[i], 10);
    const double u = std::clamp<double>(up[i], -10, 10);
    const double expected = 0.5 * v / (1 + std::exp(-v)) * u;
    EXPECT_NEAR(h[i], expected, 1e-6 * std::fabs(expected)) << i;
  }
  ReferenceKernels().swiglu(gate.data(), up.data(), 0, 1, static_cast<int64_t>(gate.size()), h.data());
  EXPECT_EQ(h[5], -3000) << "no limit";
}

TEST(SwiGlu, IsTheReferenceBitForBit) {
  for (const Inputs inputs : {Inputs::kUsual, Inputs::kSpread, Inputs::kZero, Inputs::kSpecial}) {
    for (int64_t cols = 0; cols <= 130; ++cols) {
      const std::vector<float> gate = test::RandomFloats(cols, inputs, static_cast<uint32_t>(cols));
      const std::vector<float> up = test::RandomFloats(cols, inputs, static_cast<uint32_t>(cols + 1000));
      for (const float limit : {0.0f, 1.5f}) {
        std::vector<float> expected(static_cast<size_t>(cols) + 1, 7);
        ReferenceKernels().swiglu(gate.data(), up.data(), limit, 0.3f, cols, expected.data());
        for (const KernelTable* table : test::FastTables()) {
          std::vector<float> h(static_cast<size_t>(cols) + 1, 7);
          table->swiglu(gate.data(), up.data(), limit, 0.3f, cols, h.data());
          std::vector<float> in_place = gate;
          table->swiglu(in_place.data(), up.data(), limit, 0.3f, cols, in_place.data());
          for (size_t i = 0; i < h.size(); ++i) {
            if (std::isnan(expected[i])) {
              EXPECT_TRUE(std::isnan(h[i])) << table->name << " " << i << " of " << cols;
              continue;
            }
            EXPECT_EQ(expected[i], h[i]) << table->name << " " << i << " of " << cols;
            if (i < in_place.size()) {
              EXPECT_EQ(h[i], in_place[i]) << table->name << " " << i << " of " << cols;
            }
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace fathom
