#include "server/api/openai_shapes.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/strings.h"
#include "base/utf8.h"
#include "server/api/random_id.h"

namespace fathom {
namespace {

// Changes with the model and with what it is made from.
std::string Fingerprint(const ServedModel& model) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  const std::string text = StrCat(model.name, "\n", model.directory, "\n", model.bytes, "\n", model.created);
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return StrFormat("fp_%010llx", static_cast<unsigned long long>(hash & 0xffffffffff));
}

Json BytesJson(std::string_view bytes) {
  std::vector<Json> numbers;
  for (const char byte : bytes) numbers.push_back(Json::Int(static_cast<uint8_t>(byte)));
  return Json::Array(std::move(numbers));
}

Json LogprobEntry(const Tokenizer& tokenizer, int32_t id, float logprob) {
  return Json::Object({{"token", Json::String(TokenText(tokenizer, id))},
                       {"logprob", Json::Double(FiniteLogprob(logprob))},
                       {"bytes", BytesJson(tokenizer.token_bytes(id))}});
}

double PerSecond(int64_t count, double ms) { return ms > 0 ? static_cast<double>(count) * 1000 / ms : 0; }
double PerToken(int64_t count, double ms) { return count > 0 ? ms / static_cast<double>(count) : 0; }

}  // namespace

AnswerHead MakeHead(std::string_view prefix, const std::string& model, const ServedModel& served) {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return {RandomId(prefix), std::chrono::duration_cast<std::chrono::seconds>(now).count(),
          model.empty() ? served.name : model, Fingerprint(served)};
}

std::string_view FinishReasonText(AnswerFinish finish) {
  switch (finish) {
    case AnswerFinish::kLength:
      return "length";
    case AnswerFinish::kToolCalls:
      return "tool_calls";
    case AnswerFinish::kStop:
    case AnswerFinish::kStopSequence:
      break;
  }
  return "stop";
}

Json UsageJson(const AnswerTotals& totals) {
  const Usage& usage = totals.usage;
  return Json::Object(
      {{"prompt_tokens", Json::Int(usage.prompt_tokens)},
       {"completion_tokens", Json::Int(usage.completion_tokens)},
       {"total_tokens", Json::Int(usage.prompt_tokens + usage.completion_tokens)},
       {"prompt_tokens_details", Json::Object({{"cached_tokens", Json::Int(usage.cached_tokens)}})},
       {"completion_tokens_details", Json::Object({{"reasoning_tokens", Json::Int(totals.reasoning_tokens)}})},
       {"prompt_cache_hit_tokens", Json::Int(usage.cached_tokens)},
       {"prompt_cache_miss_tokens", Json::Int(usage.prompt_tokens - usage.cached_tokens)}});
}

Json TimingsJson(const AnswerTotals& totals) {
  const int64_t read = totals.usage.prompt_tokens - totals.usage.cached_tokens;
  const int64_t written = totals.usage.completion_tokens;
  const Timings& timings = totals.timings;
  return Json::Object({{"cache_n", Json::Int(totals.usage.cached_tokens)},
                       {"prompt_n", Json::Int(read)},
                       {"prompt_ms", Json::Double(timings.prefill_ms)},
                       {"prompt_per_token_ms", Json::Double(PerToken(read, timings.prefill_ms))},
                       {"prompt_per_second", Json::Double(PerSecond(read, timings.prefill_ms))},
                       {"predicted_n", Json::Int(written)},
                       {"predicted_ms", Json::Double(timings.decode_ms)},
                       {"predicted_per_token_ms", Json::Double(PerToken(written, timings.decode_ms))},
                       {"predicted_per_second", Json::Double(PerSecond(written, timings.decode_ms))},
                       {"queue_ms", Json::Double(timings.queue_ms)}});
}

std::string TokenText(const Tokenizer& tokenizer, int32_t id) { return tokenizer.Decode({&id, 1}, false); }

std::string DistinctTokenText(const Tokenizer& tokenizer, int32_t id) {
  const std::string_view bytes = tokenizer.token_bytes(id);
  if (IsValidUtf8(bytes)) return std::string(bytes);
  std::string text = "bytes:";
  for (const char byte : bytes) text += StrFormat("\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(byte)));
  return text;
}

double FiniteLogprob(float logprob) {
  constexpr double kNever = -9999;
  return std::isfinite(logprob) ? double{logprob} : kNever;
}

Json TokenLogprobJson(const Tokenizer& tokenizer, const GeneratedToken& token) {
  Json entry = LogprobEntry(tokenizer, token.id, token.logprob);
  std::vector<Json> top;
  for (const TokenLogprob& other : token.top) top.push_back(LogprobEntry(tokenizer, other.id, other.logprob));
  entry.Set("top_logprobs", Json::Array(std::move(top)));
  return entry;
}

std::string PrefillComment::operator()(const PrefillProgress& progress) {
  const auto now = std::chrono::steady_clock::now();
  const int64_t begin = progress.cached - progress.replayed;
  if (start_done_ < 0) start_done_ = begin;
  std::string comment =
      StrCat(": prefill ", progress.done, "/", progress.total, " tokens, ", progress.cached, " cached");
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const int64_t read = progress.done - start_done_;
  if (read > 0) {
    const double left = seconds * static_cast<double>(progress.total - progress.done) / static_cast<double>(read);
    comment += StrFormat(", about %.0f s left", std::ceil(left));
  }
  // The first report comes after some waiting in the queue: from here on the clock is that of reading alone.
  if (start_done_ == begin && progress.done > begin) {
    start_ = now;
    start_done_ = progress.done;
  }
  return comment + "\n\n";
}

void RespondJson(HttpExchange& exchange, const Json& body) {
  exchange.Respond({200, {{"Content-Type", "application/json"}}, body.Dump()});
}

HttpHeaders EventStreamHeaders() {
  return {
      {"Content-Type", "text/event-stream; charset=utf-8"}, {"Cache-Control", "no-cache"}, {"X-Accel-Buffering", "no"}};
}

}  // namespace fathom
