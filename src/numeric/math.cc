#include "numeric/math.h"

#include <algorithm>
#include <cmath>

namespace fathom {
namespace {

// The functions below of several numbers at a time, operation by operation: what a division waits for is another
// number's then, and the compiler takes two or more of them in a register.
constexpr int kAtOnce = 8;
using Doubles = double[kAtOnce];

void ExpDoubles(const Doubles& x, Doubles& out) {
  constexpr double kLog2e = 1.4426950408889634074;
  constexpr double kLn2High = 6.93147180369123816490e-01;
  constexpr double kLn2Low = 1.90821492927058770002e-10;
  constexpr double kRound = 6755399441055744.0;
  Doubles r;
  Doubles scale;
  for (int i = 0; i < kAtOnce; ++i) {
    const double clamped = x[i] < -700 ? -700 : (x[i] > 700 ? 700 : x[i]);
    const double shifted = clamped * kLog2e + kRound;
    const double n = shifted - kRound;
    r[i] = (clamped - n * kLn2High) - n * kLn2Low;
    // The low bits of `shifted` are n.
    const int64_t whole = std::bit_cast<int64_t>(shifted) - std::bit_cast<int64_t>(kRound);
    scale[i] = std::bit_cast<double>((whole + 1023) << 52);
  }
  Doubles p = {1, 1, 1, 1, 1, 1, 1, 1};
  for (int degree = 13; degree >= 1; --degree) {
    for (int i = 0; i < kAtOnce; ++i) p[i] = p[i] * r[i] / degree + 1;
  }
  for (int i = 0; i < kAtOnce; ++i) out[i] = x[i] < -700 ? 0 : p[i] * scale[i];
}

void Log1pDoubles(const Doubles& y, Doubles& out) {
  Doubles u;
  Doubles t;
  for (int i = 0; i < kAtOnce; ++i) {
    u[i] = 1 + y[i];
    const auto bits = std::bit_cast<int64_t>(u[i]);
    t[i] = (static_cast<double>(bits - std::bit_cast<int64_t>(1.0)) / 4503599627370496.0) * 0.69314718055994530942;
  }
  for (int step = 0; step < 4; ++step) {
    Doubles e;
    ExpDoubles(t, e);
    for (int i = 0; i < kAtOnce; ++i) t[i] += 2 * (u[i] - e[i]) / (u[i] + e[i]);
  }
  for (int i = 0; i < kAtOnce; ++i) {
    const double series = y[i] * (1 - y[i] * (0.5 - y[i] * (1.0 / 3 - y[i] * (0.25 - y[i] * 0.2))));
    out[i] = y[i] < 1e-4 ? series : t[i] + (y[i] - (u[i] - 1)) / u[i];
  }
}

}  // namespace

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

void SqrtSoftplusOfAll(float* z, int64_t count) {
  for (int64_t begin = 0; begin < count; begin += kAtOnce) {
    const auto n = static_cast<int>(std::min<int64_t>(count - begin, kAtOnce));
    float* const some = z + begin;
    Doubles x = {};
    for (int i = 0; i < n; ++i) x[i] = some[i] <= 20 ? static_cast<double>(some[i]) : 0;
    Doubles y;
    ExpDoubles(x, y);
    Doubles softplus;
    Log1pDoubles(y, softplus);
    for (int i = 0; i < n; ++i) {
      some[i] = some[i] <= 20 ? static_cast<float>(std::sqrt(softplus[i])) : std::sqrt(some[i]);
    }
  }
}

}  // namespace fathom
