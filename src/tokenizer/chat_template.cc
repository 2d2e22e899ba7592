#include "tokenizer/chat_template.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "base/strings.h"
#include "tokenizer/python_json.h"

namespace fathom {

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kTasks = {{
    {"action", "<｜action｜>"},
    {"query", "<｜query｜>"},
    {"authority", "<｜authority｜>"},
    {"domain", "<｜domain｜>"},
    {"title", "<｜title｜>"},
    {"read_url", "<｜read_url｜>"},
}};

// The task's token, or empty for an unknown task.
std::string_view TaskToken(std::string_view task) {
  for (const auto& [name, token] : kTasks) {
    if (name == task) return token;
  }
  return {};
}

enum class Role { kSystem, kDeveloper, kUser, kAssistant, kReminder };

// One rendered turn: a message, or a run of user and tool messages read as one user turn.
struct Turn {
  Turn(Role kind, size_t at, const ChatMessage* source) : role(kind), index(at), message(source) {}

  Role role;
  size_t index;                            // of its first message in the request, for errors
  const ChatMessage* message;              // that message; for an inserted system turn an empty one
  std::vector<const ChatMessage*> blocks;  // user turns: the texts and tool results in order
  std::optional<std::string> task;
  std::vector<const Json*> tools;
};

// Of a message that becomes a turn of its own; the role is a known one.
Role RoleOf(const ChatMessage& message) {
  if (message.role == "system") return Role::kSystem;
  if (message.role == "developer") return Role::kDeveloper;
  if (message.role == "assistant") return Role::kAssistant;
  return Role::kReminder;
}

bool IsToolResult(const ChatMessage* block) { return block->role == "tool"; }

Status CheckMessage(const ChatMessage& message, size_t index) {
  static constexpr std::string_view kRoles[] = {"system", "developer", "user", "assistant", "tool", "latest_reminder"};
  if (std::find(std::begin(kRoles), std::end(kRoles), message.role) == std::end(kRoles)) {
    return InvalidArgument(StrCat("messages[", index, "].role is \"", Printable(message.role),
                                  "\"; accepted are system, developer, user, assistant, tool and latest_reminder"));
  }
  if (message.role == "developer" && message.content.empty()) {
    return InvalidArgument(StrCat("messages[", index, "].content is empty; a developer message needs content"));
  }
  if (message.task && TaskToken(*message.task).empty()) {
    return InvalidArgument(StrCat("messages[", index, "].task is \"", Printable(*message.task),
                                  "\"; accepted are action, query, authority, domain, title and read_url"));
  }
  return {};
}

void FuseUserBlock(const ChatMessage& message, size_t index, std::vector<Turn>* turns) {
  const bool tool = IsToolResult(&message);
  if (!turns->empty() && turns->back().role == Role::kUser && (tool || !turns->back().task)) {
    turns->back().blocks.push_back(&message);
    return;
  }
  Turn turn(Role::kUser, index, &message);
  turn.blocks.push_back(&message);
  if (!tool) turn.task = message.task;
  turns->push_back(std::move(turn));
}

// Messages to turns: runs of user and tool messages become one turn each, all else is taken over.
std::vector<Turn> Fuse(std::span<const ChatMessage> messages) {
  std::vector<Turn> turns;
  for (size_t index = 0; index < messages.size(); ++index) {
    const ChatMessage& message = messages[index];
    if (message.role == "user" || message.role == "tool") {
      FuseUserBlock(message, index, &turns);
      continue;
    }
    Turn turn(RoleOf(message), index, &message);
    turn.task = message.task;
    for (const Json& tool : message.tools) turn.tools.push_back(&tool);
    turns.push_back(std::move(turn));
  }
  return turns;
}

void PlaceRequestTools(std::span<const Json> tools, std::vector<Turn>* turns) {
  if (tools.empty()) return;
  const bool has_place =
      !turns->empty() && (turns->front().role == Role::kSystem || turns->front().role == Role::kDeveloper);
  if (!has_place) {
    static const ChatMessage* const kEmpty = new ChatMessage;
    turns->insert(turns->begin(), Turn(Role::kSystem, 0, kEmpty));
  }
  for (const Json& tool : tools) turns->front().tools.push_back(&tool);
}

// Brings the tool results of each user turn into the order of the latest calls; results of unknown calls count as
// answers to the first one. Texts between them keep their places.
void SortToolResults(std::vector<Turn>* turns) {
  std::unordered_map<std::string_view, size_t> position;
  const auto rank = [&](const ChatMessage* block) {
    const auto found = position.find(block->tool_call_id);
    return found == position.end() ? 0 : found->second;
  };
  for (Turn& turn : *turns) {
    if (turn.role == Role::kAssistant && !turn.message->tool_calls.empty()) {
      position.clear();
      const std::vector<ToolCall>& calls = turn.message->tool_calls;
      for (size_t call = 0; call < calls.size(); ++call) {
        if (!calls[call].id.empty()) position[calls[call].id] = call;
      }
    } else if (turn.role == Role::kUser && !position.empty()) {
      std::vector<const ChatMessage*> results;
      std::copy_if(turn.blocks.begin(), turn.blocks.end(), std::back_inserter(results), IsToolResult);
      std::stable_sort(results.begin(), results.end(),
                       [&](const ChatMessage* a, const ChatMessage* b) { return rank(a) < rank(b); });
      auto next = results.begin();
      for (const ChatMessage*& block : turn.blocks) {
        if (IsToolResult(block)) block = *next++;
      }
    }
  }
}

class Renderer {
 public:
  Renderer(const ChatOptions& options, std::string effort_prefix, std::vector<Turn> turns)
      : options_(options), effort_prefix_(std::move(effort_prefix)), turns_(std::move(turns)) {
    const bool any_tools =
        std::any_of(turns_.begin(), turns_.end(), [](const Turn& turn) { return !turn.tools.empty(); });
    drop_thinking_ = options.drop_thinking && !any_tools;
    if (thinking() && drop_thinking_) ForgetOldDevelopers();
    last_user_ = LastUser();
  }

