#include "server/api/responses_request.h"

#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "server/api/api_limits.h"
#include "server/api/json_fields.h"

namespace fathom {
namespace {

// The text of a string or of a list of parts that have one.
// The output of a tool may have other parts, which are named instead.
Result<std::string> TextOf(const JsonFields& fields, std::string_view key, bool of_tool = false) {
  const Json* content = fields.Find(key);
  if (content == nullptr) return std::string();
  if (content->is_string()) return content->string();
  if (!content->is_array()) return fields.Wrong(key, *content, "a string or a list of parts");
  std::string text;
  for (size_t index = 0; index < content->items().size(); ++index) {
    const Json& part = content->items()[index];
    const Json* part_text = part.Find("text");
    if (part_text == nullptr) part_text = part.Find("refusal");
    const Json* type = part.Find("type");
    if (of_tool && part_text == nullptr && type != nullptr && type->is_string()) {
      text += StrCat(index > 0 ? "\n" : "", "[Unsupported ", type->string(), "]");
      continue;
    }
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

// What a tool is called before the model.
std::string NameInSpace(const std::string& space, const std::string& name) {
  return space.empty() ? name : StrCat(space, "__", name);
}

// Collects input items as the messages of a chat completion.
class MessageBuilder {
 public:
  // `paths` gets where the messages come from.
  MessageBuilder(const ReasoningSeal* seal, FieldPaths* paths) : seal_(seal), paths_(*paths) {}

  // `kept`: from the server's own store.
  Status Add(const Json& item, const std::string& path, bool kept = false) {
    if (!item.is_object()) return InvalidArgument(path + " is no object; accepted are input items");
    const JsonFields fields(item, path);
    std::string type = "message";
    FATHOM_RETURN_IF_ERROR(fields.Read("type", &type));
    if (type == "message") return AddMessage(fields);
    if (type == "reasoning") return AddReasoning(fields, kept);
    if (type == "function_call" || type == "custom_tool_call") return AddCall(fields, type == "custom_tool_call");
    if (type == "function_call_output" || type == "custom_tool_call_output") return AddOutput(fields);
    return {};
  }

  void AddText(std::string_view named, std::string text, const std::string& path) {
    CloseTurn();
    const std::string role(named == "developer" ? "system" : named);
    // The instructions and what the developer says before anybody else are one system text.
    if (role == "system" && messages_.empty()) {
      if (system_) {
        *system_ += "\n\n" + text;
      } else {
        system_ = std::move(text);
      }
      return;
    }
    Push(TextMessage(role, std::move(text)), path);
  }

  Json Take() {
    CloseTurn();
    PushSystem();
    return Json::Array(std::move(messages_));
  }

 private:
  static Json TextMessage(const std::string& role, std::string text) {
    return Json::Object({{"role", Json::String(role)}, {"content", Json::String(std::move(text))}});
  }

  void PushSystem() {
    if (system_) messages_.push_back(TextMessage("system", *std::exchange(system_, std::nullopt)));
  }

  void Push(Json message, const std::string& path) {
    PushSystem();
    paths_.Add(StrCat("messages[", messages_.size(), "]"), path);
    messages_.push_back(std::move(message));
  }

  void BeginTurn(const std::string& path) {
    if (!std::exchange(in_turn_, true)) turn_path_ = path;
  }

  Status AddMessage(const JsonFields& fields) {
    FATHOM_ASSIGN_OR_RETURN(const std::string role, Required(fields, "role"));
    FATHOM_ASSIGN_OR_RETURN(std::string text, TextOf(fields, "content"));
    if (role != "assistant") {
      AddText(role, std::move(text), fields.path());
      return {};
    }
    if (!calls_.empty()) CloseTurn();
    BeginTurn(fields.path());
    content_ += content_.empty() ? text : "\n" + text;
    return {};
  }

  Status AddReasoning(const JsonFields& fields, bool kept) {
    if (in_turn_ && (!content_.empty() || !calls_.empty())) CloseTurn();
    FATHOM_ASSIGN_OR_RETURN(std::string text, TextOf(fields, "content"));
    if (text.empty()) {
      FATHOM_ASSIGN_OR_RETURN(text, TextOf(fields, "summary"));
    }
    std::string sealed;
    FATHOM_RETURN_IF_ERROR(fields.Read("encrypted_content", &sealed));
    if (!sealed.empty() && !(kept && !text.empty())) {
      // Also where the text stands beside it: one that was changed is never taken for the model's.
      FATHOM_ASSIGN_OR_RETURN(text, Unsealed(fields.PathOf("encrypted_content"), sealed));
    }
    BeginTurn(fields.path());
    reasoning_ += text;
    return {};
  }

  Result<std::string> Unsealed(const std::string& path, const std::string& sealed) const {
    if (seal_ == nullptr) return InvalidArgument(path + " is set; this server made none");
    Result<std::string> text = seal_->Unseal(sealed);
    if (text.ok()) return text;
    return InvalidArgument(StrCat(path, " ", text.status().message(), "; leave the reasoning item out"));
  }

  Status AddCall(const JsonFields& fields, bool custom) {
    FATHOM_ASSIGN_OR_RETURN(std::string id, Required(fields, "call_id"));
    FATHOM_ASSIGN_OR_RETURN(std::string name, Required(fields, "name"));
    std::string space;
    FATHOM_RETURN_IF_ERROR(fields.Read("namespace", &space));
    name = NameInSpace(space, name);
    std::string arguments;
    FATHOM_RETURN_IF_ERROR(fields.Read(custom ? "input" : "arguments", &arguments));
    if (custom) arguments = Json::Object({{"input", Json::String(arguments)}}).Dump();
    BeginTurn(fields.path());
    call_paths_.push_back(fields.path());
    calls_.push_back(Json::Object({{"id", Json::String(std::move(id))},
                                   {"type", Json::String("function")},
                                   {"function", Json::Object({{"name", Json::String(std::move(name))},
                                                              {"arguments", Json::String(std::move(arguments))}})}}));
    return {};
  }

  Status AddOutput(const JsonFields& fields) {
    FATHOM_ASSIGN_OR_RETURN(std::string id, Required(fields, "call_id"));
    FATHOM_ASSIGN_OR_RETURN(std::string text, TextOf(fields, "output", true));
    CloseTurn();
    Json message = TextMessage("tool", std::move(text));
    message.Set("tool_call_id", Json::String(std::move(id)));
    Push(std::move(message), fields.path());
    return {};
  }

  void CloseTurn() {
    if (!std::exchange(in_turn_, false)) return;
    const bool empty = content_.empty() && calls_.empty();
    Json message = TextMessage("assistant", std::exchange(content_, ""));
    message.Set("reasoning_content", Json::String(std::exchange(reasoning_, "")));
    if (!calls_.empty()) message.Set("tool_calls", Json::Array(std::exchange(calls_, {})));
    if (empty) return;  // reasoning that nothing followed was cut off
    Push(std::move(message), turn_path_);
    const std::string calls = StrCat("messages[", messages_.size() - 1, "].tool_calls");
    if (!call_paths_.empty()) paths_.Add(calls, call_paths_.front());
    for (size_t call = 0; call < call_paths_.size(); ++call) {
      paths_.Add(StrCat(calls, "[", call, "].function"), call_paths_[call]);
    }
    call_paths_.clear();
  }

  const ReasoningSeal* const seal_;
  FieldPaths& paths_;
  std::optional<std::string> system_;  // before all messages
  std::vector<Json> messages_;
  bool in_turn_ = false;
  std::string turn_path_;
  std::string reasoning_;
  std::string content_;
  std::vector<Json> calls_;
  std::vector<std::string> call_paths_;
};

// A tool in the shape of chat completions.
struct SentTool {
  Json tool;
  std::string path;  // the client's
};

Json CustomParameters() {
  return Json::Object({{"type", Json::String("object")},
                       {"properties", Json::Object({{"input", Json::Object({{"type", Json::String("string")}})}})},
                       {"required", Json::Array({Json::String("input")})},
                       {"additionalProperties", Json::Bool(false)}});
}

// A custom tool's description with the grammar of its input, which nothing else tells the model.
Status AddGrammar(const JsonFields& fields, Json* function) {
  FATHOM_ASSIGN_OR_RETURN(const Json* format, fields.ReadObject("format"));
  if (format == nullptr) return {};
  const JsonFields inside(*format, fields.PathOf("format"));
  std::string syntax;
  std::string definition;
  std::string description;
  FATHOM_RETURN_IF_ERROR(inside.Read("syntax", &syntax));
  FATHOM_RETURN_IF_ERROR(inside.Read("definition", &definition));
  FATHOM_RETURN_IF_ERROR(fields.Read("description", &description));
  if (definition.empty()) return {};
  function->Set("description", Json::String(StrCat(description, description.empty() ? "" : "\n\n",
                                                   "`input` obeys this ", syntax, " grammar:\n", definition)));
  return {};
}

Status AddTools(const Json& list, const std::string& path, const std::string& space, std::vector<SentTool>* tools,
                ResponsesRequest* request) {
  if (!list.is_array())
    return InvalidArgument(StrCat(path, " is ", Printable(list.Dump(), 40), "; accepted is a list"));
  for (size_t index = 0; index < list.items().size(); ++index) {
    const Json& tool = list.items()[index];
    const JsonFields fields(tool, StrCat(path, "[", index, "]"));
    std::string type;
    FATHOM_RETURN_IF_ERROR(fields.Read("type", &type));
    if (type == "namespace" && space.empty()) {
      FATHOM_ASSIGN_OR_RETURN(const std::string name, Required(fields, "name"));
      const Json* inner = fields.Find("tools");
      if (inner != nullptr) FATHOM_RETURN_IF_ERROR(AddTools(*inner, fields.PathOf("tools"), name, tools, request));
    }
    if (type != "function" && type != "custom") continue;
    FATHOM_ASSIGN_OR_RETURN(const std::string name, Required(fields, "name"));
    const std::string full_name = NameInSpace(space, name);
    if (!space.empty()) request->namespaced_tools[full_name] = {space, name};
    Json function = Json::Object({{"name", Json::String(full_name)}});
    for (const char* key : {"description", "parameters", "strict"}) {
      if (const Json* member = fields.Find(key)) function.Set(key, *member);
    }
    if (type == "custom") {
      request->custom_tools.insert(full_name);
      function.Set("parameters", CustomParameters());
      FATHOM_RETURN_IF_ERROR(AddGrammar(fields, &function));
    }
    tools->push_back(
        {Json::Object({{"type", Json::String("function")}, {"function", std::move(function)}}), fields.path()});
  }
  return {};
}

Result<std::string> ChosenName(const JsonFields& choice) {
  FATHOM_ASSIGN_OR_RETURN(const std::string name, Required(choice, "name"));
  std::string space;
  FATHOM_RETURN_IF_ERROR(choice.Read("namespace", &space));
  return NameInSpace(space, name);
}

// tool_choice in the shape of chat completions; allowed_tools leaves the others out of `tools`.
Status SetToolChoice(const JsonFields& fields, std::vector<SentTool>* tools, Json* chat) {
  const Json* choice = fields.Find("tool_choice");
  if (choice == nullptr) return {};
  if (!choice->is_object()) {
    chat->Set("tool_choice", *choice);
    return {};
  }
  const JsonFields inside(*choice, "tool_choice");
  std::string type;
  FATHOM_RETURN_IF_ERROR(inside.Read("type", &type));
  if (type != "allowed_tools") {
    FATHOM_ASSIGN_OR_RETURN(std::string name, ChosenName(inside));
    chat->Set("tool_choice",
              Json::Object({{"type", Json::String("function")}, {"name", Json::String(std::move(name))}}));
    return {};
  }
  std::string mode = "auto";
  FATHOM_RETURN_IF_ERROR(inside.Read("mode", &mode));
  const Json* list = inside.Find("tools");
  if (list == nullptr || !list->is_array()) {
    return InvalidArgument("tool_choice.tools is no list; accepted is a list of tools");
  }
  std::set<std::string> allowed;
  for (size_t index = 0; index < list->items().size(); ++index) {
    const JsonFields entry(list->items()[index], StrCat("tool_choice.tools[", index, "]"));
    if (entry.Find("name") == nullptr) continue;  // a tool that is not served here
    FATHOM_ASSIGN_OR_RETURN(std::string name, ChosenName(entry));
    allowed.insert(std::move(name));
  }
  std::erase_if(*tools, [&](const SentTool& sent) {
    return !allowed.contains(sent.tool.Find("function")->Find("name")->string());
  });
  chat->Set("tool_choice", Json::String(std::move(mode)));
  return {};
}

void SetTools(std::vector<SentTool> tools, Json* chat, FieldPaths* paths) {
  if (tools.empty()) return;
  std::vector<Json> list;
  for (SentTool& sent : tools) {
    paths->Add(StrCat("tools[", list.size(), "].function"), std::move(sent.path));
    list.push_back(std::move(sent.tool));
  }
  chat->Set("tools", Json::Array(std::move(list)));
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

Status CheckSupported(const JsonFields& fields) {
  if (fields.Find("conversation") != nullptr) {
    return InvalidArgument("conversation is set; there are none here: continue a response by previous_response_id");
  }
  if (fields.Find("prompt") != nullptr) {
    return InvalidArgument("prompt is set; there are no stored prompts here: send instructions and input");
  }
  bool background = false;
  FATHOM_RETURN_IF_ERROR(fields.Read("background", &background));
  if (background) return InvalidArgument("background is true; accepted is false: answers are streamed or waited for");
  return {};
}

Status SetMessages(const JsonFields& fields, const ResponseInput* kept, const ReasoningSeal* seal, Json* chat,
                   FieldPaths* paths) {
  MessageBuilder messages(seal, paths);
  std::string instructions;
  FATHOM_RETURN_IF_ERROR(fields.Read("instructions", &instructions));
  if (!instructions.empty()) messages.AddText("system", std::move(instructions), "instructions");
  const Json* input = fields.Find("input");
  if (input == nullptr) return InvalidArgument("input is missing; accepted is a string or a list of items");
  if (kept != nullptr) {
    for (const Json& item : kept->earlier) FATHOM_RETURN_IF_ERROR(messages.Add(item, "previous_response_id", true));
  }
  if (input->is_string()) {
    messages.AddText("user", input->string(), "input");
  } else if (input->is_array()) {
    const std::vector<Json>& items = kept != nullptr ? kept->own : input->items();
    for (size_t index = 0; index < items.size(); ++index) {
      FATHOM_RETURN_IF_ERROR(messages.Add(items[index], StrCat("input[", index, "]")));
    }
  } else {
    return fields.Wrong("input", *input, "a string or a list of items");
  }
  chat->Set("messages", messages.Take());
  return {};
}

// What the answer's reasoning is wanted as.
Status ReadReasoningShape(const JsonFields& fields, ResponsesRequest* request) {
  FATHOM_ASSIGN_OR_RETURN(const Json* reasoning, fields.ReadObject("reasoning"));
  if (reasoning != nullptr) {
    const JsonFields inside(*reasoning, "reasoning");
    for (const char* key : {"generate_summary", "summary"}) {  // the older name first
      std::string summary;
      FATHOM_RETURN_IF_ERROR(inside.Read(key, &summary));
      if (summary.empty()) continue;
      if (summary != "auto" && summary != "concise" && summary != "detailed" && summary != "none") {
        return InvalidArgument(StrCat(inside.PathOf(key), " is \"", Printable(summary, 40),
                                      "\"; accepted are \"auto\", \"concise\", \"detailed\" and \"none\""));
      }
      request->summary = summary != "none";
    }
  }
  return {};
}

// What the answer brings along beside its items.
Status ReadIncluded(const JsonFields& fields, ResponsesRequest* request) {
  const Json* include = fields.Find("include");
  if (include == nullptr) return {};
  if (!include->is_array()) return fields.Wrong("include", *include, "a list of strings");
  for (const Json& entry : include->items()) {
    if (!entry.is_string()) continue;
    if (entry.string() == "reasoning.encrypted_content") request->sealed_reasoning = true;
    if (entry.string() == "message.output_text.logprobs") request->logprobs = true;
  }
  return {};
}

Json Echo(const JsonFields& fields) {
  Json echo = Json::Object({{"instructions", Json()},
                            {"metadata", Json::Object()},
                            {"parallel_tool_calls", Json::Bool(true)},
                            {"temperature", Json()},
                            {"top_p", Json()},
                            {"tool_choice", Json::String("auto")},
                            {"tools", Json::Array()},
                            {"max_output_tokens", Json()},
                            {"top_logprobs", Json::Int(0)},
                            {"reasoning", Json()},
                            {"text", Json::Object({{"format", Json::Object({{"type", Json::String("text")}})}})},
                            {"truncation", Json::String("disabled")},
                            {"prompt_cache_key", Json()},
                            {"previous_response_id", Json()}});
  for (auto& [key, value] : echo.members()) {
    if (const Json* sent = fields.Find(key)) value = *sent;
  }
  echo.Set("background", Json::Bool(false));
  return echo;
}

}  // namespace

Result<ResponsesRequest> ParseResponsesRequest(const Json& body, const ResponseInput* input,
                                               const ReasoningSeal* seal) {
  if (!body.is_object()) return InvalidArgument("the body is no JSON object; accepted is one with input");
  const JsonFields fields(body);
  FATHOM_RETURN_IF_ERROR(CheckSupported(fields));
  ResponsesRequest request;
  FATHOM_RETURN_IF_ERROR(fields.Read("store", &request.store));
  FATHOM_RETURN_IF_ERROR(ReadReasoningShape(fields, &request));
  FATHOM_RETURN_IF_ERROR(ReadIncluded(fields, &request));
  std::optional<int64_t> top_logprobs;
  FATHOM_RETURN_IF_ERROR(fields.Read("top_logprobs", &top_logprobs, 0, kMaxTopLogprobs));
  Json chat = Json::Object();
  for (const char* key : {"model", "parallel_tool_calls", "reasoning", "temperature", "top_p", "top_k", "seed", "stop",
                          "stream", "user", "user_id", "chat_template_kwargs"}) {
    if (const Json* member = fields.Find(key)) chat.Set(key, *member);
  }
  if (request.logprobs) {
    chat.Set("logprobs", Json::Bool(true));
    chat.Set("top_logprobs", Json::Int(top_logprobs.value_or(0)));
  }
  if (const Json* limit = fields.Find("max_output_tokens")) chat.Set("max_tokens", *limit);
  FieldPaths paths;
  paths.Add("max_tokens", "max_output_tokens");
  paths.Add("messages", "input");
  paths.Add("response_format", "text.format");
  paths.Add("response_format.json_schema", "text.format");
  FATHOM_RETURN_IF_ERROR(SetMessages(fields, input, seal, &chat, &paths));
  FATHOM_RETURN_IF_ERROR(SetForm(fields, &chat));
  std::vector<SentTool> tools;
  if (const Json* list = fields.Find("tools")) {
    FATHOM_RETURN_IF_ERROR(AddTools(*list, "tools", "", &tools, &request));
  }
  FATHOM_RETURN_IF_ERROR(SetToolChoice(fields, &tools, &chat));
  SetTools(std::move(tools), &chat, &paths);
  request.echo = Echo(fields);
  Result<OpenAiChat> parsed = ParseOpenAiChat(chat);
  if (!parsed.ok()) return paths.Translate(parsed.status());
  request.chat = std::move(*parsed);
  request.chat.request.paths.Add(paths);
  return request;
}

}  // namespace fathom
