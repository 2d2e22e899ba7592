#include <arm_neon.h>

#include "kernels/simd/peak_loops.h"

namespace fathom {
namespace {

thread_local volatile float float_sink;
thread_local volatile int int_sink;

int64_t FmaF32(int64_t rounds) {
  float32x4_t sums[kPeakChains];
  // Different starts: the compiler would fold equal chains into one.
  for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = vdupq_n_f32(static_cast<float>(chain) + float_sink);
  const float32x4_t a = vdupq_n_f32(0.999f + float_sink);
  const float32x4_t b = vdupq_n_f32(0.001f);
  for (int64_t round = 0; round < rounds * kPeakSteps; ++round) {
#pragma GCC unroll 12
    for (float32x4_t& sum : sums) sum = vfmaq_f32(b, sum, a);
  }
  for (const float32x4_t& sum : sums) float_sink = vaddvq_f32(sum) * 0;
  return rounds * kPeakSteps * kPeakChains * 4 * 2;
}

int64_t DotInt8(int64_t rounds) {
  int32x4_t sums[kPeakChains];
  for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = vdupq_n_s32(chain + int_sink);
  const int8x16_t a = vdupq_n_s8(static_cast<int8_t>(3 + int_sink));
  const int8x16_t b = vdupq_n_s8(2);
  for (int64_t round = 0; round < rounds * kPeakSteps; ++round) {
#pragma GCC unroll 12
    for (int32x4_t& sum : sums) sum = vdotq_s32(sum, a, b);
  }
  for (const int32x4_t& sum : sums) int_sink = vaddvq_s32(sum);
  return rounds * kPeakSteps * kPeakChains * 16 * 2;
}

}  // namespace

namespace neon {
const PeakLoops kPeakLoops = {FmaF32, DotInt8, nullptr};
}

}  // namespace fathom
