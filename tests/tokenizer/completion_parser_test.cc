// Error sentences and the way back from rendered text. Accepted and rejected texts are in
// tests/cases/chat_encoding.json.
#include "tokenizer/completion_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tokenizer/chat_template.h"

namespace fathom {
namespace {

TEST(CompletionParser, ErrorsSayWhereAndWhat) {
  const auto error = [](std::string_view text, ThinkingMode mode) {
    const Result<ParsedCompletion> parsed = ParseCompletion(text, mode, Dialect::kV4);
    return parsed.ok() ? "accepted" : parsed.status().message();
  };
  EXPECT_EQ(error("abc", ThinkingMode::kChat),
            "completion is malformed at byte 3: content without the end-of-sentence marker after it");
  EXPECT_EQ(error("abc", ThinkingMode::kThinking),
            "completion is malformed at byte 3: reasoning without </think> after it");
  EXPECT_EQ(error("a<think>b<｜end▁of▁sentence｜>", ThinkingMode::kChat),
            "completion is malformed: content contains the marker <think>");
}

// What the template writes for an assistant turn, the strict parser reads back.
TEST(CompletionParser, ReadsWhatTheTemplateWrites) {
  for (const Dialect dialect : {Dialect::kV4, Dialect::kV40731, Dialect::kV41}) {
    ChatMessage user;
    user.role = "user";
    ChatMessage answer;
    answer.role = "assistant";
    answer.content = "Hello\n";
    answer.reasoning_content = "hm\n\n";
    answer.tool_calls.push_back({"1", "f", R"({"text": "a\nb </x> \"q\"", "list": [1, {"k": null}], "n": 2.5})"});
    answer.tool_calls.push_back({"2", "g", "{}"});
    const std::vector<ChatMessage> messages = {user, answer};
    const Result<RenderedPrompt> prompt = RenderChat(messages, {}, {.dialect = dialect});
    ASSERT_TRUE(prompt.ok()) << prompt.status().message();
    const std::string text = prompt->text();
    const size_t start = text.find(kThinkText) + kThinkText.size();
    const Result<ParsedCompletion> parsed =
        ParseCompletion(std::string_view(text).substr(start), ThinkingMode::kThinking, dialect);
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    EXPECT_EQ(parsed->content, answer.content);
    EXPECT_EQ(parsed->reasoning_content, answer.reasoning_content);
    ASSERT_EQ(parsed->tool_calls.size(), 2u);
    EXPECT_EQ(parsed->tool_calls[0].arguments, answer.tool_calls[0].arguments);
    EXPECT_EQ(parsed->tool_calls[1].name, "g");
    EXPECT_EQ(parsed->tool_calls[1].arguments, "{}");
  }
}

}  // namespace
}  // namespace fathom
