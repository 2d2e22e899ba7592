// prometheus.h - numbers in the text format that Prometheus reads (version 0.0.4).
//
//   PrometheusText text;
//   text.Gauge("fathom_http_connections", "Open connections.", 12);
//   text.Histogram("vllm:e2e_request_latency_seconds", "...", latency.snapshot(), {{"model_name", "nano"}});
//   Respond(text.text());
#ifndef FATHOM_SERVER_PROMETHEUS_H_
#define FATHOM_SERVER_PROMETHEUS_H_

#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fathom {

// Counts of values by size. Thread-safe.
class Histogram {
 public:
  // Upper bounds in ascending order; one more bucket without bound is added.
  explicit Histogram(std::vector<double> bounds) : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

  void Observe(double value);
  struct Snapshot {
    std::vector<double> bounds;
    std::vector<int64_t> counts;  // of each bucket alone; one more than bounds
    double sum = 0;
    int64_t count = 0;
  };
  Snapshot snapshot() const;

 private:
  const std::vector<double> bounds_;
  mutable std::mutex mutex_;
  std::vector<int64_t> counts_;
  double sum_ = 0;
};

using MetricLabels = std::vector<std::pair<std::string, std::string>>;

class PrometheusText {
 public:
  // Samples of one name must follow each other; its help and type are written before the first.
  void Counter(std::string_view name, std::string_view help, double value, const MetricLabels& labels = {});
  void Gauge(std::string_view name, std::string_view help, double value, const MetricLabels& labels = {});
  void Histogram(std::string_view name, std::string_view help, const fathom::Histogram::Snapshot& values,
                 const MetricLabels& labels = {});

  const std::string& text() const { return text_; }

 private:
  void Begin(std::string_view name, std::string_view help, std::string_view type);
  void Sample(std::string_view name, double value, const MetricLabels& labels);

  std::string text_;
  std::string last_name_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_PROMETHEUS_H_
