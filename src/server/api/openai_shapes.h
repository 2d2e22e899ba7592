// openai_shapes.h - pieces of answers that the OpenAI-shaped endpoints share.
#ifndef FATHOM_SERVER_API_OPENAI_SHAPES_H_
#define FATHOM_SERVER_API_OPENAI_SHAPES_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "engine/request.h"
#include "server/api/answer_sink.h"
#include "server/api/generation.h"
#include "server/http/http.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

// What every object or frame of one answer repeats.
struct AnswerHead {
  std::string id;
  int64_t created = 0;  // Unix time
  std::string model;
  std::string fingerprint;
};
// `prefix` is "chatcmpl-" or "cmpl-"; `model` as the client named it, the served one if it named none.
AnswerHead MakeHead(std::string_view prefix, const std::string& model, const ServedModel& served);

std::string_view FinishReasonText(AnswerFinish finish);

// prompt_tokens, completion_tokens, total_tokens, prompt_tokens_details, completion_tokens_details and DeepSeek's hits
// and misses.
Json UsageJson(const AnswerTotals& totals);
// llama.cpp's timings object.
Json TimingsJson(const AnswerTotals& totals);

// A token's text on its own: bytes that are no UTF-8 become U+FFFD.
std::string TokenText(const Tokenizer& tokenizer, int32_t id);
// One that tells tokens apart: "bytes:\xE2\x80" for those that are no UTF-8, as OpenAI writes them.
std::string DistinctTokenText(const Tokenizer& tokenizer, int32_t id);
// -infinity, which JSON lacks, is -9999.
double FiniteLogprob(float logprob);
// {token, logprob, bytes, top_logprobs} as in chat completions.
Json TokenLogprobJson(const Tokenizer& tokenizer, const GeneratedToken& token);

// ": prefill 4096/25000 tokens, 512 cached, about 12 s left" as an SSE comment.
class PrefillComment {
 public:
  std::string operator()(const PrefillProgress& progress);

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int64_t start_done_ = -1;  // tokens that were there at the start
};

void RespondJson(HttpExchange& exchange, const Json& body);
// Headers of a stream of events.
HttpHeaders EventStreamHeaders();
inline constexpr std::string_view kKeepAliveComment = ": keep-alive\n\n";

}  // namespace fathom

#endif  // FATHOM_SERVER_API_OPENAI_SHAPES_H_
