#include "apps/bench_svg.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "base/strings.h"
#include "base/svg.h"

namespace fathom {
namespace {

// Light enough for dark text on them, dark enough to be seen on white; neighbours differ in hue and lightness.
constexpr std::array<SvgSeries, 9> kBarColours = {{{"c0", "#6ea3d8", "#6ea3d8"},
                                                   {"c1", "#f5a45d", "#f5a45d"},
                                                   {"c2", "#74bf77", "#74bf77"},
                                                   {"c3", "#ee8586", "#ee8586"},
                                                   {"c4", "#c39ccb", "#c39ccb"},
                                                   {"c5", "#e3c34f", "#efd36a"},
                                                   {"c6", "#79c7c1", "#8fd0ca"},
                                                   {"c7", "#bf9a80", "#c9a78f"},
                                                   {"c8", "#b0b5ba", "#b8bdc2"}}};
static_assert(kBarColours.size() == kStepParts && kBarColours.size() == kMostSvgTokens);

constexpr double kBarsWidth = 1000;
constexpr double kBarsLeft = 300;  // labels of rows end here
constexpr double kBarsFull = 760;  // the axis ends here; what bars say about themselves is right of it
constexpr double kBarsRight = 984;
constexpr double kFirstSubtitle = 50;
constexpr double kSubtitleLine = 18;
constexpr size_t kSubtitleColumns = 130;  // of about 7.2 px each
constexpr double kLegendLine = 20;

std::string BarStyle(size_t series) { return StrCat("bar ", kBarColours[series % kBarColours.size()].name); }

// Squares with names, in as many lines as it takes from y on. Returns y after them.
double Legend(Svg* svg, double y, const std::vector<std::string>& names) {
  constexpr double kCharacter = 7.2;  // of a 13 px label, about
  double x = kBarsLeft;
  for (size_t at = 0; at < names.size(); ++at) {
    const double width = 34 + kCharacter * static_cast<double>(names[at].size());
    if (x + width > kBarsRight) {
      x = kBarsLeft;
      y += kLegendLine;
    }
    svg->Rect(x, y - 10, 12, 12, BarStyle(at));
    svg->Text(x + 18, y, "start", names[at]);
    x += width;
  }
  return y + kLegendLine;
}

// The lines of 0, 20, .. % between the rows' top and bottom, and their marks. A share may pass 100 %: of a roof that a
// neighbour lowered.
PlotScale ShareAxis(Svg* svg, double top, double bottom, double largest, double full_at) {
  const PlotScale scale = {.low = 0, .high = std::max(1.0, largest), .low_at = kBarsLeft, .high_at = full_at};
  for (const double share : LinearTicks(scale.low, scale.high, 5)) {
    svg->Line(scale.At(share), top, scale.At(share), bottom, "grid");
    svg->Text(scale.At(share), bottom + 16, "middle", StrFormat("%.0f %%", 100 * share));
  }
  return scale;
}

std::string MachineText(std::string_view cpu, int threads, std::string_view tables) {
  return StrCat(cpu, ", ", threads, threads == 1 ? " thread, " : " threads, ", tables, " kernels");
}

// The machine, and below it, in as many lines as it takes, its roof.
std::vector<std::string> Subtitle(const std::string& machine, const std::string& roof) {
  std::vector<std::string> lines = {machine};
  std::string rest = WrapList(roof, "\n", kSubtitleColumns);
  while (!rest.empty()) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    lines.push_back(rest.substr(0, end));
    rest.erase(0, end + 1);
  }
  return lines;
}

// Where a picture goes on below its titles.
double TitlesEnd(const std::vector<std::string>& subtitle) {
  return kFirstSubtitle + kSubtitleLine * static_cast<double>(subtitle.size() - 1) + 14;
}

void Titles(Svg* svg, std::string_view title, const std::vector<std::string>& subtitle) {
  svg->Text(16, 28, "start", title, "title");
  for (size_t line = 0; line < subtitle.size(); ++line) {
    svg->Text(16, kFirstSubtitle + kSubtitleLine * static_cast<double>(line), "start", subtitle[line]);
  }
}

// The larger one of two shares, of which the second may be none.
double LargerShare(double largest, double share) { return std::isfinite(share) ? std::max(largest, share) : largest; }

// ---- fathom bench

struct PhaseRow {
  std::string run;
  const char* name = "";
  size_t series = 0;
  const PhaseResult* phase = nullptr;
};

std::vector<PhaseRow> PhaseRowsOf(const std::vector<BenchResult>& results) {
  std::vector<PhaseRow> rows;
  for (const BenchResult& result : results) {
    const std::string run = RunName(result.settings);
    if (!result.prefill.seconds.empty()) rows.push_back({run, "prefill", 0, &result.prefill});
    if (!result.decode.seconds.empty()) rows.push_back({run, "decode", 1, &result.decode});
  }
  return rows;
}

constexpr char kTooShort[] = "too short for the clock";
constexpr double kPhaseBar = 18;
constexpr double kPhasePitch = 22;
constexpr double kRunGap = 10;

// y of each row's bar from `top` on, runs apart; the last is where the next row would be.
std::vector<double> PhasePlaces(const std::vector<PhaseRow>& rows, double top) {
  std::vector<double> places;
  double y = top;
  for (size_t at = 0; at < rows.size(); ++at) {
    if (at > 0 && rows[at].run != rows[at - 1].run) y += kRunGap;
    places.push_back(y);
    y += kPhasePitch;
  }
  places.push_back(y);
  return places;
}

void DrawPhaseShares(Svg* svg, const std::vector<PhaseRow>& rows, const std::vector<double>& places, const Roof& roof) {
  double largest = 0;
  for (const PhaseRow& row : rows) {
    const PhaseRates rates = RatesOf(*row.phase, roof);
    largest = LargerShare(largest, rates.roof_share());
  }
  const PlotScale scale = ShareAxis(svg, places.front() - 4, places.back(), largest, kBarsFull);
  for (size_t at = 0; at < rows.size(); ++at) {
    const PhaseRates rates = RatesOf(*rows[at].phase, roof);
    const double share = rates.roof_share();
    svg->Text(kBarsLeft - 8, places[at] + 13, "end", StrCat(rows[at].run, ", ", rows[at].name));
    if (!std::isfinite(share)) {
      svg->Text(kBarsLeft + 6, places[at] + 13, "start", kTooShort);
      continue;
    }
    svg->Rect(kBarsLeft, places[at], scale.At(share) - kBarsLeft, kPhaseBar, BarStyle(rows[at].series));
    svg->Text(scale.At(share) + 6, places[at] + 13, "start",
              StrFormat("%.4g tokens/s, %.0f %% of %s", rates.tokens_per_second.median, 100 * share, rates.bound()));
  }
}

void DrawPhaseParts(Svg* svg, const std::vector<PhaseRow>& rows, const std::vector<double>& places) {
  for (size_t at = 0; at < rows.size(); ++at) {
    double sum = 0;
    for (const double seconds : rows[at].phase->part_seconds) sum += seconds;
    svg->Text(kBarsLeft - 8, places[at] + 13, "end", StrCat(rows[at].run, ", ", rows[at].name));
    double x = kBarsLeft;
    for (size_t part = 0; sum > 0 && part < kStepParts; ++part) {
      const double share = rows[at].phase->part_seconds[part] / sum;
      const double width = share * (kBarsRight - kBarsLeft);
      svg->Rect(x, places[at], width, kPhaseBar, BarStyle(part));
      if (share >= 0.05) {
        svg->Text(x + width / 2, places[at] + 13, "middle", StrFormat("%.0f %%", 100 * share), "inside");
      }
      x += width;
    }
  }
}

// ---- fathom bench kernels

constexpr double kKernelsFull = 680;  // bars say more about themselves
constexpr double kKernelBar = 11;
constexpr double kKernelPitch = 13;
constexpr double kOpGap = 9;

// Of the model, where perhaps a part was measured.
std::string FullShape(const KernelMeasurement& measured) {
  KernelOp op = measured.op;
  op.rows = measured.full_rows;
  return op.shape();
}

// Behind a bar: what was measured if that is a part; "" if it is all.
std::string PartText(const KernelMeasurement& measured) {
  std::string text;
  if (measured.op.rows != measured.full_rows) text += StrCat(", ", MeasuredShape(measured));
  if (measured.part_tokens != measured.tokens) text += StrCat(", ", MeasuredTokens(measured), " tokens");
  return text;
}

// The measurements of one operation with one table, which follow each other.
bool SameRow(const KernelMeasurement& a, const KernelMeasurement& b) {
  return a.op.name == b.op.name && a.op.kernel == b.op.kernel && FullShape(a) == FullShape(b) && a.isa == b.isa;
}

// "8.3 us", "1.25 ms".
std::string HumanTime(double seconds) {
  if (seconds < 1e-3) return StrFormat("%.3g us", 1e6 * seconds);
  return seconds < 1 ? StrFormat("%.3g ms", 1e3 * seconds) : StrFormat("%.3g s", seconds);
}

}  // namespace

