#include "server/api/anthropic_request.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "base/strings.h"
#include "server/api/api_limits.h"
#include "server/api/json_fields.h"

namespace fathom {

namespace {

// What the server's own tools leave in an assistant's turn; nothing that the model can read.
constexpr std::array<std::string_view, 9> kServerBlocks = {"redacted_thinking",
                                                           "server_tool_use",
                                                           "web_search_tool_result",
                                                           "web_fetch_tool_result",
                                                           "code_execution_tool_result",
                                                           "bash_code_execution_tool_result",
                                                           "text_editor_code_execution_tool_result",
                                                           "mcp_tool_use",
                                                           "mcp_tool_result"};

// The string that a block must have.
Result<std::string> Required(const Json& block, std::string_view key, const std::string& path) {
  const JsonFields fields(block, path);
  const Json* found = fields.Find(key);
  if (found == nullptr) return InvalidArgument(StrCat(fields.PathOf(key), " is missing; expected a string"));
  if (!found->is_string()) return fields.Wrong(key, *found, "a string");
  return found->string();
}

Status UnknownBlock(const std::string& path, const std::string& type, std::string_view accepted) {
  if (type == "image" || type == "document" || type == "search_result" || type == "container_upload") {
    return InvalidArgument(
        StrCat(path, ".type is \"", type, "\"; this model reads only text, accepted are ", accepted));
  }
  return InvalidArgument(StrCat(path, ".type is \"", Printable(type), "\"; accepted are ", accepted));
}

void AppendJoined(std::string_view text, std::string_view separator, std::string* out) {
  if (!out->empty()) out->append(separator);
  out->append(text);
}

// Content as blocks; a string is one text block.
Result<std::vector<Json>> BlocksOf(const JsonFields& fields, std::string_view key) {
  const Json* content = fields.Find(key);
  if (content == nullptr) return std::vector<Json>();
  if (content->is_string()) {
    return std::vector<Json>{Json::Object({{"type", Json::String("text")}, {"text", *content}})};
  }
  if (!content->is_array()) return fields.Wrong(key, *content, "a string or a list of content blocks");
  for (size_t index = 0; index < content->items().size(); ++index) {
    const Json& block = content->items()[index];
    if (!block.is_object()) return fields.Wrong(StrCat(key, "[", index, "]"), block, "an object with a type");
  }
  return content->items();
}

bool SaysError(std::string_view text) {
  std::string begin(text.substr(0, std::string_view("<tool_use_error>").size()));
  std::transform(begin.begin(), begin.end(), begin.begin(), [](unsigned char c) { return std::tolower(c); });
  return begin.starts_with("error") || begin == "<tool_use_error>";
}

Result<ChatMessage> ReadToolResult(const Json& block, const std::string& path) {
  ChatMessage message;
  message.role = "tool";
  FATHOM_ASSIGN_OR_RETURN(message.tool_call_id, Required(block, "tool_use_id", path));
  const JsonFields fields(block, path);
  FATHOM_ASSIGN_OR_RETURN(const std::vector<Json> parts, BlocksOf(fields, "content"));
  for (size_t index = 0; index < parts.size(); ++index) {
    const std::string part_path = StrCat(path, ".content[", index, "]");
    FATHOM_ASSIGN_OR_RETURN(const std::string type, Required(parts[index], "type", part_path));
    if (index > 0) message.content += "\n\n";
    if (type == "text") {
      FATHOM_ASSIGN_OR_RETURN(const std::string text, Required(parts[index], "text", part_path));
      message.content += text;
    } else {
      message.content += StrCat("[Unsupported ", type, "]");
    }
  }
  bool is_error = false;
  FATHOM_RETURN_IF_ERROR(fields.Read("is_error", &is_error));
  if (is_error && !SaysError(message.content)) message.content = "Error: " + message.content;
  return message;
}

Status ReadUser(const std::vector<Json>& blocks, const std::string& path, const std::string& role,
                std::vector<ChatMessage>* messages) {
  std::vector<ChatMessage> texts;
  for (size_t index = 0; index < blocks.size(); ++index) {
    const std::string block_path = StrCat(path, ".content[", index, "]");
    FATHOM_ASSIGN_OR_RETURN(const std::string type, Required(blocks[index], "type", block_path));
    if (type == "text") {
      ChatMessage message;
      message.role = role;
      FATHOM_ASSIGN_OR_RETURN(message.content, Required(blocks[index], "text", block_path));
      texts.push_back(std::move(message));
    } else if (type == "tool_result" && role == "user") {
      FATHOM_ASSIGN_OR_RETURN(ChatMessage result, ReadToolResult(blocks[index], block_path));
      messages->push_back(std::move(result));
    } else {
      return UnknownBlock(block_path, type, "text and tool_result");
    }
  }
  if (blocks.empty()) texts.emplace_back().role = role;
  std::move(texts.begin(), texts.end(), std::back_inserter(*messages));
  return {};
}

Result<ToolCall> ReadToolUse(const Json& block, const std::string& path) {
  ToolCall call;
  FATHOM_ASSIGN_OR_RETURN(call.id, Required(block, "id", path));
  FATHOM_ASSIGN_OR_RETURN(call.name, Required(block, "name", path));
  const JsonFields fields(block, path);
  FATHOM_ASSIGN_OR_RETURN(const Json* input, fields.ReadObject("input"));
  call.arguments = input == nullptr ? "{}" : input->Dump();
  return call;
}

Status ReadAssistant(const std::vector<Json>& blocks, const std::string& path, std::vector<ChatMessage>* messages) {
  ChatMessage message;
  message.role = "assistant";
  for (size_t index = 0; index < blocks.size(); ++index) {
    const Json& block = blocks[index];
    const std::string block_path = StrCat(path, ".content[", index, "]");
    FATHOM_ASSIGN_OR_RETURN(const std::string type, Required(block, "type", block_path));
    if (type == "text") {
      FATHOM_ASSIGN_OR_RETURN(const std::string text, Required(block, "text", block_path));
      AppendJoined(text, "\n", &message.content);
    } else if (type == "thinking") {
      FATHOM_ASSIGN_OR_RETURN(const std::string text, Required(block, "thinking", block_path));
      AppendJoined(text, "\n", &message.reasoning_content);
    } else if (type == "tool_use") {
      FATHOM_ASSIGN_OR_RETURN(ToolCall call, ReadToolUse(block, block_path));
      message.tool_calls.push_back(std::move(call));
    } else if (std::find(kServerBlocks.begin(), kServerBlocks.end(), type) == kServerBlocks.end()) {
      return UnknownBlock(block_path, type, "text, thinking, redacted_thinking and tool_use");
    }
  }
  messages->push_back(std::move(message));
  return {};
}

Status ReadSystem(const JsonFields& body, std::vector<ChatMessage>* messages) {
  FATHOM_ASSIGN_OR_RETURN(const std::vector<Json> blocks, BlocksOf(body, "system"));
  if (blocks.empty()) return {};
  ChatMessage message;
  message.role = "system";
  for (size_t index = 0; index < blocks.size(); ++index) {
    const std::string path = StrCat("system[", index, "]");
    FATHOM_ASSIGN_OR_RETURN(const std::string type, Required(blocks[index], "type", path));
    if (type != "text") return UnknownBlock(path, type, "text");
    FATHOM_ASSIGN_OR_RETURN(const std::string text, Required(blocks[index], "text", path));
    AppendJoined(text, "\n", &message.content);
  }
  messages->push_back(std::move(message));
  return {};
}

Status ReadMessages(const JsonFields& body, ChatRequest* chat) {
  const Json* list = body.Find("messages");
  if (list == nullptr) return InvalidArgument("messages is missing; expected a list of messages");
  if (!list->is_array()) return body.Wrong("messages", *list, "a list of messages");
  if (list->items().empty()) return InvalidArgument("messages is empty; at least one message is expected");
  for (size_t index = 0; index < list->items().size(); ++index) {
    const std::string path = StrCat("messages[", index, "]");
    const Json& item = list->items()[index];
    if (!item.is_object()) return body.Wrong(path, item, "an object with role and content");
    FATHOM_ASSIGN_OR_RETURN(const std::string role, Required(item, "role", path));
    const JsonFields fields(item, path);
    if (fields.Find("content") == nullptr)
      return InvalidArgument(path + ".content is missing; expected text or blocks");
    FATHOM_ASSIGN_OR_RETURN(const std::vector<Json> blocks, BlocksOf(fields, "content"));
    if (role == "assistant") {
      FATHOM_RETURN_IF_ERROR(ReadAssistant(blocks, path, &chat->messages));
    } else if (role == "user" || role == "system") {
      FATHOM_RETURN_IF_ERROR(ReadUser(blocks, path, role, &chat->messages));
    } else {
      return fields.Wrong("role", *fields.Find("role"), "user or assistant");
    }
  }
  const ChatMessage& last = chat->messages.back();
  if (last.role != "assistant") return {};
  if (!last.tool_calls.empty()) {
    return InvalidArgument(StrCat("messages[", list->items().size() - 1,
                                  "] ends with tool_use; expected a user message with its tool_result after it"));
  }
  chat->continues_last = true;
  return {};
}

Status ReadTools(const JsonFields& body, ChatRequest* chat) {
  const Json* tools = body.Find("tools");
  if (tools == nullptr) return {};
  if (!tools->is_array()) return body.Wrong("tools", *tools, "a list of tools");
  if (tools->items().size() > kMaxTools) {
    return InvalidArgument(StrCat("tools has ", tools->items().size(), " entries; accepted are at most ", kMaxTools));
  }
  for (size_t index = 0; index < tools->items().size(); ++index) {
    const Json& tool = tools->items()[index];
    const std::string path = StrCat("tools[", index, "]");
    if (!tool.is_object()) return body.Wrong(path, tool, "an object");
    const JsonFields fields(tool, path);
    std::string type = "custom";
    std::string description;
    bool strict = false;
    FATHOM_RETURN_IF_ERROR(fields.Read("type", &type));
    FATHOM_RETURN_IF_ERROR(fields.Read("description", &description));
    FATHOM_RETURN_IF_ERROR(fields.Read("strict", &strict));
    FATHOM_ASSIGN_OR_RETURN(const Json* schema, fields.ReadObject("input_schema"));
    if (schema == nullptr && type != "custom") continue;  // a tool that a server would bring
    if (schema == nullptr) return InvalidArgument(path + ".input_schema is missing; expected a JSON schema");
    FATHOM_ASSIGN_OR_RETURN(std::string name, Required(tool, "name", path));
    if (name.size() > kMaxToolNameBytes) {
      return InvalidArgument(
          StrCat(path, ".name has ", name.size(), " bytes; accepted are at most ", kMaxToolNameBytes));
    }
    Json function = Json::Object({{"name", Json::String(std::move(name))}});
    if (!description.empty()) function.Set("description", Json::String(std::move(description)));
    function.Set("parameters", *schema);
    if (strict) function.Set("strict", Json::Bool(true));
    const std::string neutral = StrCat("tools[", chat->tools.size(), "].function");
    chat->paths.Add(neutral, path);
    chat->paths.Add(neutral + ".parameters", path + ".input_schema");
    chat->tools.push_back(std::move(function));
  }
  return {};
}

Status ReadToolChoice(const JsonFields& body, ChatRequest* chat) {
  FATHOM_ASSIGN_OR_RETURN(const Json* choice, body.ReadObject("tool_choice"));
  if (choice == nullptr) return {};
  FATHOM_ASSIGN_OR_RETURN(const std::string type, Required(*choice, "type", "tool_choice"));
  const JsonFields fields(*choice, "tool_choice");
  bool one_at_a_time = false;
  FATHOM_RETURN_IF_ERROR(fields.Read("disable_parallel_tool_use", &one_at_a_time));
  chat->parallel_tool_calls = !one_at_a_time;
  if (type == "auto") {
    chat->tool_choice = ToolChoice::kAuto;
  } else if (type == "none") {
    chat->tool_choice = ToolChoice::kNone;
  } else if (type == "any") {
    chat->tool_choice = ToolChoice::kRequired;
  } else if (type == "tool") {
    chat->tool_choice = ToolChoice::kNamed;
    FATHOM_ASSIGN_OR_RETURN(chat->tool_name, Required(*choice, "name", "tool_choice"));
  } else {
    return fields.Wrong("type", *fields.Find("type"), "auto, any, tool or none");
  }
  return {};
}

Status ReadThinking(const JsonFields& body, ChatRequest* chat) {
  FATHOM_ASSIGN_OR_RETURN(const Json* thinking, body.ReadObject("thinking"));
  if (thinking == nullptr) return {};
  FATHOM_ASSIGN_OR_RETURN(const std::string type, Required(*thinking, "type", "thinking"));
  if (type != "enabled" && type != "adaptive" && type != "disabled") {
    return JsonFields(*thinking, "thinking").Wrong("type", *thinking->Find("type"), "enabled, adaptive or disabled");
  }
  chat->effort.thinking = type != "disabled";
  return {};
}

Status ReadFormat(const JsonFields& fields, std::string_view key, ChatRequest* chat) {
  FATHOM_ASSIGN_OR_RETURN(const Json* format, fields.ReadObject(key));
  if (format == nullptr) return {};
  const std::string path = fields.PathOf(key);
  FATHOM_ASSIGN_OR_RETURN(const std::string type, Required(*format, "type", path));
  const JsonFields members(*format, path);
  if (type == "text") return {};
  if (type != "json_schema") return members.Wrong("type", *members.Find("type"), "json_schema");
  FATHOM_ASSIGN_OR_RETURN(const Json* schema, members.ReadObject("schema"));
  if (schema == nullptr) return InvalidArgument(path + ".schema is missing; expected a JSON schema");
  chat->form = {AnswerForm::Kind::kJsonSchema, *schema, path + ".schema"};
  chat->paths.Add("response_format", path);
  return {};
}

Status ReadOutputConfig(const JsonFields& body, ChatRequest* chat) {
  FATHOM_RETURN_IF_ERROR(ReadFormat(body, "output_format", chat));  // the name that it had first
  FATHOM_ASSIGN_OR_RETURN(const Json* config, body.ReadObject("output_config"));
  if (config == nullptr) return {};
  const JsonFields fields(*config, "output_config");
  std::string effort;
  FATHOM_RETURN_IF_ERROR(fields.Read("effort", &effort));
  if (!effort.empty()) chat->effort.effort = effort;
  chat->paths.Add("reasoning_effort", "output_config.effort");
  return ReadFormat(fields, "format", chat);
}

}  // namespace

std::string UserOfMetadata(const std::string& user_id) {
  if (user_id.starts_with('{')) {
    Result<Json> parsed = ParseJson(user_id);
    if (!parsed.ok() || !parsed->is_object()) return user_id;
    std::vector<Json::Member>& members = parsed->members();
    std::erase_if(members, [](const Json::Member& member) { return member.first == "session_id"; });
    return parsed->Dump();
  }
  return user_id.substr(0, user_id.find("_session_"));
}

Result<AnthropicRequest> ParseAnthropicRequest(const Json& body, AnthropicUse use) {
  if (!body.is_object()) return InvalidArgument("the body is no JSON object; expected one with model and messages");
  const JsonFields fields(body);
  AnthropicRequest out;
  ChatRequest& chat = out.chat;
  FATHOM_RETURN_IF_ERROR(fields.Read("model", &chat.model, kMaxModelNameBytes));
  FATHOM_RETURN_IF_ERROR(fields.Read("max_tokens", &chat.max_tokens, 1));
  if (use == AnthropicUse::kMessages && !chat.max_tokens) {
    return InvalidArgument("max_tokens is missing; expected the largest number of tokens to generate");
  }
  FATHOM_RETURN_IF_ERROR(ReadSystem(fields, &chat.messages));
  FATHOM_RETURN_IF_ERROR(ReadMessages(fields, &chat));
  FATHOM_RETURN_IF_ERROR(ReadTools(fields, &chat));
  FATHOM_RETURN_IF_ERROR(ReadToolChoice(fields, &chat));
  FATHOM_RETURN_IF_ERROR(ReadThinking(fields, &chat));
  FATHOM_RETURN_IF_ERROR(ReadOutputConfig(fields, &chat));
  FATHOM_RETURN_IF_ERROR(fields.ReadTexts("stop_sequences", kMaxStopSequences, &chat.stop));
  FATHOM_RETURN_IF_ERROR(fields.Read("temperature", &chat.sampling.temperature));
  FATHOM_RETURN_IF_ERROR(fields.Read("top_p", &chat.sampling.top_p));
  FATHOM_RETURN_IF_ERROR(fields.Read("top_k", &chat.sampling.top_k));
  FATHOM_RETURN_IF_ERROR(fields.Read("stream", &out.stream));
  FATHOM_ASSIGN_OR_RETURN(const Json* metadata, fields.ReadObject("metadata"));
  if (metadata != nullptr) {
    FATHOM_RETURN_IF_ERROR(JsonFields(*metadata, "metadata").Read("user_id", &out.user, kMaxUserBytes));
    out.user = UserOfMetadata(out.user);
  }
  return out;
}

}  // namespace fathom
