// completion_answer.h - text_completion answers of one or several prompts: frame by frame, or as one object.
//
//   auto answer = std::make_shared<CompletionAnswer>(exchange, options, tokenizer);
//   for (every prompt) service->StartText(..., answer->SinkFor(prompt index));
#ifndef FATHOM_SERVER_API_COMPLETION_ANSWER_H_
#define FATHOM_SERVER_API_COMPLETION_ANSWER_H_

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/answer_sink.h"
#include "server/api/completion_request.h"
#include "server/api/event_stream.h"
#include "server/api/openai_shapes.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

struct CompletionAnswerOptions {
  AnswerHead head;
  std::vector<CompletionPrompt> prompts;
  int choices_per_prompt = 1;
  bool stream = false;
  bool include_usage = false;
  bool echo = false;
  bool logprobs = false;
};

// Callbacks come from the engine's thread while the handler still submits, so everything is locked.
class CompletionAnswer : public std::enable_shared_from_this<CompletionAnswer> {
 public:
  CompletionAnswer(std::shared_ptr<HttpExchange> exchange, CompletionAnswerOptions options, const Tokenizer& tokenizer);

  std::shared_ptr<AnswerSink> SinkFor(int prompt);
  // All prompts are accepted.
  void Begin() {
    if (options_.stream) stream_.Begin();
  }
  // The first error is the answer; later ones and later text are nothing.
  void Fail(const ApiError& error);

 private:
  class Sink;
  // The legacy object's four lists.
  struct Logprobs {
    std::vector<Json> tokens;
    std::vector<Json> token_logprobs;
    std::vector<Json> top_logprobs;
    std::vector<Json> text_offset;
  };
  struct Choice {
    std::string text;  // collected, or not yet streamed
    Logprobs logprobs;
    int64_t offset = 0;  // of the next token, in characters
    bool begun = false;
    std::string finish;
  };

  void BeginChoice(int prompt, int choice);
  void AddToken(const GeneratedToken& token, bool first, Choice* choice);
  bool AddPromptLogprobs(int prompt, const PromptLogprobs& logprobs);
  bool AddText(int choice, std::string_view text);
  bool EndChoice(int prompt, int choice, const ChoiceEnd& end);
  void EndPrompt(const AnswerTotals& totals);
  bool Flush(int choice);
  Json ChoiceJson(int index);
  Json Frame(std::vector<Json> choices) const;

  const std::shared_ptr<HttpExchange> exchange_;
  const CompletionAnswerOptions options_;
  const Tokenizer& tokenizer_;
  EventStream stream_;
  PrefillComment prefill_;

  std::mutex mutex_;
  std::vector<Choice> choices_;  // of the first prompt, then of the second, ...
  int unfinished_ = 0;           // prompts
  AnswerTotals totals_;
  bool done_ = false;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_COMPLETION_ANSWER_H_
