// chat_answer.h - sinks that write answers of chat completions: frame by frame, or as one object.
#ifndef FATHOM_SERVER_API_CHAT_ANSWER_H_
#define FATHOM_SERVER_API_CHAT_ANSWER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/api/answer_sink.h"
#include "server/api/event_stream.h"
#include "server/api/openai_shapes.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

struct ChatAnswerOptions {
  AnswerHead head;
  int choices = 1;
  bool include_usage = false;
  bool logprobs = false;
  bool both_reasoning = false;   // see OpenAiOptions
  bool legacy_function = false;  // the request had `functions`: function_call instead of tool_calls
};

// chat.completion.chunk events.
class ChatStreamSink : public AnswerSink {
 public:
  ChatStreamSink(std::shared_ptr<HttpExchange> exchange, ChatAnswerOptions options, const Tokenizer& tokenizer);

  void Begin() { stream_.Begin(); }
  bool OnPrefill(const PrefillProgress& progress) override;
  bool OnText(int choice, AnswerPart part, std::string_view text) override;
  bool OnToken(int choice, const TokenReport& report) override;
  bool OnToolCall(int choice, int index, std::string_view id, std::string_view name) override;
  bool OnArguments(int choice, int index, std::string_view json) override;
  bool OnChoiceEnd(int choice, const ChoiceEnd& end) override;
  void End(const AnswerTotals& totals) override;
  void Fail(const ApiError& error) override { stream_.Fail(error); }

 private:
  struct Choice {
    bool begun = false;
    std::vector<Json> content_logprobs;  // of tokens whose text comes next
    std::vector<Json> reasoning_logprobs;
  };

  bool WriteDelta(int choice, std::string_view delta);
  void BeginChoice(int choice, std::string* out);
  void AppendFrame(int choice, std::string_view delta, std::string_view finish, std::string* out);

  EventStream stream_;
  const ChatAnswerOptions options_;
  const Tokenizer& tokenizer_;
  const std::string frame_begin_;  // up to choices
  const std::string frame_end_;    // behind choices
  std::vector<Choice> choices_;
  PrefillComment prefill_;
  std::string last_frame_;  // the end of the only choice: it waits for the timings
};

// One chat.completion object.
class ChatCollectSink : public AnswerSink {
 public:
  ChatCollectSink(std::shared_ptr<HttpExchange> exchange, ChatAnswerOptions options, const Tokenizer& tokenizer);

  bool OnText(int choice, AnswerPart part, std::string_view text) override;
  bool OnToken(int choice, const TokenReport& report) override;
  bool OnToolCall(int choice, int index, std::string_view id, std::string_view name) override;
  bool OnArguments(int choice, int index, std::string_view json) override;
  bool OnChoiceEnd(int choice, const ChoiceEnd& end) override;
  void End(const AnswerTotals& totals) override;
  void Fail(const ApiError& error) override;

 private:
  struct Choice {
    std::string reasoning;
    std::string content;
    std::vector<ToolCall> calls;
    std::vector<Json> content_logprobs;
    std::vector<Json> reasoning_logprobs;
    ChoiceEnd end;
  };
  Json ChoiceJson(int index);
  Json MessageJson(const Choice& choice) const;

  const std::shared_ptr<HttpExchange> exchange_;
  const ChatAnswerOptions options_;
  const Tokenizer& tokenizer_;
  std::vector<Choice> choices_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_CHAT_ANSWER_H_
