#include "base/svg.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "tests/support/xml.h"

namespace fathom {
namespace {

constexpr SvgSeries kRedAndBlue[] = {{"red", "#cc0000", "#ff8888"}, {"blue", "#0000cc", "#8888ff"}};

TEST(Svg, IsWellFormedWhateverTheTextsSay) {
  Svg svg(300, 200, "a < b & \"c\"", kRedAndBlue);
  svg.Line(0, 1, 2, 3, "grid");
  svg.Rect(10, 20, 30, 40, "bar red");
  const SvgPoint points[] = {{1, 2}, {3, 4}};
  svg.Polyline(points, "curve blue");
  svg.Polyline({}, "curve none");
  svg.Text(5, 6, "end", "x > y\x01\n", "small");
  const std::string text = svg.Finish();
  const XmlTexts xml = ReadXml(text);
  EXPECT_EQ(xml.error, "") << text;
  EXPECT_EQ(xml.texts.at("title"), std::vector<std::string>({"a < b & \"c\""}));
  EXPECT_EQ(xml.texts.at("text"), std::vector<std::string>({"x > y  "}));
  EXPECT_EQ(xml.elements.at("rect"), 2);  // the background is one
  EXPECT_EQ(xml.elements.at("polyline"), 1);
  EXPECT_NE(text.find("points=\"1.0,2.0 3.0,4.0\""), std::string::npos) << text;
}

TEST(Svg, EachSeriesHasAColourForLightAndForDarkPages) {
  const std::string text = Svg(10, 10, "t", kRedAndBlue).Finish();
  const size_t dark = text.find("prefers-color-scheme: dark");
  ASSERT_NE(dark, std::string::npos);
  EXPECT_LT(text.find(".red { color: #cc0000; }"), dark);
  EXPECT_GT(text.find(".red { color: #ff8888; }"), dark);
  EXPECT_NE(text.find(".blue { color: #8888ff; }"), std::string::npos);
}

TEST(Plot, ScalesAreLinearOrLogarithmic) {
  const PlotScale linear = {.low = 0, .high = 10, .low_at = 100, .high_at = 200};
  EXPECT_DOUBLE_EQ(linear.At(0), 100);
  EXPECT_DOUBLE_EQ(linear.At(2.5), 125);
  const PlotScale log = {.low = 1, .high = 100, .low_at = 300, .high_at = 100, .logarithmic = true};
  EXPECT_DOUBLE_EQ(log.At(10), 200);
  EXPECT_DOUBLE_EQ(log.At(100), 100);
}

TEST(Plot, TicksAreRoundNumbersInRange) {
  EXPECT_EQ(LinearTicks(0, 100, 5), std::vector<double>({0, 20, 40, 60, 80, 100}));
  EXPECT_EQ(LinearTicks(3, 9, 6), std::vector<double>({3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(LogTicks(1.5, 60), std::vector<double>({2, 5, 10, 20, 50}));
  EXPECT_EQ(LogTicks(3, 4).size(), LinearTicks(3, 4, 6).size());
}

TEST(Plot, ARangeThatIsNoneHasNoTicks) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(LinearTicks(0, infinity, 5), std::vector<double>());
  EXPECT_EQ(LinearTicks(-infinity, 1, 5), std::vector<double>());
  EXPECT_EQ(LinearTicks(0, nan, 5), std::vector<double>());
  EXPECT_EQ(LinearTicks(2, 2, 5), std::vector<double>());
}

}  // namespace
}  // namespace fathom
