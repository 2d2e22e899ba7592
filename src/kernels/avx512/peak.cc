#include <immintrin.h>

#include "kernels/simd/peak_loops.h"

namespace fathom {
namespace {

thread_local volatile float float_sink;
thread_local volatile int int_sink;

int64_t FmaF32(int64_t rounds) {
  __m512 sums[kPeakChains];
  // Different starts: the compiler would fold equal chains into one.
  for (int chain = 0; chain < kPeakChains; ++chain)
    sums[chain] = _mm512_set1_ps(static_cast<float>(chain) + float_sink);
  const __m512 a = _mm512_set1_ps(0.999f + float_sink);
  const __m512 b = _mm512_set1_ps(0.001f);
  for (int64_t round = 0; round < rounds * kPeakSteps; ++round) {
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, a, b);
  }
  for (const __m512& sum : sums) float_sink = _mm512_reduce_add_ps(sum) * 0;
  return rounds * kPeakSteps * kPeakChains * 16 * 2;
}

int64_t DotInt8(int64_t rounds) {
  __m512i sums[kPeakChains];
  for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = _mm512_set1_epi32(chain + int_sink);
  const __m512i a = _mm512_set1_epi8(static_cast<char>(3 + int_sink));
  const __m512i b = _mm512_set1_epi8(2);
  for (int64_t round = 0; round < rounds * kPeakSteps; ++round) {
#pragma GCC unroll 12
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, a, b);
  }
  for (const __m512i& sum : sums) int_sink = _mm_cvtsi128_si32(_mm512_castsi512_si128(sum));
  return rounds * kPeakSteps * kPeakChains * 64 * 2;
}

}  // namespace

namespace avx512 {
const PeakLoops kPeakLoops = {FmaF32, DotInt8, nullptr};
const PeakLoops kPairPeakLoops = {FmaF32, DotInt8, DotBf16};
}  // namespace avx512

}  // namespace fathom
