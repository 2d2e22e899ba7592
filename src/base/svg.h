// svg.h - a picture as SVG text: what plots are made of, and their axes.
//
//   const SvgSeries series[] = {{"train", "#0969da", "#58a6ff"}};
//   Svg svg(800, 440, "Loss", series);
//   svg.Line(64, 392, 784, 392, "axis");
//   svg.Polyline(points, "curve train");
//   FATHOM_RETURN_IF_ERROR(WriteFileAtomically(path, svg.Finish()));
//
// Coordinates are in user units, y downwards. Everything is text on an opaque background with colours for light and
// dark pages, and loads nothing. Classes that every picture has: grid, axis, curve (a line in its series' colour), bar
// (an area in it), title, label, small, inside (text on a bar).
#ifndef FATHOM_BASE_SVG_H_
#define FATHOM_BASE_SVG_H_

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fathom {

// The colour of a class of shapes on light and on dark pages.
struct SvgSeries {
  std::string_view name;
  std::string_view light;
  std::string_view dark;
};

struct SvgPoint {
  double x = 0;
  double y = 0;
};

class Svg {
 public:
  // `title` is what a reader hears or sees when pointing; it is not drawn.
  Svg(double width, double height, std::string_view title, std::span<const SvgSeries> series);

  void Line(double x1, double y1, double x2, double y2, std::string_view style);
  void Rect(double x, double y, double width, double height, std::string_view style);
  void Polyline(std::span<const SvgPoint> points, std::string_view style);
  // `anchor`: "start", "middle" or "end"; y is the base line.
  void Text(double x, double y, std::string_view anchor, std::string_view text, std::string_view style = "label");

  // The whole document. Nothing may be drawn after it.
  std::string Finish();

 private:
  std::string out_;
};

// `text` with the characters that mean something in XML, or are not allowed there, replaced.
std::string SvgEscaped(std::string_view text);

// A range of values on a picture.
struct PlotScale {
  double low = 0, high = 1;        // values; low < high
  double low_at = 0, high_at = 1;  // where they stand
  bool logarithmic = false;        // then low > 0

  double At(double value) const;
};

// Values to mark between `low` and `high`: multiples of 1, 2 or 5 times a power of ten, about `wanted` of them. None
// unless both are finite and low < high.
std::vector<double> LinearTicks(double low, double high, int wanted);
// 1, 2 and 5 times the powers of ten; in short ranges more. low > 0. None where LinearTicks() has none.
std::vector<double> LogTicks(double low, double high);

}  // namespace fathom

#endif  // FATHOM_BASE_SVG_H_