std::string BenchSvg(const BenchContext& context, const std::vector<BenchResult>& results) {
  const std::vector<PhaseRow> rows = PhaseRowsOf(results);
  const std::string title = StrCat(context.model, ", ", context.config.layers, " layers: share of the roof");
  const std::string machine = MachineText(context.cpu, context.threads, context.isa);
  const std::vector<std::string> subtitle =
      Subtitle(machine, StrCat(ReadRoofText(context.roof), "; ", PeakText(context.roof.peak)));
  const double head = TitlesEnd(subtitle);
  const std::vector<double> shares = PhasePlaces(rows, head + 28);
  const double middle = shares.back() + 56;
  // The parts' legend takes two lines.
  const std::vector<double> parts = PhasePlaces(rows, middle + 20 + 2 * kLegendLine);
  Svg svg(kBarsWidth, parts.back() + 16, StrCat(title, "; ", machine), kBarColours);
  Titles(&svg, title, subtitle);
  Legend(&svg, head + 14, {"prefill", "decode"});
  DrawPhaseShares(&svg, rows, shares, context.roof);
  svg.Text(16, middle, "start", "Where the time went", "title");
  Legend(&svg, middle + 22, {kStepPartNames.begin(), kStepPartNames.end()});
  DrawPhaseParts(&svg, rows, parts);
  return svg.Finish();
}

