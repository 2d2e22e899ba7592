#include "train/loss_curve.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/strings.h"

namespace fathom {
namespace {

// The picture and, in it, the area of the curves.
constexpr double kWidth = 800, kHeight = 440;
constexpr double kLeft = 64, kRight = 784, kTop = 48, kBottom = 392;
constexpr size_t kMaxPoints = 720;  // of a curve: one a pixel

constexpr std::string_view kStyle = R"(<style>
  .back { fill: #ffffff; } .grid { stroke: #d8dee4; stroke-width: 1; } .axis { stroke: #57606a; stroke-width: 1; }
  text { fill: #24292f; font: 13px sans-serif; } .title { font-size: 16px; font-weight: 600; }
  .train { stroke: #0969da; } .held-out { stroke: #cf5c00; } .curve { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
  @media (prefers-color-scheme: dark) {
    .back { fill: #0d1117; } .grid { stroke: #30363d; } .axis { stroke: #8b949e; } text { fill: #e6edf3; }
    .train { stroke: #58a6ff; } .held-out { stroke: #f0883e; }
  }
</style>
)";

std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += c;
    }
  }
  return out;
}

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

// A range of values on the picture.
struct Scale {
  double low, high;          // values
  double low_at, high_at;    // where they stand
  bool logarithmic = false;  // then low > 0

  double At(double value) const {
    const auto bend = [this](double x) { return logarithmic ? std::log(x) : x; };
    return low_at + (bend(value) - bend(low)) / (bend(high) - bend(low)) * (high_at - low_at);
  }
};

// Multiples of 1, 2 or 5 times a power of ten; about `wanted` of them.
std::vector<double> LinearTicks(double low, double high, int wanted) {
  const double rough = (high - low) / wanted;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = power;
  for (const double factor : {2.0, 5.0, 10.0}) {
    if (step < rough) step = factor * power;
  }
  std::vector<double> ticks;
  const auto last = static_cast<int64_t>(std::floor(high / step));
  for (auto number = static_cast<int64_t>(std::ceil(low / step)); number <= last; ++number) {
    ticks.push_back(static_cast<double>(number) * step);
  }
  return ticks;
}

// 1, 2 and 5 times the powers of ten; in short ranges more.
std::vector<double> LogTicks(double low, double high) {
  std::vector<double> ticks;
  const int last = static_cast<int>(std::floor(std::log10(high)));
  for (int exponent = static_cast<int>(std::floor(std::log10(low))); exponent <= last; ++exponent) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10, exponent);
      if (tick >= low && tick <= high) ticks.push_back(tick);
    }
  }
  return ticks.size() >= 3 ? ticks : LinearTicks(low, high, 6);
}

class Drawing {
 public:
  Drawing(const std::vector<Point>& train, const std::vector<Point>& held_out, const LossCurveOptions& options)
      : train_(Thinned(train)), held_out_(Thinned(held_out)), options_(options) {
    Point low = {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    Point high = {0, -std::numeric_limits<double>::infinity()};
    for (const std::vector<Point>* curve : {&train_, &held_out_}) {
      for (const Point& point : *curve) {
        low = {std::min(low.step, point.step), std::min(low.loss, point.loss)};
        high = {std::max(high.step, point.step), std::max(high.loss, point.loss)};
      }
    }
    if (train_.empty() && held_out_.empty()) low = high = {1, 1};
    // Room around the curves, and a range that is no single point.
    if (options.log_scale) {
      const double room = 1.001 * std::pow(high.loss / low.loss, 0.05);
      low.loss /= room;
      high.loss *= room;
    } else {
      const double room = 0.05 * (high.loss - low.loss) + 1e-3 * std::fabs(high.loss) + 1e-12;
      low.loss -= room;
      high.loss += room;
    }
    x_ = {low.step, std::max(high.step, low.step + 1), kLeft, kRight};
    y_ = {low.loss, high.loss, kBottom, kTop, options.log_scale};
  }

  std::string Svg() {
    out_ =
        StrFormat("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" role=\"img\">\n", kWidth, kHeight);
    out_ += StrCat("<title>", Escaped(options_.title), "</title>\n", kStyle);
    out_ += "<rect class=\"back\" width=\"100%\" height=\"100%\"/>\n";
    Text(kLeft, 28, "start", options_.title, "title");
    Axes();
    Curve(train_, "train");
    Curve(held_out_, "held-out");
    double legend = kTop + 16;
    for (const auto& [points, style, name] :
         {std::tuple(&train_, "train", "train"), {&held_out_, "held-out", "held out"}}) {
      if (points->empty()) continue;
      Line(kRight - 190, legend - 4, kRight - 166, legend - 4, StrCat("curve ", style));
      Text(kRight - 158, legend, "start", StrFormat("%s, last %.4g", name, points->back().loss));
      legend += 20;
    }
    return out_ + "</svg>\n";
  }

 private:
  void Line(double x1, double y1, double x2, double y2, const std::string& style) {
    out_ += StrFormat("<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", style.c_str(), x1, y1,
                      x2, y2);
  }

  void Text(double x, double y, const char* anchor, std::string_view text, const char* style = "label") {
    out_ += StrFormat("<text class=\"%s\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", style, x, y, anchor);
    out_ += StrCat(Escaped(text), "</text>\n");
  }

  void Axes() {
    for (const double loss : y_.logarithmic ? LogTicks(y_.low, y_.high) : LinearTicks(y_.low, y_.high, 6)) {
      Line(kLeft, y_.At(loss), kRight, y_.At(loss), "grid");
      Text(kLeft - 8, y_.At(loss) + 4, "end", StrFormat("%g", loss));
    }
    for (const double step : LinearTicks(x_.low, x_.high, 8)) {
      Line(x_.At(step), kBottom, x_.At(step), kBottom + 5, "axis");
      Text(x_.At(step), kBottom + 20, "middle", StrFormat("%.12g", step));
    }
    Line(kLeft, kBottom, kRight, kBottom, "axis");
    Line(kLeft, kTop, kLeft, kBottom, "axis");
    Text((kLeft + kRight) / 2, kHeight - 8, "middle", "step");
    Text(kRight, 28, "end", y_.logarithmic ? "loss (logarithmic)" : "loss");
  }

  void Curve(const std::vector<Point>& points, const char* style) {
    if (points.empty()) return;
    out_ += StrFormat("<polyline class=\"curve %s\" points=\"", style);
    for (const Point& point : points) out_ += StrFormat("%.1f,%.1f ", x_.At(point.step), y_.At(point.loss));
    out_.back() = '"';
    out_ += "/>\n";
  }

  std::vector<Point> train_;
  std::vector<Point> held_out_;
  const LossCurveOptions& options_;
  Scale x_;
  Scale y_;
  std::string out_;
};

}  // namespace

std::string LossCurveSvg(std::span<const TrainRecord> records, const LossCurveOptions& options) {
  std::vector<Point> train;
  std::vector<Point> held_out;
  const auto add = [&](int64_t step, double loss, std::vector<Point>* curve) {
    if (std::isfinite(loss) && (loss > 0 || !options.log_scale)) curve->push_back({static_cast<double>(step), loss});
  };
  for (const TrainRecord& record : records) {
    add(record.step, record.train_loss, &train);
    if (record.held_out_loss) add(record.step, *record.held_out_loss, &held_out);
  }
  return Drawing(train, held_out, options).Svg();
}

}  // namespace fathom
