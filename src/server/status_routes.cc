#include "server/status_routes.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "engine/engine_stats.h"

namespace fathom {
namespace {

void RespondJson(HttpExchange& exchange, const Json& json, int status = 200) {
  exchange.Respond({status, {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}}, json.Dump()});
}

// Why the server takes no requests now.
ApiError NotReady(ServerPhase phase) {
  return {ApiErrorKind::kOverloaded,
          phase == ServerPhase::kLoading ? "Loading model" : "The server is shutting down",
          {},
          kRetryAfterSeconds};
}

double SecondsSince(std::chrono::steady_clock::time_point time) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - time).count();
}

HttpServerStats HttpStats(const ServerParts& parts) {
  const HttpServer* http = parts.http;
  return http == nullptr ? HttpServerStats{} : http->stats();
}

void RespondMetrics(const ServerParts& parts, HttpExchange& exchange) {
  ServerMetrics::Load load;
  if (parts.phase != ServerPhase::kLoading) {
    load.engine = parts.engine;
    load.model_name = parts.service->model().name;
  }
  load.http = HttpStats(parts);
  if (parts.audit != nullptr) load.lost_audit_lines = parts.audit->lost_lines();
  load.keys = static_cast<int64_t>(parts.authenticator->key_count());
  load.uptime_s = SecondsSince(parts.started);
  exchange.Respond({200, {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}}, parts.metrics.Render(load)});
}

Json SamplingJson(const SamplingParams& sampling) {
  return Json::Object({{"temperature", Json::Double(sampling.temperature)},
                       {"top_p", Json::Double(sampling.top_p)},
                       {"top_k", Json::Int(sampling.top_k)},
                       {"min_p", Json::Double(sampling.min_p)},
                       {"presence_penalty", Json::Double(sampling.presence_penalty)},
                       {"frequency_penalty", Json::Double(sampling.frequency_penalty)},
                       {"repeat_penalty", Json::Double(sampling.repetition_penalty)}});
}

// As llama.cpp's server answers; `machine` and `limits` are for our page.
Json PropsJson(const ServerParts& parts) {
  const ServedModel& model = parts.service->model();
  const int64_t context = parts.engine->limits().context;
  return Json::Object({{"default_generation_settings",
                        Json::Object({{"n_ctx", Json::Int(context)}, {"params", SamplingJson(model.sampling)}})},
                       {"total_slots", Json::Int(parts.engine->options().max_sequences)},
                       {"model_alias", Json::String(model.name)},
                       {"model_path", Json::String(model.directory)},
                       {"chat_template", Json::String(StrCat("deepseek-", DialectName(model.dialect), " (built in)"))},
                       {"modalities", Json::Object({{"vision", Json::Bool(false)}, {"audio", Json::Bool(false)}})},
                       {"build_info", Json::String(StrCat("fathom ", kServerVersion))},
                       {"is_sleeping", Json::Bool(false)},
                       {"machine", parts.machine}});
}

Json RequestJson(const RequestInfo& info, const Authenticator& authenticator) {
  // Users are told apart by key and by the name they gave, a line each.
  const size_t line = std::min(info.user.find('\n'), info.user.size());
  const std::string user = info.user.substr(std::min(line + 1, info.user.size()));
  return Json::Object({{"number", Json::Int(static_cast<int64_t>(info.number))},
                       {"state", Json::String(RequestStateName(info.state))},
                       {"key", Json::String(authenticator.NameOf(info.user.substr(0, line)))},
                       {"user", Json::String(user)},
                       {"priority", Json::Int(info.priority)},
                       {"age_s", Json::Double(info.age_seconds)},
                       {"prompt_tokens", Json::Int(info.prompt_tokens)},
                       {"cached_tokens", Json::Int(info.cached_tokens)},
                       {"read_tokens", Json::Int(info.read_tokens)},
                       {"generated_tokens", Json::Int(info.generated_tokens)}});
}

