// formats.h - the number formats of the released checkpoints: BF16, E4M3, E2M1, E8M0, exactly as section 6 of the
// reference README defines them. Everything here is a value-by-value definition; fast versions live in kernels/ and
// are tested against these over all codes.
#ifndef FATHOM_NUMERIC_FORMATS_H_
#define FATHOM_NUMERIC_FORMATS_H_

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

namespace fathom {

// ---- BF16: the upper half of a float32 -------------------------------------------------------------------------

inline float Bf16ToFloat(uint16_t code) { return std::bit_cast<float>(static_cast<uint32_t>(code) << 16); }

// Nearest, ties to even. NaN stays NaN.
inline uint16_t FloatToBf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

inline float RoundToBf16(float x) { return Bf16ToFloat(FloatToBf16(x)); }

// ---- E4M3: FP8, bias 7, largest value 448, no infinity, NaN 0x7F and 0xFF ---------------------------------------

inline constexpr float kE4m3Max = 448.0f;

inline float E4m3ToFloat(uint8_t code) {
  const uint32_t sign = static_cast<uint32_t>(code & 0x80u) << 24;
  const uint32_t exponent = (code >> 3) & 15u;
  const uint32_t mantissa = code & 7u;
  if ((code & 0x7Fu) == 0x7Fu) return std::numeric_limits<float>::quiet_NaN();
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-9f;
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 120u) << 23) | (mantissa << 20));
}

// Nearest code, ties to even mantissa; magnitudes above 448 become 448. NaN becomes 0x7F.
inline uint8_t FloatToE4m3(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const auto sign = static_cast<uint8_t>((bits >> 24) & 0x80u);
  const float magnitude = std::fabs(x);
  if (std::isnan(x)) return 0x7F;
  if (magnitude >= kE4m3Max) return static_cast<uint8_t>(sign | 0x7Eu);
  if (magnitude < 0x1p-6f) {
    // Subnormal: a multiple of 2^-9. Adding and removing 2^14 rounds to that grid, ties to even (the float's last
    // mantissa bit at 2^14 is 2^-9). The result 8 is the code of the smallest normal, 2^-6.
    const float rounded = (magnitude + 0x1p14f) - 0x1p14f;
    return static_cast<uint8_t>(sign | static_cast<uint8_t>(rounded * 0x1p9f));
  }
  // Normal: keep 3 mantissa bits, ties to even, carry into the exponent.
  const uint32_t absolute = bits & 0x7FFFFFFFu;
  const uint32_t rounded = (absolute + 0x7FFFFu + ((absolute >> 20) & 1u)) >> 20;
  return static_cast<uint8_t>(sign | (rounded - (120u << 3)));
}

// ---- E2M1: FP4, {0, .5, 1, 1.5, 2, 3, 4, 6} and negatives ---------------------------------------------------------

inline constexpr float kE2m1Max = 6.0f;
inline constexpr float kE2m1Values[16] = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,  4.0f,  6.0f,
                                          -0.0f, -0.5f, -1.0f, -1.5f, -2.0f, -3.0f, -4.0f, -6.0f};

inline float E2m1ToFloat(uint8_t nibble) { return kE2m1Values[nibble & 15u]; }

// Nearest code, ties to even mantissa bit; magnitudes above 6 become 6.
inline uint8_t FloatToE2m1(float x) {
  const uint32_t sign = std::signbit(x) ? 8 : 0;
  const float a = std::fabs(x);
  // One more code for every border passed. A tie goes to the even code: borders above an even code need "greater".
  const uint32_t code = static_cast<uint32_t>(a > 0.25f) + static_cast<uint32_t>(a >= 0.75f) +
                        static_cast<uint32_t>(a > 1.25f) + static_cast<uint32_t>(a >= 1.75f) +
                        static_cast<uint32_t>(a > 2.5f) + static_cast<uint32_t>(a >= 3.5f) +
                        static_cast<uint32_t>(a > 5.0f);
  return static_cast<uint8_t>(sign | code);
}

// ---- E8M0: a power of two, 2^(code - 127); 255 is NaN -----------------------------------------------------------

inline float E8m0ToFloat(uint8_t code) {
  if (code == 255) return std::numeric_limits<float>::quiet_NaN();
  if (code == 0) return 0x1p-127f;
  return std::bit_cast<float>(static_cast<uint32_t>(code) << 23);
}

// Code of a power of two in [2^-127, 2^127].
inline uint8_t PowerOfTwoToE8m0(float power) { return static_cast<uint8_t>(std::bit_cast<uint32_t>(power) >> 23); }

// ---- Block scales -------------------------------------------------------------------------------------------------

inline constexpr float kFp8AmaxFloor = 1e-4f;
inline constexpr float kFp4AmaxFloor = 6.0f * 0x1p-126f;

// 2^ceil(log2(amax * float32(1/max_code))), from the float32 bits of the product (section 6). `amax` is positive and
// finite.
inline float PowerOfTwoScale(float amax, float inverse_max_code) {
  const auto bits = std::bit_cast<uint32_t>(amax * inverse_max_code);
  const uint32_t exponent = (bits >> 23) + ((bits & 0x7FFFFFu) != 0 ? 1u : 0u);
  return exponent == 0 ? 0x1p-127f : std::bit_cast<float>(exponent << 23);
}

// Scale of a Q8 block (E4M3) whose absolute maximum is `amax`.
inline float Fp8BlockScale(float amax) {
  return PowerOfTwoScale(amax > kFp8AmaxFloor ? amax : kFp8AmaxFloor, 1.0f / 448.0f);
}

// Scale of a Q4 block (E2M1).
inline float Fp4BlockScale(float amax) {
  return PowerOfTwoScale(amax > kFp4AmaxFloor ? amax : kFp4AmaxFloor, 1.0f / 6.0f);
}

// ---- Unaligned little-endian loads from mapped files ------------------------------------------------------------

template <typename T>
inline T LoadUnaligned(const void* address) {
  T value;
  std::memcpy(&value, address, sizeof value);
  return value;
}

}  // namespace fathom

#endif  // FATHOM_NUMERIC_FORMATS_H_
