// Number formats over all their codes, and rounding against a search for the nearest code.
#include "numeric/formats.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace fathom {
namespace {

// The values of all codes 0 .. count-1 (non-negative, ascending) and, by search, the code nearest to x: on a tie the
// even one, above the largest the largest.
template <typename ToFloat>
class NearestCode {
 public:
  NearestCode(int count, ToFloat to_float) {
    for (int code = 0; code < count; ++code) values_.push_back(to_float(static_cast<uint8_t>(code)));
  }
  int operator()(double magnitude) const {
    if (magnitude >= values_.back()) return static_cast<int>(values_.size()) - 1;
    int best = 0;
    for (int code = 1; code < static_cast<int>(values_.size()); ++code) {
      const double distance = std::fabs(values_[static_cast<size_t>(code)] - magnitude);
      const double least = std::fabs(values_[static_cast<size_t>(best)] - magnitude);
      if (distance < least || (distance == least && code % 2 == 0)) best = code;
    }
    return best;
  }

 private:
  std::vector<double> values_;
};

// Floats worth rounding: every BF16 number and its neighbours.
template <typename Function>
void ForManyFloats(Function function) {
  for (uint32_t code = 0; code < 65536; ++code) {
    const float x = Bf16ToFloat(static_cast<uint16_t>(code));
    if (std::isnan(x)) continue;
    function(x);
    if (std::isinf(x)) continue;
    function(std::nextafter(x, INFINITY));
    function(std::nextafter(x, -INFINITY));
  }
}

TEST(Bf16, AllCodesRoundTrip) {
  for (uint32_t code = 0; code < 65536; ++code) {
    const float x = Bf16ToFloat(static_cast<uint16_t>(code));
    EXPECT_EQ(std::bit_cast<uint32_t>(x), code << 16);
    if (std::isnan(x)) {
      EXPECT_TRUE(std::isnan(RoundToBf16(x))) << code;
    } else {
      EXPECT_EQ(FloatToBf16(x), code);
    }
  }
}

TEST(Bf16, RoundsToNearestTiesToEven) {
  for (uint32_t code = 0; code < 0x7F80; ++code) {
    const uint32_t bits = code << 16;
    const uint32_t even = code + (code & 1);
    EXPECT_EQ(FloatToBf16(std::bit_cast<float>(bits + 0x7FFF)), code);
    EXPECT_EQ(FloatToBf16(std::bit_cast<float>(bits + 0x8000)), even);
    EXPECT_EQ(FloatToBf16(std::bit_cast<float>(bits + 0x8001)), code + 1);
    EXPECT_EQ(FloatToBf16(-std::bit_cast<float>(bits + 0x8000)), even | 0x8000);
  }
  // A signalling NaN whose payload lies in the lower half must not become infinity.
  EXPECT_TRUE(std::isnan(RoundToBf16(std::bit_cast<float>(0x7F800001u))));
  EXPECT_TRUE(std::isnan(RoundToBf16(std::bit_cast<float>(0xFFFFFFFFu))));
}

TEST(E4m3, AllCodesHaveTheirValue) {
  for (int code = 0; code < 256; ++code) {
    const float x = E4m3ToFloat(static_cast<uint8_t>(code));
    const int exponent = (code >> 3) & 15;
    const int mantissa = code & 7;
    if (exponent == 15 && mantissa == 7) {
      EXPECT_TRUE(std::isnan(x)) << code;
      continue;
    }
    const double magnitude = exponent == 0 ? std::ldexp(mantissa, -9) : std::ldexp(8 + mantissa, exponent - 10);
    EXPECT_EQ(x, code < 128 ? magnitude : -magnitude) << code;
    EXPECT_EQ(std::signbit(x), code >= 128) << code;
    EXPECT_EQ(FloatToE4m3(x), code);
  }
}

TEST(E4m3, RoundsToTheNearestCode) {
  const NearestCode nearest(0x7F, E4m3ToFloat);
  ForManyFloats(
      [&](float x) { ASSERT_EQ(FloatToE4m3(x), nearest(std::fabs(double{x})) | (std::signbit(x) ? 0x80 : 0)) << x; });
  EXPECT_EQ(FloatToE4m3(NAN), 0x7F);
  EXPECT_EQ(FloatToE4m3(464.0f), 0x7E);
  EXPECT_EQ(FloatToE4m3(-INFINITY), 0xFE);
}

TEST(E2m1, AllCodesHaveTheirValue) {
  constexpr float kMagnitudes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};
  for (int code = 0; code < 16; ++code) {
    const float x = E2m1ToFloat(static_cast<uint8_t>(code));
    EXPECT_EQ(std::fabs(x), kMagnitudes[code & 7]);
    EXPECT_EQ(std::signbit(x), code >= 8);
    EXPECT_EQ(FloatToE2m1(x), code);
  }
}

TEST(E2m1, RoundsToTheNearestCode) {
  const NearestCode nearest(8, E2m1ToFloat);
  ForManyFloats(
      [&](float x) { ASSERT_EQ(FloatToE2m1(x), nearest(std::fabs(double{x})) | (std::signbit(x) ? 8 : 0)) << x; });
}

TEST(E8m0, AllCodes) {
  for (int code = 0; code < 255; ++code) {
    const float power = E8m0ToFloat(static_cast<uint8_t>(code));
    EXPECT_EQ(power, std::ldexp(1.0, code - 127)) << code;
    EXPECT_EQ(PowerOfTwoToE8m0(power), code);
  }
  EXPECT_TRUE(std::isnan(E8m0ToFloat(255)));
}

// The least power of two times the largest code that is not below amax, from the rounded product as section 6 has it.
TEST(BlockScale, IsThePowerOfTwoAtOrAboveTheProduct) {
  const auto expected = [](float amax, float inverse) {
    const double product = amax * inverse;  // rounded to float32 first
    return std::ldexp(1.0, static_cast<int>(std::ceil(std::log2(product))));
  };
  ForManyFloats([&](float x) {
    if (!(x >= kFp8AmaxFloor) || std::isinf(x)) return;
    ASSERT_EQ(Fp8BlockScale(x), expected(x, 1.0f / 448)) << x;
    ASSERT_EQ(Fp4BlockScale(x), expected(x, 1.0f / 6)) << x;
  });
  EXPECT_EQ(Fp8BlockScale(0), Fp8BlockScale(kFp8AmaxFloor));
  EXPECT_EQ(Fp8BlockScale(448.0f), 1.0f);
  EXPECT_EQ(Fp8BlockScale(std::nextafter(448.0f, 1e9f)), 2.0f);
  EXPECT_EQ(Fp4BlockScale(0), 0x1p-126f);
  EXPECT_EQ(Fp4BlockScale(6.0f), 1.0f);
}

TEST(LoadUnaligned, ReadsAnyAddress) {
  const uint8_t bytes[] = {9, 0x78, 0x56, 0x34, 0x12};
  EXPECT_EQ(LoadUnaligned<uint32_t>(bytes + 1), 0x12345678u);
}

}  // namespace
}  // namespace fathom
