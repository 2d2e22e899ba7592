#include "server/api/responses_answer.h"

#include <ctime>
#include <utility>

#include "base/strings.h"
#include "server/api/random_id.h"
#include "server/api/router.h"

namespace fathom {
namespace {

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(text, &out);
  return out;
}

// The member of an event that adds text to a message.
std::string LogprobsField(const std::vector<Json>& logprobs) {
  return StrCat(",\"logprobs\":", Json::Array(logprobs).Dump());
}

Json Text(std::string_view text) { return Json::String(std::string(text)); }

// The free text that a custom tool gets, out of the arguments of its function; as far as it came if they were cut off.
std::string InputOf(const std::string& arguments) {
  constexpr size_t kLongestEscape = 6;
  Result<Json> json = ParseJson(arguments);
  for (size_t cut = 0; !json.ok() && cut <= kLongestEscape && cut <= arguments.size(); ++cut) {
    json = ParseJson(arguments.substr(0, arguments.size() - cut) + "\"}");
  }
  const Json* input = json.ok() ? json->Find("input") : nullptr;
  return input != nullptr && input->is_string() ? input->string() : "";
}

}  // namespace

ResponsesAnswer::ResponsesAnswer(std::shared_ptr<HttpExchange> exchange, Options options)
    : exchange_(exchange),
      options_(std::move(options)),
      stream_(std::move(exchange), {.opening = [this] { return Opening(); }}),
      id_(RandomId("resp_")),
      created_(static_cast<int64_t>(std::time(nullptr))) {}

void ResponsesAnswer::Begin() {
  if (options_.stream) stream_.Begin();
}

std::string ResponsesAnswer::Numbered(std::string_view type, std::string_view fields) {
  return NamedEvent(type, StrCat("{\"type\":\"", type, "\",\"sequence_number\":", sequence_++, fields, "}"));
}

std::string ResponsesAnswer::Opening() {
  const std::string response = StrCat(",\"response\":", Response("in_progress").Dump());
  std::string events = Numbered("response.created", response);
  events += Numbered("response.in_progress", response);  // operands of one + would be numbered in any order
  return events;
}

bool ResponsesAnswer::Event(std::string_view type, std::string_view fields) {
  if (!options_.stream) return true;
  stream_.Begin();  // its events have the first numbers
  return stream_.Write(Numbered(type, fields));
}

bool ResponsesAnswer::OnPrefill(const PrefillProgress& progress) {
  return !options_.stream || stream_.Write(prefill_(progress));
}

Json ResponsesAnswer::Part() const {
  if (item_ == Item::kReasoning) {
    const char* type = options_.summary ? "summary_text" : "reasoning_text";
    return Json::Object({{"type", Json::String(type)}, {"text", Text(text_)}});
  }
  return Json::Object({{"type", Json::String("output_text")},
                       {"text", Text(text_)},
                       {"annotations", Json::Array()},
                       {"logprobs", Json::Array(logprobs_)}});
}

// The name by which the client knows the open item's tool.
void ResponsesAnswer::SetName(Json* item) const {
  const auto tool = options_.namespaced_tools.find(name_);
  const bool spaced = tool != options_.namespaced_tools.end();
  item->Set("name", Json::String(spaced ? tool->second.name : name_));
  if (spaced) item->Set("namespace", Json::String(tool->second.space));
}

Json ResponsesAnswer::ItemJson(const char* status) const {
  const bool done = std::string_view(status) != "in_progress";
  Json item = Json::Object({{"id", Json::String(item_id_)}});
  Json parts = Json::Array();
  if (done) parts.items().push_back(Part());
  switch (item_) {
    case Item::kReasoning:
      item.Set("type", Json::String("reasoning"));
      item.Set("summary", options_.summary ? parts : Json::Array());
      item.Set("content", options_.summary ? Json::Array() : parts);
      if (options_.seal != nullptr) {
        item.Set("encrypted_content", done ? Json::String(options_.seal->Seal(text_)) : Json());
      }
      break;
    case Item::kCall:
      item.Set("type", Json::String("function_call"));
      item.Set("call_id", Json::String(call_id_));
      SetName(&item);
      item.Set("arguments", Json::String(text_));
      break;
    case Item::kCustomCall:
      item.Set("type", Json::String("custom_tool_call"));
      item.Set("call_id", Json::String(call_id_));
      SetName(&item);
      item.Set("input", Json::String(InputOf(text_)));
      break;
    case Item::kMessage:
    case Item::kNone:
      item.Set("type", Json::String("message"));
      item.Set("role", Json::String("assistant"));
      item.Set("content", std::move(parts));
      break;
  }
  item.Set("status", Json::String(status));
  return item;
}

