// chat_tools.h - the tools of a chat, and the rounds of calls and results that lead to an answer.
//
//   ChatTools tools;
//   FATHOM_RETURN_IF_ERROR(tools.Set("builtin"));
//   RunTurn("What is 3 * 4?", tools, {.answer = ..., .ask = ..., .show = ...}, &conversation);
//
// The built-in tools (builtin_tools.h) are executed; what a tool of a file returns is asked for.
#ifndef FATHOM_APPS_CHAT_TOOLS_H_
#define FATHOM_APPS_CHAT_TOOLS_H_

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "apps/answer.h"
#include "apps/conversation.h"
#include "apps/line_editor.h"
#include "base/json.h"
#include "base/result.h"

namespace fathom {

// The `function` members of a file with the chat API's list of tools.
Result<std::vector<Json>> ReadTools(const std::string& path);

class ChatTools {
 public:
  // "builtin", "off" or a file. On an error the tools are as before.
  Status Set(const std::string& choice);
  const std::vector<Json>& schemas() const { return schemas_; }
  // Whether calls are executed here; otherwise somebody is asked.
  bool builtin() const { return builtin_; }
  // "calculator, get_time"; empty without tools.
  std::string Names() const;
  bool Has(std::string_view name) const;

 private:
  std::vector<Json> schemas_;
  bool builtin_ = false;
};

// What a turn needs from outside.
struct TurnActions {
  // The model's answer to the conversation as it is.
  std::function<Result<Answer>()> answer;
  // The result of a call, from somebody who can know it; nothing to stop.
  std::function<std::optional<std::string>(const ToolCall& call)> ask;
  // A result that nobody was asked for.
  std::function<void(const ToolCall& call, std::string_view result)> show;
};

enum class TurnEnd {
  kAnswered,
  kOutOfTokens,    // the answer is part of the conversation; an unfinished call is not
  kStopped,        // likewise
  kForgotten,      // stopped before there was an answer: the conversation is as before the turn
  kTooManyRounds,  // calls were still made after kMaxToolRounds; those are not part of the conversation
};

inline constexpr int kMaxToolRounds = 8;

// Adds a user's message and answers it. While answers call tools, the calls (named call_1, call_2, ... through the
// conversation) and their results become messages and the model goes on. A call of an unknown tool or with arguments
// that are no JSON object gets a result that begins with "error: ". Every call in the conversation has its result. If
// the model fails, the conversation is as before.
Result<TurnEnd> RunTurn(std::string text, const ChatTools& tools, const TurnActions& actions,
                        Conversation* conversation);

// Asks for the result of a call. Nothing at the end of the input or after Ctrl-C.
std::optional<std::string> AskToolResult(const ToolCall& call, LineEditor& editor);

}  // namespace fathom

#endif  // FATHOM_APPS_CHAT_TOOLS_H_
