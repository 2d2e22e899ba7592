#include "server/prometheus.h"

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "base/strings.h"

namespace fathom {
namespace {

// The shortest text that reads back as the number; whole numbers without an exponent.
std::string NumberText(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  constexpr double kExactWhole = 9007199254740992.0;
  if (value == std::floor(value) && std::abs(value) < kExactWhole) return std::to_string(static_cast<int64_t>(value));
  return Json::Double(value).Dump();
}

// Backslash, newline and, in label values, the quote are escaped.
std::string Escaped(std::string_view text, bool quotes) {
  std::string out;
  for (const char c : text) {
    if (c == '\\') {
      out += "\\\\";
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '"' && quotes) {
      out += "\\\"";
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void Histogram::Observe(double value) {
  const auto bucket = std::lower_bound(bounds_.begin(), bounds_.end(), value) - bounds_.begin();
  const std::lock_guard lock(mutex_);
  ++counts_[static_cast<size_t>(bucket)];
  sum_ += value;
}

Histogram::Snapshot Histogram::snapshot() const {
  const std::lock_guard lock(mutex_);
  Snapshot snapshot = {bounds_, counts_, sum_, 0};
  for (const int64_t count : counts_) snapshot.count += count;
  return snapshot;
}

void PrometheusText::Counter(std::string_view name, std::string_view help, double value, const MetricLabels& labels) {
  Begin(name, help, "counter");
  Sample(name, value, labels);
}

void PrometheusText::Gauge(std::string_view name, std::string_view help, double value, const MetricLabels& labels) {
  Begin(name, help, "gauge");
  Sample(name, value, labels);
}

void PrometheusText::Histogram(std::string_view name, std::string_view help, const fathom::Histogram::Snapshot& values,
                               const MetricLabels& labels) {
  Begin(name, help, "histogram");
  const std::string bucket = StrCat(name, "_bucket");
  int64_t below = 0;
  for (size_t at = 0; at < values.counts.size(); ++at) {
    below += values.counts[at];
    MetricLabels with_bound = labels;
    with_bound.emplace_back("le", at < values.bounds.size() ? NumberText(values.bounds[at]) : "+Inf");
    Sample(bucket, static_cast<double>(below), with_bound);
  }
  Sample(StrCat(name, "_sum"), values.sum, labels);
  Sample(StrCat(name, "_count"), static_cast<double>(values.count), labels);
}

void PrometheusText::Begin(std::string_view name, std::string_view help, std::string_view type) {
  if (name == last_name_) return;
  last_name_ = name;
  text_ += StrCat("# HELP ", name, " ", Escaped(help, false), "\n# TYPE ", name, " ", type, "\n");
}

void PrometheusText::Sample(std::string_view name, double value, const MetricLabels& labels) {
  text_ += name;
  for (size_t at = 0; at < labels.size(); ++at) {
    text_ += StrCat(at == 0 ? "{" : ",", labels[at].first, "=\"", Escaped(labels[at].second, true), "\"");
  }
  text_ += StrCat(labels.empty() ? "" : "}", " ", NumberText(value), "\n");
}

}  // namespace fathom
