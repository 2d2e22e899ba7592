#include "server/api/anthropic_answer.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <utility>

#include "base/strings.h"
#include "server/api/random_id.h"
#include "server/api/router.h"

namespace fathom {

namespace {

constexpr std::string_view kPing = "event: ping\ndata: {\"type\": \"ping\"}\n\n";

Json StopReason(const ChoiceEnd& end) {
  switch (end.finish) {
    case AnswerFinish::kLength:
      return Json::String("max_tokens");
    case AnswerFinish::kToolCalls:
      return Json::String("tool_use");
    case AnswerFinish::kStopSequence:
      return Json::String("stop_sequence");
    case AnswerFinish::kStop:
      break;
  }
  return Json::String("end_turn");
}

Json StopSequence(const ChoiceEnd& end) {
  return end.finish == AnswerFinish::kStopSequence ? Json::String(end.stop_sequence) : Json();
}

Json Message(const std::string& model, std::vector<Json> content, Json stop_reason, Json stop_sequence, Json usage) {
  return Json::Object({{"id", Json::String(RandomId("msg_"))},
                       {"type", Json::String("message")},
                       {"role", Json::String("assistant")},
                       {"model", Json::String(model)},
                       {"content", Json::Array(std::move(content))},
                       {"stop_reason", std::move(stop_reason)},
                       {"stop_sequence", std::move(stop_sequence)},
                       {"usage", std::move(usage)}});
}

Json ThinkingBlock(std::string_view thinking, std::string signature) {
  return Json::Object({{"type", Json::String("thinking")},
                       {"thinking", Json::String(std::string(thinking))},
                       {"signature", Json::String(std::move(signature))}});
}

Json TextBlock(std::string_view text) {
  return Json::Object({{"type", Json::String("text")}, {"text", Json::String(std::string(text))}});
}

// Where the last member of a cut-off object ends that came whole; 0 if there is none.
size_t EndOfWholeMembers(std::string_view text) {
  size_t end = 0;
  int depth = 0;
  bool in_string = false;
  bool is_value = false;  // a colon came since the last comma
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const int before = depth;
    if (in_string) {
      if (c == '\\') {
        ++at;
        continue;
      }
      in_string = c != '"';
      if (in_string) continue;
    } else if (c == '"') {
      in_string = true;
      continue;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      --depth;
    }
    if (depth != 1) continue;
    if (c == ':') is_value = true;
    // A comma ends a member; so do the last bytes of a text, an object or a list.
    const bool whole = c == ',' || (is_value && (c == '"' || before == 2));
    if (whole) end = c == ',' ? at : at + 1;
    if (c == ',') is_value = false;
  }
  return end;
}

// What a model meant as a call's arguments but is no JSON object, in one: the client's check of it tells the model.
Json BrokenInput(const std::string& arguments) { return Json::Object({{"INVALID_JSON", Json::String(arguments)}}); }

Json ToolBlock(std::string_view id, std::string_view name, Json input) {
  return Json::Object({{"type", Json::String("tool_use")},
                       {"id", Json::String(std::string(id))},
                       {"name", Json::String(std::string(name))},
                       {"input", std::move(input)}});
}

}  // namespace

std::string ThinkingSignature(std::string_view thinking) {
  const XXH128_hash_t hash = XXH3_128bits(thinking.data(), thinking.size());
  return StrFormat("RmF0aG9t%016llx%016llx", static_cast<unsigned long long>(hash.high64),
                   static_cast<unsigned long long>(hash.low64));
}

Json AnthropicUsage(const Usage& usage) {
  return Json::Object({{"input_tokens", Json::Int(usage.prompt_tokens - usage.cached_tokens)},
                       {"cache_creation_input_tokens", Json::Int(0)},
                       {"cache_read_input_tokens", Json::Int(usage.cached_tokens)},
                       {"output_tokens", Json::Int(usage.completion_tokens)}});
}

std::optional<Json> WholeInput(const std::string& arguments) {
  if (Result<Json> whole = ParseJson(arguments); whole.ok()) {
    return whole->is_object() ? std::optional<Json>(*std::move(whole)) : std::nullopt;
  }
  const size_t end = EndOfWholeMembers(arguments);
  if (end == 0) return std::nullopt;
  Result<Json> members = ParseJson(arguments.substr(0, end) + "}");
  return members.ok() ? std::optional<Json>(*std::move(members)) : std::nullopt;
}

// ---- Streamed

AnthropicStream::AnthropicStream(std::shared_ptr<HttpExchange> exchange, std::string model)
    : stream_(std::move(exchange), {.protocol = Protocol::kAnthropic, .heartbeat = std::string(kPing)}),
      model_(std::move(model)) {}

void AnthropicStream::StartMessage(std::string* out) {
  if (std::exchange(started_, true)) return;
  const Json start = Json::Object({{"type", Json::String("message_start")},
                                   {"message", Message(model_, {}, Json(), Json(), AnthropicUsage(usage_))}});
  *out += NamedEvent("message_start", start.Dump());
  *out += kPing;
}

void AnthropicStream::OnPromptCached(int64_t tokens) {
  usage_.cached_tokens = tokens;
  std::string out;
  StartMessage(&out);
  stream_.Write(out);
}

// Comments keep the exchange from sending its pings, and many clients measure their patience by events.
bool AnthropicStream::OnPrefill(const PrefillProgress& progress) {
  return stream_.Write(prefill_(progress) + std::string(kPing));
}

