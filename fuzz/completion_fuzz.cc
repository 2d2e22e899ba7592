// Any bytes as an answer. Byte 0: options, byte 1: how the text is cut, the rest: the text. The streaming parser must
// not depend on the cut, show no marker and keep its events in order; where the strict parser finds a plain answer, the
// stream gives the same one.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tokenizer/completion_parser.h"
#include "tokenizer/completion_stream.h"

namespace fathom {
namespace {

struct Answer {
  std::string reasoning;
  std::string content;
  std::vector<std::string> names;
  std::vector<std::string> arguments;
  CompletionFinish finish = CompletionFinish::kStop;

  bool operator==(const Answer&) const = default;

  void Add(const std::vector<CompletionEvent>& events) {
    for (const CompletionEvent& event : events) {
      FATHOM_CHECK(!event.text.empty() || event.type == CompletionEventType::kToolCallStart);
      switch (event.type) {
        case CompletionEventType::kReasoning:
          FATHOM_CHECK(content.empty() && names.empty());
          reasoning += event.text;
          break;
        case CompletionEventType::kContent:
          FATHOM_CHECK(names.empty());
          content += event.text;
          break;
        case CompletionEventType::kToolCallStart:
          FATHOM_CHECK(event.index == static_cast<int>(names.size()));
          names.push_back(event.text);
          arguments.emplace_back();
          break;
        case CompletionEventType::kToolCallArguments:
          FATHOM_CHECK(event.index + 1 == static_cast<int>(names.size()));
          arguments.back() += event.text;
          break;
      }
    }
  }
};

// Pieces of 0 to 15 bytes, as the control byte says; 0: all at once.
Answer Read(const CompletionStreamOptions& options, std::string_view text, uint8_t cut, CompletionFinish cause) {
  CompletionStream stream(options);
  Answer answer;
  uint32_t state = cut;
  while (!text.empty()) {
    state = state * 1664525u + 1013904223u;
    const size_t size = cut == 0 ? text.size() : std::min<size_t>(text.size(), state >> 28);
    answer.Add(stream.Push(text.substr(0, size)));
    text.remove_prefix(size);
  }
  const CompletionTail tail = stream.Finish(cause);
  answer.Add(tail.events);
  answer.finish = tail.finish;
  FATHOM_CHECK(stream.tool_calls() == static_cast<int>(answer.names.size()));
  FATHOM_CHECK(stream.matched_stop().empty() || stream.ended());
  return answer;
}

bool Has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

std::string_view WithoutNewlines(std::string_view text, bool at_the_end) {
  while (text.starts_with('\n')) text.remove_prefix(1);
  while (at_the_end && text.ends_with('\n')) text.remove_suffix(1);
  return text;
}

void CheckStream(const CompletionStreamOptions& options, std::string_view text, uint8_t cut) {
  for (const CompletionFinish cause : {CompletionFinish::kStop, CompletionFinish::kLength}) {
    const Answer whole = Read(options, text, 0, cause);
    FATHOM_CHECK(whole == Read(options, text, static_cast<uint8_t>(cut | 1), cause));
    FATHOM_CHECK(!Has(whole.reasoning, kThinkEndText));
    if (options.parse_tools) FATHOM_CHECK(!Has(whole.reasoning, "<｜DSML｜"));
    // A dropped </think> may leave two halves of something that meet.
    if (Has(text, kThinkEndText)) continue;
    if (options.parse_tools) FATHOM_CHECK(!Has(whole.content, "<｜DSML｜"));
    for (const std::string& stop : options.stop) FATHOM_CHECK(!Has(whole.content, stop));
  }
}

void CheckStrict(std::string_view text, ThinkingMode mode, Dialect dialect) {
  const Result<ParsedCompletion> parsed = ParseCompletion(text, mode, dialect);
  if (!parsed.ok() || !parsed->tool_calls.empty() || Has(text, "<｜DSML｜")) return;
  const Answer answer = Read({.mode = mode}, text.substr(0, text.find(kEosText)), 0, CompletionFinish::kStop);
  FATHOM_CHECK(answer.reasoning == WithoutNewlines(parsed->reasoning_content, true));
  FATHOM_CHECK(answer.content == WithoutNewlines(parsed->content, false));
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  if (size < 2) return 0;
  const uint8_t flags = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  CompletionStreamOptions options;
  options.mode = flags & 1 ? ThinkingMode::kThinking : ThinkingMode::kChat;
  options.tolerant_tags = flags & 2;
  options.parse_tools = !(flags & 4);
  options.continued = flags & 8;
  options.quote_bad_json = flags & 64;
  if (flags & 16) options.stop = {"STOP", "aab", "\n\n", "<｜D"};
  CheckStream(options, text, data[1]);
  CheckStrict(text, options.mode, flags & 32 ? Dialect::kV41 : Dialect::kV4);
  return 0;
}
