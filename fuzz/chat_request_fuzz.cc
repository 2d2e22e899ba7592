// Any bytes as the body of a request in every protocol: it becomes a request that keeps its promises, or is refused
// with one sentence.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "server/api/anthropic_request.h"
#include "server/api/api_error.h"
#include "server/api/api_limits.h"
#include "server/api/completion_request.h"
#include "server/api/openai_request.h"
#include "server/api/responses_request.h"
#include "tests/support/tiny_tokenizer.h"

namespace fathom {
namespace {

void CheckRefusal(const Status& status) {
  const ApiError error = ApiErrorFrom(status);
  FATHOM_CHECK(!error.message.empty());
  FATHOM_CHECK(error.message.find('\n') == std::string::npos);
}

void CheckRequest(const ChatRequest& request) {
  FATHOM_CHECK(!request.messages.empty());
  FATHOM_CHECK(request.n >= 1 && request.n <= kMaxChoices);
  FATHOM_CHECK(!request.max_tokens || *request.max_tokens >= 1);
  FATHOM_CHECK((request.tool_choice == ToolChoice::kNamed) || request.tool_name.empty());
  if (request.continues_last) FATHOM_CHECK(request.messages.back().role == "assistant");
  if (request.form.kind == AnswerForm::Kind::kJsonSchema) FATHOM_CHECK(!request.form.path.empty());
  const ChatOptions options;
  const Result<RenderedPrompt> rendered = RenderChat(request.messages, request.tools, options);
  if (!rendered.ok()) CheckRefusal(rendered.status());
}

const Tokenizer& TinyTokenizer() {
  static const Tokenizer* const tokenizer =
      Tokenizer::FromJson(TinyTokenizerJson({}, {{"<｜begin▁of▁sentence｜>", true}}).Dump(), "tiny")->release();
  return *tokenizer;
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  const Result<Json> body = ParseJson({reinterpret_cast<const char*>(data), size});
  if (!body.ok()) return 0;
  const Result<OpenAiChat> chat = ParseOpenAiChat(*body);
  chat.ok() ? CheckRequest(chat->request) : CheckRefusal(chat.status());
  for (const AnthropicUse use : {AnthropicUse::kMessages, AnthropicUse::kCountTokens}) {
    const Result<AnthropicRequest> messages = ParseAnthropicRequest(*body, use);
    messages.ok() ? CheckRequest(messages->chat) : CheckRefusal(messages.status());
  }
  const Result<ResponsesRequest> responses = ParseResponsesRequest(*body);
  if (!responses.ok()) CheckRefusal(responses.status());
  const Result<OpenAiCompletion> completion = ParseOpenAiCompletion(*body, TinyTokenizer());
  if (!completion.ok()) CheckRefusal(completion.status());
  if (completion.ok()) FATHOM_CHECK(!completion->prompts.empty());
  return 0;
}
