#include "apps/eval_exam.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/completion_stream.h"

namespace fathom {
namespace {

// What control strings are made of. The parser takes those that are in their places; in what is left there is none.
constexpr std::string_view kMarkup[] = {"<｜", "｜>", kThinkText, kThinkEndText};

bool HasMarkup(std::string_view text) {
  return std::ranges::any_of(kMarkup, [&](std::string_view mark) { return text.find(mark) != std::string_view::npos; });
}

ChatMessage ParseAnswer(std::string_view text, ThinkingMode mode, CompletionFinish cause) {
  CompletionStream stream({.mode = mode});
  std::vector<CompletionEvent> events = stream.Push(text);
  CompletionTail tail = stream.Finish(cause);
  std::ranges::move(tail.events, std::back_inserter(events));
  ChatMessage message;
  message.role = "assistant";
  for (const CompletionEvent& event : events) {
    switch (event.type) {
      case CompletionEventType::kReasoning:
        message.reasoning_content += event.text;
        break;
      case CompletionEventType::kContent:
        message.content += event.text;
        break;
      case CompletionEventType::kToolCallStart:
        message.tool_calls.emplace_back().name = event.text;
        break;
      case CompletionEventType::kToolCallArguments:
        message.tool_calls.back().arguments += event.text;
        break;
    }
  }
  return message;
}

}  // namespace

EvalResult JudgeCompletion(const EvalItem& item, Completion completion) {
  EvalResult result;
  const bool ended = completion.end == Completion::End::kEos;
  result.answer = ParseAnswer(completion.text, item.prompt.answer_mode(),
                              ended ? CompletionFinish::kStop : CompletionFinish::kLength);
  if (completion.end == Completion::End::kNoPlace) {
    result.fault = "prompt longer than the context";
  } else if (!ended) {
    result.fault = "no end";
  } else if (HasMarkup(result.answer.content) || HasMarkup(result.answer.reasoning_content)) {
    result.fault = "markup in the text";
  }
  result.right = result.fault.empty() && AnswerIsRight(item.dialogue, result.answer);
  result.completion = std::move(completion);
  return result;
}

Result<std::vector<EvalResult>> Examine(std::span<const EvalItem> items, const CompletionSource& source) {
  std::vector<EvalResult> results(items.size());
  size_t answered = 0;
  FATHOM_RETURN_IF_ERROR(source([&](size_t item, Completion completion) {
    results[item] = JudgeCompletion(items[item], std::move(completion));
    ++answered;
  }));
  FATHOM_CHECK(answered == items.size());
  return results;
}

}  // namespace fathom