  Result<RenderedPrompt> Render() {
    if (options_.add_bos) Markup(kBosText);
    for (size_t turn = 0; turn < turns_.size(); ++turn) {
      FATHOM_RETURN_IF_ERROR(RenderTurn(turn));
      RenderTransition(turn);
    }
    return std::move(out_);
  }

 private:
  bool thinking() const { return options_.thinking_mode == ThinkingMode::kThinking; }
  bool v41() const { return options_.dialect == Dialect::kV41; }
  void Markup(std::string_view text) { out_.Append(text, true); }
  void Text(std::string_view text) { out_.Append(text, false); }
  void OpenTag(std::string_view name) { Markup(StrCat("<", kDsmlText, name)); }
  void CloseTag(std::string_view name) { Markup(StrCat("</", kDsmlText, name, ">")); }

  // Whether the model answers after this turn. v4.1 lets later system messages ask, too.
  bool Asks(size_t turn) const {
    const Role role = turns_[turn].role;
    return role == Role::kUser || role == Role::kDeveloper || (v41() && role == Role::kSystem && turn > 0);
  }

  // -1 when nobody asks.
  int64_t LastUser() const {
    for (size_t turn = turns_.size(); turn > 0; --turn) {
      if (Asks(turn - 1)) return static_cast<int64_t>(turn - 1);
    }
    return -1;
  }

  // Old reasoning needs no removal: without tools it is rendered only after the last user turn.
  void ForgetOldDevelopers() {
    const int64_t last_user = LastUser();
    if (last_user < 0) return;
    const auto end = turns_.begin() + last_user;
    turns_.erase(std::remove_if(turns_.begin(), end, [](const Turn& turn) { return turn.role == Role::kDeveloper; }),
                 end);
  }

  Status RenderTurn(size_t turn) {
    const Turn& t = turns_[turn];
    const bool first = turn == 0;
    if (v41() && (t.role == Role::kSystem || (first && !effort_prefix_.empty()))) Markup(kSystemText);
    if (first) Markup(effort_prefix_);
    switch (t.role) {
      case Role::kSystem:
        Text(t.message->content);
        RenderExtras(t);
        return {};
      case Role::kDeveloper:
        Markup(kUserText);
        Text(t.message->content);
        RenderExtras(t);
        return {};
      case Role::kUser:
        RenderUser(t);
        return {};
      case Role::kReminder:
        Markup(kReminderText);
        Text(t.message->content);
        return {};
      case Role::kAssistant:
        return RenderAssistant(turn);
    }
    return {};
  }

