// eval_exam.h - from generated text to right or wrong. Where the text comes from is the caller's: the engine
// (eval_engine.h), or a test.
#ifndef FATHOM_APPS_EVAL_EXAM_H_
#define FATHOM_APPS_EVAL_EXAM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/eval_items.h"
#include "base/result.h"
#include "tokenizer/chat_message.h"

namespace fathom {

// What a model generated for one prompt.
struct Completion {
  enum class End : uint8_t {
    kEos,
    kLength,   // the limit on tokens came first
    kNoPlace,  // nothing was generated: the prompt is longer than the context
  };
  std::string text = {};  // without EOS
  End end = End::kEos;
  std::vector<int32_t> prompt = {};  // token ids; empty if the source has none
  std::vector<int32_t> answer = {};  // with EOS
};

// Takes the completion of item number `item`; called once for each item, in any order, on the calling thread.
using CompletionSink = std::function<void(size_t item, Completion completion)>;
using CompletionSource = std::function<Status(const CompletionSink& sink)>;

struct EvalResult {
  Completion completion;
  ChatMessage answer;  // as parsed
  bool right = false;
  // Why it is wrong whatever it says: "no end", "markup in the text", "prompt longer than the context". Else empty.
  std::string_view fault;
  std::optional<int64_t> distance;  // LookupDistance()
  int64_t drafts = 0;               // tokens that the MTP block was asked for, and how many were those generated
  int64_t accepted = 0;
};

EvalResult JudgeCompletion(const EvalItem& item, Completion completion);

// One result for each item. The source's error, or kCancelled after Ctrl-C (base/signals.h).
Result<std::vector<EvalResult>> Examine(std::span<const EvalItem> items, const CompletionSource& source);

}  // namespace fathom

#endif  // FATHOM_APPS_EVAL_EXAM_H_
