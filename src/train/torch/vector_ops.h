// vector_ops.h - loops that the trainer's operations are made of: rounding to the release's formats, work split
// over the cores.
//
// Sums are cut into a fixed number of parts that are added in order, so a run's bits do not depend on the number of
// threads.
#ifndef FATHOM_TRAIN_TORCH_VECTOR_OPS_H_
#define FATHOM_TRAIN_TORCH_VECTOR_OPS_H_

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

#include "numeric/formats.h"

namespace fathom {

// Nearest E4M3 value of |x| <= 448, ties to even; the same numbers as FloatToE4m3, written so that loops vectorise.
inline float RoundToE4m3(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7ffffu + ((bits >> 20) & 1u)) & ~0xfffffu;  // 3 mantissa bits
  constexpr float kMagic = 0x1.8p14f;  // adding it leaves multiples of 2^-9, the step of subnormal codes
  const float small = (x + kMagic) - kMagic;
  return (bits & 0x7fffffffu) < 0x3c800000u ? small : std::bit_cast<float>(rounded);  // below 2^-6
}

// Nearest E2M1 value of |x| <= 6, ties to even mantissa.
inline float RoundToE2m1(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x1fffffu + ((bits >> 22) & 1u)) & ~0x3fffffu;  // 1 mantissa bit
  constexpr float kMagic = 0x1.8p22f;                                              // multiples of a half
  const float small = (x + kMagic) - kMagic;
  return (bits & 0x7fffffffu) < 0x3f800000u ? small : std::bit_cast<float>(rounded);
}

// What a half-precision buffer holds: BF16 codes in training, floats where exactness is asked for. No care for NaN: a
// step whose loss is none is refused anyway, and without it loops vectorise.
inline void StoreHalf(uint16_t* out, int64_t i, float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  out[i] = static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
inline void StoreHalf(float* out, int64_t i, float x) { out[i] = x; }

inline float MaxMagnitude(const float* x, int64_t n) {
  uint32_t largest = 0;  // of floats without sign, integer order is theirs
  for (int64_t i = 0; i < n; ++i) largest = std::max(largest, std::bit_cast<uint32_t>(x[i]) & 0x7fffffffu);
  return std::bit_cast<float>(largest);
}

// Whether the floats in `bytes`, at any alignment, are all finite.
inline bool AllFinite(std::span<const uint8_t> bytes) {
  constexpr uint32_t kExponent = 0x7f800000u;
  uint32_t largest = 0;
  for (size_t at = 0; at + sizeof(float) <= bytes.size(); at += sizeof(float)) {
    largest = std::max(largest, LoadUnaligned<uint32_t>(bytes.data() + at) & kExponent);
  }
  return largest != kExponent;
}

inline int64_t PadTo16(int64_t n) { return (n + 15) / 16 * 16; }

// Sum of products in 16 lanes; n is a multiple of 16.
inline float Dot(const float* a, const float* b, int64_t n) {
  float sum[16] = {};
  for (int64_t i = 0; i < n; i += 16) {
    for (int64_t lane = 0; lane < 16; ++lane) sum[lane] += a[i + lane] * b[i + lane];
  }
  float total = 0;
  for (const float part : sum) total += part;
  return total;
}

// Q8 of one block (reference README, section 6): out = values that E4M3 codes times a power of two can hold.
template <typename Out>
void QuantizeBlockFp8(const float* x, int64_t n, Out* out) {
  const float scale = Fp8BlockScale(std::max(MaxMagnitude(x, n), kFp8AmaxFloor));
  const float inverse = 1.0f / scale;
  for (int64_t i = 0; i < n; ++i) StoreHalf(out, i, RoundToE4m3(x[i] * inverse) * scale);
}

// Q4 of one block of 32.
template <typename Out>
void QuantizeBlockFp4(const float* x, int64_t n, Out* out) {
  const float scale = Fp4BlockScale(std::max(MaxMagnitude(x, n), kFp4AmaxFloor));
  const float inverse = 1.0f / scale;
  for (int64_t i = 0; i < n; ++i) StoreHalf(out, i, RoundToE2m1(x[i] * inverse) * scale);
}

// In-place product with the orthonormal Hadamard matrix of order n, a power of two (section 7.5). It is its own
// inverse, and its own transpose.
inline void HadamardInPlace(float* x, int64_t n) {
  for (int64_t half = 1; half < n; half *= 2) {
    for (int64_t base = 0; base < n; base += 2 * half) {
      for (int64_t i = base; i < base + half; ++i) {
        const float a = x[i];
        const float b = x[i + half];
        x[i] = a + b;
        x[i + half] = a - b;
      }
    }
  }
  const float factor = 1.0f / __builtin_sqrtf(static_cast<float>(n));
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

// Calls body(part) for part in [0, parts), on all cores, in any order.
template <typename Body>
void ParallelParts(int64_t parts, const Body& body) {
#pragma omp parallel for schedule(dynamic, 1)
  for (int64_t part = 0; part < parts; ++part) body(part);
}

// Calls body(begin, end) for consecutive ranges of about `grain` items.
template <typename Body>
void ParallelRanges(int64_t items, int64_t grain, const Body& body) {
  const int64_t parts = (items + grain - 1) / grain;
  ParallelParts(parts, [&](int64_t part) { body(part * grain, std::min(items, (part + 1) * grain)); });
}

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_VECTOR_OPS_H_
