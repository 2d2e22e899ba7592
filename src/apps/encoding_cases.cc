#include "apps/encoding_cases.h"

#include <algorithm>
#include <string_view>

#include "base/strings.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/chat_message.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/completion_parser.h"
#include "tokenizer/completion_stream.h"
#include "tokenizer/python_json.h"

namespace fathom {

namespace {

// Cuts tried per stream case: all of them for texts up to this length, evenly spread ones beyond.
constexpr size_t kMaxCuts = 4096;

// Empty when a case passed, else what differs.
using Outcome = std::string;

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

// Where two texts part, with some text around it.
Outcome Compare(std::string_view field, std::string_view expected, std::string_view found) {
  if (expected == found) return {};
  constexpr size_t kBefore = 30;
  constexpr size_t kAfter = 60;
  const auto first = std::mismatch(expected.begin(), expected.end(), found.begin(), found.end()).first;
  const auto at = static_cast<size_t>(first - expected.begin());
  size_t from = at > kBefore ? at - kBefore : 0;
  while (from > 0 && (static_cast<unsigned char>(expected[from]) & 0xC0) == 0x80) --from;
  return StrCat(field, " differs at byte ", at, "\n    expected ", Quoted(expected.substr(from, kBefore + kAfter)),
                "\n    found    ", Quoted(found.substr(std::min(from, found.size()), kBefore + kAfter)));
}

// A member that may be absent or null.
std::string_view StringOr(const Json& object, std::string_view key, std::string_view fallback) {
  const Json* value = object.Find(key);
  if (value == nullptr || !value->is_string()) return fallback;
  return value->string();
}

bool BoolOr(const Json& object, std::string_view key, bool fallback) {
  const Json* value = object.Find(key);
  return value != nullptr && value->is_bool() ? value->boolean() : fallback;
}

Result<RenderedPrompt> Render(const Json& test, Dialect dialect) {
  ChatOptions options{.dialect = dialect};
  FATHOM_ASSIGN_OR_RETURN(options.thinking_mode, ParseThinkingMode(StringOr(test, "thinking_mode", "")));
  if (const Json* effort = test.Find("reasoning_effort"); effort != nullptr && !effort->is_null()) {
    options.reasoning_effort = effort->is_string() ? effort->string() : effort->Dump();
  }
  options.drop_thinking = BoolOr(test, "drop_thinking", true);
  options.add_bos = BoolOr(test, "add_bos", true);
  const Json* messages = test.Find("messages");
  const Json* tools = test.Find("request_tools");
  FATHOM_ASSIGN_OR_RETURN(const std::vector<ChatMessage> parsed,
                          ParseChatMessages(messages != nullptr ? *messages : Json()));
  FATHOM_ASSIGN_OR_RETURN(const std::vector<Json> functions,
                          ParseTools(tools != nullptr ? *tools : Json(), "request_tools"));
  return RenderChat(parsed, functions, options);
}

Outcome RunEncode(const Json& test, Dialect dialect, bool expect_error) {
  const Result<RenderedPrompt> prompt = Render(test, dialect);
  if (expect_error) return prompt.ok() ? StrCat("should be rejected, gave ", Quoted(prompt->text())) : Outcome();
  if (!prompt.ok()) return StrCat("rejected: ", prompt.status().message());
  return Compare("prompt", StringOr(test, "expected_prompt", ""), prompt->text());
}

// Calls as text: one "name(arguments)" per line.
std::string CallText(const std::vector<ToolCall>& calls) {
  std::string out;
  for (const ToolCall& call : calls) out += StrCat(call.name, "(", call.arguments, ")\n");
  return out;
}

// Same for an expectation, whose calls are flat or nested in `function`.
std::string ExpectedCallText(const Json& expected) {
  std::vector<ToolCall> calls;
  const Json* list = expected.Find("tool_calls");
  if (list == nullptr || !list->is_array()) return {};
  for (const Json& item : list->items()) {
    const Json* function = item.Find("function");
    const Json& call = function != nullptr ? *function : item;
    calls.push_back({"", std::string(StringOr(call, "name", "")), std::string(StringOr(call, "arguments", ""))});
  }
  return CallText(calls);
}

Outcome CompareAnswer(const Json& expected, const ParsedCompletion& found) {
  Outcome outcome = Compare("reasoning_content", StringOr(expected, "reasoning_content", ""), found.reasoning_content);
  if (outcome.empty()) outcome = Compare("content", StringOr(expected, "content", ""), found.content);
  if (outcome.empty()) outcome = Compare("tool_calls", ExpectedCallText(expected), CallText(found.tool_calls));
  return outcome;
}

Outcome RunStrict(const Json& test, Dialect dialect, bool expect_error) {
  const Result<ThinkingMode> mode = ParseThinkingMode(StringOr(test, "thinking_mode", ""));
  const Result<ParsedCompletion> parsed =
      mode.ok() ? ParseCompletion(StringOr(test, "completion", ""), *mode, dialect) : mode.status();
  if (expect_error) return parsed.ok() ? "should be rejected" : "";
  if (!parsed.ok()) return StrCat("rejected: ", parsed.status().message());
  return CompareAnswer(*test.Find("expected"), *parsed);
}

void Collect(const std::vector<CompletionEvent>& events, ParsedCompletion* answer) {
  for (const CompletionEvent& event : events) {
    switch (event.type) {
      case CompletionEventType::kReasoning:
        answer->reasoning_content += event.text;
        break;
      case CompletionEventType::kContent:
        answer->content += event.text;
        break;
      case CompletionEventType::kToolCallStart:
        answer->tool_calls.push_back({"", event.text, ""});
        break;
      case CompletionEventType::kToolCallArguments:
        answer->tool_calls[static_cast<size_t>(event.index)].arguments += event.text;
        break;
    }
  }
}

// One way of cutting: pieces of `first`, then of `others` bytes.
Outcome RunCut(const Json& expected, const CompletionStreamOptions& options, std::string_view text, size_t first,
               size_t others) {
  CompletionStream stream(options);
  ParsedCompletion answer;
  for (size_t at = 0, size = first; at < text.size(); at += size, size = others) {
    Collect(stream.Push(text.substr(at, size)), &answer);
  }
  const CompletionTail tail = stream.Finish(CompletionFinish::kStop);
  Collect(tail.events, &answer);
  Outcome outcome = CompareAnswer(expected, answer);
  if (outcome.empty()) {
    outcome = Compare("finish_reason", StringOr(expected, "finish_reason", ""), FinishName(tail.finish));
  }
  if (outcome.empty()) return outcome;
  return StrCat(outcome, "\n    with a first piece of ", first, " bytes and then pieces of ", others);
}

Outcome RunStream(const Json& test) {
  const Result<ThinkingMode> mode = ParseThinkingMode(StringOr(test, "thinking_mode", ""));
  if (!mode.ok()) return mode.status().message();
  CompletionStreamOptions options{.mode = *mode};
  if (const Json* stops = test.Find("stop"); stops != nullptr && stops->is_array()) {
    for (const Json& stop : stops->items()) {
      if (stop.is_string()) options.stop.push_back(stop.string());
    }
  } else if (stops != nullptr && stops->is_string()) {
    options.stop.push_back(stops->string());
  }
  std::string_view text = StringOr(test, "completion", "");
  text = text.substr(0, text.find(kEosText));  // the engine ends there
  const Json& expected = *test.Find("expected");
  const size_t size = std::max<size_t>(text.size(), 1);
  const size_t step = (size + kMaxCuts - 1) / kMaxCuts;
  for (size_t piece = 1; piece <= std::min(size, kMaxCuts); ++piece) {
    Outcome outcome = RunCut(expected, options, text, piece, piece);
    if (!outcome.empty()) return outcome;
  }
  for (size_t cut = 1; cut <= size; cut += step) {
    Outcome outcome = RunCut(expected, options, text, cut, size);
    if (!outcome.empty()) return outcome;
  }
  return {};
}

Status CheckCase(const Json& test, const std::string& where, std::string_view op, bool expect_error) {
  if (op != "encode" && op != "parse_strict" && op != "parse_stream") {
    return DataLoss(StrCat(where, ".op is \"", Printable(op), "\"; accepted are encode, parse_strict, parse_stream"));
  }
  const std::string_view key = op == "encode" ? "expected_prompt" : "expected";
  const Json* expected = test.Find(key);
  const bool given = expected != nullptr && (op == "encode" ? expected->is_string() : expected->is_object());
  const bool may_fail = op != "parse_stream";
  if (!given && !(expect_error && may_fail))
    return DataLoss(StrCat(where, " has neither ", key, " nor expected_error"));
  return {};
}

Status RunCase(const Json& test, size_t index, EncodingReport* report) {
  const std::string where = StrCat("cases[", index, "]");
  const std::string op(StringOr(test, "op", ""));
  const Json* error = test.Find("expected_error");
  const bool expect_error = error != nullptr && PythonTruth(*error);
  FATHOM_RETURN_IF_ERROR(CheckCase(test, where, op, expect_error));
  const std::string dialect_name(StringOr(test, "dialect", "v4"));
  const Result<Dialect> dialect = ParseDialect(dialect_name);
  if (!dialect.ok()) return DataLoss(StrCat(where, ".", dialect.status().message()));
  const Outcome outcome = op == "encode"         ? RunEncode(test, *dialect, expect_error)
                          : op == "parse_strict" ? RunStrict(test, *dialect, expect_error)
                                                 : RunStream(test);
  auto tally = std::find_if(report->tallies.begin(), report->tallies.end(), [&](const EncodingTally& other) {
    return other.op == op && other.dialect == dialect_name;
  });
  if (tally == report->tallies.end()) tally = report->tallies.insert(tally, {op, dialect_name, 0, 0});
  ++(outcome.empty() ? tally->passed : tally->failed);
  if (!outcome.empty()) report->failures.push_back({std::string(StringOr(test, "name", where)), outcome});
  return {};
}

}  // namespace

int EncodingReport::cases() const {
  int sum = 0;
  for (const EncodingTally& tally : tallies) sum += tally.passed + tally.failed;
  return sum;
}

Result<EncodingReport> RunEncodingCases(const Json& document) {
  const Json* cases = document.Find("cases");
  if (cases == nullptr || !cases->is_array()) return DataLoss("the member cases is missing; expected a list");
  EncodingReport report;
  for (size_t index = 0; index < cases->items().size(); ++index) {
    FATHOM_RETURN_IF_ERROR(RunCase(cases->items()[index], index, &report));
  }
  return report;
}

}  // namespace fathom
