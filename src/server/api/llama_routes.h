// llama_routes.h - llama.cpp's own /completion and /infill.
#ifndef FATHOM_SERVER_API_LLAMA_ROUTES_H_
#define FATHOM_SERVER_API_LLAMA_ROUTES_H_

#include "server/api/generation.h"
#include "server/api/openai_routes.h"
#include "server/api/router.h"

namespace fathom {

// `service` must outlive the router.
void AddLlamaRoutes(Router* router, GenerationService* service, const OpenAiOptions& options);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_LLAMA_ROUTES_H_
