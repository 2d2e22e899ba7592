#include "server/server.h"

#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include "base/log.h"
#include "base/strings.h"
#include "server/api/answer_replay.h"
#include "server/api/anthropic_routes.h"
#include "server/api/openai_routes.h"
#include "server/api/reasoning_seal.h"
#include "server/api/response_store.h"
#include "server/api/responses_routes.h"
#include "server/assets.h"
#include "server/cors.h"
#include "server/status_routes.h"

namespace fathom {
namespace {

HttpServerOptions HttpOptions(const ServeConfig& config) {
  using std::chrono::seconds;
  HttpServerOptions options;
  options.host = config.host;
  options.port = static_cast<uint16_t>(config.port);
  options.workers = static_cast<int>(config.workers);
  options.tls_certificate = config.tls_cert;
  options.tls_key = config.tls_key;
  options.max_connections = static_cast<size_t>(config.max_connections);
  options.max_header_bytes = static_cast<size_t>(config.max_header_bytes);
  options.max_body_bytes = static_cast<size_t>(config.max_body_bytes);
  constexpr int64_t kLargestBodies = 4;  // at once, if the configuration says nothing
  options.max_bodies_bytes = static_cast<size_t>(config.max_bodies_bytes != 0 ? config.max_bodies_bytes
                                                                              : kLargestBodies * config.max_body_bytes);
  options.max_unsent_bytes = static_cast<size_t>(config.max_unsent_bytes);
  options.header_timeout = seconds(config.header_timeout_s);
  options.body_timeout = seconds(config.body_timeout_s);
  options.idle_timeout = seconds(config.idle_timeout_s);
  options.write_timeout = seconds(config.write_timeout_s);
  options.heartbeat = seconds(config.heartbeat_s);
  return options;
}

std::optional<std::chrono::milliseconds> DeadlineOf(const ServeConfig& config) {
  if (config.deadline_s == 0) return std::nullopt;
  return std::chrono::seconds(config.deadline_s);
}

// Unknown paths have no route that says in which shape their errors are.
Protocol ProtocolOf(const std::string& path) {
  const bool anthropic = path.starts_with("/anthropic") || path.find("/messages") != std::string::npos;
  return anthropic ? Protocol::kAnthropic : Protocol::kOpenAi;
}

// The page's files and what it shows of its own accord come too often to be worth a line.
bool IsAudited(const Route* route) { return route == nullptr || route->scope != Scope::kNone; }

// Why a body was not read, for a request that is in order otherwise.
ApiError ErrorOf(const HttpRefusal& refusal) {
  constexpr int kPayloadTooLarge = 413;
  if (refusal.status == kPayloadTooLarge) return {ApiErrorKind::kTooLarge, refusal.message};
  return {ApiErrorKind::kOverloaded, refusal.message, {}, kRetryAfterSeconds};
}

void RespondMetaPage(HttpExchange& exchange) {
  exchange.Respond({200, {{"Content-Type", "text/plain; charset=utf-8"}}, "fathom: see /v1/models and docs/api.md\n"});
}

}  // namespace

struct Server::State {
  ServerParts parts;
  std::unique_ptr<AnswerReplay> replay;
  std::unique_ptr<ResponseStore> responses;  // null: none are stored
  std::unique_ptr<ReasoningSeal> seal;
  std::mutex mutex;
  std::shared_ptr<const Router> router;
  std::unique_ptr<HttpServer> http;  // last: its threads use everything above

