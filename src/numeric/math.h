// math.h - elementary functions that give the same bits on every machine.
//
// libm differs between processors (fused or not) and versions. These use only +, -, *, /, square roots and integer
// operations on IEEE numbers and are compiled with contraction off. Those of floats are branch-free, so that the
// compiler vectorises loops over them; a vectorised loop gives the same bits as a scalar one.
#ifndef FATHOM_NUMERIC_MATH_H_
#define FATHOM_NUMERIC_MATH_H_

#include <bit>
#include <cstdint>

namespace fathom {

// e^x. Relative error below 2e-7 for x in [-87, 88]; 0 below -87.3, at most 2^127.99 above 88.
// Cody-Waite reduction by ln 2 and the Taylor series to degree 7 on [-ln2/2, ln2/2] (its remainder is 5e-9).
inline float Exp(float x) {
  constexpr float kLog2e = 1.44269504088896341f;
  constexpr float kLn2High = 0.693359375f;  // 10 bits: exact times any exponent
  constexpr float kLn2Low = -2.12194440e-4f;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const float clamped = x < -87.3f ? -87.3f : (x > 88.72f ? 88.72f : x);
  const float shifted = clamped * kLog2e + kRound;
  const float n = shifted - kRound;
  const float r = (clamped - n * kLn2High) - n * kLn2Low;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  const float e = r * r * p + r;
  // 2^n by the exponent field, in two halves: n reaches 128.
  const int32_t whole = std::bit_cast<int32_t>(shifted) - std::bit_cast<int32_t>(kRound);
  const int32_t half = whole >> 1;
  const float scale_a = std::bit_cast<float>((half + 127) << 23);
  const float scale_b = std::bit_cast<float>((whole - half + 127) << 23);
  const float result = (e + 1.0f) * scale_a * scale_b;
  return x < -87.3f ? 0.0f : result;
}

// 1 / (1 + e^-x)
inline float Sigmoid(float x) { return 1.0f / (1.0f + Exp(-x)); }

// x * sigmoid(x)
inline float Silu(float x) { return x / (1.0f + Exp(-x)); }

// Double versions for the few places where a float's error would be seen: router scores and rotary angles.
double ExpDouble(double x);
// log(1 + y) for finite y >= 0.
double Log1pDouble(double y);
// Sine and cosine of an angle in [0, 2^24] radians.
void SinCosDouble(double angle, double* sine, double* cosine);

// sqrt(softplus(z)), softplus(z) = z for z > 20 (section 7.7).
float SqrtSoftplus(float z);
// Of `count` numbers, in place: in a fraction of the time.
void SqrtSoftplus(float* z, int64_t count);

}  // namespace fathom

#endif  // FATHOM_NUMERIC_MATH_H_
