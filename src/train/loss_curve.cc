#include "train/loss_curve.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <vector>

#include "base/strings.h"
#include "base/svg.h"

namespace fathom {
namespace {

// The picture and, in it, the area of the curves.
constexpr double kWidth = 800, kHeight = 440;
constexpr double kLeft = 64, kRight = 784, kTop = 48, kBottom = 392;
constexpr size_t kMaxPoints = 720;  // of a curve: one a pixel

constexpr SvgSeries kCurveSeries[] = {{"train", "#0969da", "#58a6ff"}, {"held-out", "#cf5c00", "#f0883e"}};

struct Point {
  double step;
  double loss;
};

// Neighbours averaged until at most kMaxPoints are left.
std::vector<Point> Thinned(const std::vector<Point>& points) {
  const size_t group = (points.size() + kMaxPoints - 1) / kMaxPoints;
  if (group <= 1) return points;
  std::vector<Point> out;
  for (size_t begin = 0; begin < points.size(); begin += group) {
    const size_t end = std::min(begin + group, points.size());
    Point mean = {0, 0};
    for (size_t at = begin; at < end; ++at) {
      mean.step += points[at].step / static_cast<double>(end - begin);
      mean.loss += points[at].loss / static_cast<double>(end - begin);
    }
    out.push_back(mean);
  }
  return out;
}

// A curve as it is drawn.
struct Curve {
  explicit Curve(const std::vector<Point>& all) : points(Thinned(all)), last(all.empty() ? 0 : all.back().loss) {}

  std::vector<Point> points;
  double last;  // as it was: the last point may be a mean
};

class Drawing {
 public:
  Drawing(const std::vector<Point>& train, const std::vector<Point>& held_out, const std::string& title)
      : train_(train), held_out_(held_out), title_(title), svg_(kWidth, kHeight, title, kCurveSeries) {
    Point low = {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    Point high = {0, -std::numeric_limits<double>::infinity()};
    for (const Curve* curve : {&train_, &held_out_}) {
      for (const Point& point : curve->points) {
        low = {std::min(low.step, point.step), std::min(low.loss, point.loss)};
        high = {std::max(high.step, point.step), std::max(high.loss, point.loss)};
      }
    }
    if (train_.points.empty() && held_out_.points.empty()) low = high = {1, 1};
    // Around the curves, and a range that is no single point.
    const double room = 1.001 * std::pow(high.loss / low.loss, 0.05);
    x_ = {low.step, std::max(high.step, low.step + 1), kLeft, kRight};
    y_ = {low.loss / room, high.loss * room, kBottom, kTop, /*logarithmic=*/true};
  }

  std::string Finish() {
    svg_.Text(kLeft, 28, "start", title_, "title");
    Axes();
    Draw(train_, "train");
    Draw(held_out_, "held-out");
    double legend = kTop + 16;
    for (const auto& [curve, style, name] :
         {std::tuple(&train_, "train", "train"), {&held_out_, "held-out", "held out"}}) {
      if (curve->points.empty()) continue;
      svg_.Line(kRight - 190, legend - 4, kRight - 166, legend - 4, StrCat("curve ", style));
      svg_.Text(kRight - 158, legend, "start", StrFormat("%s, last %.4g", name, curve->last));
      legend += 20;
    }
    return svg_.Finish();
  }

 private:
  void Axes() {
    for (const double loss : LogTicks(y_.low, y_.high)) {
      svg_.Line(kLeft, y_.At(loss), kRight, y_.At(loss), "grid");
      svg_.Text(kLeft - 8, y_.At(loss) + 4, "end", StrFormat("%g", loss));
    }
    for (const double step : LinearTicks(x_.low, x_.high, 8)) {
      svg_.Line(x_.At(step), kBottom, x_.At(step), kBottom + 5, "axis");
      svg_.Text(x_.At(step), kBottom + 20, "middle", StrFormat("%.12g", step));
    }
    svg_.Line(kLeft, kBottom, kRight, kBottom, "axis");
    svg_.Line(kLeft, kTop, kLeft, kBottom, "axis");
    svg_.Text((kLeft + kRight) / 2, kHeight - 8, "middle", "step");
    svg_.Text(kRight, 28, "end", "loss (logarithmic)");
  }

  void Draw(const Curve& curve, const char* style) {
    std::vector<SvgPoint> places;
    places.reserve(curve.points.size());
    for (const Point& point : curve.points) places.push_back({x_.At(point.step), y_.At(point.loss)});
    svg_.Polyline(places, StrCat("curve ", style));
  }

  const Curve train_;
  const Curve held_out_;
  const std::string& title_;
  Svg svg_;
  PlotScale x_;
  PlotScale y_;
};

}  // namespace

std::string LossCurveSvg(std::span<const TrainRecord> records, const std::string& title) {
  std::vector<Point> train;
  std::vector<Point> held_out;
  const auto add = [&](int64_t step, double loss, std::vector<Point>* curve) {
    if (std::isfinite(loss) && loss > 0) curve->push_back({static_cast<double>(step), loss});
  };
  for (const TrainRecord& record : records) {
    add(record.step, record.train_loss, &train);
    if (record.held_out_loss) add(record.step, *record.held_out_loss, &held_out);
  }
  return Drawing(train, held_out, title).Finish();
}

}  // namespace fathom
