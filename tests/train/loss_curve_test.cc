#include "train/loss_curve.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <utility>

namespace fathom {
namespace {

// The points of the curve with this class; empty if there is none.
std::vector<std::pair<double, double>> PointsOf(const std::string& svg, const std::string& curve) {
  const std::string opening = "<polyline class=\"curve " + curve + "\" points=\"";
  const size_t begin = svg.find(opening);
  if (begin == std::string::npos) return {};
  std::vector<std::pair<double, double>> points;
  const char* at = svg.c_str() + begin + opening.size();
  while (*at != '"') {
    char* end = nullptr;
    const double x = std::strtod(at, &end);
    const double y = std::strtod(end + 1, &end);
    points.emplace_back(x, y);
    at = *end == ' ' ? end + 1 : end;
  }
  return points;
}

bool Has(const std::string& svg, std::string_view text) { return svg.find(text) != std::string::npos; }

std::vector<TrainRecord> Falling(int64_t steps) {
  std::vector<TrainRecord> records;
  for (int64_t step = 1; step <= steps; ++step) {
    TrainRecord record;
    record.step = step;
    record.train_loss = 8 / std::sqrt(static_cast<double>(step));
    if (step % 10 == 0) record.held_out_loss = record.train_loss + 0.5;
    records.push_back(record);
  }
  return records;
}

TEST(LossCurve, DrawsBothCurvesWithTheirLastValues) {
  const std::string svg = LossCurveSvg(Falling(100), "a < b & c");
  EXPECT_TRUE(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
  EXPECT_TRUE(Has(svg, "a &lt; b &amp; c"));
  EXPECT_FALSE(Has(svg, "a < b"));
  EXPECT_TRUE(Has(svg, "train, last 0.8<"));
  EXPECT_TRUE(Has(svg, "held out, last 1.3<"));
  EXPECT_TRUE(Has(svg, "prefers-color-scheme: dark"));
  const auto train = PointsOf(svg, "train");
  const auto held_out = PointsOf(svg, "held-out");
  ASSERT_EQ(train.size(), 100u);
  ASSERT_EQ(held_out.size(), 10u);
  EXPECT_EQ(train[9].first, held_out[0].first);
  EXPECT_GT(train[9].second, held_out[0].second);  // downwards: the smaller loss stands lower
  // In log scale, from 8 to 4 is as far as from 4 to 2.
  EXPECT_NEAR(train[3].second - train[0].second, train[15].second - train[3].second, 0.2);
}

TEST(LossCurve, ManyRecordsAreAveraged) {
  const std::string svg = LossCurveSvg(Falling(100000), "long");
  const auto points = PointsOf(svg, "train");
  EXPECT_GT(points.size(), 500u);
  EXPECT_LE(points.size(), 720u);
  EXPECT_LT(svg.size(), 60000u);
  EXPECT_TRUE(Has(svg, ">80000<"));
}

TEST(LossCurve, TheLastValueIsNoMean) {
  std::vector<TrainRecord> records = Falling(5000);
  records.back().train_loss = 5;
  records.back().held_out_loss = 6;
  const std::string svg = LossCurveSvg(records, "long");
  EXPECT_TRUE(Has(svg, "train, last 5<")) << svg;
  EXPECT_TRUE(Has(svg, "held out, last 6<")) << svg;
}

TEST(LossCurve, EveryPointIsInsideAndFinite) {
  std::vector<TrainRecord> records = Falling(30);
  records[3].train_loss = std::numeric_limits<double>::quiet_NaN();
  records[4].train_loss = std::numeric_limits<double>::infinity();
  records[5].train_loss = 0;  // no place in log scale
  const std::vector<TrainRecord> one = {{.step = 7, .train_loss = 3}};
  const std::vector<TrainRecord> constant = {{.step = 1, .train_loss = 3}, {.step = 2, .train_loss = 3}};
  for (const auto& [some, points] : {std::pair(&std::as_const(records), 27u), {&one, 1u}, {&constant, 2u}}) {
    const std::string svg = LossCurveSvg(*some, "t");
    EXPECT_FALSE(Has(svg, "nan") || Has(svg, "inf")) << svg;
    const auto train = PointsOf(svg, "train");
    EXPECT_EQ(train.size(), points);
    for (const auto& [x, y] : train) {
      EXPECT_GE(x, 0);
      EXPECT_LE(x, 800);
      EXPECT_GE(y, 0);
      EXPECT_LE(y, 440);
    }
  }
}

TEST(LossCurve, NothingYet) {
  const std::string svg = LossCurveSvg({}, "t");
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_FALSE(Has(svg, "nan") || Has(svg, "polyline")) << svg;
}

}  // namespace
}  // namespace fathom
