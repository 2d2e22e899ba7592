#include "base/numa_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <numeric>

#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr int kInterleave = 3;  // MPOL_INTERLEAVE of linux/mempolicy.h
constexpr int kMostNodes = 1024;
constexpr size_t kSamples = 4096;

// Whether mincore() tells which pages of this memory are there. Of a file that neither belongs to this process's user
// nor may be written Linux says that all are.
bool MincoreTells(const uint8_t* data) {
  const char* const path = MappedFileNameAt(data);
  if (path == nullptr || ::faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0) return true;
  struct stat info = {};
  return ::stat(path, &info) == 0 && info.st_uid == ::geteuid();
}

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

std::optional<std::vector<double>> ResidentNodeShares(std::span<const std::span<const uint8_t>> ranges) {
  const auto page_bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  size_t pages = 0;
  for (const std::span<const uint8_t> range : ranges) pages += range.size() / page_bytes;
  const size_t step = std::max<size_t>(1, pages / kSamples);
  std::vector<void*> asked;
  for (const std::span<const uint8_t> range : ranges) {
    const bool told = MincoreTells(range.data());
    const auto begin = reinterpret_cast<uintptr_t>(range.data());
    const uintptr_t first = (begin + page_bytes - 1) / page_bytes * page_bytes;
    for (uintptr_t at = first; at + page_bytes <= begin + range.size(); at += step * page_bytes) {
      auto* page = reinterpret_cast<void*>(at);
      if (told) {
        unsigned char in_memory = 0;
        if (mincore(page, page_bytes, &in_memory) != 0) return std::nullopt;
        if ((in_memory & 1) == 0) continue;
        // The system answers for pages of this process's table alone: a look brings the page there.
        static_cast<void>(*static_cast<const volatile uint8_t*>(page));
      }
      asked.push_back(page);
    }
  }
  std::vector<double> shares;
  if (asked.empty()) return shares;
  std::vector<int> nodes(asked.size(), -1);
  if (syscall(SYS_move_pages, 0, asked.size(), asked.data(), nullptr, nodes.data(), 0) != 0) return std::nullopt;
  for (const int node : nodes) {
    if (node < 0 || node >= kMostNodes) continue;
    if (shares.size() <= static_cast<size_t>(node)) shares.resize(static_cast<size_t>(node) + 1);
    ++shares[static_cast<size_t>(node)];
  }
  const double total = std::accumulate(shares.begin(), shares.end(), 0.0);
  // Pages that were not looked at may be in memory and not in the table: a few that are there are no sample.
  if (total < 0.5 * static_cast<double>(asked.size())) return std::nullopt;
  for (double& share : shares) share /= total;
  return shares;
}

std::string DescribeNodeShares(const Topology& topology, const std::optional<std::vector<double>>& shares,
                               bool interleaved) {
  const int nodes = topology.nodes();
  if (nodes < 2) return {};
  const char* const outlook =
      interleaved
          ? "what is read from now on goes to all nodes in turn"
          : "the system does not permit spreading what is read over the nodes (a container needs the capability "
            "SYS_NICE)";
  if (!shares) return StrCat("the system does not tell where the weights in memory lie; ", outlook);
  if (shares->empty()) return StrCat("no weights in memory yet; ", outlook);
  const auto most = std::ranges::max_element(*shares);
  const auto node = most - shares->begin();
  // As many as one node more would have.
  if (*most <= 1.0 / (nodes - 0.5)) return StrCat("weights in memory lie evenly on the nodes; ", outlook);
  return StrFormat("%.0f %% of the weights in memory lie on node %d, which every thread has to read from; %s",
                   100 * *most, static_cast<int>(node),
                   interleaved
                       ? "to spread them, drop the page cache (echo 1 > /proc/sys/vm/drop_caches) and start again"
                       : outlook);
}

}  // namespace fathom
