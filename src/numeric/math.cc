#include "numeric/math.h"

#include <cmath>

namespace fathom {

double ExpDouble(double x) {
  constexpr double kLog2e = 1.4426950408889634074;
  constexpr double kLn2High = 6.93147180369123816490e-01;  // 33 bits
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr double kRound = 6755399441055744.0;  // 1.5 * 2^52
  if (x < -700) return 0;
  if (x > 700) x = 700;
  const double shifted = x * kLog2e + kRound;
  const double n = shifted - kRound;
  const double r = (x - n * kLn2High) - n * kLn2Low;
  // Taylor series to degree 13 on [-ln2/2, ln2/2].
  double p = 1;
  for (int degree = 13; degree >= 1; --degree) p = p * r / degree + 1;
  const auto whole = static_cast<int64_t>(n);
  return p * std::bit_cast<double>((whole + 1023) << 52);
}

double Log1pDouble(double y) {
  // For small y the series; otherwise Newton steps on e^t = 1 + y from a bit-level first guess.
  if (y < 1e-4) return y * (1 - y * (0.5 - y * (1.0 / 3 - y * (0.25 - y * 0.2))));
  const double u = 1 + y;
  const auto bits = std::bit_cast<int64_t>(u);
  double t = (static_cast<double>(bits - std::bit_cast<int64_t>(1.0)) / 4503599627370496.0) * 0.69314718055994530942;
  // Halley's iteration: the guess is good to 0.06, cubic convergence reaches double precision in three steps.
  for (int step = 0; step < 4; ++step) {
    const double e = ExpDouble(t);
    t += 2 * (u - e) / (u + e);
  }
  // The rounding of 1 + y, put back.
  return t + (y - (u - 1)) / u;
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

float SqrtSoftplus(float z) {
  if (!(z <= 20)) return std::sqrt(z);  // NaN stays NaN
  return static_cast<float>(std::sqrt(Log1pDouble(ExpDouble(static_cast<double>(z)))));
}

}  // namespace fathom
