// numa_memory.h - on which NUMA node memory lies. Weights are files: their pages come to the node of the thread that
// reads them first, and a decoded token needs all of them, so that memory on one node of two is half the bandwidth.
#ifndef FATHOM_BASE_NUMA_MEMORY_H_
#define FATHOM_BASE_NUMA_MEMORY_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/topology.h"

namespace fathom {

// From now on pages that this thread and the threads it starts bring into memory, of files too, go to all nodes of
// `topology` in turn. False if the system has no such thing or does not permit it, as in containers without the
// capability SYS_NICE; on machines with one node nothing is asked of it.
bool InterleaveNewPages(const Topology& topology);

// Of the pages of these mapped ranges that are in memory the share on each node, by a sample: shares[node]; empty if
// nothing is in memory, nullopt if the system does not tell. Reads nothing from disk.
std::optional<std::vector<double>> ResidentNodeShares(std::span<const std::span<const uint8_t>> ranges);

// What a user of a machine with several nodes wants to know about weights in these shares: "97 % of the weights in
// memory lie on node 0 ...", with what to do if it is lopsided or pages do not go to all nodes (`interleaved`, as
// InterleaveNewPages() says). Empty on one node.
std::string DescribeNodeShares(const Topology& topology, const std::optional<std::vector<double>>& shares,
                               bool interleaved);

}  // namespace fathom

#endif  // FATHOM_BASE_NUMA_MEMORY_H_
