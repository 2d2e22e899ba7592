#include "base/topology.h"

#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>
#include <memory>
#include <set>
#include <string_view>

#include "base/strings.h"

namespace fathom {
namespace {

constexpr int kMostCpus = 1 << 16;  // far above what kernels are built for; bounds what a list can ask for

// The first line of a small kernel file; empty if there is none.
std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The numbers of "0-3,8,10-11", ascending; none if any part is malformed.
std::vector<int> ParseCpuList(std::string_view text) {
  std::vector<int> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at != end) {
    int first = 0;
    auto parsed = std::from_chars(at, end, first);
    if (parsed.ec != std::errc()) return {};
    int last = first;
    at = parsed.ptr;
    if (at != end && *at == '-') {
      parsed = std::from_chars(at + 1, end, last);
      if (parsed.ec != std::errc()) return {};
      at = parsed.ptr;
    }
    if (first < 0 || last < first || last >= kMostCpus) return {};
    for (int number = first; number <= last; ++number) numbers.push_back(number);
    if (at != end && *at++ != ',') return {};
  }
  std::ranges::sort(numbers);
  return numbers;
}

// CPUs in the order in which threads take them: nodes in turn; in each, a hardware thread of every core before the
// next.
std::vector<CpuPlace> OrderOfUse(const Topology& topology) {
  struct Ranked {
    CpuPlace place;
    int sibling;  // how many earlier CPUs share its core
    int rank;     // place in its node
  };
  std::vector<Ranked> ranked;
  for (const CpuPlace& place : topology.cpus) {
    const auto siblings = std::ranges::count_if(ranked, [&](const Ranked& r) { return r.place.core == place.core; });
    ranked.push_back({place, static_cast<int>(siblings), 0});
  }
  std::ranges::stable_sort(ranked, {}, &Ranked::sibling);
  for (size_t i = 0; i < ranked.size(); ++i) {
    const auto earlier = std::count_if(ranked.begin(), ranked.begin() + static_cast<std::ptrdiff_t>(i),
                                       [&](const Ranked& r) { return r.place.node == ranked[i].place.node; });
    ranked[i].rank = static_cast<int>(earlier);
  }
  std::ranges::stable_sort(ranked, {}, [](const Ranked& r) { return std::pair(r.rank, r.place.node); });
  std::vector<CpuPlace> order;
  order.reserve(ranked.size());
  for (const Ranked& r : ranked) order.push_back(r.place);
  return order;
}

std::string Counted(int count, std::string_view noun) { return StrCat(count, " ", noun, count == 1 ? "" : "s"); }

}  // namespace

int Topology::cores() const {
  std::set<int> different;
  for (const CpuPlace& place : cpus) different.insert(place.core);
  return static_cast<int>(different.size());
}

int Topology::nodes() const {
  std::set<int> different;
  for (const CpuPlace& place : cpus) different.insert(place.node);
  return static_cast<int>(different.size());
}

Topology ReadTopology(const std::vector<int>& allowed, const std::string& root) {
  Topology topology;
  for (const int cpu : allowed) {
    const std::vector<int> siblings =
        ParseCpuList(FirstLine(StrCat(root, "/sys/devices/system/cpu/cpu", cpu, "/topology/thread_siblings_list")));
    topology.cpus.push_back({cpu, siblings.empty() ? cpu : siblings.front(), 0});
  }
  for (const int node : ParseCpuList(FirstLine(root + "/sys/devices/system/node/online"))) {
    for (const int cpu : ParseCpuList(FirstLine(StrCat(root, "/sys/devices/system/node/node", node, "/cpulist")))) {
      const auto place = std::ranges::find(topology.cpus, cpu, &CpuPlace::cpu);
      if (place != topology.cpus.end()) place->node = node;
    }
  }
  return topology;
}

std::vector<int> AllowedCpus() {
  std::vector<int> cpus;
  for (int count = CPU_SETSIZE; count <= kMostCpus; count *= 2) {
    const std::unique_ptr<cpu_set_t, decltype([](cpu_set_t* set) { CPU_FREE(set); })> allowed(CPU_ALLOC(count));
    if (allowed == nullptr) break;
    const size_t bytes = CPU_ALLOC_SIZE(count);
    if (sched_getaffinity(0, bytes, allowed.get()) != 0) {
      if (errno != EINVAL) break;
      continue;  // the kernel knows of more CPUs than that
    }
    for (int cpu = 0; cpu < count; ++cpu) {
      if (CPU_ISSET_S(static_cast<size_t>(cpu), bytes, allowed.get())) cpus.push_back(cpu);
    }
    break;
  }
  if (cpus.empty()) cpus.push_back(0);
  return cpus;
}

const Topology& GetTopology() {
  static const Topology& topology = *new Topology(ReadTopology(AllowedCpus()));
  return topology;
}

std::vector<std::vector<int>> PlaceThreads(const Topology& topology, int threads, Pinning pinning) {
  std::vector<std::vector<int>> placed(static_cast<size_t>(threads));
  if (pinning == Pinning::kAuto) pinning = topology.nodes() > 1 ? Pinning::kNodes : Pinning::kNone;
  if (pinning == Pinning::kNone || placed.size() > topology.cpus.size()) return placed;
  const std::vector<CpuPlace> order = OrderOfUse(topology);
  for (size_t thread = 0; thread < placed.size(); ++thread) {
    if (pinning == Pinning::kCores) {
      placed[thread] = {order[thread].cpu};
      continue;
    }
    for (const CpuPlace& place : topology.cpus) {
      if (place.node == order[thread].node) placed[thread].push_back(place.cpu);
    }
  }
  return placed;
}

std::string DescribeTopology(const Topology& topology) {
  const int cores = topology.cores();
  const auto hardware_threads = static_cast<int>(topology.cpus.size());
  std::string text = StrCat(Counted(topology.nodes(), "NUMA node"), " with ", Counted(cores, "core"));
  if (hardware_threads != cores) text += StrCat(", ", Counted(hardware_threads, "hardware thread"));
  return text;
}

}  // namespace fathom
