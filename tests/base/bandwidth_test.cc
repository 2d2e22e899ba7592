#include "base/bandwidth.h"

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <vector>

#include "base/signals.h"
#include "base/strings.h"
#include "tests/base/made_up_root.h"

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

TEST(Bandwidth, ByThreadsDoublesUpToAllOfThePool) {
  const auto counts = [](int threads) {
    ThreadPool pool(threads);
    std::vector<int> found;
    ReadBuffer buffer(uint64_t{64} << 20);
    buffer.Fill(pool);
    const Result<std::vector<ThreadBandwidth>> rates = MeasureReadBandwidthByThreads(pool, 0.02, buffer);
    EXPECT_TRUE(rates.ok()) << rates.status().message();
    for (const ThreadBandwidth& rate : *rates) {
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

TEST(Bandwidth, PartsOfABufferAreReadInTurn) {
  ThreadPool pool(2);
  constexpr uint64_t kMib = uint64_t{1} << 20;
  ReadBuffer buffer(20 * kMib);
  buffer.Fill(pool);
  for (const uint64_t bytes : {8 * kMib, 12 * kMib, 16 * kMib, 100 * kMib, uint64_t{0}}) {  // around its end, too
    const double rate = buffer.ReadNext(pool, bytes);
    EXPECT_GT(rate, 1e6) << bytes;
    EXPECT_LT(rate, 1e14) << bytes;
  }
}

TEST(Bandwidth, CtrlCEndsIt) {
  ThreadPool pool(2);
  RequestInterrupt();
  ReadBuffer buffer(uint64_t{64} << 20);
  buffer.Fill(pool);
  const Result<std::vector<ThreadBandwidth>> rates = MeasureReadBandwidthByThreads(pool, 3600, buffer);
  ClearInterrupt();
  EXPECT_EQ(rates.status().code(), ErrorCode::kCancelled);
}

TEST(Bandwidth, TheRoofsBufferIsFarLargerThanTheCaches) {
  constexpr uint64_t kMib = uint64_t{1} << 20;
  EXPECT_EQ(RoofBufferBytes(32 * kMib, 0), 1024 * kMib);
  EXPECT_EQ(RoofBufferBytes(480 * kMib, 512 * 1024 * kMib), 3840 * kMib);
  EXPECT_EQ(RoofBufferBytes(2 * 1152 * kMib, 0), 8192 * kMib);
  EXPECT_EQ(RoofBufferBytes(0, 0), 4096 * kMib) << "unknown caches may be large";
  EXPECT_EQ(RoofBufferBytes(480 * kMib, 8192 * kMib), 1024 * kMib) << "weights may take the rest";
}

// A made-up /sys.
class LastLevelCache : public MadeUpRoot {
 protected:
  void WriteCache(int cpu, int index, const std::string& level, const std::string& size, const std::string& shared) {
    const std::string cache = StrCat("/sys/devices/system/cpu/cpu", cpu, "/cache/index", index);
    Write(cache + "/level", level + "\n");
    Write(cache + "/size", size + "\n");
    Write(cache + "/shared_cpu_list", shared + "\n");
  }
};

TEST_F(LastLevelCache, EachIsCountedOnce) {
  for (int cpu = 0; cpu < 4; ++cpu) {
    const std::string self = StrCat(cpu);
    WriteCache(cpu, 0, "1", "32K", self);
    WriteCache(cpu, 1, "2", "1024K", self);
    WriteCache(cpu, 2, "3", "32768K", cpu < 2 ? "0-1" : "2-3");
  }
  EXPECT_EQ(LastLevelCacheBytes({0, 1, 2, 3}, root_), uint64_t{64} << 20);
  EXPECT_EQ(LastLevelCacheBytes({1}, root_), uint64_t{32} << 20);
}

TEST_F(LastLevelCache, IsUnknownWithoutOrWithBrokenFiles) {
  EXPECT_EQ(LastLevelCacheBytes({0}, root_), 0u);
  WriteCache(0, 0, "2", "1024K", "0");
  EXPECT_EQ(LastLevelCacheBytes({0}, root_), 0u) << "that of a core is not the last";
  WriteCache(0, 1, "3", "", "0");
  EXPECT_EQ(LastLevelCacheBytes({0}, root_), 0u);
  WriteCache(0, 1, "3", "-1K", "0");
  EXPECT_EQ(LastLevelCacheBytes({0}, root_), 0u);
}

}  // namespace
}  // namespace fathom
