// peak_loops.h - the loops of peak.h, one set per instruction set.
#ifndef FATHOM_KERNELS_SIMD_PEAK_LOOPS_H_
#define FATHOM_KERNELS_SIMD_PEAK_LOOPS_H_

#include "kernels/peak.h"

namespace fathom {

namespace avx2 {
extern const PeakLoops kPeakLoops;
}
namespace avx512 {
extern const PeakLoops kPeakLoops;
extern const PeakLoops kPairPeakLoops;  // with BF16 pairs
int64_t DotBf16(int64_t rounds);
}  // namespace avx512
namespace neon {
extern const PeakLoops kPeakLoops;
}

// Independent chains, so that latency does not show: at least latency x ports (4 x 2, 5 x 2), and few enough for 16
// registers with the two operands. Arm cores with four ports would want 16: for them the peak found is low.
inline constexpr int kPeakChains = 12;
// Multiply-adds per chain in a round.
inline constexpr int kPeakSteps = 64;

}  // namespace fathom

#endif  // FATHOM_KERNELS_SIMD_PEAK_LOOPS_H_
