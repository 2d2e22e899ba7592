#include "server/api/responses_request.h"

#include <utility>
#include <vector>

#include "base/strings.h"
#include "server/api/json_fields.h"

namespace fathom {
namespace {

// The text of a string or of a list of parts that have one.
Result<std::string> TextOf(const JsonFields& fields, std::string_view key) {
  const Json* content = fields.Find(key);
  if (content == nullptr) return std::string();
  if (content->is_string()) return content->string();
  if (!content->is_array()) return fields.Wrong(key, *content, "a string or a list of parts");
  std::string text;
  for (size_t index = 0; index < content->items().size(); ++index) {
    const Json& part = content->items()[index];
    const Json* part_text = part.Find("text");
    if (part_text == nullptr) part_text = part.Find("refusal");
    if (part_text == nullptr || !part_text->is_string()) {
      return InvalidArgument(StrCat(fields.PathOf(key), "[", index, "] is ", Printable(part.Dump(), 60),
                                    "; accepted are parts with text, such as input_text and output_text"));
    }
    if (index > 0) text += '\n';
    text += part_text->string();
  }
  return text;
}

Result<std::string> Required(const JsonFields& fields, std::string_view key) {
  std::string text;
  FATHOM_RETURN_IF_ERROR(fields.Read(key, &text));
  if (text.empty()) return InvalidArgument(fields.PathOf(key) + " is missing; accepted is a string");
  return text;
}

// Collects input items as the messages of a chat completion.
class MessageBuilder {
 public:
  Status Add(const Json& item, const std::string& path) {
    if (!item.is_object()) return InvalidArgument(path + " is no object; accepted are input items");
    const JsonFields fields(item, path);
    std::string type = "message";
    FATHOM_RETURN_IF_ERROR(fields.Read("type", &type));
    if (type == "message") return AddMessage(fields);
    if (type == "reasoning") return AddReasoning(fields);
    if (type == "function_call" || type == "custom_tool_call") return AddCall(fields, type == "custom_tool_call");
    if (type == "function_call_output" || type == "custom_tool_call_output") return AddOutput(fields);
    return {};
  }

  void AddText(const char* role, std::string text) {
    CloseTurn();
    messages_.push_back(Json::Object({{"role", Json::String(role)}, {"content", Json::String(std::move(text))}}));
  }

  Json Take() {
    CloseTurn();
    return Json::Array(std::move(messages_));
  }

 private:
  Status AddMessage(const JsonFields& fields) {
    FATHOM_ASSIGN_OR_RETURN(const std::string role, Required(fields, "role"));
    FATHOM_ASSIGN_OR_RETURN(std::string text, TextOf(fields, "content"));
    if (role != "assistant") {
      AddText(role.c_str(), std::move(text));
      return {};
    }
    if (!calls_.empty()) CloseTurn();
    in_turn_ = true;
    content_ += content_.empty() ? text : "\n" + text;
    return {};
  }

  Status AddReasoning(const JsonFields& fields) {
    if (in_turn_ && (!content_.empty() || !calls_.empty())) CloseTurn();
    FATHOM_ASSIGN_OR_RETURN(std::string text, TextOf(fields, "content"));
    if (text.empty()) {
      FATHOM_ASSIGN_OR_RETURN(text, TextOf(fields, "summary"));
    }
    in_turn_ = true;
    reasoning_ += text;
    return {};
  }

  Status AddCall(const JsonFields& fields, bool custom) {
    FATHOM_ASSIGN_OR_RETURN(std::string id, Required(fields, "call_id"));
    FATHOM_ASSIGN_OR_RETURN(std::string name, Required(fields, "name"));
    std::string arguments;
    FATHOM_RETURN_IF_ERROR(fields.Read(custom ? "input" : "arguments", &arguments));
    if (custom) arguments = Json::Object({{"input", Json::String(arguments)}}).Dump();
    in_turn_ = true;
    calls_.push_back(Json::Object({{"id", Json::String(std::move(id))},
                                   {"type", Json::String("function")},
                                   {"function", Json::Object({{"name", Json::String(std::move(name))},
                                                              {"arguments", Json::String(std::move(arguments))}})}}));
    return {};
  }

  Status AddOutput(const JsonFields& fields) {
    FATHOM_ASSIGN_OR_RETURN(std::string id, Required(fields, "call_id"));
    FATHOM_ASSIGN_OR_RETURN(std::string text, TextOf(fields, "output"));
    CloseTurn();
    messages_.push_back(Json::Object({{"role", Json::String("tool")},
                                      {"tool_call_id", Json::String(std::move(id))},
                                      {"content", Json::String(std::move(text))}}));
    return {};
  }

  void CloseTurn() {
    if (!std::exchange(in_turn_, false)) return;
    const bool empty = content_.empty() && calls_.empty();
    Json message =
        Json::Object({{"role", Json::String("assistant")}, {"content", Json::String(std::exchange(content_, ""))}});
    message.Set("reasoning_content", Json::String(std::exchange(reasoning_, "")));
    if (!calls_.empty()) message.Set("tool_calls", Json::Array(std::exchange(calls_, {})));
    if (!empty) messages_.push_back(std::move(message));  // reasoning that nothing followed was cut off
  }

