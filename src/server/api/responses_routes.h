// responses_routes.h - OpenAI's Responses API, below / and /v1.
//
//   POST responses                        POST responses/input_tokens
//   GET, DELETE responses/{id}            GET responses/{id}/input_items      POST responses/{id}/cancel
#ifndef FATHOM_SERVER_API_RESPONSES_ROUTES_H_
#define FATHOM_SERVER_API_RESPONSES_ROUTES_H_

#include <chrono>
#include <optional>

#include "server/api/generation.h"
#include "server/api/reasoning_seal.h"
#include "server/api/response_store.h"
#include "server/api/router.h"

namespace fathom {

struct ResponsesOptions {
  std::optional<std::chrono::milliseconds> deadline = {};  // of every request
  ResponseStore* store = nullptr;                          // null: no response is kept
  const ReasoningSeal* seal = nullptr;                     // null: encrypted_content is neither made nor read
};

// All must outlive the router.
void AddResponsesRoutes(Router* router, GenerationService* service, const ResponsesOptions& options);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_RESPONSES_ROUTES_H_
