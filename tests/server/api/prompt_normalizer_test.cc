#include "server/api/prompt_normalizer.h"

#include <gtest/gtest.h>

namespace fathom {
namespace {

constexpr const char* kDateLine = "Today's date: 2026-11-25";

std::vector<ChatMessage> Conversation() {
  std::vector<ChatMessage> messages(4);
  messages[0].role = "system";
  messages[0].content = std::string("X-Anthropic-Billing-Header: cc=1\nBe kind.\n") + kDateLine + "\nEnd.";
  messages[1].role = "user";
  messages[1].content = "First";
  messages[2].role = "assistant";
  messages[2].content = "Answer";
  messages[3].role = "user";
  messages[3].content = "Last";
  return messages;
}

std::vector<std::string> Normalized(const char* mode, std::vector<ChatMessage> messages = Conversation()) {
  const Result<PromptNormalization> normalization = ParsePromptNormalization(mode);
  EXPECT_TRUE(normalization.ok());
  NormalizePrompt(*normalization, &messages);
  std::vector<std::string> texts;
  for (const ChatMessage& message : messages) texts.push_back(message.content);
  return texts;
}

TEST(PromptNormalizer, EachMode) {
  const std::string dated = std::string("Be kind.\n") + kDateLine + "\nEnd.";
  const std::string moved = std::string("\n\n") + kDateLine;
  using Texts = std::vector<std::string>;
  EXPECT_EQ(Normalized("off"), (Texts{"X-Anthropic-Billing-Header: cc=1\n" + dated, "First", "Answer", "Last"}));
  EXPECT_EQ(Normalized("headers"), (Texts{dated, "First", "Answer", "Last"}));
  EXPECT_EQ(Normalized("drop"), (Texts{"Be kind.\nEnd.", "First", "Answer", "Last"}));
  EXPECT_EQ(Normalized("first-user"), (Texts{"Be kind.\nEnd.", "First" + moved, "Answer", "Last"}));
  EXPECT_EQ(Normalized("last-user"), (Texts{"Be kind.\nEnd.", "First", "Answer", "Last" + moved}));
  EXPECT_NE(ParsePromptNormalization("some").status().message().find("accepted are off"), std::string::npos);
}

TEST(PromptNormalizer, WithoutAUserDateLinesStay) {
  std::vector<ChatMessage> messages = Conversation();
  messages.resize(1);
  EXPECT_NE(Normalized("last-user", messages)[0].find(kDateLine), std::string::npos);
}

TEST(PromptNormalizer, OnlyTheSystemTextInFrontIsChanged) {
  std::vector<ChatMessage> messages = Conversation();
  messages[1].content = kDateLine;
  messages[3].role = "system";
  messages[3].content = kDateLine;
  const std::vector<std::string> texts = Normalized("drop", messages);
  EXPECT_EQ(texts[1], kDateLine);
  EXPECT_EQ(texts[3], kDateLine);
}

TEST(PromptNormalizer, DateLinesNameTheTimeAndGiveOne) {
  for (const char* line : {"Date: 2026/11/25", "The current time is 14:03:59.", "Today is November 25, 2026",
                           "date = 25 November 2026", "timestamp 2026-11-25T14:03:59Z"}) {
    EXPECT_TRUE(IsDateLine(line)) << line;
  }
  for (const char* line : {"Released on 2026-11-25", "What time is it?", "Dates are written YYYY-MM-DD.", ""}) {
    EXPECT_FALSE(IsDateLine(line)) << line;
  }
  EXPECT_FALSE(IsDateLine("Date: 2026-11-25" + std::string(300, ' ')));
}

}  // namespace
}  // namespace fathom
