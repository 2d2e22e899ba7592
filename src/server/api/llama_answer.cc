#include "server/api/llama_answer.h"

#include <utility>

#include "base/strings.h"

namespace fathom {
namespace {

const char* StopType(const ChoiceEnd& end) {
  if (end.finish == AnswerFinish::kLength) return "limit";
  return end.finish == AnswerFinish::kStopSequence ? "word" : "eos";
}

}  // namespace

bool LlamaAnswerSink::OnPrefill(const PrefillProgress& progress) {
  return !options_.stream || stream_.Write(prefill_(progress));
}

bool LlamaAnswerSink::OnToken(int, const TokenReport& report) {
  tokens_.push_back(Json::Int(report.token.id));
  if (!options_.probabilities) return true;
  Json entry = TokenLogprobJson(tokenizer_, report.token);
  entry.Set("id", Json::Int(report.token.id));
  std::vector<Json>& top = entry.members().end()[-2].second.items();
  for (size_t index = 0; index < top.size(); ++index) top[index].Set("id", Json::Int(report.token.top[index].id));
  probabilities_.push_back(std::move(entry));
  return true;
}

bool LlamaAnswerSink::OnText(int, AnswerPart, std::string_view text) {
  has_new_line_ = has_new_line_ || text.find('\n') != std::string_view::npos;
  if (!options_.stream) {
    content_ += text;
    return true;
  }
  Json event = Json::Object({{"index", Json::Int(0)},
                             {"content", Json::String(std::string(text))},
                             {"tokens", Json::Array(std::exchange(tokens_, {}))},
                             {"stop", Json::Bool(false)},
                             {"id_slot", Json::Int(0)}});
  if (options_.probabilities) event.Set("completion_probabilities", Json::Array(std::exchange(probabilities_, {})));
  return stream_.Write("data: " + event.Dump() + "\n\n");
}

bool LlamaAnswerSink::OnChoiceEnd(int, const ChoiceEnd& end) {
  end_ = end;
  return true;
}

void LlamaAnswerSink::End(const AnswerTotals& totals) {
  Json body = Json::Object(
      {{"index", Json::Int(0)},
       {"content", Json::String(content_)},
       {"tokens", Json::Array(options_.return_tokens && !options_.stream ? std::move(tokens_) : std::vector<Json>())},
       {"id_slot", Json::Int(0)},
       {"stop", Json::Bool(true)},
       {"model", Json::String(options_.model)},
       {"tokens_predicted", Json::Int(totals.usage.completion_tokens)},
       {"tokens_evaluated", Json::Int(totals.usage.prompt_tokens)},
       {"tokens_cached", Json::Int(totals.usage.cached_tokens)},
       {"generation_settings", options_.settings},
       {"prompt", Json::String(options_.prompt)},
       {"has_new_line", Json::Bool(has_new_line_)},
       {"truncated", Json::Bool(false)},
       {"stop_type", Json::String(StopType(end_))},
       {"stopping_word", Json::String(end_.stop_sequence)},
       {"timings", TimingsJson(totals)}});
  if (options_.probabilities) body.Set("completion_probabilities", Json::Array(std::move(probabilities_)));
  if (!options_.stream) return RespondJson(*exchange_, body);
  stream_.Write("data: " + body.Dump() + "\n\n");
  stream_.End();
}

void LlamaAnswerSink::Fail(const ApiError& error) {
  if (options_.stream) {
    stream_.Fail(error);
  } else {
    RespondError(*exchange_, Protocol::kOpenAi, error);
  }
}

}  // namespace fathom