  void RenderUser(const Turn& turn) {
    Markup(kUserText);
    std::string_view separator;
    for (const ChatMessage* block : turn.blocks) {
      Markup(separator);
      separator = "\n\n";
      const bool tool = IsToolResult(block);
      if (tool) Markup("<tool_result>");
      Text(block->content);
      if (tool) Markup("</tool_result>");
    }
  }

  Status RenderAssistant(size_t turn) {
    const ChatMessage& message = *turns_[turn].message;
    const bool task_output = turn > 0 && turns_[turn - 1].task.has_value();
    const bool keeps_reasoning = !drop_thinking_ || static_cast<int64_t>(turn) > last_user_;
    const size_t begin = out_.bytes();
    if (thinking() && !task_output && keeps_reasoning) {
      Text(message.reasoning_content);
      Markup(kThinkEndText);
    }
    Text(message.content);
    FATHOM_RETURN_IF_ERROR(RenderCalls(turns_[turn]));
    if (!message.wo_eos) Markup(kEosText);
    out_.AddAnswer({begin, out_.bytes(), !thinking() || keeps_reasoning});
    return {};
  }

  // Tools block and response format of system and developer messages.
  void RenderExtras(const Turn& turn) {
    if (!turn.tools.empty()) {
      Markup("\n\n");
      RenderTools(turn.tools);
    }
    if (!turn.message->response_format.is_null()) {
      Markup("\n\n## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n");
      Text(DumpPythonJson(turn.message->response_format));
    }
  }

  void RenderTools(const std::vector<const Json*>& tools) {
    const DsmlTags tags = TagsOf(options_.dialect);
    const auto open = [](std::string_view name) { return StrCat("<", kDsmlText, name); };
    const auto close = [](std::string_view name) { return StrCat("</", kDsmlText, name, ">\n"); };
    Markup(
        StrCat("## Tools\n\n"
               "You have access to a set of tools to help answer the user's question. "
               "You can invoke tools by writing a \"",
               open(tags.block), ">\" block like the following:\n\n"));
    Markup(StrCat(open(tags.block), ">\n", open(tags.invoke), " name=\"$TOOL_NAME\">\n", open(tags.parameter),
                  " name=\"$PARAMETER_NAME\" string=\"true|false\">$PARAMETER_VALUE", close(tags.parameter), "...\n",
                  close(tags.invoke), open(tags.invoke), " name=\"$TOOL_NAME2\">\n...\n", close(tags.invoke),
                  close(tags.block), "\n"));
    Markup(
        "String parameters should be specified as is and set `string=\"true\"`. For all other types (numbers, "
        "booleans, arrays, objects), pass the value in JSON format and set `string=\"false\"`.\n\n"
        "If thinking_mode is enabled (triggered by <think>), you MUST output your complete reasoning inside "
        "<think>...</think> BEFORE any tool calls or final response.\n\n"
        "Otherwise, output directly after </think> with tool calls or final response.\n\n"
        "### Available Tool Schemas\n\n");
    std::string_view separator;
    for (const Json* tool : tools) {
      Markup(separator);
      separator = "\n";
      Text(DumpPythonJson(*tool));
    }
    Markup("\n\nYou MUST strictly follow the above defined tool name and parameter schemas to invoke tool calls.\n");
  }

  Status RenderCalls(const Turn& turn) {
    const std::vector<ToolCall>& calls = turn.message->tool_calls;
    if (calls.empty()) return {};
    const DsmlTags tags = TagsOf(options_.dialect);
    Markup("\n\n");
    OpenTag(tags.block);
    Markup(">\n");
    for (size_t call = 0; call < calls.size(); ++call) {
      OpenTag(tags.invoke);
      Markup(" name=\"");
      Text(calls[call].name);
      Markup("\">\n");
      FATHOM_RETURN_IF_ERROR(RenderArguments(
          calls[call].arguments, StrCat("messages[", turn.index, "].tool_calls[", call, "].function.arguments")));
      Markup("\n");
      CloseTag(tags.invoke);
      Markup("\n");
    }
    CloseTag(tags.block);
    return {};
  }

