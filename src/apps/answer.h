// answer.h - one request from prompt to message, while the user waits: shared by `run` and `chat`.
#ifndef FATHOM_APPS_ANSWER_H_
#define FATHOM_APPS_ANSWER_H_

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/engine.h"
#include "engine/request.h"
#include "tokenizer/chat_message.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/completion_stream.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

// How generated text becomes a message.
struct AnswerFormat {
  bool raw = false;  // no roles, no reasoning, no tools: all text is content
  ThinkingMode mode = ThinkingMode::kThinking;
  std::vector<std::string> stop = {};  // matched in the answer, not in the reasoning
};

struct Answer {
  std::string reasoning;
  std::string content;
  std::vector<ToolCall> tool_calls;
  std::string finish_reason;  // stop, length, tool_calls, cancelled
  Finished finished;
};

// Called with what is new, on the calling thread.
using AnswerPrinter = std::function<void(const CompletionEvent&)>;

// Token ids of a rendered prompt. `compatible`: control tokens spelled in user text count, as in the official encoder.
std::vector<int32_t> EncodePrompt(const Tokenizer& tokenizer, const RenderedPrompt& prompt, bool compatible);

// Generates and waits, showing on stderr how far the prompt has been read if that takes long. Ctrl-C (base/signals.h)
// ends the answer with finish_reason "cancelled" and what there is of it. An error if the engine refuses or fails.
Result<Answer> Generate(Engine& engine, GenerateRequest request, const AnswerFormat& format,
                        const AnswerPrinter& printer);

// "prompt 12 tokens (8 cached) at 231 tokens/s, answer 64 tokens at 18.2 tokens/s". Rates of nothing are left out.
std::string DescribeUsage(const Finished& finished);

// The message as JSON, in the order and with the names of the chat API: role, content, reasoning_content, tool_calls.
Json AssistantMessageJson(const Answer& answer);

// "calculator → 42" as a line of standard output, dim on a terminal.
void WriteToolResult(std::string_view name, std::string_view result);

// Writes answers to standard output as they come: reasoning dim if this is a terminal, otherwise not at all.
class AnswerWriter {
 public:
  AnswerWriter();
  void operator()(const CompletionEvent& event);
  // Ends the line and the dimming.
  void Finish();

 private:
  void SetReasoning(bool reasoning);

  const bool terminal_;
  const bool colour_;
  bool reasoning_ = false;
  bool at_line_start_ = true;
  int open_call_ = -1;
};

}  // namespace fathom

#endif  // FATHOM_APPS_ANSWER_H_
