#include "server/api/openai_request.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "server/api/api_limits.h"

namespace fathom {
namespace {

Json TextField(const Json* value, const char* otherwise) {
  return value != nullptr && value->is_string() ? *value : Json::String(otherwise);
}

// Older shapes of messages as today's: functions and their results, a reasoning field with vLLM's name.
Json ModernMessage(const Json& message) {
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
  for (const Json& message : messages->items()) {
    modern.push_back(message.is_object() ? ModernMessage(message) : message);
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
    request->tools.insert(request->tools.end(), functions->items().begin(), functions->items().end());
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

// `key` is tool_choice or its predecessor function_call.
Status ReadToolChoice(const JsonFields& fields, const char* key, ChatRequest* request) {
  const Json* choice = fields.Find(key);
  if (choice == nullptr) return {};
  constexpr std::string_view kAccepted =
      "\"none\", \"auto\", \"required\" or {\"type\": \"function\", \"function\": {\"name\": ...}}";
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
Status ReadEffort(const JsonFields& fields, const char* key, EffortRequest* effort) {
  const Json* found = fields.Find(key);
  if (found == nullptr) return {};
  if (!found->is_string() && !found->is_integer()) return fields.Wrong(key, *found, "a string such as \"high\"");
  effort->effort = found->is_string() ? found->string() : found->number_text();
  return {};
}

// The template's arguments first, OpenRouter's object next, the API's own fields last: later ones win.
Status ReadThinking(const JsonFields& fields, EffortRequest* effort) {
  FATHOM_ASSIGN_OR_RETURN(const Json* const arguments, fields.ReadObject("chat_template_kwargs"));
  if (arguments != nullptr) {
    const JsonFields inside(*arguments, "chat_template_kwargs");
    for (const char* key : {"enable_thinking", "thinking"}) {
      bool thinking = false;
      FATHOM_RETURN_IF_ERROR(inside.Read(key, &thinking));
      if (inside.Find(key) != nullptr) effort->thinking = thinking;
    }
    FATHOM_RETURN_IF_ERROR(ReadEffort(inside, "reasoning_effort", effort));
  }
  if (const Json* reasoning = fields.Find("reasoning"); reasoning != nullptr && reasoning->is_object()) {
    const JsonFields inside(*reasoning, "reasoning");
    bool enabled = true;
    FATHOM_RETURN_IF_ERROR(inside.Read("enabled", &enabled));
    if (inside.Find("enabled") != nullptr) effort->thinking = enabled;
    FATHOM_RETURN_IF_ERROR(ReadEffort(inside, "effort", effort));
  }
  FATHOM_RETURN_IF_ERROR(ReadThinkingType(fields, effort));
  return ReadEffort(fields, "reasoning_effort", effort);
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

}  // namespace

Result<OpenAiChat> ParseOpenAiChat(const Json& body) {
  if (!body.is_object()) return InvalidArgument("the body is no JSON object; accepted is one with model and messages");
  const JsonFields fields(body);
  OpenAiChat chat;
  ChatRequest& request = chat.request;
  FATHOM_RETURN_IF_ERROR(fields.Read("model", &request.model, kMaxModelNameBytes));
  FATHOM_RETURN_IF_ERROR(ReadMessages(fields, &request));
  FATHOM_RETURN_IF_ERROR(ReadTools(fields, &request));
  FATHOM_RETURN_IF_ERROR(ReadToolChoice(fields, "function_call", &request));
  FATHOM_RETURN_IF_ERROR(ReadToolChoice(fields, "tool_choice", &request));
  FATHOM_RETURN_IF_ERROR(ReadAnswerForm(fields, &request.form));
  FATHOM_RETURN_IF_ERROR(ReadThinking(fields, &request.effort));
  FATHOM_RETURN_IF_ERROR(ReadSampling(fields, &request.sampling));
  FATHOM_RETURN_IF_ERROR(ReadLogprobs(fields, &request.sampling));
  FATHOM_RETURN_IF_ERROR(ReadMaxTokens(fields, 1, &request.max_tokens));
  FATHOM_RETURN_IF_ERROR(fields.ReadTexts("stop", kMaxApiStopStrings, &request.stop));
  std::optional<int64_t> n;
  FATHOM_RETURN_IF_ERROR(fields.Read("n", &n, 1, kMaxChoices));
  request.n = n.value_or(1);
  FATHOM_RETURN_IF_ERROR(fields.Read("cache_prompt", &request.use_prefix_cache));
  FATHOM_RETURN_IF_ERROR(ReadAnswerOptions(fields, &chat.answer));
  return chat;
}

}  // namespace fathom
