#include "apps/answer.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <utility>
#include <variant>

#include "base/blocking_queue.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/term.h"

namespace fathom {
namespace {

constexpr std::chrono::milliseconds kPollInterval{50};
constexpr std::string_view kDim = "\x1b[2m";
constexpr std::string_view kPlain = "\x1b[0m";

// What the waiting thread gets from the engine's.
struct ParsedEnd {
  Finished finished;
  CompletionFinish finish = CompletionFinish::kStop;
};
using Item = std::variant<PrefillProgress, CompletionEvent, ParsedEnd>;
using ItemQueue = BlockingQueue<Item>;

// Parses on the engine's thread, so that a stop string ends the answer at the very token that completes it.
class Parser {
 public:
  Parser(const AnswerFormat& format, std::shared_ptr<ItemQueue> items)
      : raw_(format.raw), stream_({.mode = format.mode, .stop = format.stop}), items_(std::move(items)) {}

  bool Handle(const Event& event) {
    if (const auto* progress = std::get_if<PrefillProgress>(&event)) items_->Push(*progress);
    if (const auto* token = std::get_if<GeneratedToken>(&event)) PushText(token->text);
    if (const auto* finished = std::get_if<Finished>(&event)) End(*finished);
    return raw_ || !stream_.ended();
  }

 private:
  void PushAll(std::vector<CompletionEvent> events) {
    for (CompletionEvent& event : events) items_->Push(std::move(event));
  }

  void PushText(const std::string& text) {
    if (!raw_) return PushAll(stream_.Push(text));
    if (!text.empty()) items_->Push(CompletionEvent{CompletionEventType::kContent, 0, text});
  }

  void End(const Finished& finished) {
    PushText(finished.text);
    ParsedEnd end{finished};
    end.finish = finished.reason == FinishReason::kLength ? CompletionFinish::kLength : CompletionFinish::kStop;
    if (!raw_) {
      CompletionTail tail = stream_.Finish(end.finish);
      PushAll(std::move(tail.events));
      end.finish = tail.finish;
      if (!stream_.matched_stop().empty()) end.finished.stop_string = stream_.matched_stop();
    }
    items_->Push(std::move(end));
  }

