#include "server/server_metrics.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace fathom {
namespace {

constexpr double kMsPerSecond = 1000;

double PerSecond(int64_t tokens, double seconds) { return seconds > 0 ? static_cast<double>(tokens) / seconds : 0; }

// The reasons that always have a line, so that rates can be taken from the first request on.
constexpr std::array<const char*, 5> kFinishes = {"stop", "length", "tool_calls", "cancelled", "error"};

// vLLM's word for it.
std::string VllmFinish(const std::string& finish) {
  if (finish == "cancelled") return "abort";
  return finish == "tool_calls" ? "stop" : finish;
}

void RenderEngine(const EngineStats& stats, const ServerMetrics::Load& load, PrometheusText* text) {
  const MetricLabels model = {{"model_name", load.model_name}};
  const auto number = [](int64_t value) { return static_cast<double>(value); };
  text->Gauge("vllm:num_requests_running", "Answers in progress.", number(stats.running), model);
  text->Gauge("vllm:num_requests_waiting", "Requests that wait for a place.", number(stats.waiting), model);
  text->Counter("vllm:num_preemptions_total", "Sequences sent back to the queue for want of memory.",
                number(stats.preemptions), model);
  const int64_t cache_limit = load.engine->options().cache_bytes;
  const double share = cache_limit > 0 ? number(stats.cache_bytes) / number(cache_limit) : 0;
  text->Gauge("vllm:kv_cache_usage_perc", "Share of the cache's memory in use; 1 is all.", share, model);
  text->Gauge("llamacpp:kv_cache_usage_ratio", "Share of the cache's memory in use; 1 is all.", share);
  text->Gauge("llamacpp:requests_processing", "Answers in progress.", number(stats.running));
  text->Gauge("llamacpp:requests_deferred", "Requests that wait for a place.", number(stats.waiting));
  text->Counter("llamacpp:n_decode_total", "Steps of the model.", number(stats.steps));
  text->Gauge("llamacpp:n_busy_slots_per_decode", "Requests in a step, on average.",
              stats.steps > 0 ? number(stats.step_sequences) / number(stats.steps) : 0);
  text->Counter("fathom_engine_steps_total", "Steps of the model.", number(stats.steps));
  text->Counter("fathom_engine_step_seconds_total", "Time of steps, all of it.", stats.step_seconds);
  text->Counter("fathom_engine_model_seconds_total", "Of that, in the model.", stats.model_seconds);
  text->Counter("fathom_engine_outside_seconds_total", "Of that, not in the model.",
                std::max(0.0, stats.step_seconds - stats.model_seconds));
  text->Counter("fathom_engine_handler_seconds_total", "Of that, in writing answers.", stats.handler_seconds);
  text->Counter("fathom_engine_prompt_tokens_read_total", "Prompt tokens read, running requests included.",
                number(stats.prompt_tokens_read));
  text->Counter("fathom_engine_generated_tokens_total", "Tokens sampled, running requests included.",
                number(stats.generated_tokens));
  text->Gauge("fathom_engine_wait_seconds", "How long a request that comes now would wait, estimated.",
              stats.wait_seconds);
  text->Counter("fathom_engine_requests_total", "Requests that the engine took.", number(stats.requests));
  text->Counter("fathom_engine_refused_total", "Requests refused because the queue was full.", number(stats.refused));
  text->Gauge("fathom_engine_cache_bytes", "Memory of running sequences and kept prefixes.", number(stats.cache_bytes));
  const PrefixCacheStats& prefixes = stats.prefixes;
  text->Counter("fathom_prefix_query_tokens_total", "Prompt tokens looked up among kept prefixes.",
                number(prefixes.query_tokens));
  text->Counter("fathom_prefix_hit_tokens_total", "Of those, found.", number(prefixes.hit_tokens));
  text->Counter("fathom_prefix_replayed_tokens_total", "Of those found, read again since no state is kept.",
                number(prefixes.replayed_tokens));
  text->Gauge("fathom_prefix_ram_bytes", "Memory of kept prefixes.", number(prefixes.ram_bytes));
  text->Gauge("fathom_prefix_waiting_bytes", "Of that, waiting to be written to disk.", number(prefixes.waiting_bytes));
  text->Gauge("fathom_prefix_disk_bytes", "Bytes of kept prefixes on disk.", number(prefixes.disk_bytes));
  text->Counter("fathom_prefix_disk_reads_total", "Files read.", number(prefixes.disk_reads));
  text->Counter("fathom_prefix_disk_writes_total", "Files written.", number(prefixes.disk_writes));
  text->Counter("fathom_prefix_dropped_writes_total", "Prefixes dropped from memory before they were on disk.",
                number(prefixes.dropped_writes));
  text->Counter("fathom_prefix_ram_evictions_total", "Prefixes dropped from memory.", number(prefixes.ram_evictions));
  text->Counter("fathom_prefix_disk_evictions_total", "Prefixes dropped from disk.", number(prefixes.disk_evictions));
  text->Counter("fathom_prefix_damaged_total", "Files that could not be used.", number(prefixes.damaged));
  text->Gauge("fathom_engine_kept_prefixes", "Prefixes kept in memory.", number(stats.prefixes.points));
}

void RenderHttp(const HttpServerStats& stats, PrometheusText* text) {
  const auto number = [](int64_t value) { return static_cast<double>(value); };
  text->Gauge("fathom_http_connections", "Open connections.", number(stats.connections));
  text->Counter("fathom_http_connections_total", "Accepted connections.", number(stats.connections_total));
  text->Gauge("fathom_http_exchanges", "Requests being answered.", number(stats.exchanges));
  text->Counter("fathom_http_rejected_total", "Requests that were malformed, too large, too late or found no room.",
                number(stats.rejected));
  text->Gauge("fathom_http_body_bytes", "Bytes of bodies that are still arriving.", number(stats.body_bytes));
  text->Counter("fathom_http_disconnects_total", "Clients that left before their answer was complete.",
                number(stats.disconnects));
  text->Counter("fathom_http_slow_readers_total", "Clients dropped because they did not read their answer.",
                number(stats.slow_readers));
  text->Counter("fathom_http_streamed_bytes_total", "Bytes of streamed answers.", number(stats.streamed_bytes));
}

}  // namespace