  Status RenderArguments(const std::string& arguments, const std::string& path) {
    Result<Json> parsed = ParsePythonJson(arguments);
    if (parsed.ok() ? !parsed->is_object() : v41()) {
      return InvalidArgument(StrCat(path, " is \"", Printable(arguments), "\"; expected a JSON object"));
    }
    if (!parsed.ok()) {
      RenderParameter("arguments", Json::String(arguments));
      return {};
    }
    std::string_view separator;
    for (const auto& [key, value] : parsed->members()) {
      Markup(separator);
      separator = "\n";
      RenderParameter(key, value);
    }
    return {};
  }

  void RenderParameter(std::string_view key, const Json& value) {
    const DsmlTags tags = TagsOf(options_.dialect);
    OpenTag(tags.parameter);
    Markup(" name=\"");
    Text(key);
    Markup(value.is_string() ? "\" string=\"true\">" : "\" string=\"false\">");
    Text(value.is_string() ? value.string() : DumpPythonJson(value));
    CloseTag(tags.parameter);
  }

  // What stands between a turn and the answer to it.
  void RenderTransition(size_t turn) {
    if (turn + 1 < turns_.size()) {
      const Role next = turns_[turn + 1].role;
      if (next != Role::kAssistant && next != Role::kReminder) return;
    }
    if (const std::optional<std::string>& task = turns_[turn].task) {
      if (*task == "action") {
        Markup(kAssistantText);
        Markup(thinking() ? kThinkText : kThinkEndText);
      }
      Markup(TaskToken(*task));
    } else if (Asks(turn)) {
      const bool think = thinking() && (!drop_thinking_ || static_cast<int64_t>(turn) >= last_user_);
      Markup(kAssistantText);
      Markup(think ? kThinkText : kThinkEndText);
    }
  }

  const ChatOptions& options_;
  std::string effort_prefix_;
  std::vector<Turn> turns_;
  bool drop_thinking_ = true;
  int64_t last_user_ = -1;
  RenderedPrompt out_;
};

}  // namespace

void RenderedPrompt::Append(std::string_view text, bool markup) {
  if (text.empty()) return;
  bytes_ += text.size();
  if (spans_.empty() || spans_.back().markup != markup) {
    spans_.push_back({std::string(text), markup});
  } else {
    spans_.back().text.append(text);
  }
}

std::string RenderedPrompt::text() const {
  std::string out;
  for (const PromptSpan& span : spans_) out += span.text;
  return out;
}

std::vector<TextSpan> RenderedPrompt::text_spans() const {
  std::vector<TextSpan> out;
  out.reserve(spans_.size());
  for (const PromptSpan& span : spans_) out.push_back({span.text, span.markup});
  return out;
}

ThinkingMode RenderedPrompt::answer_mode() const {
  for (auto span = spans_.rbegin(); span != spans_.rend(); ++span) {
    if (!span->markup) continue;
    const size_t open = span->text.rfind(kThinkText);
    const size_t closed = span->text.rfind(kThinkEndText);
    if (open == closed) continue;  // neither is there
    const bool inside = closed == std::string::npos || (open != std::string::npos && open > closed);
    return inside ? ThinkingMode::kThinking : ThinkingMode::kChat;
  }
  return ThinkingMode::kChat;
}

Result<RenderedPrompt> RenderChat(std::span<const ChatMessage> messages, std::span<const Json> request_tools,
                                  const ChatOptions& options) {
  for (size_t index = 0; index < messages.size(); ++index) {
    FATHOM_RETURN_IF_ERROR(CheckMessage(messages[index], index));
  }
  FATHOM_ASSIGN_OR_RETURN(std::string effort_prefix,
                          EffortPrefix(options.dialect, options.thinking_mode, options.reasoning_effort));
  std::vector<Turn> turns = Fuse(messages);
  PlaceRequestTools(request_tools, &turns);
  SortToolResults(&turns);
  return Renderer(options, std::move(effort_prefix), std::move(turns)).Render();
}

RenderedPrompt RenderFillInTheMiddle(std::string_view prefix, std::string_view suffix) {
  RenderedPrompt prompt;
  prompt.Append(kBosText, true);
  prompt.Append("<｜fim▁begin｜>", true);
  prompt.Append(prefix, false);
  prompt.Append("<｜fim▁hole｜>", true);
  prompt.Append(suffix, false);
  prompt.Append("<｜fim▁end｜>", true);
  return prompt;
}

}  // namespace fathom
