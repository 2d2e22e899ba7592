#include "tokenizer/chat_message.h"

#include "base/strings.h"
#include "tokenizer/python_json.h"

namespace fathom {

namespace {

std::string_view TypeName(const Json& value) {
  switch (value.type()) {
    case Json::Type::kNull:
      return "null";
    case Json::Type::kBool:
      return "a boolean";
    case Json::Type::kNumber:
      return "a number";
    case Json::Type::kString:
      return "a string";
    case Json::Type::kArray:
      return "a list";
    case Json::Type::kObject:
      return "an object";
  }
  return "";
}

Status WrongType(std::string_view path, const Json& found, std::string_view expected) {
  return InvalidArgument(StrCat(path, " is ", TypeName(found), "; expected ", expected));
}

bool Given(const Json* value) { return value != nullptr && !value->is_null(); }

// object[key] into *out if it is there; null counts as absent.
Status ReadString(const Json& object, std::string_view key, const std::string& path, std::string* out) {
  const Json* value = object.Find(key);
  if (!Given(value)) return {};
  if (!value->is_string()) return WrongType(StrCat(path, ".", key), *value, "a string or null");
  *out = value->string();
  return {};
}

// Joins the text parts of a content list. In a tool's result other parts are named, in the assistant's messages
// refusals are text.
Result<std::string> JoinParts(const Json& parts, const std::string& path, const std::string& role) {
  const bool tool = role == "tool";
  std::string out;
  for (size_t i = 0; i < parts.items().size(); ++i) {
    const Json& part = parts.items()[i];
    if (i > 0) out += tool ? "\n\n" : "\n";
    if (part.is_string()) {
      out += part.string();
      continue;
    }
    const std::string part_path = StrCat(path, "[", i, "]");
    if (!part.is_object()) return WrongType(part_path, part, "an object with type and text");
    std::string type = "None";  // what the official encoder prints for a part without one
    FATHOM_RETURN_IF_ERROR(ReadString(part, "type", part_path, &type));
    if (type == "text" || (type == "refusal" && role == "assistant")) {
      std::string text;
      FATHOM_RETURN_IF_ERROR(ReadString(part, type, part_path, &text));
      out += text;
    } else if (tool) {
      out += StrCat("[Unsupported ", type, "]");
    } else {
      return InvalidArgument(StrCat(part_path, ".type is \"", Printable(type), "\"; only text parts are accepted"));
    }
  }
  return out;
}

Status ReadContent(const Json& object, const std::string& path, ChatMessage* message) {
  const Json* content = object.Find("content");
  if (!Given(content)) return {};
  const std::string content_path = path + ".content";
  if (content->is_string()) {
    message->content = content->string();
    return {};
  }
  if (!content->is_array()) return WrongType(content_path, *content, "a string, a list of parts or null");
  FATHOM_ASSIGN_OR_RETURN(message->content, JoinParts(*content, content_path, message->role));
  return {};
}

Result<ToolCall> ReadToolCall(const Json& object, const std::string& path) {
  if (!object.is_object()) return WrongType(path, object, "an object");
  const Json* function = object.Find("function");
  if (function == nullptr || !function->is_object()) {
    return InvalidArgument(StrCat(path, ".function is missing; expected an object with name and arguments"));
  }
  const std::string function_path = path + ".function";
  ToolCall call;
  FATHOM_RETURN_IF_ERROR(ReadString(object, "id", path, &call.id));
  if (call.id.empty()) FATHOM_RETURN_IF_ERROR(ReadString(*function, "id", function_path, &call.id));
  const Json* name = function->Find("name");
  if (name == nullptr || !name->is_string()) {
    return InvalidArgument(StrCat(function_path, ".name is missing; expected a string"));
  }
  call.name = name->string();
  const Json* arguments = function->Find("arguments");
  if (arguments != nullptr && arguments->is_object()) {
    call.arguments = DumpPythonJson(*arguments);  // some clients skip the stringification
  } else if (arguments != nullptr && arguments->is_string()) {
    call.arguments = arguments->string();
  } else {
    return InvalidArgument(StrCat(function_path, ".arguments is missing; expected a string with a JSON object"));
  }
  return call;
}

Status ReadToolCalls(const Json& object, const std::string& path, ChatMessage* message) {
  const Json* calls = object.Find("tool_calls");
  if (!Given(calls)) return {};
  const std::string calls_path = path + ".tool_calls";
  if (!calls->is_array()) return WrongType(calls_path, *calls, "a list or null");
  for (size_t i = 0; i < calls->items().size(); ++i) {
    FATHOM_ASSIGN_OR_RETURN(ToolCall call, ReadToolCall(calls->items()[i], StrCat(calls_path, "[", i, "]")));
    message->tool_calls.push_back(std::move(call));
  }
  return {};
}

Result<ChatMessage> ReadMessage(const Json& object, const std::string& path) {
  if (!object.is_object()) return WrongType(path, object, "an object with role and content");
  ChatMessage message;
  const Json* role = object.Find("role");
  if (role == nullptr || !role->is_string()) {
    return InvalidArgument(StrCat(path, ".role is missing; expected a string"));
  }
  message.role = role->string();
  FATHOM_RETURN_IF_ERROR(ReadContent(object, path, &message));
  FATHOM_RETURN_IF_ERROR(ReadString(object, "reasoning_content", path, &message.reasoning_content));
  FATHOM_RETURN_IF_ERROR(ReadString(object, "tool_call_id", path, &message.tool_call_id));
  if (message.role == "assistant") FATHOM_RETURN_IF_ERROR(ReadToolCalls(object, path, &message));
  // On user and tool messages the encoder ignores tools, so their shape doesn't matter either.
  const bool may_have_tools = message.role != "user" && message.role != "tool";
  if (const Json* tools = object.Find("tools"); may_have_tools && Given(tools)) {
    FATHOM_ASSIGN_OR_RETURN(message.tools, ParseTools(*tools, path + ".tools"));
  }
  if (const Json* format = object.Find("response_format"); format != nullptr && PythonTruth(*format)) {
    message.response_format = *format;
  }
  if (const Json* task = object.Find("task"); Given(task)) {
    if (!task->is_string()) return WrongType(path + ".task", *task, "a string or null");
    message.task = task->string();
  }
  if (const Json* wo_eos = object.Find("wo_eos"); Given(wo_eos)) {
    if (!wo_eos->is_bool()) return WrongType(path + ".wo_eos", *wo_eos, "true or false");
    message.wo_eos = wo_eos->boolean();
  }
  return message;
}

}  // namespace

Result<std::vector<ChatMessage>> ParseChatMessages(const Json& messages) {
  if (!messages.is_array()) return WrongType("messages", messages, "a list");
  std::vector<ChatMessage> out;
  out.reserve(messages.items().size());
  for (size_t i = 0; i < messages.items().size(); ++i) {
    FATHOM_ASSIGN_OR_RETURN(ChatMessage message, ReadMessage(messages.items()[i], StrCat("messages[", i, "]")));
    out.push_back(std::move(message));
  }
  return out;
}

Result<std::vector<Json>> ParseTools(const Json& tools, std::string_view path) {
  std::vector<Json> out;
  if (tools.is_null()) return out;
  if (!tools.is_array()) return WrongType(path, tools, "a list or null");
  for (size_t i = 0; i < tools.items().size(); ++i) {
    const Json* function = tools.items()[i].Find("function");
    if (function == nullptr || !function->is_object()) {
      return InvalidArgument(StrCat(path, "[", i, "].function is missing; expected an object"));
    }
    out.push_back(*function);
  }
  return out;
}

}  // namespace fathom
