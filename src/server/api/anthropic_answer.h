// anthropic_answer.h - answers in the shape of Anthropic's Messages, streamed and whole.
#ifndef FATHOM_SERVER_API_ANTHROPIC_ANSWER_H_
#define FATHOM_SERVER_API_ANTHROPIC_ANSWER_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/api/answer_sink.h"
#include "server/api/event_stream.h"
#include "server/api/openai_shapes.h"
#include "server/http/http.h"

namespace fathom {

// What a thinking block is signed with: nothing that anybody checks, but clients want it non-empty. Depends on the text
// alone, so that a block that comes back is the same.
std::string ThinkingSignature(std::string_view thinking);

// {input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens}: input_tokens are those that did
// not come from the cache.
Json AnthropicUsage(const Usage& usage);

// The object that the JSON text of a call's arguments is. Of text that was cut off, the members that came whole (a
// number at the end could have gone on, so it is none of them); nothing if there are none.
std::optional<Json> WholeInput(const std::string& arguments);

// Events: message_start, ping, then per block content_block_start, _delta, _stop, at last message_delta and
// message_stop. message_start comes when reading the prompt begins, because it tells how much of it is cached; a ping
// comes with every report of the reading, and from the exchange whenever nothing is written. An error closes the open
// block and ends the stream as an `error` event, or, before its begin, the exchange.
class AnthropicStream : public AnswerSink {
 public:
  AnthropicStream(std::shared_ptr<HttpExchange> exchange, std::string model);

  // The request was accepted.
  void Begin() { stream_.Begin(); }

  void OnPrompt(int64_t tokens) override { usage_.prompt_tokens = tokens; }
  void OnPromptCached(int64_t tokens) override;
  bool OnPrefill(const PrefillProgress& progress) override;
  bool OnText(int choice, AnswerPart part, std::string_view text) override;
  bool OnToolCall(int choice, int index, std::string_view id, std::string_view name) override;
  bool OnArguments(int choice, int index, std::string_view json) override;
  bool OnChoiceEnd(int choice, const ChoiceEnd& end) override;
  void End(const AnswerTotals& totals) override;
  void Fail(const ApiError& error) override;

 private:
  enum class Block { kNone, kThinking, kText, kTool };

  // Each appends events to `out`.
  void StartMessage(std::string* out);
  void OpenBlock(Block block, const Json& content, std::string* out);
  void OpenCall(std::string* out);
  void CloseBlock(std::string* out);
  void Delta(std::string_view type, std::string_view key, std::string_view text, std::string* out) const;

  EventStream stream_;
  const std::string model_;
  Usage usage_;  // as far as it is known
  bool started_ = false;
  PrefillComment prefill_;
  Block block_ = Block::kNone;
  int index_ = -1;  // of the open or last block
  Json call_;       // the block of a call of which no arguments have come
  std::string thinking_;
  ChoiceEnd end_;
};

// The whole message at once.
class AnthropicCollector : public AnswerSink {
 public:
  AnthropicCollector(std::shared_ptr<HttpExchange> exchange, std::string model);

  bool OnText(int choice, AnswerPart part, std::string_view text) override;
  bool OnToolCall(int choice, int index, std::string_view id, std::string_view name) override;
  bool OnArguments(int choice, int index, std::string_view json) override;
  bool OnChoiceEnd(int choice, const ChoiceEnd& end) override;
  void End(const AnswerTotals& totals) override;
  void Fail(const ApiError& error) override;

 private:
  struct Call {
    std::string id;
    std::string name;
    std::string arguments;
  };

  const std::shared_ptr<HttpExchange> exchange_;
  const std::string model_;
  std::string thinking_;
  std::string text_;
  std::vector<Call> calls_;
  ChoiceEnd end_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_ANTHROPIC_ANSWER_H_