  std::shared_ptr<const Router> CurrentRouter() {
    const std::lock_guard lock(mutex);
    return router;
  }
  void SetRouter(Router next) {
    const std::lock_guard lock(mutex);
    router = std::make_shared<const Router>(std::move(next));
  }
  Router BasicRouter() const;
  Status OpenResponses();
  // Who asks for `route`, or why it is not answered. `counted`: it counts to the limits of its key.
  std::variant<Caller, ApiError> WhoAsks(const HttpRequest& request, const Route& route, bool counted) const;
  std::optional<HttpRefusal> CheckHead(const HttpRequest& request);
  void Handle(std::shared_ptr<HttpExchange> exchange);
};

Router Server::State::BasicRouter() const {
  Router basic;
  AddHealthRoutes(parts, &basic);
  if (parts.config.page) {
    AddAssetRoutes(&basic);
  } else {
    basic.Add({"GET", "/", Protocol::kOpenAi, Scope::kNone,
               [](const std::shared_ptr<HttpExchange>& exchange, const Caller&) { RespondMetaPage(*exchange); }});
  }
  return basic;
}

Status Server::State::OpenResponses() {
  const ServeConfig& config = parts.config;
  const std::string directory = config.cache_dir.empty() ? "" : config.cache_dir + "/";
  const auto file = [&](const char* name) { return directory.empty() ? "" : directory + name; };
  FATHOM_ASSIGN_OR_RETURN(seal, ReasoningSeal::Open(file("reasoning_key")));
  if (config.response_bytes == 0) return {};
  constexpr int64_t kSecondsOfDay = 86400;
  FATHOM_ASSIGN_OR_RETURN(responses, ResponseStore::Open({.max_bytes = config.response_bytes,
                                                          .max_count = config.response_count,
                                                          .max_age_s = config.response_days * kSecondsOfDay,
                                                          .file = file("responses")}));
  return {};
}

std::variant<Caller, ApiError> Server::State::WhoAsks(const HttpRequest& request, const Route& route,
                                                      bool counted) const {
  if (parts.phase == ServerPhase::kDraining && route.scope == Scope::kInference) {
    return ApiError{ApiErrorKind::kOverloaded, "The server is shutting down", {}, kRetryAfterSeconds};
  }
  Authenticator& authenticator = *parts.authenticator;
  return counted ? authenticator.Check(request, route.scope) : authenticator.Identify(request, route.scope);
}

// What is said against the request then is found again by Handle().
std::optional<HttpRefusal> Server::State::CheckHead(const HttpRequest& request) {
  const std::shared_ptr<const Router> routes = CurrentRouter();
  const Route* route = routes->Find(request.method, request.path).route;
  if (route != nullptr && std::holds_alternative<Caller>(WhoAsks(request, *route, false))) return std::nullopt;
  return HttpRefusal{503, "what this request may do changed while it arrived; try again"};
}

void Server::State::Handle(std::shared_ptr<HttpExchange> exchange) {
  const std::shared_ptr<const Router> routes = CurrentRouter();
  const HttpRequest& request = exchange->request();
  const Router::Match match = routes->Find(request.method, request.path);
  RequestLog::Start start;
  start.route = match.route != nullptr ? match.route->path : "other";
  start.audited = IsAudited(match.route) && request.method != "OPTIONS";
  start.extra = CorsHeaders(request, parts.config.cors);
  exchange = parts.requests->Track(std::move(exchange), std::move(start));

  if (parts.phase == ServerPhase::kLoading && match.route == nullptr) {
    return RespondError(*exchange, ProtocolOf(request.path),
                        {ApiErrorKind::kOverloaded, "Loading model", {}, kRetryAfterSeconds});
  }
  if (match.route == nullptr) return RespondNoRoute(*exchange, ProtocolOf(request.path), match.allowed_methods);
  const Route& route = *match.route;
  const std::variant<Caller, ApiError> asks = WhoAsks(request, route, !request.refusal);
  if (const ApiError* error = std::get_if<ApiError>(&asks)) return RespondError(*exchange, route.protocol, *error);
  const Caller& caller = std::get<Caller>(asks);
  parts.requests->SetCaller(request.id, caller);
  if (request.refusal) return RespondError(*exchange, route.protocol, ErrorOf(*request.refusal));
  route.handler(exchange, caller);
}

Server::Server() : state_(std::make_unique<State>()) {}

Result<std::unique_ptr<Server>> Server::Start(const ServeConfig& config, std::unique_ptr<Authenticator> authenticator) {
  FATHOM_RETURN_IF_ERROR(CheckTogether(config, authenticator->required()));
  std::unique_ptr<Server> server(new Server);
  State* const state = server->state_.get();
  ServerParts& parts = state->parts;
  parts.config = config;
  parts.authenticator = std::move(authenticator);
  if (!config.audit_log.empty()) {
    FATHOM_ASSIGN_OR_RETURN(parts.audit, AuditLog::Open(config.audit_log));
  }
  parts.requests = std::make_shared<RequestLog>(
      parts.authenticator.get(), &parts.metrics, parts.audit.get(),
      RequestLog::Options{.model_name = config.model_name, .audit_text = config.audit_text});
  state->SetRouter(state->BasicRouter());
  HttpServerOptions options = HttpOptions(config);
  options.check_head = [state](const HttpRequest& request) { return state->CheckHead(request); };
  const HttpHandler handle = [state](std::shared_ptr<HttpExchange> exchange) { state->Handle(std::move(exchange)); };
  options.refuse = handle;
  FATHOM_ASSIGN_OR_RETURN(state->http, HttpServer::Start(options, handle));
  parts.http = state->http.get();
  return server;
}

Server::~Server() {
  Stop();
  const Status saved = state_->parts.authenticator->limits().Save();
  if (!saved.ok()) Log(LogLevel::kError, "token counts cannot be saved", {{"error", saved.message()}});
}

Status Server::Attach(Engine* engine, const Tokenizer* tokenizer, ServedModel model, Json machine) {
  State& state = *state_;
  ServerParts& parts = state.parts;
  AnswerReplayOptions replay;
  if (!parts.config.cache_dir.empty()) replay.file = parts.config.cache_dir + "/answers";
  FATHOM_ASSIGN_OR_RETURN(state.replay, AnswerReplay::Open(replay));
  FATHOM_RETURN_IF_ERROR(state.OpenResponses());
  parts.engine = engine;
  parts.machine = std::move(machine);
  parts.service = std::make_unique<GenerationService>(*engine, *tokenizer, std::move(model), state.replay.get(),
                                                      parts.requests.get());
  Router router = state.BasicRouter();
  AddModelStatusRoutes(parts, &router);
  const auto deadline = DeadlineOf(parts.config);
  const OpenAiOptions openai = {
      .version = kServerVersion, .both_reasoning = parts.config.reasoning_field == "both", .deadline = deadline};
  AddOpenAiRoutes(&router, parts.service.get(), openai);
  AddResponsesRoutes(&router, parts.service.get(),
                     {.deadline = deadline, .store = state.responses.get(), .seal = state.seal.get()});
  AddAnthropicRoutes(&router, parts.service.get(), {.deadline = deadline});
  state.SetRouter(std::move(router));
  parts.phase = ServerPhase::kReady;
  return {};
}

uint16_t Server::port() const { return state_->http->port(); }

std::string Server::url() const {
  const ServeConfig& config = state_->parts.config;
  const bool bare_v6 = config.host.find(':') != std::string::npos && !config.host.starts_with('[');
  return StrCat(config.tls_cert.empty() ? "http://" : "https://", bare_v6 ? "[" : "", config.host, bare_v6 ? "]" : "",
                ":", port());
}

bool Server::needs_keys() const { return state_->parts.authenticator->required(); }

void Server::Tick() {
  Authenticator& authenticator = *state_->parts.authenticator;
  const Status keys = authenticator.ReloadIfChanged();
  if (!keys.ok()) Log(LogLevel::kError, "API keys are not read again", {{"error", keys.message()}});
  const Status saved = authenticator.limits().Save();
  if (!saved.ok()) Log(LogLevel::kError, "token counts cannot be saved", {{"error", saved.message()}});
}

std::string Server::Reload() {
  const ServeConfig& config = state_->parts.config;
  std::string done;
  const auto note = [&](const Status& status, const char* success, const char* failure) {
    if (status.ok()) {
      done += StrCat(done.empty() ? "" : ", ", success);
    } else {
      Log(LogLevel::kError, failure, {{"error", status.message()}});
    }
  };
  if (needs_keys()) {
    note(state_->parts.authenticator->Reload(), "read the keys again", "API keys are not read again");
  }
  if (!config.tls_cert.empty()) {
    note(state_->http->ReloadTls(), "read the TLS files again", "the TLS certificate is not read again");
  }
  if (state_->parts.audit != nullptr) {
    note(state_->parts.audit->Reopen(), "opened the audit log again", "the audit log is not opened again");
  }
  return done.empty() ? "nothing was read again" : done;
}

bool Server::Drain(std::chrono::milliseconds limit) {
  state_->parts.phase = ServerPhase::kDraining;
  return state_->http->Drain(limit);
}

void Server::Stop() {
  state_->parts.phase = ServerPhase::kDraining;
  state_->parts.http = nullptr;
  state_->http.reset();
}

}  // namespace fathom
