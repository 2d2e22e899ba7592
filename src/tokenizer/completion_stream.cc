#include "tokenizer/completion_stream.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/json.h"
#include "base/strings.h"

namespace fathom {

namespace {

// Spellings of the marker inside a tag. The first is the right one, the others are accepted with tolerant_tags.
constexpr std::array<std::string_view, 4> kSpellings = {kDsmlText, "｜｜DSML｜｜", "|DSML|", "||DSML||"};

// A name is shown in one piece, so it is collected first. Longer ones are nonsense and lose their end.
constexpr size_t kMaxNameBytes = 65536;
// Newline runs are only counted; they are written out in pieces of this size.
constexpr size_t kNewlinePiece = 4096;

}  // namespace

std::string_view FinishName(CompletionFinish finish) {
  switch (finish) {
    case CompletionFinish::kStop:
      return "stop";
    case CompletionFinish::kLength:
      return "length";
    case CompletionFinish::kContentFilter:
      return "content_filter";
    case CompletionFinish::kToolCalls:
      return "tool_calls";
  }
  return "";
}

CompletionStream::CompletionStream(const CompletionStreamOptions& options)
    : options_(options), tolerant_(options.tolerant_tags), stops_(options.stop) {
  Enter(options.mode == ThinkingMode::kThinking ? Stage::kReason : Stage::kContent);
  leading_ = !options.continued;
}

std::vector<CompletionEvent> CompletionStream::Push(std::string_view bytes) {
  events_.clear();
  while (!bytes.empty() && stage_ != Stage::kEnd) {
    if (leading_ && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    if (held_.empty() && newlines_ == 0) {
      const size_t plain = std::min(bytes.find_first_of(starters_), bytes.size());
      if (plain > 0) {
        leading_ = false;
        Plain(bytes.substr(0, plain));
        bytes.remove_prefix(plain);
        continue;
      }
    }
    Feed(bytes.front());
    bytes.remove_prefix(1);
  }
  return std::exchange(events_, {});
}

CompletionTail CompletionStream::Finish(CompletionFinish cause) {
  events_.clear();
  PlainNewlines();
  if (stage_ != Stage::kEnd && !held_.empty()) Plain(std::exchange(held_, {}));
  if (stage_ != Stage::kEnd) FlushStops();
  const bool closes = options_.close_calls && cause == CompletionFinish::kStop;
  const bool cut_off = closes ? !CloseCall() : cause == CompletionFinish::kLength && !complete_;
  if (stage_ == Stage::kRaw) Arguments(raw_);
  if (stage_ == Stage::kName && !closes) OpenCall();
  CompletionTail tail;
  tail.events = std::exchange(events_, {});
  tail.finish = cut_off ? CompletionFinish::kLength : calls_ > 0 ? CompletionFinish::kToolCalls : cause;
  return tail;
}

// False if the answer ends inside a name, key or value.
bool CompletionStream::CloseCall() {
  switch (stage_) {
    case Stage::kArgs:
      Arguments(has_key_ ? "}" : "{}");
      return true;
    case Stage::kName:
    case Stage::kKey:
    case Stage::kType:
    case Stage::kString:
    case Stage::kRaw:
      return false;
    case Stage::kReason:
    case Stage::kContent:
    case Stage::kTool:
    case Stage::kEnd:
      break;
  }
  return true;
}

std::vector<CompletionStream::Pattern> CompletionStream::PatternsOf(Stage stage) const {
  std::vector<Pattern> patterns;
  const size_t spellings = tolerant_ ? kSpellings.size() : 1;
  const auto add_tags = [&](std::string_view before, std::string_view after, bool newlines, Action action) {
    for (size_t i = 0; i < spellings; ++i) patterns.push_back({StrCat(before, kSpellings[i], after), newlines, action});
  };
  const auto add = [&](std::string_view text, Action action, bool newlines = false) {
    patterns.push_back({std::string(text), newlines, action});
  };
  switch (stage) {
    case Stage::kReason:
    case Stage::kContent:
      if (options_.parse_tools) add_tags("<", "", true, Action::kOpenBlock);
      if (stage == Stage::kReason) {
        add(kThinkEndText, Action::kEndReasoning, true);
      } else {
        add(kThinkEndText, Action::kDrop);
      }
      break;
    case Stage::kTool:
      add("invoke name=\"", Action::kOpenCall);
      add_tags("</", "tool_calls>", false, Action::kEndBlock);
      add_tags("</", " calls>", false, Action::kEndBlock);
      break;
    case Stage::kName:
      add("\"", Action::kEndName);
      break;
    case Stage::kArgs:
      add("parameter name=\"", Action::kOpenKey);
      add_tags("</", "", false, Action::kEndCall);
      if (options_.tolerant_tags) add("invoke name=\"", Action::kReopenCall);
      break;
    case Stage::kKey:
      add("\"", Action::kEndKey);
      break;
    case Stage::kType:
      add("true\">", Action::kStringType);
      add("false\">", Action::kRawType);
      break;
    case Stage::kString:
      add_tags("</", "", false, Action::kEndString);
      break;
    case Stage::kRaw:
      add_tags("</", "", false, Action::kEndRaw);
      break;
    case Stage::kEnd:
      break;
  }
  return patterns;
}

void CompletionStream::Enter(Stage stage) {
  stage_ = stage;
  leading_ = false;
  patterns_ = PatternsOf(stage);
  starters_.clear();
  for (const Pattern& pattern : patterns_) {
    if (starters_.find(pattern.text.front()) == std::string::npos) starters_.push_back(pattern.text.front());
    if (pattern.newlines && starters_.find('\n') == std::string::npos) starters_.push_back('\n');
  }
}

void CompletionStream::Feed(char byte) {
  if (stage_ == Stage::kEnd) return;
  leading_ = false;
  if (held_.empty() && byte == '\n' && starters_.find('\n') != std::string::npos) {
    ++newlines_;
    return;
  }
  held_.push_back(byte);
  Settle();
}

// Decides about the held bytes until they are nothing or a proper beginning of a marker.
void CompletionStream::Settle() {
  for (const Pattern& pattern : patterns_) {
    if (held_ != pattern.text) continue;
    if (pattern.newlines) {
      newlines_ = 0;
    } else {
      PlainNewlines();
    }
    held_.clear();
    if (stage_ != Stage::kEnd) Take(Pattern(pattern));
    return;
  }
  if (CouldBegin()) return;
  if (newlines_ > 0) {
    PlainNewlines();
    if (stage_ != Stage::kEnd && CouldBegin()) return;
  }
  // The first byte is text. The others are looked at again: a marker may begin among them.
  const std::string rest = std::exchange(held_, {});
  const std::string_view bytes = rest;
  Plain(bytes.substr(0, 1));
  for (const char byte : bytes.substr(1)) Feed(byte);
}

// Whether the held bytes begin a marker; newlines before them only go with markers that swallow newlines.
bool CompletionStream::CouldBegin() const {
  return std::any_of(patterns_.begin(), patterns_.end(), [&](const Pattern& pattern) {
    return (newlines_ == 0 || pattern.newlines) && pattern.text.starts_with(held_);
  });
}

void CompletionStream::Take(const Pattern& pattern) {
  // A marker in the text separates: no stop sequence reaches over it.
  FlushStops();
  switch (pattern.action) {
    case Action::kEndReasoning:
      Enter(Stage::kContent);
      leading_ = true;
      return;
    case Action::kDrop:
      return;
    case Action::kOpenBlock:
      tolerant_ &= pattern.text != StrCat("<", kDsmlText);
      return Enter(Stage::kTool);
    case Action::kEndBlock:
      complete_ = true;
      return Enter(Stage::kEnd);
    case Action::kReopenCall:
      Arguments(has_key_ ? "}" : "{}");
      return Enter(Stage::kName);
    case Action::kOpenCall:
      return Enter(Stage::kName);
    case Action::kEndName:
      OpenCall();
      return Enter(Stage::kArgs);
    case Action::kOpenKey:
      Arguments(has_key_ ? ", \"" : "{\"");
      has_key_ = true;
      return Enter(Stage::kKey);
    case Action::kEndCall:
      Arguments(has_key_ ? "}" : "{}");
      return Enter(Stage::kTool);
    case Action::kEndKey:
      Arguments("\": ");
      return Enter(Stage::kType);
    case Action::kStringType:
      Arguments("\"");
      return Enter(Stage::kString);
    case Action::kRawType:
      return Enter(Stage::kRaw);
    case Action::kEndString:
      Arguments("\"");
      return Enter(Stage::kArgs);
    case Action::kEndRaw: {
      std::string value = std::exchange(raw_, {});
      if (options_.quote_bad_json && !ParseJson(value).ok()) {
        std::string quoted;
        AppendJsonString(value, &quoted);
        value = std::move(quoted);
      }
      Arguments(value);
      return Enter(Stage::kArgs);
    }
  }
}

// Text of the current stage that is no marker.
void CompletionStream::Plain(std::string_view text) {
  switch (stage_) {
    case Stage::kReason:
      Emit(CompletionEventType::kReasoning, 0, text);
      return;
    case Stage::kContent: {
      std::string decided;
      const bool stopped = stops_.Push(text, &decided);
      Emit(CompletionEventType::kContent, 0, decided);
      if (stopped) Enter(Stage::kEnd);
      return;
    }
    case Stage::kName:
      name_.append(text.substr(0, kMaxNameBytes - name_.size()));
      return;
    case Stage::kKey:
    case Stage::kString: {
      std::string quoted;
      AppendJsonString(text, &quoted);
      quoted.pop_back();
      Arguments(quoted.substr(1));
      return;
    }
    case Stage::kRaw:
      if (!options_.quote_bad_json) return Arguments(text);
      raw_.append(text);
      return;
    case Stage::kTool:
    case Stage::kArgs:
    case Stage::kType:
    case Stage::kEnd:
      return;
  }
}

void CompletionStream::PlainNewlines() {
  while (newlines_ > 0 && stage_ != Stage::kEnd) {
    const std::string piece(std::min(newlines_, kNewlinePiece), '\n');
    newlines_ -= piece.size();
    Plain(piece);
  }
  newlines_ = 0;
}

void CompletionStream::FlushStops() {
  std::string rest;
  stops_.Flush(&rest);
  Emit(CompletionEventType::kContent, 0, rest);
}

void CompletionStream::OpenCall() {
  events_.push_back({CompletionEventType::kToolCallStart, calls_, std::exchange(name_, {})});
  ++calls_;
  has_key_ = false;
}

void CompletionStream::Arguments(std::string_view text) {
  Emit(CompletionEventType::kToolCallArguments, calls_ - 1, text);
}

void CompletionStream::Emit(CompletionEventType type, int index, std::string_view text) {
  if (text.empty()) return;
  if (!events_.empty() && events_.back().type == type && events_.back().index == index) {
    events_.back().text.append(text);
  } else {
    events_.push_back({type, index, std::string(text)});
  }
}

}  // namespace fathom
