// Any JSON as a chat request: byte 0 chooses the options, the rest is {"messages": [...], "tools": [...]}. Rendering
// never fails in another way than with a sentence, and the spans of a prompt alternate and hold no request text as
// markup.
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "tokenizer/chat_message.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/python_json.h"

namespace fathom {
namespace {

void CheckSentence(const Status& status) {
  FATHOM_CHECK(!status.message().empty() && status.message().find('\n') == std::string::npos);
}

// A prompt in which all text of the request is replaced is the same in its markup, so markup can't depend on content.
std::string Markup(const RenderedPrompt& prompt) {
  std::string out;
  for (size_t i = 0; i < prompt.spans().size(); ++i) {
    const PromptSpan& span = prompt.spans()[i];
    FATHOM_CHECK(!span.text.empty());
    FATHOM_CHECK(i == 0 || prompt.spans()[i - 1].markup != span.markup);
    if (span.markup) out += span.text;
  }
  return out;
}

void CheckMarkup(std::vector<ChatMessage> messages, const std::vector<Json>& tools, const ChatOptions& options,
                 const std::string& markup) {
  for (ChatMessage& message : messages) {
    message.content = message.role == "developer" ? "x" : "";
    message.reasoning_content = "<｜User｜>";
    for (ToolCall& call : message.tool_calls) call.name = "</think>";
    if (!message.response_format.is_null()) message.response_format = Json::String("<｜Assistant｜>");
  }
  const Result<RenderedPrompt> prompt = RenderChat(messages, tools, options);
  FATHOM_CHECK(prompt.ok() && Markup(*prompt) == markup);
}

// What is written is read back as the same value.
void CheckPythonJson(const Json& value) {
  const std::string text = DumpPythonJson(value);
  const Result<Json> again = ParsePythonJson(text);
  FATHOM_CHECK(again.ok() && DumpPythonJson(*again) == text);
}

}  // namespace
}  // namespace fathom

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  if (size < 1) return 0;
  const uint8_t flags = data[0];
  const Result<Json> request = ParseJson({reinterpret_cast<const char*>(data) + 1, size - 1}, {.allow_nan = true});
  if (!request.ok()) {
    CheckSentence(request.status());
    return 0;
  }
  CheckPythonJson(*request);
  const Json* list = request->Find("messages");
  const Json* tool_list = request->Find("tools");
  const Result<std::vector<ChatMessage>> messages = ParseChatMessages(list != nullptr ? *list : *request);
  const Result<std::vector<Json>> tools = ParseTools(tool_list != nullptr ? *tool_list : Json(), "tools");
  if (!messages.ok()) CheckSentence(messages.status());
  if (!tools.ok()) CheckSentence(tools.status());
  if (!messages.ok() || !tools.ok()) return 0;

  ChatOptions options;
  options.dialect = flags % 3 == 0 ? Dialect::kV4 : flags % 3 == 1 ? Dialect::kV40731 : Dialect::kV41;
  options.thinking_mode = flags & 4 ? ThinkingMode::kChat : ThinkingMode::kThinking;
  options.drop_thinking = !(flags & 8);
  options.add_bos = !(flags & 16);
  if (flags & 32) options.reasoning_effort = "max";
  const Result<RenderedPrompt> prompt = RenderChat(*messages, *tools, options);
  if (!prompt.ok()) {
    CheckSentence(prompt.status());
    return 0;
  }
  CheckMarkup(*messages, *tools, options, Markup(*prompt));
  return 0;
}