int64_t ResidentBytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "re");
  if (file == nullptr) return 0;
  long long resident = 0;
  const int read = std::fscanf(file, "%*d %lld", &resident);
  std::fclose(file);
  if (read != 1) return 0;
  return resident * sysconf(_SC_PAGESIZE);
}

void ServerMetrics::CountRequest(const std::string& route, int status) {
  const std::lock_guard lock(mutex_);
  ++http_requests_[{route, status}];
}

void ServerMetrics::Finished(const GenerationRecord& record) {
  const Timings& timings = record.timings;
  whole_.Observe((timings.queue_ms + timings.prefill_ms + timings.decode_ms) / kMsPerSecond);
  queue_.Observe(timings.queue_ms / kMsPerSecond);
  const std::lock_guard lock(mutex_);
  ++finished_[record.finish];
  totals_.prompt_tokens += record.usage.prompt_tokens;
  totals_.cached_tokens += record.usage.cached_tokens;
  totals_.replayed_tokens += record.usage.replayed_tokens;
  totals_.completion_tokens += record.usage.completion_tokens;
  totals_.reasoning_tokens += record.reasoning_tokens;
  totals_.prefill_s += timings.prefill_ms / kMsPerSecond;
  totals_.decode_s += timings.decode_ms / kMsPerSecond;
}

ServerMetrics::Totals ServerMetrics::totals() const {
  const std::lock_guard lock(mutex_);
  return totals_;
}

