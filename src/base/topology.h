// topology.h - where this process's CPUs are: physical cores, hardware threads, NUMA nodes; and which thread goes
// where.
#ifndef FATHOM_BASE_TOPOLOGY_H_
#define FATHOM_BASE_TOPOLOGY_H_

#include <string>
#include <vector>

namespace fathom {

struct CpuPlace {
  int cpu = 0;   // as the kernel numbers them
  int core = 0;  // the lowest CPU of its physical core: hardware threads of one core share it
  int node = 0;  // NUMA node
};

struct Topology {
  std::vector<CpuPlace> cpus;  // that this process may run on, ascending; at least one

  // Different physical cores and NUMA nodes among them.
  int cores() const;
  int nodes() const;
};

// The CPUs in `allowed`, looked up below `root`: <root>/sys/devices/system/cpu and .../node. What is missing or
// malformed there leaves each CPU a core of its own and everything on node 0. `root` has no trailing slash.
Topology ReadTopology(const std::vector<int>& allowed, const std::string& root = "");
// The CPUs that the affinity mask allows, ascending.
std::vector<int> AllowedCpus();
// This machine's, read once. Thread-safe.
const Topology& GetTopology();

// How threads are held to CPUs.
enum class Pinning {
  kAuto,   // kNodes on machines with several NUMA nodes, else kNone
  kNone,   // the system moves them as it likes
  kNodes,  // each to the CPUs of one node
  kCores,  // each to one CPU
};

// For each of `threads` threads the CPUs it is held to; empty if it is held to none. They are spread over the nodes in
// turn, and inside a node over physical cores before a second hardware thread of one is used. Empty lists all through
// if there are more threads than CPUs.
std::vector<std::vector<int>> PlaceThreads(const Topology& topology, int threads, Pinning pinning);

// "2 NUMA nodes with 64 cores, 128 hardware threads": what was found.
std::string DescribeTopology(const Topology& topology);

}  // namespace fathom

#endif  // FATHOM_BASE_TOPOLOGY_H_
