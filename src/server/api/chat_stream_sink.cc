#include <utility>

#include "base/strings.h"
#include "server/api/chat_answer.h"

namespace fathom {
namespace {

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

std::string FrameBegin(const AnswerHead& head) {
  return StrCat("data: {\"id\":", Quoted(head.id), ",\"object\":\"chat.completion.chunk\",\"created\":", head.created,
                ",\"model\":", Quoted(head.model), ",\"system_fingerprint\":", Quoted(head.fingerprint),
                ",\"choices\":[");
}

void AppendList(std::string_view name, std::vector<Json>* items, std::string* out) {
  if (items->empty()) {
    *out += StrCat("\"", name, "\":null");
  } else {
    *out += StrCat("\"", name, "\":", Json::Array(std::exchange(*items, {})).Dump());
  }
}

}  // namespace

ChatStreamSink::ChatStreamSink(std::shared_ptr<HttpExchange> exchange, ChatAnswerOptions options,
                               const Tokenizer& tokenizer)
    : stream_(std::move(exchange)),
      options_(std::move(options)),
      tokenizer_(tokenizer),
      frame_begin_(FrameBegin(options_.head)),
      frame_end_(options_.include_usage ? "],\"usage\":null}\n\n" : "]}\n\n"),
      choices_(static_cast<size_t>(options_.choices)) {}

void ChatStreamSink::AppendFrame(int choice, std::string_view delta, std::string_view finish, std::string* out) {
  Choice& state = choices_[static_cast<size_t>(choice)];
  *out += StrCat(frame_begin_, "{\"index\":", choice, ",\"delta\":", delta, ",\"logprobs\":");
  if (state.content_logprobs.empty() && state.reasoning_logprobs.empty()) {
    *out += "null";
  } else {
    *out += "{";
    AppendList("content", &state.content_logprobs, out);
    *out += ",";
    AppendList("reasoning_content", &state.reasoning_logprobs, out);
    *out += ",\"refusal\":null}";
  }
  *out += StrCat(",\"finish_reason\":", finish.empty() ? "null" : Quoted(finish), "}", frame_end_);
}

// The role comes first, on its own.
void ChatStreamSink::BeginChoice(int choice, std::string* out) {
  Choice& state = choices_[static_cast<size_t>(choice)];
  if (std::exchange(state.begun, true)) return;
  std::vector<Json> content = std::exchange(state.content_logprobs, {});
  std::vector<Json> reasoning = std::exchange(state.reasoning_logprobs, {});
  AppendFrame(choice, "{\"role\":\"assistant\",\"content\":\"\"}", "", out);
  state.content_logprobs = std::move(content);
  state.reasoning_logprobs = std::move(reasoning);
}

bool ChatStreamSink::WriteDelta(int choice, std::string_view delta) {
  std::string out;
  BeginChoice(choice, &out);
  AppendFrame(choice, delta, "", &out);
  return stream_.Write(out);
}

bool ChatStreamSink::OnPrefill(const PrefillProgress& progress) { return stream_.Write(prefill_(progress)); }

bool ChatStreamSink::OnText(int choice, AnswerPart part, std::string_view text) {
  const std::string quoted = Quoted(text);
  if (part == AnswerPart::kContent) return WriteDelta(choice, StrCat("{\"content\":", quoted, "}"));
  const std::string copy = options_.both_reasoning ? StrCat(",\"reasoning\":", quoted) : "";
  return WriteDelta(choice, StrCat("{\"reasoning_content\":", quoted, copy, "}"));
}

bool ChatStreamSink::OnToken(int choice, const TokenReport& report) {
  Choice& state = choices_[static_cast<size_t>(choice)];
  const bool content = report.part == AnswerPart::kContent;
  (content ? state.content_logprobs : state.reasoning_logprobs).push_back(TokenLogprobJson(tokenizer_, report.token));
  return true;
}

bool ChatStreamSink::OnToolCall(int choice, int index, std::string_view id, std::string_view name) {
  if (options_.legacy_function) {
    if (index > 0) return true;  // that shape has one call
    return WriteDelta(choice, StrCat("{\"function_call\":{\"name\":", Quoted(name), ",\"arguments\":\"\"}}"));
  }
  return WriteDelta(choice,
                    StrCat("{\"tool_calls\":[{\"index\":", index, ",\"id\":", Quoted(id),
                           ",\"type\":\"function\",\"function\":{\"name\":", Quoted(name), ",\"arguments\":\"\"}}]}"));
}

bool ChatStreamSink::OnArguments(int choice, int index, std::string_view json) {
  if (options_.legacy_function) {
    return index > 0 || WriteDelta(choice, StrCat("{\"function_call\":{\"arguments\":", Quoted(json), "}}"));
  }
  return WriteDelta(
      choice, StrCat("{\"tool_calls\":[{\"index\":", index, ",\"function\":{\"arguments\":", Quoted(json), "}}]}"));
}

bool ChatStreamSink::OnChoiceEnd(int choice, const ChoiceEnd& end) {
  const bool legacy = options_.legacy_function && end.finish == AnswerFinish::kToolCalls;
  std::string out;
  BeginChoice(choice, &out);
  AppendFrame(choice, "{}", legacy ? "function_call" : FinishReasonText(end.finish), &out);
  if (options_.choices > 1) return stream_.Write(out);
  last_frame_ = std::move(out);
  return true;
}

void ChatStreamSink::End(const AnswerTotals& totals) {
  const std::string timings = TimingsJson(totals).Dump();
  constexpr std::string_view kFrameTail = "}\n\n";
  if (!last_frame_.empty()) {
    last_frame_.resize(last_frame_.size() - kFrameTail.size());
    last_frame_ += StrCat(",\"timings\":", timings, kFrameTail);
  }
  if (options_.include_usage) {
    last_frame_ += StrCat(frame_begin_, "],\"usage\":", UsageJson(totals).Dump(), ",\"timings\":", timings, kFrameTail);
  }
  stream_.Write(last_frame_ + "data: [DONE]\n\n");
  stream_.End();
}

}  // namespace fathom
