#include <immintrin.h>

#include "kernels/simd/peak_loops.h"

namespace fathom {
namespace {

thread_local volatile float float_sink;

}  // namespace

int64_t avx512::DotBf16(int64_t rounds) {
  __m512 sums[kPeakChains];
  for (int chain = 0; chain < kPeakChains; ++chain)
    sums[chain] = _mm512_set1_ps(static_cast<float>(chain) + float_sink);
  const auto a = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3C003C00));  // 2^-7
  const auto b = reinterpret_cast<__m512bh>(_mm512_set1_epi32(0x3F803F80));
  for (int64_t round = 0; round < rounds * kPeakSteps; ++round) {
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_dpbf16_ps(sum, a, b);
  }
  for (const __m512& sum : sums) float_sink = _mm512_reduce_add_ps(sum) * 0;
  return rounds * kPeakSteps * kPeakChains * 32 * 2;
}

}  // namespace fathom
