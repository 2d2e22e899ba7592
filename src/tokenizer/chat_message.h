// chat_message.h - the messages of a conversation as clients send them, parsed and checked.
//
// The shape is OpenAI's with the encoder's extra fields: role, content, reasoning_content, tool_calls, tool_call_id,
// tools, response_format, task, wo_eos. Other fields are ignored. Every error names the field by its path, such as
// messages[2].tool_calls[0].function.name.
#ifndef FATHOM_TOKENIZER_CHAT_MESSAGE_H_
#define FATHOM_TOKENIZER_CHAT_MESSAGE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace fathom {

struct ToolCall {
  std::string id;  // empty when the client gave none
  std::string name;
  std::string arguments;  // JSON text of an object when well-formed; whatever was sent otherwise
};

struct ChatMessage {
  std::string role;  // system, developer, user, assistant, tool or latest_reminder
  // Content given as a list is one string here: text parts, of the assistant also refusals, joined with "\n"; in a tool
  // message with "\n\n" and "[Unsupported TYPE]" for each part that is no text.
  std::string content;
  std::string reasoning_content;
  std::vector<ToolCall> tool_calls;
  std::string tool_call_id;
  std::vector<Json> tools;  // the `function` members
  Json response_format;     // null when there is none
  std::optional<std::string> task;
  bool wo_eos = false;  // leave the turn open, so that generation continues it
};

// Checks the types of all fields that the encoder uses. Roles, tasks and what a role requires are RenderChat's to
// check. Other content parts are an error outside tool messages: the model takes only text.
Result<std::vector<ChatMessage>> ParseChatMessages(const Json& messages);

// A request's `tools` list (null for none): the `function` member of each entry. `path` names the list in errors.
Result<std::vector<Json>> ParseTools(const Json& tools, std::string_view path);

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_CHAT_MESSAGE_H_