  const bool raw_;
  CompletionStream stream_;
  const std::shared_ptr<ItemQueue> items_;
};

void Append(const CompletionEvent& event, Answer* answer) {
  switch (event.type) {
    case CompletionEventType::kReasoning:
      answer->reasoning += event.text;
      break;
    case CompletionEventType::kContent:
      answer->content += event.text;
      break;
    case CompletionEventType::kToolCallStart:
      answer->tool_calls.emplace_back().name = event.text;
      break;
    case CompletionEventType::kToolCallArguments:
      answer->tool_calls.back().arguments += event.text;
      break;
  }
}

}  // namespace

std::vector<int32_t> EncodePrompt(const Tokenizer& tokenizer, const RenderedPrompt& prompt, bool compatible) {
  if (compatible) return tokenizer.Encode(prompt.text(), AddedTokens::kMatch);
  std::vector<TextSpan> spans;
  for (const PromptSpan& span : prompt.spans()) spans.push_back({span.text, span.markup});
  return tokenizer.EncodeSpans(spans);
}

Result<Answer> Generate(Engine& engine, GenerateRequest request, const AnswerFormat& format,
                        const AnswerPrinter& printer) {
  if (format.raw) request.stop = format.stop;
  // A step may take longer than a user's patience: the line appears after two seconds even if nothing was read yet.
  std::optional<Progress> reading;
  reading.emplace("reading the prompt", request.prompt.size(), Progress::Unit::kTokens);
  int64_t read_tokens = 0;
  const auto items = std::make_shared<ItemQueue>();
  const auto parser = std::make_shared<Parser>(format, items);
  FATHOM_ASSIGN_OR_RETURN(const RequestHandle handle, engine.Submit(std::move(request), [parser](const Event& event) {
    return parser->Handle(event);
  }));
  Answer answer;
  while (true) {
    std::optional<Item> item = items->Pop(kPollInterval);
    if (InterruptRequested()) handle.Cancel();
    if (item) {
      if (const auto* progress = std::get_if<PrefillProgress>(&*item)) {
        read_tokens = progress->done;
      } else {
        reading.reset();
      }
    }
    if (reading) {
      reading->Update(static_cast<uint64_t>(read_tokens));
      continue;
    }
    if (!item) continue;
    if (const auto* event = std::get_if<CompletionEvent>(&*item)) {
      Append(*event, &answer);
      printer(*event);
      continue;
    }
    ParsedEnd& end = std::get<ParsedEnd>(*item);
    answer.finished = std::move(end.finished);
    if (answer.finished.reason == FinishReason::kError) return answer.finished.status;
    const bool cancelled = answer.finished.reason == FinishReason::kCancelled;
    answer.finish_reason = cancelled ? FinishReasonName(FinishReason::kCancelled) : std::string(FinishName(end.finish));
    return answer;
  }
}

std::string DescribeUsage(const Finished& finished) {
  const Usage& usage = finished.usage;
  const auto rate = [](int64_t tokens, double ms) {
    return tokens > 0 && ms > 0 ? StrFormat(" at %.3g tokens/s", static_cast<double>(tokens) * 1000 / ms)
                                : std::string();
  };
  std::string text = StrCat("prompt ", usage.prompt_tokens, " tokens");
  if (usage.cached_tokens > 0) text += StrCat(" (", usage.cached_tokens, " cached)");
  text += rate(usage.prompt_tokens - usage.cached_tokens, finished.timings.prefill_ms);
  text += StrCat(", answer ", usage.completion_tokens, " tokens");
  return text + rate(usage.completion_tokens - 1, finished.timings.decode_ms);
}

Json AssistantMessageJson(const Answer& answer) {
  Json message = Json::Object({{"role", Json::String("assistant")}, {"content", Json::String(answer.content)}});
  if (!answer.reasoning.empty()) message.Set("reasoning_content", Json::String(answer.reasoning));
  if (answer.tool_calls.empty()) return message;
  std::vector<Json> calls;
  for (const ToolCall& call : answer.tool_calls) {
    const Json function =
        Json::Object({{"name", Json::String(call.name)}, {"arguments", Json::String(call.arguments)}});
    Json entry = Json::Object();
    if (!call.id.empty()) entry.Set("id", Json::String(call.id));
    entry.Set("type", Json::String("function"));
    entry.Set("function", function);
    calls.push_back(std::move(entry));
  }
  message.Set("tool_calls", Json::Array(std::move(calls)));
  return message;
}

void WriteToolResult(std::string_view name, std::string_view result) {
  const bool colour = UseColour(STDOUT_FILENO);
  const std::string text = StrCat(colour ? kDim : "", Printable(name), " → ", result, colour ? kPlain : "",
                                  result.ends_with('\n') ? "" : "\n");
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

AnswerWriter::AnswerWriter() : terminal_(isatty(STDOUT_FILENO) != 0), colour_(UseColour(STDOUT_FILENO)) {}

void AnswerWriter::SetReasoning(bool reasoning) {
  if (reasoning == reasoning_) return;
  reasoning_ = reasoning;
  std::string text;
  if (colour_) {
    text = reasoning ? kDim : kPlain;
  } else if (reasoning) {
    text = "(thinking)\n";
  }
  if (!reasoning) text += colour_ ? "\n\n" : "\n(answer)\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  at_line_start_ = true;
}

void AnswerWriter::operator()(const CompletionEvent& event) {
  const bool reasoning = event.type == CompletionEventType::kReasoning;
  if (reasoning && !terminal_) return;
  SetReasoning(reasoning);
  std::string text = event.text;
  if (event.type == CompletionEventType::kToolCallStart) {
    text = StrCat(at_line_start_ ? "" : "\n", "[", event.text, "] ");
  }
  if (text.empty()) return;
  at_line_start_ = text.back() == '\n';
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void AnswerWriter::Finish() {
  if (reasoning_ && colour_) std::fwrite(kPlain.data(), 1, kPlain.size(), stdout);
  if (!at_line_start_) std::fputc('\n', stdout);
  std::fflush(stdout);
  reasoning_ = false;
  at_line_start_ = true;
}

}  // namespace fathom
