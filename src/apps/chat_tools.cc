#include "apps/chat_tools.h"

#include <algorithm>
#include <utility>

#include "apps/builtin_tools.h"
#include "base/file.h"
#include "base/strings.h"
#include "base/term.h"
#include "base/utf8.h"
#include "tokenizer/python_json.h"

namespace fathom {
namespace {

constexpr uint64_t kMaxToolsBytes = uint64_t{64} << 20;
constexpr size_t kShownNameBytes = 60;

// The name of a schema that Set() has accepted.
const std::string& NameOf(const Json& schema) { return schema.Find("name")->string(); }

std::string Error(std::string_view text) { return RepairUtf8(StrCat("error: ", text)); }

// The result of a call; nothing if whoever was asked for it gave up.
std::optional<std::string> ResultOf(const ToolCall& call, const ChatTools& tools, const TurnActions& actions) {
  const Result<Json> arguments = ParsePythonJson(call.arguments);
  const bool is_object = arguments.ok() && arguments->is_object();
  if (tools.Has(call.name) && is_object && !tools.builtin()) return actions.ask(call);
  std::string result;
  if (!tools.Has(call.name)) {
    const std::string names = tools.Names();
    result = Error(StrCat("there is no tool called ", Printable(call.name, kShownNameBytes),
                          names.empty() ? "; there are no tools" : "; the tools are " + names));
  } else if (!is_object) {
    result = Error("the arguments are not a JSON object");
  } else {
    result = CallBuiltinTool(call.name, *arguments);
  }
  actions.show(call, result);
  return result;
}

// As the messages keep a call. Not every dialect can render arguments that are no object; as the text of a parameter
// called "arguments" they look the same in those that can.
ToolCall Kept(ToolCall call) {
  const Result<Json> arguments = ParsePythonJson(call.arguments);
  if (!arguments.ok() || !arguments->is_object()) {
    call.arguments = Json::Object({{"arguments", Json::String(RepairUtf8(call.arguments))}}).Dump();
  }
  return call;
}

// Adds an answer's calls and their results. False if there was no result.
bool RunRound(Answer answer, const ChatTools& tools, const TurnActions& actions, Conversation* conversation) {
  int64_t number = conversation->tool_calls();
  for (ToolCall& call : answer.tool_calls) call.id = StrCat("call_", ++number);
  const std::vector<ToolCall> calls = answer.tool_calls;
  std::transform(calls.begin(), calls.end(), answer.tool_calls.begin(), Kept);
  conversation->Add(AssistantMessageJson(answer));
  for (const ToolCall& call : calls) {
    std::optional<std::string> result = ResultOf(call, tools, actions);
    if (!result) return false;
    conversation->AddToolResult(call.id, std::move(*result));
  }
  return true;
}

}  // namespace

Result<std::vector<Json>> ReadTools(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxToolsBytes));
  const Result<Json> json = ParseJson(text);
  if (!json.ok()) return DataLoss(StrCat(path, ": ", json.status().message()));
  return ParseTools(*json, path);
}

Status ChatTools::Set(const std::string& choice) {
  std::vector<Json> schemas;
  const bool builtin = choice == "builtin";
  if (builtin) {
    schemas = BuiltinToolSchemas();
  } else if (choice != "off") {
    FATHOM_ASSIGN_OR_RETURN(schemas, ReadTools(choice));
    for (size_t i = 0; i < schemas.size(); ++i) {
      const Json* name = schemas[i].Find("name");
      if (name != nullptr && name->is_string() && !name->string().empty()) continue;
      return DataLoss(StrCat(choice, "[", i, "].function.name is missing; expected a string"));
    }
  }
  schemas_ = std::move(schemas);
  builtin_ = builtin;
  return {};
}

std::string ChatTools::Names() const {
  std::string names;
  for (const Json& schema : schemas_) {
    names += StrCat(names.empty() ? "" : ", ", Printable(NameOf(schema), kShownNameBytes));
  }
  return names;
}

bool ChatTools::Has(std::string_view name) const {
  return std::any_of(schemas_.begin(), schemas_.end(), [&](const Json& schema) { return NameOf(schema) == name; });
}

Result<TurnEnd> RunTurn(std::string text, const ChatTools& tools, const TurnActions& actions,
                        Conversation* conversation) {
  const size_t before = conversation->size();
  const auto forget = [&] {
    conversation->Truncate(before);
    return TurnEnd::kForgotten;
  };
  conversation->AddUser(std::move(text));
  for (int round = 0;; ++round) {
    Result<Answer> answer = actions.answer();
    if (!answer.ok()) {
      forget();
      return answer.status();
    }
    const bool calls = answer->finish_reason == "tool_calls";
    if (calls && round < kMaxToolRounds) {
      if (!RunRound(std::move(*answer), tools, actions, conversation)) return forget();
      continue;
    }
    answer->tool_calls.clear();
    const bool stopped = answer->finish_reason == "cancelled";
    if (stopped && answer->content.empty()) return forget();
    if (!calls || !answer->content.empty()) conversation->Add(AssistantMessageJson(*answer));
    if (calls) return TurnEnd::kTooManyRounds;
    if (stopped) return TurnEnd::kStopped;
    return answer->finish_reason == "length" ? TurnEnd::kOutOfTokens : TurnEnd::kAnswered;
  }
}

std::optional<std::string> AskToolResult(const ToolCall& call, LineEditor& editor) {
  while (true) {
    std::optional<std::string> result = editor.Ask(StrCat("result of ", Printable(call.name, kShownNameBytes), ": "));
    if (!result || IsValidUtf8(*result)) return result;
    WriteStderr("fathom chat: the result is not valid UTF-8\n");
  }
}

}  // namespace fathom
