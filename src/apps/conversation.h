// conversation.h - the messages of a chat, and their file.
//
// Messages are kept as the JSON objects of the chat API, so a conversation that was written by another program loses
// nothing by being loaded, continued and saved.
#ifndef FATHOM_APPS_CONVERSATION_H_
#define FATHOM_APPS_CONVERSATION_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tokenizer/chat_message.h"

namespace fathom {

class Conversation {
 public:
  // Empty removes it.
  void SetSystem(std::string text);
  // Empty if there is none.
  std::string system() const;

  void Add(Json message) { messages_.push_back(std::move(message)); }
  void AddUser(std::string text);
  // What a tool returned to the call with that id.
  void AddToolResult(std::string call_id, std::string text);
  // Forgets all but the first `size` messages.
  void Truncate(size_t size);
  // Forgets all but the system prompt.
  void Clear();

  // User messages so far.
  int64_t turns() const;
  // Tool calls so far.
  int64_t tool_calls() const;
  size_t size() const { return messages_.size(); }
  // Checked for the encoder.
  Result<std::vector<ChatMessage>> Messages() const { return ParseChatMessages(Json::Array(messages_)); }

  // A file is {"messages": [...]}; a bare list is read too. Saving replaces the file as a whole or not at all. Loading
  // checks that the encoder accepts the messages; on an error the conversation is as before.
  Status Save(const std::string& path) const;
  Status Load(const std::string& path);

 private:
  bool has_system() const;

  std::vector<Json> messages_;
};

}  // namespace fathom

#endif  // FATHOM_APPS_CONVERSATION_H_
