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

namespace fathom {

struct ToolInNamespace {
  std::string space;
  std::string name;
};

struct ResponsesRequest {
  OpenAiChat chat;
  std::set<std::string> custom_tools = {};                       // names before the model
  std::map<std::string, ToolInNamespace> namespaced_tools = {};  // likewise
  Json echo = {};                                                // fields of the request that the answer repeats
};

// Errors name the field by its path.
Result<ResponsesRequest> ParseResponsesRequest(const Json& body);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_RESPONSES_REQUEST_H_
