#include "base/bandwidth.h"

#include <gtest/gtest.h>

#include <span>
#include <vector>

namespace fathom {
namespace {

TEST(Bandwidth, IsARateThatMachinesHave) {
  for (const int threads : {1, 2}) {
    const double rate = MeasureReadBandwidth(threads, 0.01);
    EXPECT_GT(rate, 1e6);
    EXPECT_LT(rate, 1e14);
  }
}

TEST(Bandwidth, RangesOfAnySizeAreRead) {
  ThreadPool pool(2);
  const std::vector<uint8_t> bytes((3 << 20) + 77, 1);
  const std::span<const uint8_t> all(bytes);
  const std::vector<std::span<const uint8_t>> ranges = {all, {}, all.subspan(3, 5), all.last(200'001)};
  EXPECT_GT(SecondsToRead(pool, ranges), 0);
  EXPECT_GE(SecondsToRead(pool, {}), 0);
}

TEST(Bandwidth, ByThreadsDoublesUpToAllOfThem) {
  const auto counts = [](int threads) {
    std::vector<int> found;
    for (const ThreadBandwidth& rate : MeasureReadBandwidthByThreads(threads, 0.02)) {
      found.push_back(rate.threads);
      EXPECT_GT(rate.bytes_per_second, 1e6);
      EXPECT_LT(rate.bytes_per_second, 1e14);
    }
    return found;
  };
  EXPECT_EQ(counts(1), std::vector<int>({1}));
  EXPECT_EQ(counts(2), std::vector<int>({1, 2}));
  EXPECT_EQ(counts(6), std::vector<int>({1, 2, 4, 6}));
}

}  // namespace
}  // namespace fathom
