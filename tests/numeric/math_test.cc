// Elementary functions against libm in (long) double.
#include "numeric/math.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace fathom {
namespace {

TEST(Exp, RelativeErrorOverItsRange) {
  double worst = 0;
  // Steps of 2^-13: 1.4 million arguments.
  for (int i = -87 * 8192; i <= 88 * 8192; ++i) {
    const auto x = static_cast<float>(i / 8192.0 + 1e-5);
    const double exact = std::exp(double{x});
    worst = std::max(worst, std::fabs(Exp(x) - exact) / exact);
  }
  EXPECT_LT(worst, 2e-7);
}

TEST(Exp, Ends) {
  EXPECT_EQ(Exp(0.0f), 1.0f);
  EXPECT_EQ(Exp(-0.0f), 1.0f);
  EXPECT_EQ(Exp(-88.0f), 0.0f);
  EXPECT_EQ(Exp(-INFINITY), 0.0f);
  EXPECT_TRUE(std::isfinite(Exp(1000.0f)));
  EXPECT_EQ(Exp(1000.0f), Exp(INFINITY));
  EXPECT_GT(Exp(1000.0f), 3.3e38f);
  EXPECT_TRUE(std::isnan(Exp(NAN)));
}

TEST(Sigmoid, AndSilu) {
  for (int i = -3000; i <= 3000; ++i) {
    const auto x = static_cast<float>(i / 100.0);
    const double sigmoid = 1 / (1 + std::exp(-double{x}));
    EXPECT_NEAR(Sigmoid(x), sigmoid, 4e-7 * sigmoid) << x;
    EXPECT_NEAR(Silu(x), x * sigmoid, 4e-7 * std::fabs(x * sigmoid)) << x;
  }
  EXPECT_EQ(Sigmoid(-1000.0f), 1.0f / (1.0f + Exp(1000.0f)));
  EXPECT_EQ(Silu(1000.0f), 1000.0f);
  EXPECT_EQ(Silu(0.0f), 0.0f);
}

TEST(ExpDouble, RelativeErrorOverItsRange) {
  double worst = 0;
  for (int i = -690 * 512; i <= 690 * 512; ++i) {
    const double x = i / 512.0 + 1e-7;
    const double exact = std::exp(x);
    worst = std::max(worst, std::fabs(ExpDouble(x) - exact) / exact);
  }
  EXPECT_LT(worst, 1e-15);
  EXPECT_EQ(ExpDouble(0), 1);
  EXPECT_EQ(ExpDouble(-1e9), 0);
  EXPECT_TRUE(std::isfinite(ExpDouble(1e9)));
}

TEST(Log1pDouble, RelativeError) {
  double worst = 0;
  for (int i = -40000; i <= 60000; ++i) {
    const double y = std::exp(i / 1000.0) * 1.37;
    const double exact = std::log1p(y);
    worst = std::max(worst, std::fabs(Log1pDouble(y) - exact) / exact);
  }
  EXPECT_LT(worst, 5e-16);
  EXPECT_EQ(Log1pDouble(0), 0);
  EXPECT_EQ(Log1pDouble(1e-300), 1e-300);
}

TEST(SinCosDouble, ErrorUpToTheLongestContext) {
  double worst = 0;
  for (int64_t i = 0; i < 200000; ++i) {
    const double angle = static_cast<double>(i) * 20.97131;  // to 2^22
    double sine = 0;
    double cosine = 0;
    SinCosDouble(angle, &sine, &cosine);
    worst = std::max(worst, std::fabs(sine - std::sin(angle)));
    worst = std::max(worst, std::fabs(cosine - std::cos(angle)));
  }
  EXPECT_LT(worst, 1e-15);
  double sine = 1;
  double cosine = 0;
  SinCosDouble(0, &sine, &cosine);
  EXPECT_EQ(sine, 0);
  EXPECT_EQ(cosine, 1);
}

TEST(SqrtSoftplus, NaNStaysNaN) { EXPECT_TRUE(std::isnan(SqrtSoftplus(std::nanf("")))); }

TEST(SqrtSoftplus, RelativeError) {
  for (int i = -8000; i <= 3000; ++i) {
    const auto z = static_cast<float>(i / 100.0);
    const double softplus = z > 20 ? double{z} : std::log1p(std::exp(double{z}));
    EXPECT_NEAR(SqrtSoftplus(z), std::sqrt(softplus), 1e-7 * std::sqrt(softplus)) << z;
  }
}

// Whatever stands beside a number; and nothing is written behind the last one.
TEST(SqrtSoftplus, OfManyHasTheBitsOfEach) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> z = {0.0f,      -0.0f,     20.0f,         std::nextafter(20.0f, 21.0f),
                          1e30f,     -1e30f,    std::nanf(""), -9.2103f,
                          -700.0f,   -9.2104f,  -700.1f,       1e-40f,
                          kInfinity, -kInfinity};
  for (int i = -40000; i <= 11000; ++i) z.push_back(static_cast<float>(i) / 500.0f);
  for (const size_t count : {size_t{0}, size_t{1}, size_t{7}, size_t{8}, size_t{13}, z.size() - 1}) {
    std::vector<float> all = z;
    SqrtSoftplus(all.data(), static_cast<int64_t>(count));
    for (size_t i = 0; i < z.size(); ++i) {
      const float expected = i < count ? SqrtSoftplus(z[i]) : z[i];
      EXPECT_EQ(std::bit_cast<uint32_t>(all[i]), std::bit_cast<uint32_t>(expected)) << z[i];
    }
  }
}

TEST(SqrtSoftplus, AtTheEnds) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(SqrtSoftplus(-kInfinity), 0);
  EXPECT_EQ(SqrtSoftplus(kInfinity), kInfinity);
  EXPECT_EQ(SqrtSoftplus(-800.0f), 0);
  EXPECT_EQ(SqrtSoftplus(400.0f), 20);
}

}  // namespace
}  // namespace fathom
