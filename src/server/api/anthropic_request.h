// anthropic_request.h - the body of POST /v1/messages to a chat request.
//
// System text and messages become ChatMessages: the text blocks of `system` are joined with "\n"; a user message's tool
// results come first, then its texts, each a block of the same user turn; an assistant's thinking blocks are its
// reasoning, and signatures are not looked at. A last message of the assistant is continued. Tools of the server's own
// kinds (bash_20250124, web_search_20250305 and so on, which bring no schema) are left out.
#ifndef FATHOM_SERVER_API_ANTHROPIC_REQUEST_H_
#define FATHOM_SERVER_API_ANTHROPIC_REQUEST_H_

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "server/api/chat_request.h"

namespace fathom {

struct AnthropicRequest {
  ChatRequest chat;
  bool stream = false;
  std::string user = {};  // of metadata.user_id, see UserOfMetadata()
};

enum class AnthropicUse {
  kMessages,
  kCountTokens,  // max_tokens may be absent
};

// Errors name the field by its path, such as messages[2].content[0].type.
Result<AnthropicRequest> ParseAnthropicRequest(const Json& body, AnthropicUse use);

// metadata.user_id without the session that Claude Code puts into it (user_HASH_account_ID_session_ID, or JSON with
// session_id), so that a new session finds what the last one left in the cache.
std::string UserOfMetadata(const std::string& user_id);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_ANTHROPIC_REQUEST_H_
