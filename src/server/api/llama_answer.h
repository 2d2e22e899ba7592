// llama_answer.h - answers of llama.cpp's /completion and /infill.
#ifndef FATHOM_SERVER_API_LLAMA_ANSWER_H_
#define FATHOM_SERVER_API_LLAMA_ANSWER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/answer_sink.h"
#include "server/api/event_stream.h"
#include "server/api/openai_shapes.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

struct LlamaAnswerOptions {
  std::string model;
  bool stream = false;
  bool return_tokens = false;
  bool probabilities = false;  // n_probs was given
  std::string prompt;          // as text, for the answer's `prompt`
  Json settings;               // generation_settings
};

class LlamaAnswerSink : public AnswerSink {
 public:
  LlamaAnswerSink(std::shared_ptr<HttpExchange> exchange, LlamaAnswerOptions options, const Tokenizer& tokenizer)
      : exchange_(exchange), options_(std::move(options)), tokenizer_(tokenizer), stream_(std::move(exchange)) {}

  void Begin() {
    if (options_.stream) stream_.Begin();
  }
  bool OnPrefill(const PrefillProgress& progress) override;
  bool OnText(int choice, AnswerPart part, std::string_view text) override;
  bool OnToken(int choice, const TokenReport& report) override;
  bool OnToolCall(int, int, std::string_view, std::string_view) override { return true; }
  bool OnArguments(int, int, std::string_view) override { return true; }
  bool OnChoiceEnd(int choice, const ChoiceEnd& end) override;
  void End(const AnswerTotals& totals) override;
  void Fail(const ApiError& error) override;

 private:
  const std::shared_ptr<HttpExchange> exchange_;
  const LlamaAnswerOptions options_;
  const Tokenizer& tokenizer_;
  EventStream stream_;
  PrefillComment prefill_;
  std::string content_;  // unless it is streamed
  bool has_new_line_ = false;
  std::vector<Json> tokens_;         // collected, or of the next event
  std::vector<Json> probabilities_;  // likewise
  ChoiceEnd end_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_LLAMA_ANSWER_H_