std::string KernelBenchSvg(const KernelBenchContext& context, const std::vector<KernelMeasurement>& results) {
  std::vector<int64_t> tokens;
  std::string tables;
  std::string peaks;
  for (const auto& [isa, roof] : context.roofs) {
    tables += StrCat(tables.empty() ? "" : ", ", isa);
    peaks += StrCat("; ", context.roofs.size() > 1 ? isa + " " : "", PeakText(roof.peak));
  }
  const std::string title = StrCat(context.model, ", operations: share of the roof");
  const std::string machine = MachineText(context.cpu, context.threads, tables);
  const std::vector<std::string> subtitle =
      Subtitle(machine, StrCat(ReadRoofText(context.roofs.front().second), peaks));
  const double head = TitlesEnd(subtitle);
  const double top = head + 2 * kLegendLine;
  double largest = 0;
  double bottom = top;
  for (size_t at = 0; at < results.size(); ++at) {
    if (std::ranges::find(tokens, results[at].tokens) == tokens.end()) tokens.push_back(results[at].tokens);
    largest = LargerShare(largest, KernelRatesOf(results[at], RoofOf(context, results[at])).roof_share);
    bottom += kKernelPitch + (at > 0 && !SameRow(results[at - 1], results[at]) ? kOpGap : 0);
  }
  Svg svg(kBarsWidth, bottom + 28, StrCat(title, "; ", machine), kBarColours);
  Titles(&svg, title, subtitle);
  std::vector<std::string> names;
  names.reserve(tokens.size());
  for (const int64_t count : tokens) names.push_back(StrCat(count, count == 1 ? " token" : " tokens"));
  Legend(&svg, head + 14, names);

  const PlotScale scale = ShareAxis(&svg, top - 4, bottom, largest, kKernelsFull);
  double y = top;
  for (size_t at = 0; at < results.size(); ++at) {
    const KernelMeasurement& measured = results[at];
    const bool first = at == 0 || !SameRow(results[at - 1], measured);
    const bool second = !first && (at == 1 || !SameRow(results[at - 2], measured));
    const bool alone = first && (at + 1 == results.size() || !SameRow(measured, results[at + 1]));
    if (first && at > 0) y += kOpGap;
    std::string label;
    if (first) label = StrCat(measured.op.name, context.roofs.size() > 1 ? StrCat(", ", measured.isa) : "");
    if (second) label = StrCat(measured.op.kernel, ", ", FullShape(measured));
    if (alone) label += StrCat(", ", FullShape(measured));
    if (!label.empty()) svg.Text(kBarsLeft - 8, y + 10, "end", label, "small");
    const KernelRates rates = KernelRatesOf(measured, RoofOf(context, measured));
    const auto series = static_cast<size_t>(std::ranges::find(tokens, measured.tokens) - tokens.begin());
    if (std::isfinite(rates.roof_share)) {
      svg.Rect(kBarsLeft, y, scale.At(rates.roof_share) - kBarsLeft, kKernelBar, BarStyle(series));
      const std::string share = StrFormat("%.0f %% of %s, ", 100 * rates.roof_share, rates.bound);
      svg.Text(scale.At(rates.roof_share) + 6, y + 10, "start",
               StrCat(share, HumanTime(measured.seconds.median), PartText(measured)), "small");
    }
    y += kKernelPitch;
  }
  return svg.Finish();
}

}  // namespace fathom
