// token_routes.h - tokenize, detokenize, apply-template and version, in the shapes of llama.cpp and vLLM at once.
#ifndef FATHOM_SERVER_API_TOKEN_ROUTES_H_
#define FATHOM_SERVER_API_TOKEN_ROUTES_H_

#include "server/api/generation.h"
#include "server/api/openai_routes.h"
#include "server/api/router.h"

namespace fathom {

// `service` must outlive the router.
void AddTokenRoutes(Router* router, GenerationService* service, const OpenAiOptions& options);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_TOKEN_ROUTES_H_