std::string ServerMetrics::Render(const Load& load) const {
  PrometheusText text;
  text.Gauge("fathom_ready", "1 when the model is loaded.", load.engine != nullptr ? 1 : 0);
  text.Counter("fathom_uptime_seconds_total", "Time since the start.", load.uptime_s);
  text.Gauge("process_resident_memory_bytes", "Memory of the process, mapped weights in use included.",
             static_cast<double>(ResidentBytes()));
  text.Gauge("fathom_api_keys", "API keys; 0 without a key file.", static_cast<double>(load.keys));
  text.Counter("fathom_audit_lost_lines_total", "Audit lines that could not be written.",
               static_cast<double>(load.lost_audit_lines));
  if (load.engine != nullptr) RenderEngine(load.engine->stats(), load, &text);
  RenderHttp(load.http, &text);
  RenderRequests(load, &text);
  RenderTokens(load, &text);
  return text.text();
}

void ServerMetrics::RenderRequests(const Load& load, PrometheusText* text) const {
  const MetricLabels model = {{"model_name", load.model_name}};
  text->Histogram("vllm:time_to_first_token_seconds", "From the request to its first token.", first_token_.snapshot(),
                  model);
  text->Histogram("vllm:inter_token_latency_seconds", "Between two tokens of an answer.", next_token_.snapshot(),
                  model);
  text->Histogram("vllm:e2e_request_latency_seconds", "From the request to its last token.", whole_.snapshot(), model);
  text->Histogram("vllm:request_queue_time_seconds", "From the request to its first step.", queue_.snapshot(), model);
  const std::lock_guard lock(mutex_);
  std::map<std::string, int64_t> finished = finished_;
  for (const char* finish : kFinishes) finished.try_emplace(finish, 0);
  std::map<std::string, int64_t> vllm;
  for (const auto& [finish, count] : finished) vllm[VllmFinish(finish)] += count;
  for (const auto& [finish, count] : vllm) {
    text->Counter("vllm:request_success_total", "Requests that are over.", static_cast<double>(count),
                  {{"model_name", load.model_name}, {"finished_reason", finish}});
  }
  for (const auto& [finish, count] : finished) {
    text->Counter("fathom_generations_total", "Requests that are over, by how they ended.", static_cast<double>(count),
                  {{"finish", finish}});
  }
  for (const auto& [what, count] : http_requests_) {
    text->Counter("fathom_http_requests_total", "Answers by route and status.", static_cast<double>(count),
                  {{"route", what.first}, {"status", std::to_string(what.second)}});
  }
}

void ServerMetrics::RenderTokens(const Load& load, PrometheusText* text) const {
  const MetricLabels model = {{"model_name", load.model_name}};
  const Totals sums = totals();
  const auto number = [](int64_t value) { return static_cast<double>(value); };
  const int64_t read = sums.prompt_tokens - sums.cached_tokens + sums.replayed_tokens;
  text->Counter("vllm:prompt_tokens_total", "Prompt tokens.", number(sums.prompt_tokens), model);
  text->Counter("vllm:generation_tokens_total", "Sampled tokens.", number(sums.completion_tokens), model);
  text->Counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up among kept prefixes.",
                number(sums.prompt_tokens), model);
  text->Counter("vllm:prefix_cache_hits_total", "Of those, found.", number(sums.cached_tokens), model);
  text->Counter("llamacpp:prompt_tokens_total", "Prompt tokens that were read.", number(read));
  text->Counter("llamacpp:prompt_seconds_total", "Time spent reading prompts.", sums.prefill_s);
  text->Counter("llamacpp:tokens_predicted_total", "Sampled tokens.", number(sums.completion_tokens));
  text->Counter("llamacpp:tokens_predicted_seconds_total", "Time spent answering.", sums.decode_s);
  text->Gauge("llamacpp:prompt_tokens_seconds", "Prompt tokens per second, on average.",
              PerSecond(read, sums.prefill_s));
  text->Gauge("llamacpp:predicted_tokens_seconds", "Sampled tokens per second and answer, on average.",
              PerSecond(sums.completion_tokens, sums.decode_s));
  text->Counter("fathom_reasoning_tokens_total", "Sampled tokens of reasoning.", number(sums.reasoning_tokens));
}

}  // namespace fathom
