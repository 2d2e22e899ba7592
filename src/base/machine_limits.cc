#include "base/machine_limits.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

#include "base/strings.h"
#include "base/topology.h"

namespace fathom {
namespace {

// Kernel files are small; the bound keeps a wrong path from filling memory.
constexpr size_t kMaxKernelFileBytes = 1 << 20;

// Files below /proc and /sys report size 0, so this reads until the end. Empty if the file cannot be read.
std::string ReadKernelFile(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), std::fclose);
  if (file == nullptr) return {};
  std::string text;
  char buffer[4096];
  while (text.size() < kMaxKernelFileBytes) {
    const size_t bytes = std::fread(buffer, 1, sizeof buffer, file.get());
    if (bytes == 0) break;
    text.append(buffer, bytes);
  }
  return text;
}

std::vector<std::string_view> Split(std::string_view text, char separator) {
  std::vector<std::string_view> pieces;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) pieces.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return pieces;
}

// The number at the start of `text`; nullopt for "max", "-1" and anything that is not a positive integer.
std::optional<uint64_t> PositiveNumber(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value == 0) return std::nullopt;
  return value;
}

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\n") - first + 1);
}

// The value of "key<spaces>: value" lines.
std::string_view FieldOf(std::string_view text, std::string_view key) {
  for (const std::string_view line : Split(text, '\n')) {
    const size_t colon = line.find(':');
    if (colon != std::string_view::npos && Trim(line.substr(0, colon)) == key) return Trim(line.substr(colon + 1));
  }
  return {};
}

class LimitReader {
 public:
  explicit LimitReader(const std::string& root) : root_(root) {}

  MachineLimits Read() {
    if (const auto kib = PositiveNumber(FieldOf(ReadKernelFile(root_ + "/proc/meminfo"), "MemTotal"))) {
      limits_.ram_bytes = *kib * 1024;
    }
    limits_.cores = static_cast<int>(AllowedCpus().size());
    const std::string groups = ReadKernelFile(root_ + "/proc/self/cgroup");
    for (const std::string_view line : Split(groups, '\n')) ReadHierarchy(line);
    return limits_;
  }

 private:
  // A line of /proc/self/cgroup is "0::/path" for version 2 and "5:cpu,cpuacct:/path" for version 1.
  void ReadHierarchy(std::string_view line) {
    const size_t first = line.find(':');
    const size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) return;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    std::string_view path = line.substr(second + 1);
    const bool v2 = controllers.empty();
    bool cpu = v2;
    bool memory = v2;
    for (const std::string_view controller : Split(controllers, ',')) {
      cpu |= controller == "cpu";
      memory |= controller == "memory";
    }
    // Inside a container the path may be the host's while only the group itself is mounted: the loop ends at the mount
    // point, which is then the group.
    while (true) {
      if (path == "/") path = {};
      if (cpu) ReadCpuQuota(v2, path);
      if (memory) ReadMemoryLimit(v2, path);
      if (path.empty()) return;
      const size_t slash = path.rfind('/');
      path = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
    }
  }

  void ReadCpuQuota(bool v2, std::string_view path) {
    std::optional<uint64_t> quota;
    std::optional<uint64_t> period;
    if (v2) {
      const std::string text = ReadKernelFile(StrCat(root_, "/sys/fs/cgroup", path, "/cpu.max"));
      const std::vector<std::string_view> words = Split(Trim(text), ' ');
      if (words.size() != 2) return;
      quota = PositiveNumber(words[0]);
      period = PositiveNumber(words[1]);
    } else {
      const std::string group = StrCat(root_, "/sys/fs/cgroup/cpu", path);
      quota = PositiveNumber(ReadKernelFile(group + "/cpu.cfs_quota_us"));
      period = PositiveNumber(ReadKernelFile(group + "/cpu.cfs_period_us"));
    }
    if (!quota || !period) return;
    const uint64_t cores = *quota / *period + (*quota % *period != 0 ? 1 : 0);
    if (cores < static_cast<uint64_t>(limits_.cores)) limits_.cores = std::max(1, static_cast<int>(cores));
  }

  void ReadMemoryLimit(bool v2, std::string_view path) {
    const std::string file = v2 ? StrCat(root_, "/sys/fs/cgroup", path, "/memory.max")
                                : StrCat(root_, "/sys/fs/cgroup/memory", path, "/memory.limit_in_bytes");
    const std::optional<uint64_t> bytes = PositiveNumber(ReadKernelFile(file));
    // Version 1 writes "no limit" as a number near 2^63: taking the smaller one covers it.
    if (bytes && (limits_.ram_bytes == 0 || *bytes < limits_.ram_bytes)) limits_.ram_bytes = *bytes;
  }

  const std::string& root_;
  MachineLimits limits_;
};

}  // namespace

MachineLimits ReadMachineLimits(const std::string& root) { return LimitReader(root).Read(); }

std::string CpuinfoField(std::string_view key) {
  const std::string text = ReadKernelFile("/proc/cpuinfo");
  return std::string(FieldOf(text, key));
}

}  // namespace fathom
