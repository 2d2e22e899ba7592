#include "base/bandwidth.h"

#include <gtest/gtest.h>

namespace fathom {
namespace {

TEST(Bandwidth, IsARateThatMachinesHave) {
  for (const int threads : {1, 2}) {
    const double rate = MeasureReadBandwidth(threads, 0.01);
    EXPECT_GT(rate, 1e6);
    EXPECT_LT(rate, 1e14);
  }
}

}  // namespace
}  // namespace fathom
