// server_metrics.h - what happened in the server, as numbers for GET /metrics.
//
// Names of vLLM (vllm:*) and llama.cpp (llamacpp:*) are written beside our own (fathom_*), so that dashboards made for
// those work. Thread-safe.
#ifndef FATHOM_SERVER_SERVER_METRICS_H_
#define FATHOM_SERVER_SERVER_METRICS_H_

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "engine/engine.h"
#include "server/api/generation.h"
#include "server/http/http_server.h"
#include "server/prometheus.h"

namespace fathom {

class ServerMetrics {
 public:
  // `route` is one of the router's paths, or "other": clients must not be able to make up names.
  void CountRequest(const std::string& route, int status);
  void FirstToken(double seconds) { first_token_.Observe(seconds); }
  void NextToken(double seconds) { next_token_.Observe(seconds); }
  void Finished(const GenerationRecord& record);

  // What is asked of other parts when the text is written.
  struct Load {
    std::string model_name;
    const Engine* engine = nullptr;  // null while the model is loaded
    HttpServerStats http;
    int64_t lost_audit_lines = 0;
    int64_t keys = 0;
    double uptime_s = 0;
  };
  std::string Render(const Load& load) const;

  struct Totals {
    int64_t prompt_tokens = 0;
    int64_t cached_tokens = 0;
    int64_t replayed_tokens = 0;
    int64_t completion_tokens = 0;
    int64_t reasoning_tokens = 0;
    double prefill_s = 0;
    double decode_s = 0;
  };
  Totals totals() const;

 private:
  void RenderRequests(const Load& load, PrometheusText* text) const;
  void RenderTokens(const Load& load, PrometheusText* text) const;

  Histogram first_token_{{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}};
  Histogram next_token_{{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}};
  Histogram whole_{{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800}};
  Histogram queue_{{0.001, 0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300}};

  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, int64_t> http_requests_;
  std::map<std::string, int64_t> finished_;
  Totals totals_;
};

// Bytes of this process in memory; 0 if the system does not say.
int64_t ResidentBytes();

}  // namespace fathom

#endif  // FATHOM_SERVER_SERVER_METRICS_H_
