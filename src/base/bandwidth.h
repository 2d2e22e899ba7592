// bandwidth.h - how fast this machine reads memory: what a decoded token's weights have to come through.
#ifndef FATHOM_BASE_BANDWIDTH_H_
#define FATHOM_BASE_BANDWIDTH_H_

namespace fathom {

// Bytes per second that `threads` threads together read from a buffer far larger than the caches, each its own part,
// again and again for about `seconds`; the best pass counts, so that a busy neighbour does not lower the roof. Takes up
// to 512 MiB of memory meanwhile (an eighth of the machine's if that is less).
double MeasureReadBandwidth(int threads, double seconds);

}  // namespace fathom

#endif  // FATHOM_BASE_BANDWIDTH_H_
