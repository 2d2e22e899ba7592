#include "server/api/token_routes.h"

#include <memory>
#include <utility>

#include "base/strings.h"
#include "server/api/completion_request.h"
#include "server/api/openai_request.h"
#include "server/api/openai_shapes.h"
#include "server/api/route_helpers.h"

namespace fathom {
namespace {

using Exchange = std::shared_ptr<HttpExchange>;

// llama.cpp: {content, add_special, parse_special, with_pieces} to {tokens}. Pieces that are no UTF-8 are lists of
// bytes.
Result<Json> TokenizeContent(const JsonFields& fields, const Tokenizer& tokenizer) {
  std::string content;
  bool add_special = false;
  bool parse_special = true;
  bool with_pieces = false;
  FATHOM_RETURN_IF_ERROR(fields.Read("content", &content));
  FATHOM_RETURN_IF_ERROR(fields.Read("add_special", &add_special));
  FATHOM_RETURN_IF_ERROR(fields.Read("parse_special", &parse_special));
  FATHOM_RETURN_IF_ERROR(fields.Read("with_pieces", &with_pieces));
  std::vector<int32_t> ids = tokenizer.Encode(content, parse_special ? AddedTokens::kMatch : AddedTokens::kIgnore);
  const std::optional<int32_t> bos = tokenizer.FindAddedToken(kBosText);
  if (add_special && bos) ids.insert(ids.begin(), *bos);
  std::vector<Json> tokens;
  for (const int32_t id : ids) {
    if (!with_pieces) {
      tokens.push_back(Json::Int(id));
      continue;
    }
    const std::string_view bytes = tokenizer.token_bytes(id);
    Json piece = Json::String(std::string(bytes));
    if (TokenText(tokenizer, id) != bytes) {
      std::vector<Json> numbers;
      for (const char byte : bytes) numbers.push_back(Json::Int(static_cast<uint8_t>(byte)));
      piece = Json::Array(std::move(numbers));
    }
    tokens.push_back(Json::Object({{"id", Json::Int(id)}, {"piece", std::move(piece)}}));
  }
  return Json::Object({{"tokens", Json::Array(std::move(tokens))}});
}

// vLLM: {prompt or messages, add_special_tokens, return_token_strs} to {count, max_model_len, tokens}.
ApiResult<Json> TokenizePrompt(const JsonFields& fields, const Json& body, const Caller& caller,
                               GenerationService* service) {
  const Tokenizer& tokenizer = service->tokenizer();
  std::vector<int32_t> ids;
  bool strings = false;
  bool add_special = true;
  std::string prompt;
  for (const Status& status : {fields.Read("return_token_strs", &strings),
                               fields.Read("add_special_tokens", &add_special), fields.Read("prompt", &prompt)}) {
    if (!status.ok()) return ApiErrorFrom(status);
  }
  if (fields.Find("messages") != nullptr) {
    const Result<OpenAiChat> chat = ParseOpenAiChat(body);
    if (!chat.ok()) return ApiErrorFrom(chat.status());
    ApiResult<std::vector<int32_t>> tokens = service->PromptTokens(chat->request, caller);
    if (const auto* error = std::get_if<ApiError>(&tokens)) return *error;
    ids = std::move(std::get<0>(tokens));
  } else {
    ids = PromptFromText(prompt, add_special, tokenizer).tokens;
  }
  std::vector<Json> tokens;
  std::vector<Json> texts;
  for (const int32_t id : ids) {
    tokens.push_back(Json::Int(id));
    if (strings) texts.push_back(Json::String(TokenText(tokenizer, id)));
  }
  return Json::Object({{"count", Json::Int(static_cast<int64_t>(ids.size()))},
                       {"max_model_len", Json::Int(service->engine().limits().context)},
                       {"tokens", Json::Array(std::move(tokens))},
                       {"token_strs", strings ? Json::Array(std::move(texts)) : Json()}});
}

void Tokenize(const Exchange& exchange, const Caller& caller, GenerationService* service) {
  const std::optional<Json> body = ParseBody(*exchange, Protocol::kOpenAi);
  if (!body) return;
  const JsonFields fields(*body);
  if (fields.Find("content") != nullptr) {
    const std::optional<Json> answer =
        ValueOrRespond(*exchange, Protocol::kOpenAi, TokenizeContent(fields, service->tokenizer()));
    if (answer) RespondJson(*exchange, *answer);
    return;
  }
  if (fields.Find("prompt") == nullptr && fields.Find("messages") == nullptr) {
    return RespondError(*exchange, Protocol::kOpenAi,
                        {ApiErrorKind::kInvalidRequest, "the body has none of content, prompt and messages"});
  }
  const ApiResult<Json> answer = TokenizePrompt(fields, *body, caller, service);
  if (const auto* error = std::get_if<ApiError>(&answer)) return RespondError(*exchange, Protocol::kOpenAi, *error);
  RespondJson(*exchange, std::get<Json>(answer));
}

void Detokenize(const Exchange& exchange, GenerationService* service) {
  const std::optional<Json> body = ParseBody(*exchange, Protocol::kOpenAi);
  if (!body) return;
  const Json* list = body->Find("tokens");
  const std::optional<std::vector<int32_t>> ids = ValueOrRespond(
      *exchange, Protocol::kOpenAi, ReadTokenIds(list == nullptr ? Json() : *list, "tokens", service->tokenizer()));
  if (!ids) return;
  const Json text = Json::String(service->tokenizer().Decode(*ids, false));
  RespondJson(*exchange, Json::Object({{"content", text}, {"prompt", text}}));
}

void ApplyTemplate(const Exchange& exchange, GenerationService* service) {
  const std::optional<Json> body = ParseBody(*exchange, Protocol::kOpenAi);
  if (!body) return;
  const std::optional<OpenAiChat> chat = ValueOrRespond(*exchange, Protocol::kOpenAi, ParseOpenAiChat(*body));
  if (!chat) return;
  const ApiResult<std::string> prompt = service->PromptText(chat->request);
  if (const auto* error = std::get_if<ApiError>(&prompt)) return RespondError(*exchange, Protocol::kOpenAi, *error);
  RespondJson(*exchange, Json::Object({{"prompt", Json::String(std::get<std::string>(prompt))}}));
}

}  // namespace

void AddTokenRoutes(Router* router, GenerationService* service, const OpenAiOptions& options) {
  for (const char* base : {"", "/v1"}) {
    router->Add({"POST", StrCat(base, "/tokenize"), Protocol::kOpenAi, Scope::kInference,
                 [service](const Exchange& exchange, const Caller& caller) { Tokenize(exchange, caller, service); }});
    router->Add({"POST", StrCat(base, "/detokenize"), Protocol::kOpenAi, Scope::kInference,
                 [service](const Exchange& exchange, const Caller&) { Detokenize(exchange, service); }});
    router->Add({"POST", StrCat(base, "/apply-template"), Protocol::kOpenAi, Scope::kInference,
                 [service](const Exchange& exchange, const Caller&) { ApplyTemplate(exchange, service); }});
  }
  const Json version = Json::Object({{"version", Json::String(options.version)}});
  router->Add({"GET", "/version", Protocol::kOpenAi, Scope::kNone,
               [version](const Exchange& exchange, const Caller&) { RespondJson(*exchange, version); }});
}

}  // namespace fathom
