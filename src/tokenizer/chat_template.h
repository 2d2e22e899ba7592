// chat_template.h - messages to prompt text, exactly as the official encoder writes it.
//
//   FATHOM_ASSIGN_OR_RETURN(std::vector<ChatMessage> messages, ParseChatMessages(body));
//   FATHOM_ASSIGN_OR_RETURN(RenderedPrompt prompt, RenderChat(messages, tools, {.dialect = Dialect::kV4}));
//   tokenizer.EncodeSpans(prompt.text_spans());            // protected: user text never becomes a control token
//   tokenizer.Encode(prompt.text(), AddedTokens::kMatch);  // compatible: as the official encoder does it
//
// Nothing is trimmed or escaped: what a user writes is copied as it is, control strings included.
#ifndef FATHOM_TOKENIZER_CHAT_TEMPLATE_H_
#define FATHOM_TOKENIZER_CHAT_TEMPLATE_H_

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/chat_message.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

struct PromptSpan {
  std::string text;
  bool markup = false;  // the template's own text; otherwise it came with the request
};

// A turn of the assistant: which bytes of the text it wrote, EOS included.
struct RenderedAnswer {
  size_t begin = 0;
  size_t end = 0;
  // The text before it is the prompt that it answered. In thinking mode that is not so once its reasoning is forgotten.
  bool as_written = true;
};

// The prompt in pieces; neighbours differ in `markup` and none is empty.
class RenderedPrompt {
 public:
  void Append(std::string_view text, bool markup);
  const std::vector<PromptSpan>& spans() const { return spans_; }
  std::string text() const;
  // The spans for Tokenizer::EncodeSpans; valid while this prompt lives.
  std::vector<TextSpan> text_spans() const;
  // In the order of the text.
  const std::vector<RenderedAnswer>& answers() const { return answers_; }
  void AddAnswer(const RenderedAnswer& answer) { answers_.push_back(answer); }
  size_t bytes() const { return bytes_; }
  // Whether generation continues in an open <think>; what a CompletionStream for the answer must begin with.
  ThinkingMode answer_mode() const;

 private:
  std::vector<PromptSpan> spans_;
  std::vector<RenderedAnswer> answers_;
  size_t bytes_ = 0;
};

struct ChatOptions {
  Dialect dialect = Dialect::kV4;
  ThinkingMode thinking_mode = ThinkingMode::kThinking;
  std::optional<std::string> reasoning_effort = std::nullopt;  // a level of the dialect, see EffortPrefix()
  bool drop_thinking = true;                                   // forget old reasoning; tools anywhere turn this off
  bool add_bos = true;
};

// Renders a conversation up to the point where generation starts. `request_tools` are the `function` objects of the
// request's tool list (ParseTools); they go to the first message if that is system or developer, else into an empty
// system message in front. Errors name the message: an unknown role or task, a developer message without content, an
// effort the dialect doesn't know, tool arguments that are JSON but no object (in v4.1: that are no object).
Result<RenderedPrompt> RenderChat(std::span<const ChatMessage> messages, std::span<const Json> request_tools,
                                  const ChatOptions& options);

// Fill-in-the-middle: the model writes what stands between prefix and suffix, until EOS.
RenderedPrompt RenderFillInTheMiddle(std::string_view prefix, std::string_view suffix);

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_CHAT_TEMPLATE_H_
