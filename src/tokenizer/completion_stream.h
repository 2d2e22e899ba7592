// completion_stream.h - generated text to reasoning, content and tool calls while it is generated.
//
//   CompletionStream stream({.mode = ThinkingMode::kThinking});
//   for (bytes from the detokeniser) {
//     for (CompletionEvent& event : stream.Push(bytes)) Send(event);
//     if (stream.ended()) break;  // nothing that follows can matter
//   }
//   CompletionTail tail = stream.Finish(CompletionFinish::kStop);
//
// Tolerant where the strict parser (completion_parser.h) is not: half-written answers and both dialects' tags are read
// for what they mean. The concatenated events are the same however the text is cut; events cut no UTF-8 character that
// the pieces don't cut. Held back are at most a marker's or stop sequence's bytes, a function name and a count of
// newlines; with quote_bad_json also a value that is not a string, until its end. EOS must not be pushed: the engine
// ends on its token. Not thread-safe.
#ifndef FATHOM_TOKENIZER_COMPLETION_STREAM_H_
#define FATHOM_TOKENIZER_COMPLETION_STREAM_H_

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/chat_dialect.h"
#include "tokenizer/stop_matcher.h"

namespace fathom {

enum class CompletionEventType {
  kReasoning,          // more reasoning text
  kContent,            // more answer text
  kToolCallStart,      // call `index` opens; text is the function's name
  kToolCallArguments,  // more of the JSON text of call `index`'s arguments
};

struct CompletionEvent {
  CompletionEventType type = CompletionEventType::kContent;
  int index = 0;  // of the tool call, from 0; 0 for text
  std::string text;
};

// Why generation ended, as the engine sees it (kStop: EOS or stop sequence), and as the client is told.
enum class CompletionFinish { kStop, kLength, kContentFilter, kToolCalls };
// "stop", "length", "content_filter", "tool_calls".
std::string_view FinishName(CompletionFinish finish);

struct CompletionStreamOptions {
  // Thinking: the text begins with reasoning. RenderedPrompt::answer_mode() knows.
  ThinkingMode mode = ThinkingMode::kThinking;
  // The prompt ends inside the answer (prefix completion): newlines at the start belong to the text.
  bool continued = false;
  std::vector<std::string> stop = {};  // matched in content only, never inside a marker
  bool parse_tools = true;             // false: DSML markup is text like any other
  // Also accepts what the model writes by mistake: tags with ASCII or doubled bars (<|DSML|, <||DSML||, <｜｜DSML｜｜),
  // a call that begins before the last one was closed. Only for requests with tools. In a block that begins with the
  // right tag other spellings are text: values may hold them.
  bool tolerant_tags = false;
  // What stands for a value that is not a string, and is no JSON. Off, as in the vendor's parser: the text as it is.
  // On: that text as a string, so arguments are JSON.
  bool quote_bad_json = false;
  // What Finish(kStop) does inside a call, which the model ended without closing it. Off, as in the vendor's parser:
  // unfinished JSON and tool_calls. On: after a whole parameter the arguments are closed; an answer that ends inside a
  // name, key or value counts as cut off, so tool_calls always come with whole JSON.
  bool close_calls = false;
};

struct CompletionTail {
  std::vector<CompletionEvent> events;
  CompletionFinish finish = CompletionFinish::kStop;
};

class CompletionStream {
 public:
  explicit CompletionStream(const CompletionStreamOptions& options);

  // The events that the next bytes decide.
  std::vector<CompletionEvent> Push(std::string_view bytes);
  // The rest, and the finish reason: tool_calls if a call was opened, unless `cause` is kLength and the tool block was
  // not complete (the client sees unfinished JSON); `cause` otherwise. Call once, at the end.
  CompletionTail Finish(CompletionFinish cause);

  // The tool block or a stop sequence is complete: more text would be ignored.
  bool ended() const { return stage_ == Stage::kEnd; }
  int tool_calls() const { return calls_; }
  // The stop sequence that ended the answer; empty if none did.
  const std::string& matched_stop() const { return stops_.sequence(); }

 private:
  enum class Stage { kReason, kContent, kTool, kName, kArgs, kKey, kType, kString, kRaw, kEnd };
  enum class Action {
    kEndReasoning,
    kDrop,
    kOpenBlock,
    kEndBlock,
    kOpenCall,
    kReopenCall,
    kEndName,
    kOpenKey,
    kEndCall,
    kEndKey,
    kStringType,
    kRawType,
    kEndString,
    kEndRaw
  };
  // A marker of a stage. `newlines`: it swallows the newlines directly before it.
  struct Pattern {
    std::string text;
    bool newlines = false;
    Action action = Action::kDrop;
  };

  std::vector<Pattern> PatternsOf(Stage stage) const;
  void Enter(Stage stage);
  void Feed(char byte);
  void Settle();
  bool CouldBegin() const;
  void Take(const Pattern& pattern);
  void Plain(std::string_view text);
  void PlainNewlines();
  void FlushStops();
  void OpenCall();
  void Arguments(std::string_view text);
  void Emit(CompletionEventType type, int index, std::string_view text);
  bool CloseCall();

  CompletionStreamOptions options_;
  Stage stage_ = Stage::kContent;
  bool tolerant_ = false;          // other spellings of tags count
  std::vector<Pattern> patterns_;  // of stage_
  std::string starters_;           // first bytes of patterns_, and '\n' if one swallows newlines
  bool leading_ = true;            // at the start of reasoning or content: newlines are dropped
  size_t newlines_ = 0;            // held back, before held_
  std::string held_;               // a proper beginning of one of patterns_
  StopMatcher stops_;
  std::string name_;       // of the call being opened
  std::string raw_;        // the value being read that is not a string, with quote_bad_json
  bool has_key_ = false;   // the open call has had a parameter
  bool complete_ = false;  // the tool block was closed
  int calls_ = 0;
  std::vector<CompletionEvent> events_;
};

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_COMPLETION_STREAM_H_
