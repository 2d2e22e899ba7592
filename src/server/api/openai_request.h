// openai_request.h - bodies of chat completions and completions to requests.
//
// Fields are OpenAI's, DeepSeek's and those that vLLM's and llama.cpp's clients add; unknown ones are ignored, except
// for those that would promise a form of the answer (grammar, guided_regex): these are errors. In thinking mode the
// hosted API ignores temperature and penalties; here what is sent counts.
#ifndef FATHOM_SERVER_API_OPENAI_REQUEST_H_
#define FATHOM_SERVER_API_OPENAI_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "server/api/chat_request.h"
#include "server/api/json_fields.h"

namespace fathom {

// How the answer is wanted.
struct OpenAiAnswerOptions {
  bool stream = false;
  bool include_usage = false;
  std::string user = {};  // user_id, or user
};

struct OpenAiChat {
  ChatRequest request;
  OpenAiAnswerOptions answer;
};

// Errors name the field by its path.
Result<OpenAiChat> ParseOpenAiChat(const Json& body);

// ---- What other parsers share.

Status ReadSampling(const JsonFields& fields, SamplingRequest* sampling);
// stream, stream_options, user and user_id.
Status ReadAnswerOptions(const JsonFields& fields, OpenAiAnswerOptions* options);
// max_tokens and max_completion_tokens, of which the smaller counts; -1 is no limit.
Status ReadMaxTokens(const JsonFields& fields, int64_t least, std::optional<int64_t>* max_tokens);
// response_format, guided_json, structured_outputs, json_schema.
Status ReadAnswerForm(const JsonFields& fields, AnswerForm* form);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_OPENAI_REQUEST_H_
