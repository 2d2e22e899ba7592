#include "base/topology.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>

#include "base/file.h"
#include "base/numa_memory.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "tests/base/made_up_root.h"

namespace fathom {
namespace {

using Lists = std::vector<std::vector<int>>;
using Shares = std::vector<double>;

// A made-up /sys.
class TopologyTest : public MadeUpRoot {
 protected:
  // Two nodes of two cores with two hardware threads each, numbered as usual: 0-1 and 2-3 are cores, 4-7 their second
  // threads.
  void WriteTwoNodes() {
    Write("/sys/devices/system/node/online", "0-1\n");
    Write("/sys/devices/system/node/node0/cpulist", "0-1,4-5\n");
    Write("/sys/devices/system/node/node1/cpulist", "2-3,6-7\n");
    for (int cpu = 0; cpu < 8; ++cpu) {
      Write(StrCat("/sys/devices/system/cpu/cpu", cpu, "/topology/thread_siblings_list"),
            StrCat(cpu % 4, ",", cpu % 4 + 4, "\n"));
    }
  }
};

TEST_F(TopologyTest, CoresAndNodesAreRead) {
  WriteTwoNodes();
  const Topology topology = ReadTopology({0, 1, 2, 3, 4, 5, 6, 7}, root_);
  EXPECT_EQ(topology.nodes(), 2);
  EXPECT_EQ(topology.cores(), 4);
  EXPECT_EQ(topology.cpus[6].core, 2);
  EXPECT_EQ(topology.cpus[6].node, 1);
  EXPECT_EQ(DescribeTopology(topology), "2 NUMA nodes with 4 cores, 8 hardware threads");
}

TEST_F(TopologyTest, OnlyAllowedCpusCount) {
  WriteTwoNodes();
  const Topology topology = ReadTopology({2, 6}, root_);
  EXPECT_EQ(DescribeTopology(topology), "1 NUMA node with 1 core, 2 hardware threads");
}

TEST_F(TopologyTest, WithoutOrWithBrokenFilesEachCpuIsACore) {
  EXPECT_EQ(DescribeTopology(ReadTopology({0, 1, 2}, root_)), "1 NUMA node with 3 cores");
  Write("/sys/devices/system/node/online", "0-\n");
  Write("/sys/devices/system/cpu/cpu1/topology/thread_siblings_list", "0-99999999999\n");
  Write("/sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2;0\n");
  EXPECT_EQ(DescribeTopology(ReadTopology({0, 1, 2}, root_)), "1 NUMA node with 3 cores");
}

TEST_F(TopologyTest, ThreadsSpreadOverNodesThenCoresThenHardwareThreads) {
  WriteTwoNodes();
  const Topology topology = ReadTopology({0, 1, 2, 3, 4, 5, 6, 7}, root_);
  EXPECT_EQ(PlaceThreads(topology, 8, Pinning::kCores), (Lists{{0}, {2}, {1}, {3}, {4}, {6}, {5}, {7}}));
  EXPECT_EQ(PlaceThreads(topology, 3, Pinning::kNodes), (Lists{{0, 1, 4, 5}, {2, 3, 6, 7}, {0, 1, 4, 5}}));
  EXPECT_EQ(PlaceThreads(topology, 2, Pinning::kAuto), PlaceThreads(topology, 2, Pinning::kNodes));
  EXPECT_EQ(PlaceThreads(topology, 2, Pinning::kNone), (Lists{{}, {}}));
  EXPECT_EQ(PlaceThreads(topology, 9, Pinning::kCores), Lists(9)) << "more threads than CPUs";
}

TEST_F(TopologyTest, UnevenNodesAreFilledInTurn) {
  Write("/sys/devices/system/node/online", "0,2\n");
  Write("/sys/devices/system/node/node0/cpulist", "0\n");
  Write("/sys/devices/system/node/node2/cpulist", "1-3\n");
  const Topology topology = ReadTopology({0, 1, 2, 3}, root_);
  EXPECT_EQ(topology.cpus[3].node, 2);
  EXPECT_EQ(PlaceThreads(topology, 4, Pinning::kCores), (Lists{{0}, {1}, {2}, {3}}));
  EXPECT_EQ(PlaceThreads(topology, 2, Pinning::kAuto), (Lists{{0}, {1, 2, 3}}));
}

TEST_F(TopologyTest, OnOneNodeAutoHoldsNothing) {
  EXPECT_EQ(PlaceThreads(ReadTopology({0, 1}, root_), 2, Pinning::kAuto), Lists(2));
}

TEST(ThreadPoolPlacement, ItsThreadsRunWhereTheyAreHeld) {
  const std::vector<int> allowed = AllowedCpus();
  constexpr int kThreads = 3;
  ThreadPool pool(kThreads, {{}, {allowed.front()}, {allowed.back()}});
  std::atomic<int> wrong{0};
  for (int loop = 0; loop < 100; ++loop) {
    pool.ParallelFor(64, 1, [&](int64_t, int64_t, int worker) {
      if (worker == 1 && sched_getcpu() != allowed.front()) ++wrong;
      if (worker == 2 && sched_getcpu() != allowed.back()) ++wrong;
    });
  }
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(AllowedCpus(), allowed) << "the caller's thread is left as it is";
}

TEST(NumaMemory, SharesOfWhatIsInMemory) {
  const std::vector<uint8_t> touched(size_t{1} << 22, 1);
  const std::span<const uint8_t> ranges[] = {touched};
  const std::optional<Shares> shares = ResidentNodeShares(ranges);
  double total = 0;
  for (const double share : shares.value_or(Shares())) total += share;
  // A kernel without NUMA does not tell, nor does one that refuses a container the question.
  EXPECT_TRUE(!shares || std::abs(total - 1) < 1e-9) << total;
}

TEST(NumaMemory, NothingInMemoryIsAnAnswer) {
  const std::optional<Shares> none = ResidentNodeShares({});
  ASSERT_TRUE(none);
  EXPECT_TRUE(none->empty());
}

TEST(NumaMemory, OfSomebodyElsesFileNothingIsTold) {
  const std::string path = testing::TempDir() + "/somebody_elses";
  std::ofstream(path) << std::string(size_t{1} << 22, 'x');
  const Result<MappedFile> file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const std::span<const uint8_t> ranges[] = {file->bytes()};
  constexpr uid_t kNobody = 65534;
  if (geteuid() != 0 || seteuid(kNobody) != 0) GTEST_SKIP() << "only root can become somebody else";
  const std::optional<Shares> shares = ResidentNodeShares(ranges);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_FALSE(shares) << "the file's pages were looked at, which reads those from disk that are not in memory";
  std::filesystem::remove(path);
}

TEST(NumaMemory, IsDescribedOnSeveralNodesOnly) {
  const Topology one = {{{0, 0, 0}, {1, 1, 0}}};
  const Topology two = {{{0, 0, 0}, {1, 1, 1}}};
  EXPECT_EQ(DescribeNodeShares(one, Shares{1.0}, true), "");
  EXPECT_TRUE(InterleaveNewPages(one));
  const std::string outlook = "; what is read from now on goes to all nodes in turn";
  EXPECT_EQ(DescribeNodeShares(two, Shares(), true), "no weights in memory yet" + outlook);
  EXPECT_EQ(DescribeNodeShares(two, Shares{0.45, 0.55}, true), "weights in memory lie evenly on the nodes" + outlook);
  const std::string lopsided = DescribeNodeShares(two, Shares{0.05, 0.95}, true);
  EXPECT_TRUE(lopsided.starts_with("95 % of the weights in memory lie on node 1,")) << lopsided;
  EXPECT_NE(lopsided.find("drop_caches"), std::string::npos) << lopsided;
}

TEST(NumaMemory, WhatTheSystemRefusesIsNotPromised) {
  const Topology two = {{{0, 0, 0}, {1, 1, 1}}};
  for (const std::optional<Shares>& shares :
       {std::optional<Shares>(), std::optional(Shares()), std::optional(Shares{0.5, 0.5}), std::optional(Shares{1})}) {
    const std::string text = DescribeNodeShares(two, shares, false);
    EXPECT_NE(text.find("does not permit"), std::string::npos) << text;
    EXPECT_NE(text.find("SYS_NICE"), std::string::npos) << text;
    EXPECT_EQ(text.find("in turn"), std::string::npos) << text;
    EXPECT_EQ(text.find("drop_caches"), std::string::npos) << text;
  }
  EXPECT_TRUE(DescribeNodeShares(two, std::nullopt, true).starts_with("the system does not tell"));
}

}  // namespace
}  // namespace fathom
