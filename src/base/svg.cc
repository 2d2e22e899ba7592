#include "base/svg.h"

#include <cmath>
#include <cstdint>
#include <utility>

#include "base/strings.h"

namespace fathom {
namespace {

// A series' class sets `color`; lines and areas take it from there.
constexpr std::string_view kLightStyle =
    R"(  .back { fill: #ffffff; } .grid { stroke: #d8dee4; stroke-width: 1; } .axis { stroke: #57606a; stroke-width: 1; }
  text { fill: #24292f; font: 13px sans-serif; } .title { font-size: 16px; font-weight: 600; } .small { font-size: 11px; }
  .curve { fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linejoin: round; } .bar { fill: currentColor; }
  .inside { fill: #0d1117; font-size: 11px; }
)";
constexpr std::string_view kDarkStyle =
    "    .back { fill: #0d1117; } .grid { stroke: #30363d; } .axis { stroke: #8b949e; } text { fill: #e6edf3; }\n"
    "    .inside { fill: #0d1117; }\n";

}  // namespace

std::string SvgEscaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += ' ';
    } else {
      out += c;
    }
  }
  return out;
}

Svg::Svg(double width, double height, std::string_view title, std::span<const SvgSeries> series) {
  out_ = StrFormat("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %g %g\" role=\"img\">\n", width, height);
  out_ += StrCat("<title>", SvgEscaped(title), "</title>\n<style>\n", kLightStyle);
  for (const SvgSeries& one : series) out_ += StrCat("  .", one.name, " { color: ", one.light, "; }\n");
  out_ += StrCat("  @media (prefers-color-scheme: dark) {\n", kDarkStyle);
  for (const SvgSeries& one : series) out_ += StrCat("    .", one.name, " { color: ", one.dark, "; }\n");
  out_ += "  }\n</style>\n<rect class=\"back\" width=\"100%\" height=\"100%\"/>\n";
}

void Svg::Line(double x1, double y1, double x2, double y2, std::string_view style) {
  out_ += StrCat("<line class=\"", style, "\"",
                 StrFormat(" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", x1, y1, x2, y2));
}

void Svg::Rect(double x, double y, double width, double height, std::string_view style) {
  out_ += StrCat("<rect class=\"", style, "\"",
                 StrFormat(" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"/>\n", x, y, width, height));
}

void Svg::Polyline(std::span<const SvgPoint> points, std::string_view style) {
  if (points.empty()) return;
  out_ += StrCat("<polyline class=\"", style, "\" points=\"");
  for (const SvgPoint& point : points) out_ += StrFormat("%.1f,%.1f ", point.x, point.y);
  out_.back() = '"';
  out_ += "/>\n";
}

void Svg::Text(double x, double y, std::string_view anchor, std::string_view text, std::string_view style) {
  out_ += StrCat("<text class=\"", style, "\"", StrFormat(" x=\"%.1f\" y=\"%.1f\"", x, y), " text-anchor=\"", anchor,
                 "\">", SvgEscaped(text), "</text>\n");
}

std::string Svg::Finish() { return std::move(out_) + "</svg>\n"; }

double PlotScale::At(double value) const {
  const auto bend = [this](double x) { return logarithmic ? std::log(x) : x; };
  return low_at + (bend(value) - bend(low)) / (bend(high) - bend(low)) * (high_at - low_at);
}

std::vector<double> LinearTicks(double low, double high, int wanted) {
  if (!std::isfinite(low) || !std::isfinite(high) || high <= low) return {};
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

std::vector<double> LogTicks(double low, double high) {
  std::vector<double> ticks;
  if (!std::isfinite(low) || !std::isfinite(high) || high <= low) return ticks;
  const int last = static_cast<int>(std::floor(std::log10(high)));
  for (int exponent = static_cast<int>(std::floor(std::log10(low))); exponent <= last; ++exponent) {
    for (const double factor : {1.0, 2.0, 5.0}) {
      const double tick = factor * std::pow(10, exponent);
      if (tick >= low && tick <= high) ticks.push_back(tick);
    }
  }
  return ticks.size() >= 3 ? ticks : LinearTicks(low, high, 6);
}

}  // namespace fathom
