// bandwidth.h - how fast this machine reads memory: what a decoded token's weights have to come through.
#ifndef FATHOM_BASE_BANDWIDTH_H_
#define FATHOM_BASE_BANDWIDTH_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"

namespace fathom {

// Bytes per second that `threads` threads together read from a buffer far larger than the caches, each its own part,
// again and again for about `seconds`; the best pass counts, so that a busy neighbour does not lower the roof. Takes up
// to 1 GiB of memory meanwhile (an eighth of the machine's if that is less).
double MeasureReadBandwidth(int threads, double seconds);

struct ThreadBandwidth {
  int threads = 0;
  double bytes_per_second = 0;
};

// The same with 1, 2, 4, ... threads and, last, with all `threads` (>= 1) of them, for about `seconds` in all: half of
// them for all threads, which is the roof. How many threads it takes to use the memory fully.
std::vector<ThreadBandwidth> MeasureReadBandwidthByThreads(int threads, double seconds);

// Reads these bytes once, each thread a contiguous part of them, and does nothing else; returns the seconds it took.
double SecondsToRead(ThreadPool& pool, std::span<const std::span<const uint8_t>> ranges);

}  // namespace fathom

#endif  // FATHOM_BASE_BANDWIDTH_H_
