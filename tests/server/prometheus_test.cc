#include "server/prometheus.h"

#include <gtest/gtest.h>

#include "server/server_metrics.h"
#include "tests/server/prometheus_lint.h"

namespace fathom {
namespace {

TEST(PrometheusText, SamplesWithHelpTypeAndEscapes) {
  PrometheusText text;
  text.Counter("a_total", "Two\nlines.", 3, {{"name", "q\"u\\o\n"}});
  text.Counter("a_total", "Two\nlines.", 0.5, {{"name", "b"}});
  text.Gauge("b", "B.", 1e300);
  EXPECT_EQ(text.text(),
            "# HELP a_total Two\\nlines.\n# TYPE a_total counter\n"
            "a_total{name=\"q\\\"u\\\\o\\n\"} 3\na_total{name=\"b\"} 0.5\n"
            "# HELP b B.\n# TYPE b gauge\nb 1e+300\n");
  EXPECT_EQ(PrometheusFault(text.text()), "");
}

TEST(PrometheusText, HistogramsCountUpwards) {
  Histogram histogram({0.1, 1});
  for (const double value : {0.05, 0.1, 0.5, 7.0}) histogram.Observe(value);
  PrometheusText text;
  text.Histogram("h", "H.", histogram.snapshot(), {{"m", "x"}});
  EXPECT_EQ(text.text(),
            "# HELP h H.\n# TYPE h histogram\nh_bucket{m=\"x\",le=\"0.1\"} 2\nh_bucket{m=\"x\",le=\"1\"} 3\n"
            "h_bucket{m=\"x\",le=\"+Inf\"} 4\nh_sum{m=\"x\"} 7.65\nh_count{m=\"x\"} 4\n");
  EXPECT_EQ(PrometheusFault(text.text()), "");
}

TEST(PrometheusLint, FindsFaults) {
  EXPECT_NE(PrometheusFault("a 1\n"), "");
  EXPECT_NE(PrometheusFault("# HELP a b\n# TYPE a gauge\na 1\na 2\n"), "");
  EXPECT_NE(PrometheusFault("# HELP a b\n# TYPE a counter\na 1\n"), "");
  EXPECT_NE(PrometheusFault("# HELP a b\n# TYPE a gauge\na x\n"), "");
}

TEST(ServerMetrics, OneGenerationIsCountedUnderAllNames) {
  ServerMetrics metrics;
  metrics.CountRequest("/v1/models", 200);
  metrics.CountRequest("/v1/models", 200);
  metrics.FirstToken(0.2);
  metrics.NextToken(0.02);
  metrics.Finished(
      {.kind = "chat",
       .caller = {},
       .usage = {.prompt_tokens = 100, .cached_tokens = 60, .replayed_tokens = 10, .completion_tokens = 10},
       .reasoning_tokens = 4,
       .timings = {.queue_ms = 1, .prefill_ms = 2000, .decode_ms = 500},
       .finish = "tool_calls"});
  const std::string text = metrics.Render({.model_name = "nano", .http = {}});
  EXPECT_EQ(PrometheusFault(text), "");
  for (const char* line :
       {"fathom_ready 0", "vllm:prompt_tokens_total{model_name=\"nano\"} 100",
        "vllm:prefix_cache_hits_total{model_name=\"nano\"} 60", "llamacpp:prompt_tokens_total 50",
        "llamacpp:prompt_tokens_seconds 25", "llamacpp:predicted_tokens_seconds 20",
        "vllm:request_success_total{model_name=\"nano\",finished_reason=\"stop\"} 1",
        "fathom_generations_total{finish=\"tool_calls\"} 1", "fathom_generations_total{finish=\"error\"} 0",
        "fathom_http_requests_total{route=\"/v1/models\",status=\"200\"} 2", "fathom_reasoning_tokens_total 4",
        "vllm:e2e_request_latency_seconds_count{model_name=\"nano\"} 1"}) {
    EXPECT_NE(text.find(std::string(line) + "\n"), std::string::npos) << line << "\n" << text;
  }
  EXPECT_GT(ResidentBytes(), 1 << 20);
}

}  // namespace
}  // namespace fathom
