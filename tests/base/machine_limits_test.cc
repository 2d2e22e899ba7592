#include "base/machine_limits.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "base/cpu_features.h"
#include "tests/base/made_up_root.h"

namespace fathom {
namespace {

// A made-up /proc and /sys/fs/cgroup.
class MachineLimitsTest : public MadeUpRoot {
 protected:
  void SetUp() override {
    MadeUpRoot::SetUp();
    Write("/proc/meminfo", "MemTotal:        8000000 kB\nMemFree:          100 kB\n");
  }
};

constexpr uint64_t kRam = 8'000'000ULL * 1024;

TEST_F(MachineLimitsTest, WithoutControlGroupsTheMachineIsTheLimit) {
  const MachineLimits limits = ReadMachineLimits(root_);
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  EXPECT_EQ(limits.cores, CPU_COUNT(&allowed));
  EXPECT_EQ(limits.ram_bytes, kRam);
}

TEST_F(MachineLimitsTest, Version2TakesTheTightestGroupOnThePath) {
  Write("/proc/self/cgroup", "0::/system.slice/job\n");
  Write("/sys/fs/cgroup/system.slice/job/memory.max", "max\n");
  Write("/sys/fs/cgroup/system.slice/memory.max", "4294967296\n");
  Write("/sys/fs/cgroup/system.slice/job/cpu.max", "50000 100000\n");
  Write("/sys/fs/cgroup/system.slice/cpu.max", "max 100000\n");
  const MachineLimits limits = ReadMachineLimits(root_);
  EXPECT_EQ(limits.cores, 1);  // half a core counts as one
  EXPECT_EQ(limits.ram_bytes, 4294967296U);
}

TEST_F(MachineLimitsTest, ContainerWithTheHostsPathReadsTheMountPoint) {
  Write("/proc/self/cgroup", "0::/docker/0123456789abcdef\n");
  Write("/sys/fs/cgroup/memory.max", "1073741824\n");
  EXPECT_EQ(ReadMachineLimits(root_).ram_bytes, 1073741824U);
}

TEST_F(MachineLimitsTest, Version1) {
  Write("/proc/self/cgroup", "5:cpu,cpuacct:/job\n4:memory:/job\n1:name=systemd:/\n");
  Write("/sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "100000\n");
  Write("/sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  Write("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  Write("/sys/fs/cgroup/memory/job/memory.limit_in_bytes", "2147483648\n");
  Write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  const MachineLimits limits = ReadMachineLimits(root_);
  EXPECT_EQ(limits.cores, 1);
  EXPECT_EQ(limits.ram_bytes, 2147483648U);
}

TEST_F(MachineLimitsTest, MalformedFilesNarrowNothing) {
  Write("/proc/self/cgroup", "0::/a\nnonsense\n:::\n");
  Write("/sys/fs/cgroup/a/cpu.max", "fast\n");
  Write("/sys/fs/cgroup/a/memory.max", "lots\n");
  EXPECT_EQ(ReadMachineLimits(root_).ram_bytes, kRam);
  EXPECT_GE(ReadMachineLimits(root_).cores, 1);
}

TEST(CpuFeatures, AgreesWithTheKernel) {
  const CpuFeatures& cpu = GetCpuFeatures();
  EXPECT_GE(cpu.cores, 1);
  EXPECT_GT(cpu.ram_bytes, 0U);
  EXPECT_FALSE(cpu.model_name.empty());
#if defined(__x86_64__)
  const std::string flags = " " + CpuinfoField("flags") + " ";
  const auto kernel_has = [&flags](const char* flag) {
    return flags.find(std::string(" ") + flag + " ") != std::string::npos;
  };
  EXPECT_EQ(cpu.avx2, kernel_has("avx2"));
  EXPECT_EQ(cpu.fma, kernel_has("fma"));
  EXPECT_EQ(cpu.f16c, kernel_has("f16c"));
  EXPECT_EQ(cpu.bmi2, kernel_has("bmi2"));
  EXPECT_EQ(cpu.avx512, kernel_has("avx512f") && kernel_has("avx512bw") && kernel_has("avx512dq") &&
                            kernel_has("avx512vl") && kernel_has("avx512_vnni") && kernel_has("avx512vbmi"));
  EXPECT_EQ(cpu.avx512_bf16, cpu.avx512 && kernel_has("avx512_bf16"));
  // Not the model's name: the kernel keeps the one it read at its start, and a virtual machine may have moved since.
  EXPECT_FALSE(cpu.neon);
#elif defined(__aarch64__)
  EXPECT_TRUE(cpu.neon);
  EXPECT_FALSE(cpu.avx2);
#endif
}

TEST(CpuFeatures, InstructionSetsInWords) {
  CpuFeatures cpu;
  EXPECT_EQ(InstructionSets(cpu), "baseline");
  cpu.avx2 = true;
  cpu.avx512 = true;
  EXPECT_EQ(InstructionSets(cpu), "AVX2 AVX-512 (F BW DQ VL VNNI VBMI)");
  cpu.avx512_bf16 = true;
  EXPECT_EQ(InstructionSets(cpu), "AVX2 AVX-512 (F BW DQ VL VNNI VBMI BF16)");
}

}  // namespace
}  // namespace fathom
