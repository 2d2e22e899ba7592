#include "base/bandwidth.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <new>
#include <string_view>
#include <system_error>

#include "base/check.h"
#include "base/cpu_features.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr uint64_t kGib = uint64_t{1} << 30;
// Items of the parallel loop: large enough that claiming one costs nothing, small enough to even out the end.
constexpr size_t kPieceBytes = size_t{4} << 20;
constexpr char kMeasuring[] = "measuring how fast memory is read";

// Sixteen independent sums: more than the loads that a core can have under way need. Two places are read at once, and
// what comes next there is asked for early, into the second-level cache, since the hardware does not look beyond a page
// of 4 KB and waits for few lines on their way to the first-level cache. What is over at the end is left.
uint64_t SumOf(const uint8_t* data, size_t bytes) {
  constexpr size_t kAhead = 4096;
  constexpr size_t kLine = 64;
  uint64_t sums[16] = {};
  const size_t half = bytes / 2 / sizeof sums * sizeof sums;
  for (size_t at = 0; at < half; at += sizeof sums) {
    for (const uint8_t* part : {data + at, data + half + at}) {
      __builtin_prefetch(part + kAhead, 0, 2);
      __builtin_prefetch(part + kAhead + kLine, 0, 2);
      for (size_t i = 0; i < 16; ++i) {
        uint64_t word;
        std::memcpy(&word, part + sizeof word * i, sizeof word);
        sums[i] += word;
      }
    }
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

// The first line of a file of /sys that describes a cache; empty if there is none.
std::string CacheFile(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// The number at the start of a text if `unit` is all that follows it, else 0.
uint64_t NumberOf(std::string_view text, std::string_view unit) {
  constexpr uint64_t kMost = uint64_t{1} << 32;
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number > kMost) return 0;
  return text.substr(static_cast<size_t>(end - text.data())) == unit ? number : 0;
}

}  // namespace

ReadBuffer::ReadBuffer(uint64_t bytes) : pieces_(static_cast<int64_t>(std::max<uint64_t>(bytes / kPieceBytes, 1))) {
  void* mapping = ::mmap(nullptr, size(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  data_ = {static_cast<uint8_t*>(mapping), Unmap{size()}};
  ::madvise(mapping, size(), MADV_HUGEPAGE);
}

void ReadBuffer::Unmap::operator()(uint8_t* data) const { ::munmap(data, bytes); }

size_t ReadBuffer::size() const { return static_cast<size_t>(pieces_) * kPieceBytes; }

void ReadBuffer::Fill(ThreadPool& pool) {
  Progress progress("filling a buffer to read", size(), Progress::Unit::kBytes);
  pool.ParallelFor(pieces_, 1, [&](int64_t begin, int64_t end, int) {
    if (InterruptRequested()) return;
    const size_t bytes = static_cast<size_t>(end - begin) * kPieceBytes;
    std::memset(data_.get() + static_cast<size_t>(begin) * kPieceBytes, 1, bytes);
    progress.Add(bytes);
  });
}

// Of the pieces from `first` on, beginning again at 0 behind the last.
double ReadBuffer::SecondsOfPass(ThreadPool& pool, int64_t first, int64_t pieces) const {
  std::atomic<uint64_t> sum{0};  // keeps the reads alive
  const auto start = std::chrono::steady_clock::now();
  pool.ParallelFor(pieces, 1, [&](int64_t begin, int64_t end, int) {
    if (InterruptRequested()) return;
    for (int64_t piece = begin; piece < end; ++piece) {
      sum += SumOf(data_.get() + static_cast<size_t>((first + piece) % pieces_) * kPieceBytes, kPieceBytes);
    }
  });
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  FATHOM_CHECK(sum != 0 || InterruptRequested());
  return elapsed.count();
}

double ReadBuffer::Measure(ThreadPool& pool, double seconds, Progress& progress) const {
  using Clock = std::chrono::steady_clock;
  double best = 0;
  const auto stop = Clock::now() + std::chrono::duration<double>(seconds);
  do {
    best = std::max(best, static_cast<double>(size()) / SecondsOfPass(pool, 0, pieces_));
    progress.Add(size());
  } while (Clock::now() < stop && !InterruptRequested());
  return best;
}

double ReadBuffer::ReadNext(ThreadPool& pool, uint64_t bytes) {
  const int64_t pieces = std::clamp(static_cast<int64_t>(bytes / kPieceBytes), int64_t{1}, pieces_);
  const double seconds = SecondsOfPass(pool, next_, pieces);
  next_ = (next_ + pieces) % pieces_;
  return static_cast<double>(static_cast<size_t>(pieces) * kPieceBytes) / seconds;
}

double MeasureReadBandwidth(int threads, double seconds) {
  ThreadPool pool(threads);
  const uint64_t ram_bytes = GetCpuFeatures().ram_bytes;
  ReadBuffer buffer(ram_bytes == 0 ? kGib : std::min(kGib, ram_bytes / 8));
  buffer.Fill(pool);
  Progress progress(kMeasuring, 0, Progress::Unit::kBytes);
  return buffer.Measure(pool, seconds, progress);
}

uint64_t LastLevelCacheBytes(const std::vector<int>& cpus, const std::string& root) {
  constexpr int kMostCaches = 16;               // of a CPU
  std::map<std::string, uint64_t> cache_bytes;  // by the CPUs that share it
  for (const int cpu : cpus) {
    uint64_t last_level = 2;  // what is no higher belongs to a core
    std::string last;
    for (int index = 0; index < kMostCaches; ++index) {
      const std::string cache = StrCat(root, "/sys/devices/system/cpu/cpu", cpu, "/cache/index", index);
      const std::string level = CacheFile(cache + "/level");
      if (level.empty()) break;
      if (NumberOf(level, "") <= last_level) continue;
      last_level = NumberOf(level, "");
      last = cache;
    }
    if (last.empty()) continue;
    cache_bytes[CacheFile(last + "/shared_cpu_list")] = NumberOf(CacheFile(last + "/size"), "K") << 10;
  }
  uint64_t total = 0;
  for (const auto& [shared, bytes] : cache_bytes) total += bytes;
  return total;
}

uint64_t RoofBufferBytes(uint64_t cache_bytes, uint64_t ram_bytes) {
  const uint64_t bytes = cache_bytes == 0 ? 4 * kGib : std::clamp(8 * cache_bytes, kGib, 8 * kGib);
  return ram_bytes == 0 ? bytes : std::min(bytes, ram_bytes / 8);
}

Result<std::vector<ThreadBandwidth>> MeasureReadBandwidthByThreads(ThreadPool& pool, double seconds,
                                                                   const ReadBuffer& buffer) {
  Progress progress(kMeasuring, 0, Progress::Unit::kBytes);
  std::vector<ThreadBandwidth> rates;
  for (int count = 1; count < pool.threads(); count *= 2) rates.push_back({count, 0});
  for (ThreadBandwidth& rate : rates) {
    ThreadPool fewer(rate.threads);
    rate.bytes_per_second = buffer.Measure(fewer, seconds / 2 / static_cast<double>(rates.size()), progress);
  }
  rates.push_back({pool.threads(), buffer.Measure(pool, rates.empty() ? seconds : seconds / 2, progress)});
  if (InterruptRequested()) return Cancelled("stopped by Ctrl-C");
  return rates;
}

double SecondsToRead(ThreadPool& pool, std::span<const std::span<const uint8_t>> ranges) {
  constexpr size_t kRangePiece = size_t{128} << 10;  // as small as the tasks of a product with one token
  std::vector<std::span<const uint8_t>> pieces;
  for (std::span<const uint8_t> left : ranges) {
    while (!left.empty()) {
      pieces.push_back(left.first(std::min(left.size(), kRangePiece)));
      left = left.subspan(pieces.back().size());
    }
  }
  std::atomic<uint64_t> sum{0};
  const auto start = std::chrono::steady_clock::now();
  pool.ParallelFor(static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t, int) {
    const std::span<const uint8_t> piece = pieces[static_cast<size_t>(begin)];
    sum += SumOf(piece.data(), piece.size());
  });
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  volatile uint64_t keep = sum;  // the reads have to happen
  static_cast<void>(keep);
  return elapsed.count();
}

}  // namespace fathom
