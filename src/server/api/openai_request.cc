#include "server/api/openai_request.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/strings.h"
#include "server/api/api_limits.h"

namespace fathom {
namespace {

Json TextField(const Json* value, const char* otherwise) {
  return value != nullptr && value->is_string() ? *value : Json::String(otherwise);
}

// Older shapes of messages as today's: functions and their results, a reasoning field with vLLM's name. `path` is the
// message's.
Json ModernMessage(const Json& message, const std::string& path, FieldPaths* paths) {
  Json modern = message;
  const std::string role = TextField(message.Find("role"), "").string();
  if (role == "developer") modern.Set("role", Json::String("system"));
  if (role == "function") {
    modern.Set("role", Json::String("tool"));
    modern.Set("tool_call_id", TextField(message.Find("name"), ""));
  }
  if (role != "assistant") return modern;
  const Json* call = message.Find("function_call");
  const Json* calls = message.Find("tool_calls");
  if (call != nullptr && call->is_object() && (calls == nullptr || calls->is_null())) {
    modern.Set("tool_calls",
               Json::Array({Json::Object({{"id", TextField(call->Find("name"), "")}, {"function", *call}})}));
    paths->Add(path + ".tool_calls", path + ".function_call");
    paths->Add(path + ".tool_calls[0].function", path + ".function_call");
  }
  const Json* reasoning = message.Find("reasoning");
  const Json* named = message.Find("reasoning_content");
  if (reasoning != nullptr && reasoning->is_string() && (named == nullptr || named->is_null())) {
    modern.Set("reasoning_content", *reasoning);
  }
  return modern;
}

bool OnlySpace(const std::string& text) { return text.find_first_not_of(" \t\r\n") == std::string::npos; }

Status ReadMessages(const JsonFields& fields, ChatRequest* request) {
  const Json* messages = fields.Find("messages");
  if (messages == nullptr) return InvalidArgument("messages is missing; accepted is a list of messages");
  if (!messages->is_array() || messages->items().empty()) {
    return fields.Wrong("messages", *messages, "a list of at least one message");
  }
  std::vector<Json> modern;
  modern.reserve(messages->items().size());
  for (size_t index = 0; index < messages->items().size(); ++index) {
    const Json& message = messages->items()[index];
    const std::string path = StrCat("messages[", index, "]");
    modern.push_back(message.is_object() ? ModernMessage(message, path, &request->paths) : message);
  }
  FATHOM_ASSIGN_OR_RETURN(request->messages, ParseChatMessages(Json::Array(std::move(modern))));
  for (ChatMessage& message : request->messages) {
    for (ToolCall& call : message.tool_calls) {
      if (OnlySpace(call.arguments)) call.arguments = "{}";
    }
  }
  for (size_t index = 0; index < messages->items().size(); ++index) {
    const JsonFields message(messages->items()[index], StrCat("messages[", index, "]"));
    bool prefix = false;
    FATHOM_RETURN_IF_ERROR(message.Read("prefix", &prefix));
    const bool last = index + 1 == messages->items().size();
    if (prefix && (!last || request->messages[index].role != "assistant")) {
      return InvalidArgument(
          StrCat(message.PathOf("prefix"), " is true; accepted only on the last message, if its role is assistant"));
    }
  }
  // A last message of the assistant is continued, whether it says so or not: nothing else can follow it.
  const ChatMessage& last = request->messages.back();
  request->continues_last = last.role == "assistant";
  if (request->continues_last && !last.tool_calls.empty()) {
    return InvalidArgument(
        StrCat("messages[", request->messages.size() - 1,
               "].tool_calls has calls that no message answers; accepted is a message with role tool "
               "for each"));
  }
  return {};
}

Status ReadTools(const JsonFields& fields, ChatRequest* request) {
  if (const Json* tools = fields.Find("tools")) {
    FATHOM_ASSIGN_OR_RETURN(request->tools, ParseTools(*tools, "tools"));
  }
  if (const Json* functions = fields.Find("functions")) {
    if (!functions->is_array()) return fields.Wrong("functions", *functions, "a list of functions");
    if (request->tools.empty()) request->paths.Add("tools", "functions");
    for (size_t index = 0; index < functions->items().size(); ++index) {
      request->paths.Add(StrCat("tools[", request->tools.size(), "].function"), StrCat("functions[", index, "]"));
      request->tools.push_back(functions->items()[index]);
    }
  }
  if (request->tools.size() > kMaxTools) {
    return InvalidArgument(StrCat("tools has ", request->tools.size(), " entries; accepted are at most ", kMaxTools));
  }
  for (size_t index = 0; index < request->tools.size(); ++index) {
    const JsonFields tool(request->tools[index], StrCat("tools[", index, "].function"));
    std::string name;
    FATHOM_RETURN_IF_ERROR(tool.Read("name", &name, kMaxToolNameBytes));
    if (name.empty()) return InvalidArgument(tool.PathOf("name") + " is missing; accepted is a string");
    bool strict = false;
    FATHOM_RETURN_IF_ERROR(tool.Read("strict", &strict));
    FATHOM_RETURN_IF_ERROR(tool.ReadObject("parameters").status());
  }
  return fields.Read("parallel_tool_calls", &request->parallel_tool_calls);
}

// Leaves out the tools that are not allowed.
void KeepAllowed(const std::set<std::string>& allowed, ChatRequest* request) {
  std::vector<Json> kept;
  FieldPaths paths;
  for (size_t index = 0; index < request->tools.size(); ++index) {
    Json& tool = request->tools[index];
    if (!allowed.contains(tool.Find("name")->string())) continue;
    const auto path = [](size_t place) { return StrCat("tools[", place, "].function"); };
    paths.Add(path(kept.size()), request->paths.Of(path(index)));
    kept.push_back(std::move(tool));
  }
  request->tools = std::move(kept);
  request->paths.Add(paths);
}

// {"mode": ..., "tools": [...]} of a tool_choice with type allowed_tools.
Status ReadAllowedTools(const JsonFields& fields, ChatRequest* request) {
  std::string mode = "auto";
  FATHOM_RETURN_IF_ERROR(fields.Read("mode", &mode));
  if (mode != "auto" && mode != "required") {
    return fields.Wrong("mode", *fields.Find("mode"), "\"auto\" or \"required\"");
  }
  const Json* list = fields.Find("tools");
  if (list == nullptr) return InvalidArgument(fields.PathOf("tools") + " is missing; accepted is a list of tools");
  if (!list->is_array()) return fields.Wrong("tools", *list, "a list of tools");
  std::set<std::string> allowed;
  for (size_t index = 0; index < list->items().size(); ++index) {
    const JsonFields entry(list->items()[index], StrCat(fields.PathOf("tools"), "[", index, "]"));
    FATHOM_ASSIGN_OR_RETURN(const Json* const function, entry.ReadObject("function"));
    if (function == nullptr) continue;  // a tool that is not served here
    std::string name;
    FATHOM_RETURN_IF_ERROR(JsonFields(*function, entry.PathOf("function")).Read("name", &name));
    allowed.insert(std::move(name));
  }
  KeepAllowed(allowed, request);
  if (mode == "required") request->tool_choice = ToolChoice::kRequired;
  return {};
}

// `key` is tool_choice or its predecessor function_call.
Status ReadToolChoice(const JsonFields& fields, const char* key, ChatRequest* request) {
  const Json* choice = fields.Find(key);
  if (choice == nullptr) return {};
  request->paths.Add("tool_choice", key);
  request->tool_choice = ToolChoice::kAuto;
  request->tool_name.clear();
  constexpr std::string_view kAccepted =
      "\"none\", \"auto\", \"required\", {\"type\": \"function\", \"function\": {\"name\": ...}} or "
      "{\"type\": \"allowed_tools\", \"allowed_tools\": {\"mode\": ..., \"tools\": ...}}";
  if (choice->is_string()) {
    const std::string& name = choice->string();
    if (name == "none") {
      request->tool_choice = ToolChoice::kNone;
    } else if (name == "required" || name == "any") {
      request->tool_choice = ToolChoice::kRequired;
    } else if (name != "auto") {
      return fields.Wrong(key, *choice, kAccepted);
    }
    return {};
  }
  if (!choice->is_object()) return fields.Wrong(key, *choice, kAccepted);
  const JsonFields inside(*choice, fields.PathOf(key));
  std::string type;
  FATHOM_RETURN_IF_ERROR(inside.Read("type", &type));
  if (type == "allowed_tools") {
    FATHOM_ASSIGN_OR_RETURN(const Json* const allowed, inside.ReadObject("allowed_tools"));
    const std::string path = inside.PathOf("allowed_tools");
    if (allowed == nullptr) return InvalidArgument(path + " is missing; accepted is an object with mode and tools");
    return ReadAllowedTools(JsonFields(*allowed, path), request);
  }
  const Json* function = choice->Find("function");
  const Json* name = (function != nullptr && function->is_object() ? *function : *choice).Find("name");
  if (name == nullptr || !name->is_string()) return fields.Wrong(key, *choice, kAccepted);
  request->tool_choice = ToolChoice::kNamed;
  request->tool_name = name->string();
  return {};
}

Status ReadThinkingType(const JsonFields& fields, EffortRequest* effort) {
  const Json* thinking = fields.Find("thinking");
  if (thinking == nullptr) return {};
  const Json* type = thinking->is_object() ? thinking->Find("type") : nullptr;
  if (thinking->is_bool()) {
    effort->thinking = thinking->boolean();
  } else if (type != nullptr && type->is_string() && (type->string() == "enabled" || type->string() == "adaptive")) {
    effort->thinking = true;
  } else if (type != nullptr && type->is_string() && type->string() == "disabled") {
    effort->thinking = false;
  } else {
    return fields.Wrong(
        type == nullptr ? "thinking" : "thinking.type", type == nullptr ? *thinking : *type,
        type == nullptr ? "{\"type\": \"enabled\"} or {\"type\": \"disabled\"}" : "\"enabled\" or \"disabled\"");
  }
  return {};
}

// v4.1's efforts can be numbers.
Status ReadEffort(const JsonFields& fields, const char* key, ChatRequest* request) {
  const Json* found = fields.Find(key);
  if (found == nullptr) return {};
  request->paths.Add("reasoning_effort", fields.PathOf(key));
  if (!found->is_string() && !found->is_integer()) return fields.Wrong(key, *found, "a string such as \"high\"");
  request->effort.effort = found->is_string() ? found->string() : found->number_text();
  return {};
}

// The template's arguments first, OpenRouter's object next, the API's own fields last: later ones win.
Status ReadThinking(const JsonFields& fields, ChatRequest* request) {
  EffortRequest* const effort = &request->effort;
  FATHOM_ASSIGN_OR_RETURN(const Json* const arguments, fields.ReadObject("chat_template_kwargs"));
  if (arguments != nullptr) {
    const JsonFields inside(*arguments, "chat_template_kwargs");
    for (const char* key : {"enable_thinking", "thinking"}) {
      bool thinking = false;
      FATHOM_RETURN_IF_ERROR(inside.Read(key, &thinking));
      if (inside.Find(key) != nullptr) effort->thinking = thinking;
    }
    FATHOM_RETURN_IF_ERROR(ReadEffort(inside, "reasoning_effort", request));
  }
  if (const Json* reasoning = fields.Find("reasoning"); reasoning != nullptr && reasoning->is_object()) {
    const JsonFields inside(*reasoning, "reasoning");
    bool enabled = true;
    FATHOM_RETURN_IF_ERROR(inside.Read("enabled", &enabled));
    if (inside.Find("enabled") != nullptr) effort->thinking = enabled;
    FATHOM_RETURN_IF_ERROR(ReadEffort(inside, "effort", request));
  }
  FATHOM_RETURN_IF_ERROR(ReadThinkingType(fields, effort));
  return ReadEffort(fields, "reasoning_effort", request);
}

Status ReadLogprobs(const JsonFields& fields, SamplingRequest* sampling) {
  bool logprobs = false;
  std::optional<int64_t> top;
  FATHOM_RETURN_IF_ERROR(fields.Read("logprobs", &logprobs));
  FATHOM_RETURN_IF_ERROR(fields.Read("top_logprobs", &top, 0, kMaxTopLogprobs));
  if (top.value_or(0) > 0 && !logprobs) {
    return InvalidArgument(StrCat("top_logprobs is ", *top, "; accepted only together with logprobs: true"));
  }
  if (logprobs) sampling->logprobs = top.value_or(0);
  return {};
}

Status ReadChat(const JsonFields& fields, OpenAiChat* chat) {
  ChatRequest& request = chat->request;
  FATHOM_RETURN_IF_ERROR(fields.Read("model", &request.model, kMaxModelNameBytes));
  // Before the messages: the paths of tools are looked up, those of messages may be a million.
  FATHOM_RETURN_IF_ERROR(ReadTools(fields, &request));
  FATHOM_RETURN_IF_ERROR(ReadToolChoice(fields, "function_call", &request));
  FATHOM_RETURN_IF_ERROR(ReadToolChoice(fields, "tool_choice", &request));
  FATHOM_RETURN_IF_ERROR(ReadMessages(fields, &request));
  FATHOM_RETURN_IF_ERROR(ReadAnswerForm(fields, &request.form));
  FATHOM_RETURN_IF_ERROR(ReadThinking(fields, &request));
  FATHOM_RETURN_IF_ERROR(ReadSampling(fields, &request.sampling));
  FATHOM_RETURN_IF_ERROR(ReadLogprobs(fields, &request.sampling));
  FATHOM_RETURN_IF_ERROR(ReadMaxTokens(fields, 1, &request.max_tokens));
  FATHOM_RETURN_IF_ERROR(fields.ReadTexts("stop", kMaxApiStopStrings, &request.stop));
  std::optional<int64_t> n;
  FATHOM_RETURN_IF_ERROR(fields.Read("n", &n, 1, kMaxChoices));
  request.n = n.value_or(1);
  FATHOM_RETURN_IF_ERROR(fields.Read("cache_prompt", &request.use_prefix_cache));
  return ReadAnswerOptions(fields, &chat->answer);
}

}  // namespace

Result<OpenAiChat> ParseOpenAiChat(const Json& body) {
  if (!body.is_object()) return InvalidArgument("the body is no JSON object; accepted is one with model and messages");
  OpenAiChat chat;
  const Status status = ReadChat(JsonFields(body), &chat);
  if (!status.ok()) return chat.request.paths.Translate(status);
  return chat;
}

}  // namespace fathom
