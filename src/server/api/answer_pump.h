// answer_pump.h - the engine's events of one request's choices to an AnswerSink.
//
//   auto pump = std::make_shared<AnswerPump>(setup, tokenizer, sink, replay, observer);
//   engine.Submit(request, pump->Handler(choice));   // once per choice
//
// Runs on the engine's thread; Abandon() may come from another one.
#ifndef FATHOM_SERVER_API_ANSWER_PUMP_H_
#define FATHOM_SERVER_API_ANSWER_PUMP_H_

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "server/api/answer_replay.h"
#include "server/api/answer_sink.h"
#include "server/api/generation.h"
#include "tokenizer/completion_stream.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

struct AnswerPumpSetup {
  std::string kind;  // of the record
  Caller caller;
  int choices = 1;
  bool raw = false;  // no roles, no reasoning, no tools: all text is content; the engine matches stop strings
  CompletionStreamOptions stream = {};
  bool logprobs = false;
  bool remember = false;  // answers for the replay
  uint64_t seed = 0;      // that all choices' seeds come from
  std::shared_ptr<RequestGroup> requests = {};
  // Submits a choice. If it is there, only the first choice is submitted by the caller, and the others here, when the
  // first has read the prompt.
  std::function<Status(int, EventHandler)> submit = {};
};

class AnswerPump : public std::enable_shared_from_this<AnswerPump> {
 public:
  // `replay` and `observer` may be null; all but `sink` must outlive the pump.
  AnswerPump(AnswerPumpSetup setup, const Tokenizer& tokenizer, std::shared_ptr<AnswerSink> sink, AnswerReplay* replay,
             GenerationObserver* observer);

  EventHandler Handler(int choice);
  // The caller could not submit all that it has to: nothing of the sink is called, no record is made.
  void Abandon();

 private:
  struct Choice {
    explicit Choice(const CompletionStreamOptions& options) : stream(options) {}

    CompletionStream stream;
    bool reasoning = false;  // before </think>
    bool finished = false;
    ChatMessage message;  // as the client gets it
    std::vector<int32_t> tokens;
    std::vector<GeneratedToken> unreported;  // their text is still held back
    std::optional<std::chrono::steady_clock::time_point> last_token;
  };

  bool Handle(int index, const Event& event);
  void SubmitRest(const Event& event);
  bool HandleToken(int index, const GeneratedToken& token);
  void HandleFinished(int index, const Finished& finished);
  bool Send(int index, const std::vector<CompletionEvent>& events);
  bool SendText(int index, AnswerPart part, const std::string& text);
  bool PushText(int index, const std::string& text);
  ChoiceEnd EndChoice(int index, const Finished& finished);
  void Remember(Choice* choice, const Finished& finished);
  void TellTimes(Choice* choice);
  bool Stop();
  void Record();
  bool abandoned() const;

  const AnswerPumpSetup setup_;
  const Tokenizer& tokenizer_;
  const std::shared_ptr<AnswerSink> sink_;
  AnswerReplay* const replay_;
  GenerationObserver* const observer_;
  const std::optional<int32_t> think_end_;
  const std::chrono::steady_clock::time_point submitted_ = std::chrono::steady_clock::now();

  mutable std::mutex mutex_;
  bool stopped_ = false;  // cancelled from inside
  bool abandoned_ = false;

  std::vector<Choice> choices_;
  int given_out_ = 0;                   // choices that are submitted
  std::optional<ApiError> rest_error_;  // why not all of them are
  int unfinished_ = 0;
  AnswerTotals totals_;
  bool told_cached_ = false;  // OnPromptCached() was called
  bool failed_ = false;       // Fail() was called
  GenerationRecord record_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_ANSWER_PUMP_H_
