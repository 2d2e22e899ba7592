#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/strings.h"
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
      std::vector<float> gate = test::RandomFloats(cols, inputs, static_cast<uint32_t>(cols));
      if (cols > 1) gate[0] = -0.0f, gate[1] = 1.5f;  // 1.5 is a limit below
      const std::vector<float> up = test::RandomFloats(cols, inputs, static_cast<uint32_t>(cols + 1000));
      for (const float limit : {0.0f, 1.5f}) {
        std::vector<float> expected(static_cast<size_t>(cols));
        ReferenceKernels().swiglu(gate.data(), up.data(), limit, 0.3f, cols, expected.data());
        for (const KernelTable* table : test::FastTables()) {
          std::vector<float> h(static_cast<size_t>(cols) + 1, 7);
          table->swiglu(gate.data(), up.data(), limit, 0.3f, cols, h.data());
          std::vector<float> in_place = gate;
          table->swiglu(in_place.data(), up.data(), limit, 0.3f, cols, in_place.data());
          EXPECT_EQ(h.back(), 7) << "behind the row, " << table->name << " " << cols;
          h.pop_back();
          test::ExpectSameBits(expected, h, StrCat(table->name, " ", cols, " columns"));
          test::ExpectSameBits(expected, in_place, StrCat(table->name, " ", cols, " columns in place"));
        }
      }
    }
  }
}

}  // namespace
}  // namespace fathom