Json EngineJson(const ServerParts& parts) {
  const EngineStats stats = parts.engine->stats();
  const EngineOptions& options = parts.engine->options();
  const HttpServerStats http = HttpStats(parts);
  std::vector<Json> requests;
  for (const RequestInfo& info : parts.engine->requests()) requests.push_back(RequestJson(info, *parts.authenticator));
  return Json::Object({{"uptime_s", Json::Double(SecondsSince(parts.started))},
                       {"resident_bytes", Json::Int(ResidentBytes())},
                       {"steps", Json::Int(stats.steps)},
                       {"requests", Json::Int(stats.requests)},
                       {"refused", Json::Int(stats.refused)},
                       {"running", Json::Int(stats.running)},
                       {"waiting", Json::Int(stats.waiting)},
                       {"step_s", Json::Double(stats.step_seconds)},
                       {"model_s", Json::Double(stats.model_seconds)},
                       {"handler_s", Json::Double(stats.handler_seconds)},
                       {"wait_s", Json::Double(stats.wait_seconds)},
                       {"prompt_tokens_read", Json::Int(stats.prompt_tokens_read)},
                       {"generated_tokens", Json::Int(stats.generated_tokens)},
                       {"preemptions", Json::Int(stats.preemptions)},
                       {"prompt_tokens", Json::Int(stats.prompt_tokens)},
                       {"cached_tokens", Json::Int(stats.cached_tokens)},
                       {"completion_tokens", Json::Int(stats.completion_tokens)},
                       {"cache_bytes", Json::Int(stats.cache_bytes)},
                       {"cache_bytes_limit", Json::Int(options.cache_bytes)},
                       {"kept_prefixes", Json::Int(stats.prefixes.points)},
                       {"context", Json::Int(parts.engine->limits().context)},
                       {"max_sequences", Json::Int(options.max_sequences)},
                       {"max_queue", Json::Int(options.max_queue)},
                       {"active", Json::Array(std::move(requests))},
                       {"http", Json::Object({{"connections", Json::Int(http.connections)},
                                              {"exchanges", Json::Int(http.exchanges)},
                                              {"disconnects", Json::Int(http.disconnects)},
                                              {"slow_readers", Json::Int(http.slow_readers)},
                                              {"rejected", Json::Int(http.rejected)}})}});
}

// llama.cpp's place: of a request, or without one. Clients look for the generated tokens at both places.
Json SlotJson(const ServerParts& parts, int64_t slot, const RequestInfo* info) {
  const std::optional<int64_t> most = info == nullptr ? std::nullopt : info->max_tokens;
  const int64_t generated = info == nullptr ? 0 : info->generated_tokens;
  Json params = SamplingJson(info == nullptr ? parts.service->model().sampling : info->sampling);
  params.Set("n_predict", Json::Int(most.value_or(-1)));
  Json next = Json::Object({{"has_next_token", Json::Bool(info != nullptr)},
                            {"n_remain", Json::Int(most ? *most - generated : -1)},
                            {"n_decoded", Json::Int(generated)}});
  Json json = Json::Object({{"id", Json::Int(slot)},
                            {"n_ctx", Json::Int(parts.engine->limits().context)},
                            {"speculative", Json::Bool(false)},
                            {"is_processing", Json::Bool(info != nullptr)},
                            {"params", std::move(params)},
                            {"next_token", Json::Array({std::move(next)})}});
  if (info != nullptr) {
    json.Set("n_past", Json::Int(info->read_tokens));
    json.Set("n_decoded", Json::Int(generated));
  }
  return json;
}

// Ours are not numbered: those in use come first.
Json SlotsJson(const ServerParts& parts) {
  std::vector<RequestInfo> running = parts.engine->requests();
  std::erase_if(running, [](const RequestInfo& info) {
    return info.state == RequestInfo::State::kWaiting || info.state == RequestInfo::State::kPreempted;
  });
  std::vector<Json> slots;
  for (int64_t slot = 0; slot < parts.engine->options().max_sequences; ++slot) {
    const auto at = static_cast<size_t>(slot);
    slots.push_back(SlotJson(parts, slot, at < running.size() ? &running[at] : nullptr));
  }
  return Json::Array(std::move(slots));
}

void AddGet(Router* router, const char* path, Scope scope, std::function<void(HttpExchange&)> answer) {
  router->Add({"GET", path, Protocol::kOpenAi, scope,
               [answer = std::move(answer)](const std::shared_ptr<HttpExchange>& exchange, const Caller&) {
                 answer(*exchange);
               }});
}

}  // namespace

void AddHealthRoutes(const ServerParts& parts, Router* router) {
  for (const char* path : {"/health", "/v1/health", "/ready", "/ping"}) {
    AddGet(router, path, Scope::kNone, [&parts](HttpExchange& exchange) {
      const ServerPhase phase = parts.phase;
      if (phase != ServerPhase::kReady) return RespondError(exchange, Protocol::kOpenAi, NotReady(phase));
      RespondJson(exchange, Json::Object({{"status", Json::String("ok")}}));
    });
  }
  AddGet(router, "/metrics", Scope::kMetrics, [&parts](HttpExchange& exchange) { RespondMetrics(parts, exchange); });
  AddGet(router, "/debug/config", Scope::kAdmin,
         [&parts](HttpExchange& exchange) { RespondJson(exchange, ConfigJson(parts.config)); });
  AddGet(router, "/debug/cache", Scope::kAdmin,
         [&parts](HttpExchange& exchange) { RespondJson(exchange, parts.requests->RecentGenerations()); });
}

void AddModelStatusRoutes(const ServerParts& parts, Router* router) {
  AddGet(router, "/props", Scope::kInference,
         [&parts](HttpExchange& exchange) { RespondJson(exchange, PropsJson(parts)); });
  AddGet(router, "/slots", Scope::kInference,
         [&parts](HttpExchange& exchange) { RespondJson(exchange, SlotsJson(parts)); });
  AddGet(router, "/debug/engine", Scope::kAdmin,
         [&parts](HttpExchange& exchange) { RespondJson(exchange, EngineJson(parts)); });
}

}  // namespace fathom
