// openai_routes.h - the endpoints that OpenAI's, DeepSeek's, vLLM's and llama.cpp's clients use, except for health,
// props and metrics.
//
//   chat/completions, completions, models, models/{id}       below /, /v1, /beta and /v1/beta
//   tokenize, detokenize, apply-template, completion, infill, version
#ifndef FATHOM_SERVER_API_OPENAI_ROUTES_H_
#define FATHOM_SERVER_API_OPENAI_ROUTES_H_

#include <chrono>
#include <optional>
#include <string>

#include "server/api/generation.h"
#include "server/api/router.h"

namespace fathom {

struct OpenAiOptions {
  std::string version = "0";    // of the program
  bool both_reasoning = false;  // reasoning as `reasoning`, too, as vLLM and OpenRouter name it
  std::optional<std::chrono::milliseconds> deadline = {};  // of every request
};

// `service` must outlive the router.
void AddOpenAiRoutes(Router* router, GenerationService* service, const OpenAiOptions& options);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_OPENAI_ROUTES_H_
