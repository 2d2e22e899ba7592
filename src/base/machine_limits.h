// machine_limits.h - how much of the machine this process may use. Most code wants GetCpuFeatures() instead, which
// holds the same two numbers.
#ifndef FATHOM_BASE_MACHINE_LIMITS_H_
#define FATHOM_BASE_MACHINE_LIMITS_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace fathom {

struct MachineLimits {
  int cores = 1;           // at least 1; a quota of 1.5 CPUs counts as 2
  uint64_t ram_bytes = 0;  // 0: unknown
};

// The affinity mask and physical memory of this machine, narrowed by the limits of the process's control group and of
// each group above it (cgroup v2 and v1), which are read below `root`: <root>/proc/self/cgroup, <root>/proc/meminfo,
// <root>/sys/fs/cgroup. Files that are missing or malformed do not narrow anything. `root` has no trailing slash.
MachineLimits ReadMachineLimits(const std::string& root = "");

// The first value of `key` in /proc/cpuinfo ("model name"); empty if there is none.
std::string CpuinfoField(std::string_view key);

}  // namespace fathom

#endif  // FATHOM_BASE_MACHINE_LIMITS_H_
