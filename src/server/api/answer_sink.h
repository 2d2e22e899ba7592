// answer_sink.h - an answer while it is generated, before it has the shape of a protocol.
#ifndef FATHOM_SERVER_API_ANSWER_SINK_H_
#define FATHOM_SERVER_API_ANSWER_SINK_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "engine/request.h"
#include "server/api/api_error.h"

namespace fathom {

enum class AnswerPart { kReasoning, kContent };

// One generated token with its bytes, for protocols that report logprobs.
struct TokenReport {
  AnswerPart part = AnswerPart::kContent;
  GeneratedToken token;
};

enum class AnswerFinish { kStop, kLength, kToolCalls, kStopSequence };

struct ChoiceEnd {
  AnswerFinish finish = AnswerFinish::kStop;
  std::string stop_sequence = {};  // kStopSequence
};

struct AnswerTotals {
  Usage usage;  // of all choices; the prompt counts once
  int64_t reasoning_tokens = 0;
  Timings timings;  // of the first choice
  uint64_t seed = 0;
};

// Callbacks come one at a time, on the engine's thread, so they must be quick; choices of one request may interleave,
// parts of one choice do not: reasoning, then content, then tool calls in ascending index. The end is exactly one of
// End() and Fail(). What OnX returns is whether to go on; false cancels the whole request.
class AnswerSink {
 public:
  virtual ~AnswerSink() = default;

  // The prompt's length, before it is submitted; the request may still be refused. On the thread that calls Start().
  virtual void OnPrompt(int64_t /*tokens*/) {}
  // How many of the prompt's tokens came from a kept prefix: when reading begins, once, before all below.
  virtual void OnPromptCached(int64_t /*tokens*/) {}
  // The prompt is being read. Not called for short ones.
  virtual bool OnPrefill(const PrefillProgress&) { return true; }
  // Only if prompt_logprobs were asked for; parts come in order, before the first token.
  virtual bool OnPromptLogprobs(const PromptLogprobs&) { return true; }
  virtual bool OnText(int choice, AnswerPart part, std::string_view text) = 0;
  // Only if logprobs were asked for; before the OnText() whose text the token completes. Tokens of markup are left out.
  virtual bool OnToken(int /*choice*/, const TokenReport& /*report*/) { return true; }
  virtual bool OnToolCall(int choice, int index, std::string_view id, std::string_view name) = 0;
  // More of the JSON text of the arguments; all of them together are one JSON object unless the answer was cut off.
  virtual bool OnArguments(int choice, int index, std::string_view json) = 0;
  virtual bool OnChoiceEnd(int choice, const ChoiceEnd& end) = 0;
  virtual void End(const AnswerTotals& totals) = 0;
  // Whatever was said before stands; nothing follows.
  virtual void Fail(const ApiError& error) = 0;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_ANSWER_SINK_H_
