// completion_request.h - bodies of completions: prompts that are taken as they are, or fill-in-the-middle.
#ifndef FATHOM_SERVER_API_COMPLETION_REQUEST_H_
#define FATHOM_SERVER_API_COMPLETION_REQUEST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "server/api/generation.h"
#include "server/api/openai_request.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

struct CompletionPrompt {
  std::vector<int32_t> tokens;
  int64_t hidden = 0;  // tokens in front that the client didn't write: no part of an echo
  std::string echo = {};
};

struct OpenAiCompletion {
  TextRequest request;  // without its prompt
  std::vector<CompletionPrompt> prompts;
  bool echo = false;
  OpenAiAnswerOptions answer;
};

// A prompt given as text gets the beginning-of-sentence token in front, unless it has it or add_special_tokens is
// false; control tokens spelled in it count. One given as ids is taken as it is. With a suffix it is the beginning of a
// fill-in-the-middle. Without max_tokens 16 are generated; in a fill-in-the-middle as many as it takes, up to 4,096.
Result<OpenAiCompletion> ParseOpenAiCompletion(const Json& body, const Tokenizer& tokenizer);

// What other parsers share.

// Token ids of a list; each is checked against the vocabulary.
Result<std::vector<int32_t>> ReadTokenIds(const Json& list, const std::string& path, const Tokenizer& tokenizer);
CompletionPrompt PromptFromText(const std::string& text, bool add_bos, const Tokenizer& tokenizer);
// An error if the tokenizer lacks the control tokens.
Result<CompletionPrompt> FillInTheMiddlePrompt(const std::string& prefix, const std::string& suffix,
                                               const Tokenizer& tokenizer);

}  // namespace fathom

#endif  // FATHOM_SERVER_API_COMPLETION_REQUEST_H_
