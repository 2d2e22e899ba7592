// completion_answer.h - text_completion answers of one or several prompts: frame by frame, or as one object.
//
//   auto answer = std::make_shared<CompletionAnswer>(exchange, options, tokenizer);
//   answer->Start();
#ifndef FATHOM_SERVER_API_COMPLETION_ANSWER_H_
#define FATHOM_SERVER_API_COMPLETION_ANSWER_H_

#include <functional>
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

// Starts the generation of one prompt, on any thread.
using StartPrompt =
    std::function<ApiResult<Generation>(const std::vector<int32_t>& prompt, std::shared_ptr<AnswerSink> sink)>;

struct CompletionAnswerOptions {
  AnswerHead head;
  std::vector<CompletionPrompt> prompts;
  int choices_per_prompt = 1;
  bool stream = false;
  bool include_usage = false;
  bool echo = false;
  bool logprobs = false;
  StartPrompt start = {};
  int prompts_at_once = 1;  // started and not ended
};

// Callbacks come from the engine's thread while the handler still submits, so everything is locked.
class CompletionAnswer : public std::enable_shared_from_this<CompletionAnswer> {
 public:
  CompletionAnswer(std::shared_ptr<HttpExchange> exchange, CompletionAnswerOptions options, const Tokenizer& tokenizer);

  // Starts the prompts in their order: as many as may run at once and the queue has places for, the others when some
  // have ended. If the first is refused, or one later when nothing of this answer is left to wait for, that is the
  // answer.
  void Start();
  // All that was and will be started.
  std::shared_ptr<CancelGroup<Generation>> generations() const { return generations_; }

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

  std::shared_ptr<AnswerSink> SinkFor(int prompt);
  // Under the lock. Starts a prompt; false if there is none, or not now.
  bool StartNext();
  // Under the lock. The first error is the answer; later ones and later text are nothing.
  void Fail(const ApiError& error);
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

  const std::shared_ptr<CancelGroup<Generation>> generations_ = std::make_shared<CancelGroup<Generation>>();

  std::mutex mutex_;
  std::vector<Choice> choices_;  // of the first prompt, then of the second, ...
  int started_ = 0;              // prompts
  int ended_ = 0;                // of these
  AnswerTotals totals_;
  bool done_ = false;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_COMPLETION_ANSWER_H_
