#include <gtest/gtest.h>

#include <vector>

#include "base/strings.h"
#include "tests/kernels/cases.h"

namespace fathom {
namespace {

using test::Inputs;

TEST(HcPost, IsTheFormula) {
  const float y[] = {10, 20};
  const float post[] = {1, 0.5f};
  const float comb[] = {2, 3, 4, 5};  // from 0 to 0, from 0 to 1, from 1 to 0, from 1 to 1
  std::vector<float> streams = {1, 2, 77, 3, 4, 77};
  ReferenceKernels().hc_post(y, post, comb, 2, 3, 2, streams.data());
  EXPECT_EQ(streams, std::vector<float>({10 + 2 + 12, 20 + 4 + 16, 77, 5 + 3 + 15, 10 + 6 + 20, 77}));
}

TEST(HcPost, RoundsProductsAndSumsByThemselves) {
  // (1 + 2^-12)^2 - 1 - 2^-11 is 2^-24, which a fused operation would keep.
  const float x = 1 + 0x1p-12f;
  const float y = -1 - 0x1p-11f;
  const float one = 1;
  for (const KernelTable* table : SupportedKernels()) {
    float stream = x;
    table->hc_post(&y, &one, &x, 1, 1, 1, &stream);
    EXPECT_EQ(stream, 0) << table->name;
  }
}

TEST(HcPost, IsTheReferenceBitForBit) {
  for (const Inputs inputs : {Inputs::kUsual, Inputs::kSpread, Inputs::kZero, Inputs::kSpecial}) {
    for (const int64_t count : {1, 2, 3, 4, 5, 16}) {
      const std::vector<float> post = test::RandomFloats(count, Inputs::kUsual, 1);
      const std::vector<float> comb = test::RandomFloats(count * count, Inputs::kUsual, 2);
      for (const int64_t cols : {0, 1, 15, 16, 17, 31, 33, 64, 75}) {
        const int64_t stride = cols + 3;
        const std::vector<float> y = test::RandomFloats(cols, inputs, static_cast<uint32_t>(cols));
        const std::vector<float> before = test::RandomFloats(count * stride, inputs, static_cast<uint32_t>(count));
        std::vector<float> expected = before;
        ReferenceKernels().hc_post(y.data(), post.data(), comb.data(), count, stride, cols, expected.data());
        for (const KernelTable* table : test::FastTables()) {
          std::vector<float> streams = before;
          table->hc_post(y.data(), post.data(), comb.data(), count, stride, cols, streams.data());
          test::ExpectSameBits(expected, streams, StrCat(table->name, " ", count, " streams, ", cols, " columns"));
        }
      }
    }
  }
}

}  // namespace
}  // namespace fathom
