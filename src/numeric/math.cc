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
  double p[N];
  for (double& number : p) number = 1;
  for (int degree = 13; degree >= 1; --degree) {
    for (int i = 0; i < N; ++i) p[i] = p[i] * r[i] / degree + 1;
  }
  for (int i = 0; i < N; ++i) out[i] = x[i] < -700 ? 0 : p[i] * scale[i];
}

template <int N>
void Log1pDoubles(const double (&y)[N], double (&out)[N]) {
  // For small y the series; otherwise Newton steps on e^t = 1 + y from a bit-level first guess.
  double u[N];
  double t[N];
  for (int i = 0; i < N; ++i) {
    u[i] = 1 + y[i];
    const auto bits = std::bit_cast<int64_t>(u[i]);
    t[i] = (static_cast<double>(bits - std::bit_cast<int64_t>(1.0)) / 4503599627370496.0) * 0.69314718055994530942;
  }
  // Halley's iteration: the guess is good to 0.06, cubic convergence reaches double precision in three steps.
  for (int step = 0; step < 4; ++step) {
    double e[N];
    ExpDoubles(t, e);
    for (int i = 0; i < N; ++i) t[i] += 2 * (u[i] - e[i]) / (u[i] + e[i]);
  }
  for (int i = 0; i < N; ++i) {
    const double series = y[i] * (1 - y[i] * (0.5 - y[i] * (1.0 / 3 - y[i] * (0.25 - y[i] * 0.2))));
    // The rounding of 1 + y, put back.
    out[i] = y[i] < 1e-4 ? series : t[i] + (y[i] - (u[i] - 1)) / u[i];
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
