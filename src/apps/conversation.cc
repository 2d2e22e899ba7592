#include "apps/conversation.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/strings.h"
#include "tokenizer/chat_template.h"

namespace fathom {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;  // JSON takes up to 50 times that in memory

std::string_view RoleOf(const Json& message) {
  const Json* role = message.Find("role");
  if (role == nullptr || !role->is_string()) return {};
  return role->string();
}

Json Message(std::string role, std::string text) {
  return Json::Object({{"role", Json::String(std::move(role))}, {"content", Json::String(std::move(text))}});
}

}  // namespace

bool Conversation::has_system() const { return !messages_.empty() && RoleOf(messages_.front()) == "system"; }

void Conversation::SetSystem(std::string text) {
  if (has_system()) messages_.erase(messages_.begin());
  if (!text.empty()) messages_.insert(messages_.begin(), Message("system", std::move(text)));
}

std::string Conversation::system() const {
  if (!has_system()) return {};
  const Json* content = messages_.front().Find("content");
  return content != nullptr && content->is_string() ? content->string() : std::string();
}

void Conversation::AddUser(std::string text) { Add(Message("user", std::move(text))); }

void Conversation::AddToolResult(std::string call_id, std::string text) {
  Add(Json::Object({{"role", Json::String("tool")},
                    {"tool_call_id", Json::String(std::move(call_id))},
                    {"content", Json::String(std::move(text))}}));
}

void Conversation::Truncate(size_t size) {
  if (size < messages_.size()) messages_.erase(messages_.begin() + static_cast<int64_t>(size), messages_.end());
}

void Conversation::Clear() { messages_.erase(messages_.begin() + (has_system() ? 1 : 0), messages_.end()); }

int64_t Conversation::turns() const {
  return std::count_if(messages_.begin(), messages_.end(),
                       [](const Json& message) { return RoleOf(message) == "user"; });
}

int64_t Conversation::tool_calls() const {
  int64_t count = 0;
  for (const Json& message : messages_) {
    const Json* calls = message.Find("tool_calls");
    if (calls != nullptr && calls->is_array()) count += static_cast<int64_t>(calls->items().size());
  }
  return count;
}

Status Conversation::Save(const std::string& path) const {
  return WriteFileAtomically(path, Json::Object({{"messages", Json::Array(messages_)}}).DumpPretty() + "\n");
}

Status Conversation::Load(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxFileBytes));
  const Result<Json> json = ParseJson(text);
  if (!json.ok()) return DataLoss(StrCat(path, ": ", json.status().message()));
  const Json* messages = json->is_array() ? &*json : json->Find("messages");
  if (messages == nullptr || !messages->is_array()) {
    return DataLoss(StrCat(path, ": holds neither a list of messages nor an object with one as \"messages\""));
  }
  const Result<std::vector<ChatMessage>> parsed = ParseChatMessages(*messages);
  if (!parsed.ok()) return DataLoss(StrCat(path, ": ", parsed.status().message()));
  const Result<RenderedPrompt> rendered = RenderChat(*parsed, {}, {});
  if (!rendered.ok()) return DataLoss(StrCat(path, ": ", rendered.status().message()));
  messages_ = messages->items();
  return {};
}

}  // namespace fathom
