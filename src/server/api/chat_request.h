// chat_request.h - what all chat protocols ask for, in one form: OpenAI chat completions and responses, Anthropic
// messages. Each protocol's file parses its JSON into this; generation.h answers it.
#ifndef FATHOM_SERVER_API_CHAT_REQUEST_H_
#define FATHOM_SERVER_API_CHAT_REQUEST_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "engine/request.h"
#include "server/api/field_paths.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/chat_message.h"

namespace fathom {

enum class ToolChoice { kAuto, kNone, kRequired, kNamed };

// What the answer's text has to be.
struct AnswerForm {
  enum class Kind { kText, kJsonObject, kJsonSchema };
  Kind kind = Kind::kText;
  Json schema = {};       // kJsonSchema: obeyed strictly by constrained decoding
  std::string path = {};  // where the schema stands in the request, for messages
};

// Who asks, as the server's keys and the request's user field tell. Separates scheduling and, by `cache_scope`, caches.
struct Caller {
  std::string key_id = {};      // of the API key; empty when the server has no keys
  std::string user = {};        // user_id, metadata.user_id, user
  int32_t priority = 0;         // the key's
  std::string request_id = {};  // of the HTTP request, so that what is reported about the generation finds it
  std::string fairness_group() const { return key_id + '\n' + user; }
};

// Sampling fields that were absent take the model's generation_config.json.
struct SamplingRequest {
  std::optional<double> temperature = {};
  std::optional<double> top_p = {};
  std::optional<int64_t> top_k = {};
  std::optional<double> min_p = {};
  std::optional<double> presence_penalty = {};
  std::optional<double> frequency_penalty = {};
  std::optional<double> repetition_penalty = {};
  std::vector<std::pair<int32_t, float>> logit_bias = {};
  std::optional<uint64_t> seed = {};
  std::optional<int64_t> logprobs = {};  // see SamplingParams
};

struct ChatRequest {
  std::string model = {};  // as the client named it; echoed in the answer
  std::vector<ChatMessage> messages = {};
  std::vector<Json> tools = {};  // `function` objects in OpenAI's shape: name, description, parameters, strict
  ToolChoice tool_choice = ToolChoice::kAuto;
  std::string tool_name = {};  // kNamed
  bool parallel_tool_calls = true;
  AnswerForm form = {};
  EffortRequest effort = {};
  SamplingRequest sampling = {};
  std::optional<int64_t> max_tokens = {};
  std::vector<std::string> stop = {};
  int64_t n = 1;
  // Prefix completion: the last message is an assistant's that is continued (its wo_eos is set).
  bool continues_last = false;
  bool use_prefix_cache = true;
  std::optional<std::chrono::milliseconds> deadline = {};  // from now; then the answer ends with an error
  FieldPaths paths = {};                                   // what the client called what it sent in another shape
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_CHAT_REQUEST_H_