void AnthropicStream::OpenBlock(Block block, const Json& content, std::string* out) {
  StartMessage(out);
  CloseBlock(out);
  block_ = block;
  ++index_;
  *out += NamedEvent("content_block_start", StrCat(R"({"type":"content_block_start","index":)", index_,
                                                   R"(,"content_block":)", content.Dump(), "}"));
}

void AnthropicStream::Delta(std::string_view type, std::string_view key, std::string_view text,
                            std::string* out) const {
  std::string data =
      StrCat(R"({"type":"content_block_delta","index":)", index_, R"(,"delta":{"type":")", type, "\",\"", key, "\":");
  AppendJsonString(text, &data);
  *out += NamedEvent("content_block_delta", data + "}}");
}

void AnthropicStream::CloseBlock(std::string* out) {
  if (block_ == Block::kNone) return;
  if (block_ == Block::kThinking) Delta("signature_delta", "signature", ThinkingSignature(thinking_), out);
  block_ = Block::kNone;
  *out += NamedEvent("content_block_stop", StrCat(R"({"type":"content_block_stop","index":)", index_, "}"));
}

bool AnthropicStream::OnText(int /*choice*/, AnswerPart part, std::string_view text) {
  if (text.empty()) return true;
  std::string out;
  if (part == AnswerPart::kReasoning) {
    if (block_ != Block::kThinking) OpenBlock(Block::kThinking, ThinkingBlock("", ""), &out);
    thinking_ += text;
    Delta("thinking_delta", "thinking", text, &out);
  } else {
    if (block_ != Block::kText) OpenBlock(Block::kText, TextBlock(""), &out);
    Delta("text_delta", "text", text, &out);
  }
  return stream_.Write(out);
}

// Its block opens with the first of its arguments: a call that was cut off before them would claim an empty input.
bool AnthropicStream::OnToolCall(int /*choice*/, int /*index*/, std::string_view id, std::string_view name) {
  std::string out;
  CloseBlock(&out);
  call_ = ToolBlock(id, name, Json::Object());
  return out.empty() || stream_.Write(out);
}

void AnthropicStream::OpenCall(std::string* out) {
  if (call_.is_null()) return;
  OpenBlock(Block::kTool, std::exchange(call_, Json()), out);
}

bool AnthropicStream::OnArguments(int /*choice*/, int /*index*/, std::string_view json) {
  if (json.empty()) return true;
  std::string out;
  OpenCall(&out);
  Delta("input_json_delta", "partial_json", json, &out);
  return stream_.Write(out);
}

bool AnthropicStream::OnChoiceEnd(int /*choice*/, const ChoiceEnd& end) {
  end_ = end;
  std::string out;
  StartMessage(&out);
  if (!call_.is_null() && end.finish != AnswerFinish::kLength) {
    OpenCall(&out);
    Delta("input_json_delta", "partial_json", BrokenInput("").Dump(), &out);
  }
  CloseBlock(&out);
  return out.empty() || stream_.Write(out);
}

void AnthropicStream::End(const AnswerTotals& totals) {
  const Json delta =
      Json::Object({{"type", Json::String("message_delta")},
                    {"delta", Json::Object({{"stop_reason", StopReason(end_)}, {"stop_sequence", StopSequence(end_)}})},
                    {"usage", AnthropicUsage(totals.usage)}});
  stream_.Write(NamedEvent("message_delta", delta.Dump()) + NamedEvent("message_stop", R"({"type":"message_stop"})"));
  stream_.End();
}

void AnthropicStream::Fail(const ApiError& error) {
  stream_.Fail(error, [&] {
    std::string out;
    CloseBlock(&out);
    return out + NamedEvent("error", ErrorBody(Protocol::kAnthropic, error));
  });
}

// ---- Whole

AnthropicCollector::AnthropicCollector(std::shared_ptr<HttpExchange> exchange, std::string model)
    : exchange_(std::move(exchange)), model_(std::move(model)) {}

bool AnthropicCollector::OnText(int /*choice*/, AnswerPart part, std::string_view text) {
  (part == AnswerPart::kReasoning ? thinking_ : text_) += text;
  return true;
}

bool AnthropicCollector::OnToolCall(int /*choice*/, int /*index*/, std::string_view id, std::string_view name) {
  calls_.push_back({std::string(id), std::string(name), {}});
  return true;
}

bool AnthropicCollector::OnArguments(int /*choice*/, int /*index*/, std::string_view json) {
  calls_.back().arguments += json;
  return true;
}

bool AnthropicCollector::OnChoiceEnd(int /*choice*/, const ChoiceEnd& end) {
  end_ = end;
  return true;
}

void AnthropicCollector::End(const AnswerTotals& totals) {
  std::vector<Json> content;
  if (!thinking_.empty()) content.push_back(ThinkingBlock(thinking_, ThinkingSignature(thinking_)));
  if (!text_.empty()) content.push_back(TextBlock(text_));
  for (const Call& call : calls_) {
    std::optional<Json> input = WholeInput(call.arguments);
    if (!input) {
      // Cut off before anything of its input: to show it would claim an empty one.
      if (end_.finish == AnswerFinish::kLength) continue;
      input = BrokenInput(call.arguments);
    }
    content.push_back(ToolBlock(call.id, call.name, *std::move(input)));
  }
  const Json message =
      Message(model_, std::move(content), StopReason(end_), StopSequence(end_), AnthropicUsage(totals.usage));
  exchange_->Respond({200, {{"Content-Type", "application/json"}}, message.Dump()});
}

void AnthropicCollector::Fail(const ApiError& error) { RespondError(*exchange_, Protocol::kAnthropic, error); }

}  // namespace fathom
