// anthropic_routes.h - what Anthropic's clients use.
//
//   POST messages, messages/count_tokens    below /, /v1, /anthropic and /anthropic/v1
//   GET  models, models/{id}                below /anthropic/v1; /v1/models answers with the same list when a request
//                                           carries anthropic-version
#ifndef FATHOM_SERVER_API_ANTHROPIC_ROUTES_H_
#define FATHOM_SERVER_API_ANTHROPIC_ROUTES_H_

#include <chrono>
#include <optional>

#include "base/json.h"
#include "server/api/generation.h"
#include "server/api/router.h"

namespace fathom {

struct AnthropicOptions {
  std::optional<std::chrono::milliseconds> deadline = {};  // of every request
};

// `service` must outlive the router.
void AddAnthropicRoutes(Router* router, GenerationService* service, const AnthropicOptions& options);

// {data: [{type: "model", id, display_name, created_at}], has_more, first_id, last_id}.
Json AnthropicModels(const ServedModel& model);

// Whether a client of Anthropic's asks, for paths that two protocols have.
bool IsAnthropicRequest(const HttpRequest& request);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_ANTHROPIC_ROUTES_H_
