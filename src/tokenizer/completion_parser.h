// completion_parser.h - the strict reading of a complete answer, as the official parser does it.
//
// For tests and for replaying stored text. Whatever the model would never be trained to write is an error; serving uses
// the tolerant CompletionStream.
#ifndef FATHOM_TOKENIZER_COMPLETION_PARSER_H_
#define FATHOM_TOKENIZER_COMPLETION_PARSER_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/chat_message.h"

namespace fathom {

struct ParsedCompletion {
  std::string content;
  std::string reasoning_content;     // empty in chat mode
  std::vector<ToolCall> tool_calls;  // without ids
};

// `text` is what was generated after the prompt, with EOS as its text. An answer is reasoning + </think> in thinking
// mode, then content, then either EOS or a tool block and perhaps EOS; nothing may follow. Values marked string="false"
// go into `arguments` as they stand, valid JSON or not. The error says what was expected at which byte.
Result<ParsedCompletion> ParseCompletion(std::string_view text, ThinkingMode mode, Dialect dialect);

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_COMPLETION_PARSER_H_
