#include "server/api/anthropic_answer.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <utility>

#include "base/strings.h"
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

// ---- Streamed

AnthropicStream::AnthropicStream(std::shared_ptr<HttpExchange> exchange, std::string model)
    : exchange_(exchange), stream_(std::move(exchange), std::string(kPing)), model_(std::move(model)) {}

void AnthropicStream::Begin() {
  stream_.Begin([&] {
    // How much of the prompt is cached is known when it has been read: message_delta tells.
    Usage usage;
    usage.prompt_tokens = prompt_tokens_;
    const Json start = Json::Object({{"type", Json::String("message_start")},
                                     {"message", Message(model_, {}, Json(), Json(), AnthropicUsage(usage))}});
    stream_.Event("message_start", start.Dump());
    exchange_->Write(kPing);
  });
}

bool AnthropicStream::OnPrefill(const PrefillProgress& progress) {
  Begin();
  return stream_.Prefill(progress);
}

bool AnthropicStream::OpenBlock(Block block, const Json& content) {
  if (!CloseBlock()) return false;
  block_ = block;
  ++index_;
  return stream_.Event("content_block_start", StrCat(R"({"type":"content_block_start","index":)", index_,
                                                     R"(,"content_block":)", content.Dump(), "}"));
}

bool AnthropicStream::Delta(std::string_view type, std::string_view key, std::string_view text) {
  std::string data =
      StrCat(R"({"type":"content_block_delta","index":)", index_, R"(,"delta":{"type":")", type, "\",\"", key, "\":");
  AppendJsonString(text, &data);
  return stream_.Event("content_block_delta", data + "}}");
}

bool AnthropicStream::CloseBlock() {
  if (block_ == Block::kNone) return true;
  if (block_ == Block::kThinking && !Delta("signature_delta", "signature", ThinkingSignature(thinking_))) return false;
  block_ = Block::kNone;
  return stream_.Event("content_block_stop", StrCat(R"({"type":"content_block_stop","index":)", index_, "}"));
}

bool AnthropicStream::OnText(int /*choice*/, AnswerPart part, std::string_view text) {
  Begin();
  if (text.empty()) return true;
  if (part == AnswerPart::kReasoning) {
    if (block_ != Block::kThinking && !OpenBlock(Block::kThinking, ThinkingBlock("", ""))) return false;
    thinking_ += text;
    return Delta("thinking_delta", "thinking", text);
  }
  if (block_ != Block::kText && !OpenBlock(Block::kText, TextBlock(""))) return false;
  return Delta("text_delta", "text", text);
}

bool AnthropicStream::OnToolCall(int /*choice*/, int /*index*/, std::string_view id, std::string_view name) {
  Begin();
  return OpenBlock(Block::kTool, ToolBlock(id, name, Json::Object()));
}

bool AnthropicStream::OnArguments(int /*choice*/, int /*index*/, std::string_view json) {
  return json.empty() || Delta("input_json_delta", "partial_json", json);
}

bool AnthropicStream::OnChoiceEnd(int /*choice*/, const ChoiceEnd& end) {
  Begin();
  end_ = end;
  return CloseBlock();
}

void AnthropicStream::End(const AnswerTotals& totals) {
  const Json delta =
      Json::Object({{"type", Json::String("message_delta")},
                    {"delta", Json::Object({{"stop_reason", StopReason(end_)}, {"stop_sequence", StopSequence(end_)}})},
                    {"usage", AnthropicUsage(totals.usage)}});
  stream_.Event("message_delta", delta.Dump());
  stream_.Event("message_stop", R"({"type":"message_stop"})");
  stream_.End();
}

void AnthropicStream::Fail(const ApiError& error) {
  if (!stream_.begun()) {
    RespondError(*exchange_, Protocol::kAnthropic, error);
    return;
  }
  stream_.Event("error", ErrorBody(Protocol::kAnthropic, error));
  stream_.End();
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
    Result<Json> input = ParseJson(call.arguments);
    // `input` has to be an object; arguments that max_tokens cut off are none.
    const bool whole = input.ok() && input->is_object();
    content.push_back(ToolBlock(call.id, call.name, whole ? *std::move(input) : Json::Object()));
  }
  const Json message =
      Message(model_, std::move(content), StopReason(end_), StopSequence(end_), AnthropicUsage(totals.usage));
  exchange_->Respond({200, {{"Content-Type", "application/json"}}, message.Dump()});
}

void AnthropicCollector::Fail(const ApiError& error) { RespondError(*exchange_, Protocol::kAnthropic, error); }

}  // namespace fathom
