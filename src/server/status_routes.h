// status_routes.h - what the server says about itself: health, metrics, properties, running requests.
#ifndef FATHOM_SERVER_STATUS_ROUTES_H_
#define FATHOM_SERVER_STATUS_ROUTES_H_

#include <atomic>
#include <chrono>
#include <memory>

#include "base/json.h"
#include "engine/engine.h"
#include "server/api/generation.h"
#include "server/api/router.h"
#include "server/audit_log.h"
#include "server/authenticator.h"
#include "server/http/http_server.h"
#include "server/request_log.h"
#include "server/serve_config.h"
#include "server/server_metrics.h"

namespace fathom {

inline constexpr const char* kServerVersion = "0.1.0";

enum class ServerPhase { kLoading, kReady, kDraining };

// The parts that routes look at. Those marked (model) are null until the phase is kReady.
struct ServerParts {
  ServeConfig config;
  std::atomic<ServerPhase> phase{ServerPhase::kLoading};
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::unique_ptr<Authenticator> authenticator;
  std::unique_ptr<AuditLog> audit;
  ServerMetrics metrics;
  std::shared_ptr<RequestLog> requests;
  std::atomic<const HttpServer*> http{nullptr};
  Engine* engine = nullptr;                    // (model)
  std::unique_ptr<GenerationService> service;  // (model)
  Json machine;                                // (model)
};

// /health, /v1/health, /ready, /ping, /metrics, /debug/config, /debug/cache; they answer while loading, too.
void AddHealthRoutes(const ServerParts& parts, Router* router);
// /props, /slots, /debug/engine: need the model.
void AddModelStatusRoutes(const ServerParts& parts, Router* router);

}  // namespace fathom

#endif  // FATHOM_SERVER_STATUS_ROUTES_H_
