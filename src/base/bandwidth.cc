#include "base/bandwidth.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "base/cpu_features.h"
#include "base/thread_pool.h"

namespace fathom {
namespace {

constexpr size_t kMaxBufferBytes = size_t{512} << 20;
// Items of the parallel loop: large enough that claiming one costs nothing, small enough to even out the end.
constexpr size_t kPieceBytes = size_t{4} << 20;

struct Unmap {
  size_t bytes = 0;
  void operator()(uint8_t* data) const { ::munmap(data, bytes); }
};

// Sixteen independent sums: more than the loads that a core can have under way need.
uint64_t SumOf(const uint8_t* data, size_t bytes) {
  uint64_t sums[16] = {};
  for (size_t at = 0; at < bytes; at += sizeof sums) {
    uint64_t words[16];
    std::memcpy(words, data + at, sizeof words);
    for (int i = 0; i < 16; ++i) sums[i] += words[i];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace

double MeasureReadBandwidth(int threads, double seconds) {
  using Clock = std::chrono::steady_clock;
  const uint64_t ram_bytes = GetCpuFeatures().ram_bytes;
  size_t bytes = ram_bytes == 0 ? kMaxBufferBytes : std::min<uint64_t>(kMaxBufferBytes, ram_bytes / 8);
  bytes = std::max(bytes / kPieceBytes, size_t{1}) * kPieceBytes;
  void* mapping = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  FATHOM_CHECK(mapping != MAP_FAILED);
  const std::unique_ptr<uint8_t, Unmap> buffer(static_cast<uint8_t*>(mapping), Unmap{bytes});
  ::madvise(mapping, bytes, MADV_HUGEPAGE);

  ThreadPool pool(threads);
  const auto pieces = static_cast<int64_t>(bytes / kPieceBytes);
  // Written first: untouched pages would all be the one zero page, which stays in the cache.
  pool.ParallelFor(pieces, 1, [&](int64_t begin, int64_t end, int) {
    std::memset(buffer.get() + static_cast<size_t>(begin) * kPieceBytes, 1,
                static_cast<size_t>(end - begin) * kPieceBytes);
  });
  std::atomic<uint64_t> sum{0};  // keeps the reads alive
  double best = 0;
  const auto stop = Clock::now() + std::chrono::duration<double>(seconds);
  do {
    const auto start = Clock::now();
    pool.ParallelFor(pieces, 1, [&](int64_t begin, int64_t end, int) {
      sum += SumOf(buffer.get() + static_cast<size_t>(begin) * kPieceBytes,
                   static_cast<size_t>(end - begin) * kPieceBytes);
    });
    const std::chrono::duration<double> elapsed = Clock::now() - start;
    best = std::max(best, static_cast<double>(bytes) / elapsed.count());
  } while (Clock::now() < stop);
  FATHOM_CHECK(sum != 0);
  return best;
}

}  // namespace fathom
