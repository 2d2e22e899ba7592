// bandwidth.h - how fast this machine reads memory: what a decoded token's weights have to come through.
#ifndef FATHOM_BASE_BANDWIDTH_H_
#define FATHOM_BASE_BANDWIDTH_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "base/thread_pool.h"

namespace fathom {

// Bytes per second that `threads` threads together read from a buffer of 1 GiB (an eighth of the machine's memory if
// that is less), each its own part, again and again for about `seconds`; the best pass counts, so that a busy neighbour
// does not lower it. An estimate: where caches are largest a third of the buffer may come from them.
double MeasureReadBandwidth(int threads, double seconds);

// The last-level caches (level 3 or above) of these CPUs, each counted once, looked up below `root`:
// <root>/sys/devices/system/cpu. 0: unknown, as what is missing or malformed there. `root` has no trailing slash.
uint64_t LastLevelCacheBytes(const std::vector<int>& cpus, const std::string& root = "");

// How large a buffer must be for reads of it to come from memory: eight times the caches, at least 1 and at most 8 GiB,
// and 4 GiB if `cache_bytes` is 0; but no more than an eighth of `ram_bytes` (0: unknown), since weights may take four
// fifths.
uint64_t RoofBufferBytes(uint64_t cache_bytes, uint64_t ram_bytes);

// Memory in large pages that is read to see how fast that goes.
class ReadBuffer {
 public:
  // At least 4 MiB, whole pieces of so many. Throws std::bad_alloc.
  explicit ReadBuffer(uint64_t bytes);

  // Writes to all of it: untouched pages would all be the one zero page, which stays in the cache. With progress on
  // stderr; ends early after Ctrl-C.
  void Fill(ThreadPool& pool);

  // Bytes per second of the fastest pass through all of it in about `seconds`, each of which `progress` is told of.
  // Ends early after Ctrl-C, and then the result means nothing.
  double Measure(ThreadPool& pool, double seconds, Progress& progress) const;

  // Bytes per second of one read of about `bytes` (at most all), which lie behind those of the call before.
  double ReadNext(ThreadPool& pool, uint64_t bytes);

 private:
  struct Unmap {
    size_t bytes;
    void operator()(uint8_t* data) const;
  };

  size_t size() const;
  double SecondsOfPass(ThreadPool& pool, int64_t first, int64_t pieces) const;

  const int64_t pieces_;
  int64_t next_ = 0;  // piece that ReadNext() begins with
  std::unique_ptr<uint8_t, Unmap> data_{nullptr, Unmap{0}};
};

struct ThreadBandwidth {
  int threads = 0;
  double bytes_per_second = 0;
};

// The same from `buffer`, which was filled, with 1, 2, 4, ... threads and, last, with those of `pool`, where they are
// held: that is the roof, and gets half of the `seconds`. Fewer threads are others, which the system moves as it likes.
// How many threads it takes to use the memory fully. With progress on stderr where it takes long; kCancelled after
// Ctrl-C.
Result<std::vector<ThreadBandwidth>> MeasureReadBandwidthByThreads(ThreadPool& pool, double seconds,
                                                                   const ReadBuffer& buffer);

// Reads these bytes once, each thread a contiguous part of them, and does nothing else; returns the seconds it took.
double SecondsToRead(ThreadPool& pool, std::span<const std::span<const uint8_t>> ranges);

}  // namespace fathom

#endif  // FATHOM_BASE_BANDWIDTH_H_
