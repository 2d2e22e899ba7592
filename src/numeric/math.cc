#include "numeric/math.h"

#include <algorithm>
#include <cmath>

namespace fathom {
namespace {

// Several numbers at a time: what a division waits for is another number's then, and the compiler takes two or more of
// them in a register.
constexpr int kAtOnce = 8;

template <int N>
void ExpDoubles(const double (&x)[N], double (&out)[N]) {
  constexpr double kLog2e = 1.4426950408889634074;
  constexpr double kLn2High = 6.93147180369123816490e-01;  // 33 bits
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52: the low bits of a sum with it are the whole number
  double r[N];
  double scale[N];
  for (int i = 0; i < N; ++i) {
    const double clamped = x[i] < -700 ? -700 : (x[i] > 700 ? 700 : x[i]);
    const double shifted = clamped * kLog2e + kRound;
    const double n = shifted - kRound;
    r[i] = (clamped - n * kLn2High) - n * kLn2Low;
    const int64_t whole = std::bit_cast<int64_t>(shifted) - std::bit_cast<int64_t>(kRound);
    scale[i] = std::bit_cast<double>(static_cast<uint64_t>(whole + 1023) << 52);
  }
  // Taylor series to degree 13 on [-ln2/2, ln2/2].
  constexpr double kTaylor[] = {
      1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040,
      1.0 / 720,        1.0 / 120,       1.0 / 24,       1.0 / 6,       1.0 / 2,      1,           1};
  double p[N] = {};
  for (const double coefficient : kTaylor) {
    for (int i = 0; i < N; ++i) p[i] = p[i] * r[i] + coefficient;
  }
  for (int i = 0; i < N; ++i) out[i] = x[i] < -700 ? 0 : p[i] * scale[i];
}

// 1 + y = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), and log(1 + f) = 2 atanh(s) = f - s (f - 2 s^2 (1/3 + s^2 / 5
// + ..)) with s = f / (2 + f), which is at most 0.172: what follows the tenth term is below 1e-17.
template <int N>
void Log1pDoubles(const double (&y)[N], double (&out)[N]) {
  constexpr double kLn2High = 6.93147180369123816490e-01;  // 33 bits
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr auto kLeast = std::bit_cast<uint64_t>(0.70710678118654752440);
  constexpr auto kMagic = std::bit_cast<uint64_t>(4503599627370496.0);  // 2^52: its low bits are a whole number
  double k[N];
  double f[N];
  double lost[N];
  for (int i = 0; i < N; ++i) {
    const double u = 1 + y[i];
    const auto bits = std::bit_cast<uint64_t>(u);
    const uint64_t exponent = (bits - kLeast) >> 52;  // of 1 + y, which is not below 1: k >= 0
    k[i] = std::bit_cast<double>(kMagic | exponent) - 4503599627370496.0;
    f[i] = std::bit_cast<double>(bits - (exponent << 52)) - 1;
    lost[i] = (y[i] - (u - 1)) / u;  // by the rounding of 1 + y
  }
  constexpr double kSeries[] = {2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13,
                                2.0 / 11, 2.0 / 9,  2.0 / 7,  2.0 / 5,  2.0 / 3};
  double s[N];
  double z[N];
  double p[N] = {};
  for (int i = 0; i < N; ++i) {
    s[i] = f[i] / (2 + f[i]);
    z[i] = s[i] * s[i];
  }
  for (const double coefficient : kSeries) {
    for (int i = 0; i < N; ++i) p[i] = p[i] * z[i] + coefficient;
  }
  for (int i = 0; i < N; ++i) {
    const double half_square = 0.5 * f[i] * f[i];
    const double rest = s[i] * (half_square + z[i] * p[i]) + (k[i] * kLn2Low + lost[i]);
    out[i] = k[i] * kLn2High - ((half_square - rest) - f[i]);
  }
}

}  // namespace

double ExpDouble(double x) {
  double out[1];
  ExpDoubles<1>({x}, out);
  return out[0];
}

double Log1pDouble(double y) {
  double out[1];
  Log1pDoubles<1>({y}, out);
  return out[0];
}

void SinCosDouble(double angle, double* sine, double* cosine) {
  // Cody-Waite by pi/2 in three parts of 33 bits: exact products for quotients below 2^20,
  // and an error below 1e-8 for angles of the longest context.
  constexpr double kTwoOverPi = 0.63661977236758134308;
  constexpr double kPart1 = 1.57079632673412561417e+00;
  constexpr double kPart2 = 6.07710050630396597660e-11;
  constexpr double kPart3 = 2.02226624879595063154e-21;
  constexpr double kRound = 6755399441055744.0;
  const double n = (angle * kTwoOverPi + kRound) - kRound;
  const double r = ((angle - n * kPart1) - n * kPart2) - n * kPart3;
  const double r2 = r * r;
  // Taylor series on [-pi/4, pi/4]: remainders below 1e-17.
  double s = 1;
  for (int k = 17; k >= 3; k -= 2) s = 1 - s * r2 / (k * (k - 1));
  s *= r;
  double c = 1;
  for (int k = 18; k >= 2; k -= 2) c = 1 - c * r2 / (k * (k - 1));
  switch (static_cast<int64_t>(n) & 3) {
    case 0:
      *sine = s;
      *cosine = c;
      return;
    case 1:
      *sine = c;
      *cosine = -s;
      return;
    case 2:
      *sine = -s;
      *cosine = -c;
      return;
    default:
      *sine = -c;
      *cosine = s;
  }
}

void SqrtSoftplus(float* z, int64_t count) {
  for (int64_t begin = 0; begin < count; begin += kAtOnce) {
    const auto n = static_cast<int>(std::min<int64_t>(count - begin, kAtOnce));
    float* const some = z + begin;
    double x[kAtOnce] = {};
    for (int i = 0; i < n; ++i) x[i] = some[i] <= 20 ? static_cast<double>(some[i]) : 0;
    double y[kAtOnce];
    ExpDoubles(x, y);
    double softplus[kAtOnce];
    Log1pDoubles(y, softplus);
    for (int i = 0; i < n; ++i) {  // NaN stays NaN
      some[i] = some[i] <= 20 ? static_cast<float>(std::sqrt(softplus[i])) : std::sqrt(some[i]);
    }
  }
}

float SqrtSoftplus(float z) {
  SqrtSoftplus(&z, 1);
  return z;
}

}  // namespace fathom