  std::vector<Json> messages_;
  bool in_turn_ = false;
  std::string reasoning_;
  std::string content_;
  std::vector<Json> calls_;
};

Json CustomParameters() {
  return Json::Object({{"type", Json::String("object")},
                       {"properties", Json::Object({{"input", Json::Object({{"type", Json::String("string")}})}})},
                       {"required", Json::Array({Json::String("input")})},
                       {"additionalProperties", Json::Bool(false)}});
}

Status AddTools(const Json& list, const std::string& path, std::vector<Json>* tools, std::set<std::string>* custom) {
  if (!list.is_array())
    return InvalidArgument(StrCat(path, " is ", Printable(list.Dump(), 40), "; accepted is a list"));
  for (size_t index = 0; index < list.items().size(); ++index) {
    const Json& tool = list.items()[index];
    const JsonFields fields(tool, StrCat(path, "[", index, "]"));
    std::string type;
    FATHOM_RETURN_IF_ERROR(fields.Read("type", &type));
    if (type == "namespace") {
      const Json* inner = fields.Find("tools");
      if (inner != nullptr && path == "tools")
        FATHOM_RETURN_IF_ERROR(AddTools(*inner, fields.PathOf("tools"), tools, custom));
    }
    if (type != "function" && type != "custom") continue;
    FATHOM_ASSIGN_OR_RETURN(const std::string name, Required(fields, "name"));
    Json function = Json::Object({{"name", Json::String(name)}});
    for (const char* key : {"description", "parameters", "strict"}) {
      if (const Json* member = fields.Find(key)) function.Set(key, *member);
    }
    if (type == "custom") {
      custom->insert(name);
      function.Set("parameters", CustomParameters());
    }
    tools->push_back(Json::Object({{"type", Json::String("function")}, {"function", std::move(function)}}));
  }
  return {};
}

// `text.format` in the shape of response_format.
Status SetForm(const JsonFields& fields, Json* chat) {
  FATHOM_ASSIGN_OR_RETURN(const Json* text, fields.ReadObject("text"));
  if (text == nullptr) return {};
  FATHOM_ASSIGN_OR_RETURN(const Json* format, JsonFields(*text, "text").ReadObject("format"));
  if (format == nullptr) return {};
  const Json* type = format->Find("type");
  Json form = Json::Object({{"type", type == nullptr ? Json() : *type}});
  if (type != nullptr && type->is_string() && type->string() == "json_schema") form.Set("json_schema", *format);
  chat->Set("response_format", std::move(form));
  return {};
}

Status CheckStateless(const JsonFields& fields) {
  for (const char* key : {"previous_response_id", "conversation"}) {
    if (fields.Find(key) != nullptr) {
      return InvalidArgument(StrCat(key, " is set; this server stores no conversations: send all items in input"));
    }
  }
  bool background = false;
  FATHOM_RETURN_IF_ERROR(fields.Read("background", &background));
  if (background) return InvalidArgument("background is true; accepted is false");
  return {};
}

Status SetMessages(const JsonFields& fields, Json* chat) {
  MessageBuilder messages;
  std::string instructions;
  FATHOM_RETURN_IF_ERROR(fields.Read("instructions", &instructions));
  if (!instructions.empty()) messages.AddText("system", std::move(instructions));
  const Json* input = fields.Find("input");
  if (input == nullptr) return InvalidArgument("input is missing; accepted is a string or a list of items");
  if (input->is_string()) {
    messages.AddText("user", input->string());
  } else if (input->is_array()) {
    for (size_t index = 0; index < input->items().size(); ++index) {
      FATHOM_RETURN_IF_ERROR(messages.Add(input->items()[index], StrCat("input[", index, "]")));
    }
  } else {
    return fields.Wrong("input", *input, "a string or a list of items");
  }
  chat->Set("messages", messages.Take());
  return {};
}

}  // namespace

Result<ResponsesRequest> ParseResponsesRequest(const Json& body) {
  if (!body.is_object()) return InvalidArgument("the body is no JSON object; accepted is one with input");
  const JsonFields fields(body);
  FATHOM_RETURN_IF_ERROR(CheckStateless(fields));
  ResponsesRequest request;
  Json chat = Json::Object();
  for (const char* key : {"model", "parallel_tool_calls", "tool_choice", "reasoning", "temperature", "top_p", "top_k",
                          "seed", "stop", "stream", "user", "user_id", "chat_template_kwargs"}) {
    if (const Json* member = fields.Find(key)) chat.Set(key, *member);
  }
  if (const Json* limit = fields.Find("max_output_tokens")) chat.Set("max_tokens", *limit);
  FATHOM_RETURN_IF_ERROR(SetMessages(fields, &chat));
  FATHOM_RETURN_IF_ERROR(SetForm(fields, &chat));
  if (const Json* list = fields.Find("tools")) {
    std::vector<Json> tools;
    FATHOM_RETURN_IF_ERROR(AddTools(*list, "tools", &tools, &request.custom_tools));
    chat.Set("tools", Json::Array(std::move(tools)));
  }
  FATHOM_ASSIGN_OR_RETURN(request.chat, ParseOpenAiChat(chat));
  return request;
}

}  // namespace fathom
