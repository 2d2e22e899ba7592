// responses_routes.h - POST responses, below / and /v1.
#ifndef FATHOM_SERVER_API_RESPONSES_ROUTES_H_
#define FATHOM_SERVER_API_RESPONSES_ROUTES_H_

#include "server/api/generation.h"
#include "server/api/openai_routes.h"
#include "server/api/router.h"

namespace fathom {

// `service` must outlive the router.
void AddResponsesRoutes(Router* router, GenerationService* service, const OpenAiOptions& options);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_RESPONSES_ROUTES_H_
