// responses_answer.h - answers in the shape of the Responses API, streamed and whole.
#ifndef FATHOM_SERVER_API_RESPONSES_ANSWER_H_
#define FATHOM_SERVER_API_RESPONSES_ANSWER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "server/api/answer_sink.h"
#include "server/api/event_stream.h"
#include "server/api/openai_shapes.h"
#include "server/api/reasoning_seal.h"
#include "server/api/response_store.h"
#include "server/api/responses_request.h"
#include "server/http/http.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

// Output items in order: reasoning, message, calls. Streamed, each is opened by response.output_item.added before any
// delta of it and closed by response.output_item.done with the whole item; the stream ends with response.completed,
// response.incomplete or response.failed, which hold everything once more. The summary of reasoning, where one is
// wanted, is all of it: nothing here could make a shorter one.
class ResponsesAnswer : public AnswerSink {
 public:
  struct Options {
    std::string model = {};
    bool stream = false;
    std::set<std::string> custom_tools = {};
    std::map<std::string, ToolInNamespace> namespaced_tools = {};
    bool summary = false;                  // reasoning is sent as its summary
    const ReasoningSeal* seal = nullptr;   // makes reasoning items' encrypted_content; null: they have none
    ResponseStore* store = nullptr;        // keeps the response before the client has its end; null: nothing does
    StoredResponse stored = {};            // all but id, created and response are set
    const Tokenizer* tokenizer = nullptr;  // messages' text has logprobs; null: they have none
    Json echo = Json::Object();            // members that the response repeats of the request
  };
  ResponsesAnswer(std::shared_ptr<HttpExchange> exchange, Options options);

  // The request was accepted.
  void Begin();

  bool OnPrefill(const PrefillProgress& progress) override;
  bool OnText(int choice, AnswerPart part, std::string_view text) override;
  bool OnToken(int choice, const TokenReport& report) override;
  bool OnToolCall(int choice, int index, std::string_view id, std::string_view name) override;
  bool OnArguments(int choice, int index, std::string_view json) override;
  bool OnChoiceEnd(int choice, const ChoiceEnd& end) override;
  void End(const AnswerTotals& totals) override;
  void Fail(const ApiError& error) override;

 private:
  enum class Item { kNone, kReasoning, kMessage, kCall, kCustomCall };

  // The open item as JSON.
  Json ItemJson(const char* status) const;
  void SetName(Json* item) const;
  Json Part() const;
  Json Response(const char* status) const;
  bool Open(Item item, std::string_view call_id, std::string_view name);
  bool Close();
  bool Delta(std::string_view type, std::string_view text, std::string_view more, bool in_part);
  // What every stream begins with.
  std::string Opening();
  // `fields` are further members, begun with a comma; type and sequence_number are added.
  std::string Numbered(std::string_view type, std::string_view fields);
  bool Event(std::string_view type, std::string_view fields);
  bool CloseText();
  std::string Where(bool in_part) const;
  // Keeps the response, then calls `answer`.
  void Keep(std::string response, std::function<void()> answer);

  const std::shared_ptr<HttpExchange> exchange_;
  Options options_;
  EventStream stream_;
  PrefillComment prefill_;
  const std::string id_;
  const int64_t created_;
  int64_t sequence_ = 0;

  std::vector<Json> output_;  // closed items
  Item item_ = Item::kNone;
  std::string item_id_, call_id_, name_, text_;
  std::vector<Json> logprobs_;      // of the open message
  std::vector<Json> new_logprobs_;  // of the text that comes next
  bool cut_off_ = false;
  Json usage_;
  Json error_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_RESPONSES_ANSWER_H_
