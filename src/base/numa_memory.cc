#include "base/numa_memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <numeric>

#include "base/strings.h"

namespace fathom {
namespace {

constexpr int kInterleave = 3;  // MPOL_INTERLEAVE of linux/mempolicy.h
constexpr int kMostNodes = 1024;
constexpr size_t kSamples = 4096;

}  // namespace

bool InterleaveNewPages(const Topology& topology) {
  if (topology.nodes() < 2) return true;
  constexpr int kBits = sizeof(unsigned long) * CHAR_BIT;
  unsigned long mask[kMostNodes / kBits] = {};
  for (const CpuPlace& place : topology.cpus) {
    if (place.node < kMostNodes) mask[place.node / kBits] |= 1UL << (place.node % kBits);
  }
  return syscall(SYS_set_mempolicy, kInterleave, mask, kMostNodes + 1UL) == 0;
}

std::vector<double> ResidentNodeShares(std::span<const std::span<const uint8_t>> ranges) {
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t pages = 0;
  for (const std::span<const uint8_t> range : ranges) pages += range.size() / page_bytes;
  const size_t step = std::max<size_t>(1, pages / kSamples);
  std::vector<void*> resident;
  for (const std::span<const uint8_t> range : ranges) {
    const auto begin = reinterpret_cast<uintptr_t>(range.data());
    const uintptr_t first = (begin + page_bytes - 1) / page_bytes * page_bytes;
    for (uintptr_t at = first; at + page_bytes <= begin + range.size(); at += step * page_bytes) {
      auto* page = reinterpret_cast<void*>(at);
      unsigned char in_memory = 0;
      if (mincore(page, page_bytes, &in_memory) != 0 || (in_memory & 1) == 0) continue;
      // The system answers for pages of this process's table alone: a look brings the page there.
      static_cast<void>(*static_cast<const volatile uint8_t*>(page));
      resident.push_back(page);
    }
  }
  std::vector<int> nodes(resident.size(), -1);
  if (resident.empty() || syscall(SYS_move_pages, 0, resident.size(), resident.data(), nullptr, nodes.data(), 0) != 0) {
    return {};
  }
  std::vector<double> shares;
  for (const int node : nodes) {
    if (node < 0 || node >= kMostNodes) continue;
    if (shares.size() <= static_cast<size_t>(node)) shares.resize(static_cast<size_t>(node) + 1);
    ++shares[static_cast<size_t>(node)];
  }
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= total;
  return shares;
}

std::string DescribeNodeShares(const Topology& topology, const std::vector<double>& shares) {
  const int nodes = topology.nodes();
  if (nodes < 2) return {};
  if (shares.empty()) return "no weights in memory yet; they will go to all nodes in turn";
  const auto most = std::ranges::max_element(shares);
  const auto node = most - shares.begin();
  // As many as one node more would have.
  if (*most <= 1.0 / (nodes - 0.5)) return "weights in memory lie evenly on the nodes";
  return StrFormat(
      "%.0f %% of the weights in memory lie on node %d, which every thread has to read from; to spread them, drop the "
      "page cache (echo 1 > /proc/sys/vm/drop_caches) and start again",
      100 * *most, static_cast<int>(node));
}

}  // namespace fathom
