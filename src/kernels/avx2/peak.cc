#include <immintrin.h>

#include "kernels/simd/peak_loops.h"

namespace fathom {
namespace {

thread_local volatile float float_sink;
thread_local volatile int int_sink;

int64_t FmaF32(int64_t rounds) {
  __m256 sums[kPeakChains];
  // Different starts: the compiler would fold equal chains into one.
  for (int chain = 0; chain < kPeakChains; ++chain)
    sums[chain] = _mm256_set1_ps(static_cast<float>(chain) + float_sink);
  const __m256 a = _mm256_set1_ps(0.999f + float_sink);
  const __m256 b = _mm256_set1_ps(0.001f);
  for (int64_t round = 0; round < rounds * kPeakSteps; ++round) {
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, a, b);
  }
  for (const __m256& sum : sums) float_sink = _mm256_cvtss_f32(sum) * 0;
  return rounds * kPeakSteps * kPeakChains * 8 * 2;
}

// Without VNNI: products of bytes are added in pairs to 16 bits, which hold four of them (kBytesAddUpInWords in
// simd.h); those are added in pairs to 32 bits, and to the sum.
int64_t DotInt8(int64_t rounds) {
  __m256i sums[kPeakChains];
  for (int chain = 0; chain < kPeakChains; ++chain) sums[chain] = _mm256_set1_epi32(chain + int_sink);
  const __m256i a = _mm256_set1_epi8(static_cast<char>(3 + int_sink));
  __m256i b[4];
  for (int i = 0; i < 4; ++i) b[i] = _mm256_set1_epi8(static_cast<char>(i + int_sink));
  const __m256i ones = _mm256_set1_epi16(1);
  for (int64_t round = 0; round < rounds * kPeakSteps; ++round) {
#pragma GCC unroll 12
    for (__m256i& sum : sums) {
      const __m256i x = _mm256_xor_si256(a, sum);  // depends on the sum: not hoisted
      const __m256i two = _mm256_add_epi16(_mm256_maddubs_epi16(x, b[0]), _mm256_maddubs_epi16(x, b[1]));
      const __m256i others = _mm256_add_epi16(_mm256_maddubs_epi16(x, b[2]), _mm256_maddubs_epi16(x, b[3]));
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_add_epi16(two, others), ones));
    }
  }
  for (const __m256i& sum : sums) int_sink = _mm256_extract_epi32(sum, 0);
  return rounds * kPeakSteps * kPeakChains * 4 * 32 * 2;
}

}  // namespace

namespace avx2 {
const PeakLoops kPeakLoops = {FmaF32, DotInt8, nullptr};
}

}  // namespace fathom