Json ResponsesAnswer::Response(const char* status) const {
  Json details;
  if (std::string_view(status) == "incomplete") {
    details = Json::Object({{"reason", Json::String("max_output_tokens")}});
  }
  Json response = Json::Object({{"id", Json::String(id_)},
                                {"object", Json::String("response")},
                                {"created_at", Json::Int(created_)},
                                {"status", Json::String(status)},
                                {"model", Json::String(options_.model)},
                                {"output", Json::Array(output_)},
                                {"error", error_},
                                {"incomplete_details", std::move(details)},
                                {"usage", usage_}});
  for (const auto& [key, value] : options_.echo.members()) response.Set(key, value);
  return response;
}

std::string ResponsesAnswer::Where(bool in_part) const {
  const bool summary = item_ == Item::kReasoning && options_.summary;
  return StrCat(",\"item_id\":", Quoted(item_id_), ",\"output_index\":", output_.size(),
                !in_part  ? ""
                : summary ? ",\"summary_index\":0"
                          : ",\"content_index\":0");
}

bool ResponsesAnswer::Open(Item item, std::string_view call_id, std::string_view name) {
  if (!Close()) return false;
  item_ = item;
  const char* prefix = item == Item::kReasoning ? "rs_" : item == Item::kMessage ? "msg_" : "fc_";
  item_id_ = RandomId(item == Item::kCustomCall ? "ctc_" : prefix);
  call_id_ = call_id;
  name_ = name;
  text_.clear();
  logprobs_.clear();
  if (!Event("response.output_item.added",
             StrCat(",\"output_index\":", output_.size(), ",\"item\":", ItemJson("in_progress").Dump()))) {
    return false;
  }
  if (item != Item::kReasoning && item != Item::kMessage) return true;
  const bool summary = item == Item::kReasoning && options_.summary;
  return Event(summary ? "response.reasoning_summary_part.added" : "response.content_part.added",
               StrCat(Where(true), ",\"part\":", Part().Dump()));
}

// The end of the open item's only part.
bool ResponsesAnswer::CloseText() {
  const bool message = item_ == Item::kMessage;
  const bool summary = !message && options_.summary;
  const char* text_done = message   ? "response.output_text.done"
                          : summary ? "response.reasoning_summary_text.done"
                                    : "response.reasoning_text.done";
  const char* part_done = summary ? "response.reasoning_summary_part.done" : "response.content_part.done";
  return Event(text_done, StrCat(Where(true), ",\"text\":", Quoted(text_), message ? LogprobsField(logprobs_) : "")) &&
         Event(part_done, StrCat(Where(true), ",\"part\":", Part().Dump()));
}

bool ResponsesAnswer::Close() {
  if (item_ == Item::kNone) return true;
  bool goes_on = true;
  switch (item_) {
    case Item::kReasoning:
    case Item::kMessage:
      goes_on = CloseText();
      break;
    case Item::kCall:
      goes_on = Event("response.function_call_arguments.done",
                      StrCat(Where(false), ",\"name\":", ItemJson("in_progress").Find("name")->Dump(),
                             ",\"arguments\":", Quoted(text_)));
      break;
    case Item::kCustomCall: {
      // Pieces of the JSON around it are no pieces of the input, so it comes at once.
      const std::string input = Quoted(InputOf(text_));
      goes_on = Event("response.custom_tool_call_input.delta", StrCat(Where(false), ",\"delta\":", input)) &&
                Event("response.custom_tool_call_input.done", StrCat(Where(false), ",\"input\":", input));
      break;
    }
    case Item::kNone:
      break;
  }
  Json item = ItemJson(cut_off_ ? "incomplete" : "completed");
  goes_on = goes_on &&
            Event("response.output_item.done", StrCat(",\"output_index\":", output_.size(), ",\"item\":", item.Dump()));
  output_.push_back(std::move(item));
  item_ = Item::kNone;
  return goes_on;
}

bool ResponsesAnswer::Delta(std::string_view type, std::string_view text, std::string_view more, bool in_part) {
  text_ += text;
  return Event(type, StrCat(Where(in_part), ",\"delta\":", Quoted(text), more));
}

