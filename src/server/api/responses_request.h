// responses_request.h - bodies of the Responses API to requests.
//
// Input items of one assistant turn (reasoning, message, calls) become one message. Custom tools, whose input is free
// text, are functions with one string parameter `input`. Tools and items of unknown types are ignored. What needs
// stored conversations is an error.
#ifndef FATHOM_SERVER_API_RESPONSES_REQUEST_H_
#define FATHOM_SERVER_API_RESPONSES_REQUEST_H_

#include <set>
#include <string>

#include "base/json.h"
#include "base/result.h"
#include "server/api/openai_request.h"

namespace fathom {

struct ResponsesRequest {
  OpenAiChat chat;
  std::set<std::string> custom_tools = {};  // names
};

// Errors name the field by its path.
Result<ResponsesRequest> ParseResponsesRequest(const Json& body);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_RESPONSES_REQUEST_H_
