#include "server/api/completion_request.h"

#include <utility>

#include "base/strings.h"
#include "server/api/api_limits.h"
#include "tokenizer/chat_dialect.h"
#include "tokenizer/chat_template.h"

namespace fathom {
namespace {

constexpr std::string_view kPromptShapes = "a string, a list of strings, a list of token ids or a list of such lists";

Result<CompletionPrompt> PromptFromIds(const Json& list, const std::string& path, bool echo,
                                       const Tokenizer& tokenizer) {
  CompletionPrompt prompt;
  FATHOM_ASSIGN_OR_RETURN(prompt.tokens, ReadTokenIds(list, path, tokenizer));
  if (prompt.tokens.empty()) return InvalidArgument(path + " is empty; accepted is at least one token");
  if (echo) prompt.echo = tokenizer.Decode(prompt.tokens, false);
  return prompt;
}

Status ReadPrompts(const JsonFields& fields, const Tokenizer& tokenizer, OpenAiCompletion* completion) {
  const Json* prompt = fields.Find("prompt");
  if (prompt == nullptr) return InvalidArgument(StrCat("prompt is missing; accepted is ", kPromptShapes));
  bool add_bos = true;
  FATHOM_RETURN_IF_ERROR(fields.Read("add_special_tokens", &add_bos));
  if (prompt->is_string()) {
    completion->prompts.push_back(PromptFromText(prompt->string(), add_bos, tokenizer));
  } else if (!prompt->is_array() || prompt->items().empty()) {
    return fields.Wrong("prompt", *prompt, kPromptShapes);
  } else if (prompt->items()[0].is_number()) {
    FATHOM_ASSIGN_OR_RETURN(CompletionPrompt ids, PromptFromIds(*prompt, "prompt", completion->echo, tokenizer));
    completion->prompts.push_back(std::move(ids));
  } else {
    if (prompt->items().size() > kMaxPrompts) {
      return InvalidArgument(
          StrCat("prompt has ", prompt->items().size(), " prompts; accepted are at most ", kMaxPrompts));
    }
    for (size_t index = 0; index < prompt->items().size(); ++index) {
      const Json& item = prompt->items()[index];
      const std::string path = StrCat("prompt[", index, "]");
      if (item.is_string()) {
        completion->prompts.push_back(PromptFromText(item.string(), add_bos, tokenizer));
      } else if (item.is_array()) {
        FATHOM_ASSIGN_OR_RETURN(CompletionPrompt ids, PromptFromIds(item, path, completion->echo, tokenizer));
        completion->prompts.push_back(std::move(ids));
      } else {
        return fields.Wrong(path, item, "a string or a list of token ids");
      }
    }
  }
  return {};
}

Status ReadMiddle(const JsonFields& fields, const Tokenizer& tokenizer, OpenAiCompletion* completion) {
  std::string suffix;
  FATHOM_RETURN_IF_ERROR(fields.Read("suffix", &suffix));
  if (fields.Find("suffix") == nullptr) return {};
  const Json* prompt = fields.Find("prompt");
  if (!prompt->is_string()) return fields.Wrong("prompt", *prompt, "a string, because there is a suffix");
  FATHOM_ASSIGN_OR_RETURN(CompletionPrompt middle, FillInTheMiddlePrompt(prompt->string(), suffix, tokenizer));
  middle.echo = prompt->string();
  completion->prompts = {std::move(middle)};
  return {};
}

}  // namespace

Result<std::vector<int32_t>> ReadTokenIds(const Json& list, const std::string& path, const Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  if (!list.is_array()) return InvalidArgument(path + " is no list; accepted is a list of token ids");
  ids.reserve(list.items().size());
  for (size_t index = 0; index < list.items().size(); ++index) {
    const std::optional<int64_t> id = list.items()[index].AsInt();
    if (!id || *id < 0 || *id >= tokenizer.vocab_size()) {
      return InvalidArgument(StrCat(path, "[", index, "] is ", Printable(list.items()[index].Dump(), 40),
                                    "; accepted are token ids from 0 to ", tokenizer.vocab_size() - 1));
    }
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

CompletionPrompt PromptFromText(const std::string& text, bool add_bos, const Tokenizer& tokenizer) {
  CompletionPrompt prompt;
  prompt.echo = text;
  const std::optional<int32_t> bos = tokenizer.FindAddedToken(kBosText);
  if (add_bos && bos && !text.starts_with(kBosText)) {
    prompt.tokens.push_back(*bos);
    prompt.hidden = 1;
  }
  const std::vector<int32_t> ids = tokenizer.Encode(text, AddedTokens::kMatch);
  prompt.tokens.insert(prompt.tokens.end(), ids.begin(), ids.end());
  return prompt;
}

Result<CompletionPrompt> FillInTheMiddlePrompt(const std::string& prefix, const std::string& suffix,
                                               const Tokenizer& tokenizer) {
  if (!tokenizer.FindAddedToken("<｜fim▁begin｜>") || !tokenizer.FindAddedToken("<｜fim▁hole｜>") ||
      !tokenizer.FindAddedToken("<｜fim▁end｜>")) {
    return InvalidArgument("suffix is given, but this model's tokenizer has no tokens for fill-in-the-middle");
  }
  const RenderedPrompt rendered = RenderFillInTheMiddle(prefix, suffix);
  CompletionPrompt prompt;
  prompt.tokens = tokenizer.EncodeSpans(rendered.text_spans());
  return prompt;
}

Result<OpenAiCompletion> ParseOpenAiCompletion(const Json& body, const Tokenizer& tokenizer) {
  if (!body.is_object()) return InvalidArgument("the body is no JSON object; accepted is one with model and prompt");
  const JsonFields fields(body);
  OpenAiCompletion completion;
  TextRequest& request = completion.request;
  FATHOM_RETURN_IF_ERROR(fields.Read("model", &request.model, kMaxModelNameBytes));
  FATHOM_RETURN_IF_ERROR(fields.Read("echo", &completion.echo));
  FATHOM_RETURN_IF_ERROR(ReadPrompts(fields, tokenizer, &completion));
  FATHOM_RETURN_IF_ERROR(ReadMiddle(fields, tokenizer, &completion));
  FATHOM_RETURN_IF_ERROR(ReadSampling(fields, &request.sampling));
  FATHOM_RETURN_IF_ERROR(ReadAnswerForm(fields, &request.form));
  if (const Json* logprobs = fields.Find("logprobs"); logprobs != nullptr && !logprobs->is_bool()) {
    FATHOM_RETURN_IF_ERROR(fields.Read("logprobs", &request.sampling.logprobs, 0, kMaxLegacyLogprobs));
  } else if (logprobs != nullptr && logprobs->boolean()) {
    request.sampling.logprobs = 0;
  }
  FATHOM_RETURN_IF_ERROR(ReadMaxTokens(fields, completion.echo ? 0 : 1, &request.max_tokens));
  const bool middle = fields.Find("suffix") != nullptr;
  if (!request.max_tokens && !fields.Find("max_tokens")) {
    request.max_tokens = middle ? kDefaultMiddleTokens : kDefaultCompletionTokens;
  }
  if (completion.echo && (request.sampling.logprobs || request.max_tokens == 0)) {
    request.prompt_logprobs = request.sampling.logprobs.value_or(0);
  }
  FATHOM_RETURN_IF_ERROR(fields.ReadTexts("stop", kMaxApiStopStrings, &request.stop));
  std::optional<int64_t> n;
  std::optional<int64_t> best_of;
  FATHOM_RETURN_IF_ERROR(fields.Read("n", &n, 1, kMaxChoices));
  FATHOM_RETURN_IF_ERROR(fields.Read("best_of", &best_of, 1));
  request.n = n.value_or(1);
  if (best_of && *best_of != request.n) {
    return InvalidArgument(StrCat("best_of is ", *best_of, "; accepted is only n, which is ", request.n));
  }
  FATHOM_RETURN_IF_ERROR(fields.Read("cache_prompt", &request.use_prefix_cache));
  FATHOM_RETURN_IF_ERROR(ReadAnswerOptions(fields, &completion.answer));
  return completion;
}

}  // namespace fathom