bool ResponsesAnswer::OnToken(int /*choice*/, const TokenReport& report) {
  const bool wanted = options_.tokenizer != nullptr && report.part == AnswerPart::kContent;
  if (wanted) new_logprobs_.push_back(TokenLogprobJson(*options_.tokenizer, report.token));
  return true;
}

bool ResponsesAnswer::OnText(int /*choice*/, AnswerPart part, std::string_view text) {
  if (text.empty()) return true;
  const Item item = part == AnswerPart::kReasoning ? Item::kReasoning : Item::kMessage;
  if (item_ != item && !Open(item, "", "")) return false;
  if (item == Item::kReasoning) {
    return Delta(options_.summary ? "response.reasoning_summary_text.delta" : "response.reasoning_text.delta", text, "",
                 true);
  }
  const std::vector<Json> logprobs = std::exchange(new_logprobs_, {});
  logprobs_.insert(logprobs_.end(), logprobs.begin(), logprobs.end());
  return Delta("response.output_text.delta", text, LogprobsField(logprobs), true);
}

bool ResponsesAnswer::OnToolCall(int /*choice*/, int /*index*/, std::string_view id, std::string_view name) {
  const bool custom = options_.custom_tools.contains(std::string(name));
  return Open(custom ? Item::kCustomCall : Item::kCall, id, name);
}

bool ResponsesAnswer::OnArguments(int /*choice*/, int /*index*/, std::string_view json) {
  if (item_ != Item::kCustomCall) return Delta("response.function_call_arguments.delta", json, "", false);
  text_ += json;
  return true;
}

bool ResponsesAnswer::OnChoiceEnd(int /*choice*/, const ChoiceEnd& end) {
  cut_off_ = end.finish == AnswerFinish::kLength;
  return Close();
}

void ResponsesAnswer::End(const AnswerTotals& totals) {
  const Usage& usage = totals.usage;
  usage_ =
      Json::Object({{"input_tokens", Json::Int(usage.prompt_tokens)},
                    {"input_tokens_details", Json::Object({{"cached_tokens", Json::Int(usage.cached_tokens)}})},
                    {"output_tokens", Json::Int(usage.completion_tokens)},
                    {"output_tokens_details", Json::Object({{"reasoning_tokens", Json::Int(totals.reasoning_tokens)}})},
                    {"total_tokens", Json::Int(usage.prompt_tokens + usage.completion_tokens)}});
  const char* status = cut_off_ ? "incomplete" : "completed";
  std::string response = Response(status).Dump();
  const auto exchange = exchange_;
  if (!options_.stream) {
    return Keep(response, [exchange, response] {
      exchange->Respond({200, {{"Content-Type", "application/json"}}, response});
    });
  }
  stream_.Begin();  // its events have the first numbers
  std::string last = Numbered(StrCat("response.", status), StrCat(",\"response\":", response));
  Keep(std::move(response), [exchange, last = std::move(last)] {
    exchange->Write(last);
    exchange->End();
  });
}

void ResponsesAnswer::Keep(std::string response, std::function<void()> answer) {
  if (options_.store == nullptr) return answer();
  StoredResponse& stored = options_.stored;
  stored.id = id_;
  stored.created = created_;
  stored.response = std::move(response);
  for (std::string& id : ItemIdsOf(output_)) stored.item_ids.push_back(std::move(id));
  // What cannot be written is told in the log; the client's answer does not wait for a better disk.
  options_.store->Put(std::move(stored), [answer = std::move(answer)](const Status&) { answer(); });
}

void ResponsesAnswer::Fail(const ApiError& error) {
  if (!options_.stream) return RespondError(*exchange_, Protocol::kOpenAi, error);
  stream_.Fail(error, [&] {
    const bool too_many = error.kind == ApiErrorKind::kRateLimited || error.kind == ApiErrorKind::kOverloaded;
    const bool too_long = error.kind == ApiErrorKind::kContextTooLong;
    const char* code = too_many ? "rate_limit_exceeded" : too_long ? "context_length_exceeded" : "server_error";
    error_ = Json::Object({{"code", Json::String(code)}, {"message", Json::String(error.message)}});
    return Numbered("response.failed", StrCat(",\"response\":", Response("failed").Dump()));
  });
}

}  // namespace fathom
