// responses_request.h - bodies of the Responses API to requests.
//
// Input items of one assistant turn (reasoning, message, calls) become one message. Custom tools, whose input is free
// text, are functions with one string parameter `input`; their grammar stands in the description. Tools of a namespace
// are called "NAMESPACE__NAME" before the model. Tools and items of unknown types are ignored. What needs
// stored conversations is an error.
#ifndef FATHOM_SERVER_API_RESPONSES_REQUEST_H_
#define FATHOM_SERVER_API_RESPONSES_REQUEST_H_

#include <map>
#include <set>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "server/api/openai_request.h"
#include "server/api/reasoning_seal.h"
#include "server/api/response_history.h"

namespace fathom {

struct ToolInNamespace {
  std::string space;
  std::string name;
};

struct ResponsesRequest {
  OpenAiChat chat;
  std::set<std::string> custom_tools = {};                       // names before the model
  std::map<std::string, ToolInNamespace> namespaced_tools = {};  // likewise
  bool store = true;                                             // what was asked for, not whether anything is stored
  bool summary = false;                                          // reasoning as its summary, which is all of it
  bool sealed_reasoning = false;                                 // reasoning items with encrypted_content
  bool logprobs = false;                                         // of the messages' text
  Json echo = {};                                                // fields of the request that the answer repeats
};

// `input` is what ReadResponseInput() made of the body; without it, the body's input is all there is. `seal` opens
// encrypted_content; without it, such content is an error. Errors name the field by its path.
Result<ResponsesRequest> ParseResponsesRequest(const Json& body, const ResponseInput* input = nullptr,
                                               const ReasoningSeal* seal = nullptr);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_RESPONSES_REQUEST_H_
