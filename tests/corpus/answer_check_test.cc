#include <gtest/gtest.h>

#include "base/strings.h"
#include "corpus/corpus.h"

namespace fathom {
namespace {

bool IsRight(AnswerCheck check, std::string expected, std::string answer) {
  Dialogue dialogue;
  dialogue.check = check;
  dialogue.expected = std::move(expected);
  return AnswerIsRight(dialogue, AssistantMessage(std::move(answer)));
}

TEST(AnswerCheck, ExactIgnoresOnlySpaceAround) {
  EXPECT_TRUE(IsRight(AnswerCheck::kExact, "a b", " a b\n"));
  EXPECT_FALSE(IsRight(AnswerCheck::kExact, "a b", "a  b"));
  EXPECT_FALSE(IsRight(AnswerCheck::kExact, "a b", "A b"));
  EXPECT_FALSE(IsRight(AnswerCheck::kExact, "a b", ""));
}

TEST(AnswerCheck, ContainsFindsTheTextAnywhere) {
  EXPECT_TRUE(IsRight(AnswerCheck::kContains, "巴黎", "法国的首都是巴黎。"));
  EXPECT_FALSE(IsRight(AnswerCheck::kContains, "Paris", "The capital of Italy is Rome."));
}

TEST(AnswerCheck, ContainsWordsAndNoPartsOfThem) {
  const auto contains = [](const char* text, const char* words) {
    return IsRight(AnswerCheck::kContains, words, text);
  };
  EXPECT_FALSE(contains("It costs 70 dollars.", "7"));
  EXPECT_FALSE(contains("It costs 17 dollars.", "7"));
  EXPECT_TRUE(contains("It costs 7 dollars, not 70.", "7"));
  EXPECT_TRUE(contains("It costs 70 dollars, no: 7.", "7"));
  EXPECT_TRUE(contains("价格是7元。", "7"));
  EXPECT_FALSE(contains("slow", "low"));
  EXPECT_FALSE(contains("Alice", "Ali"));
  EXPECT_FALSE(contains("My tools: get_weather", "weather"));
  EXPECT_FALSE(contains("My tools: weather, calculator", "weather, calc"));
  EXPECT_FALSE(contains("13 remainder 2", "3 remainder 2"));
  EXPECT_FALSE(contains("un café", "caf"));
  EXPECT_FALSE(contains("été", "t"));
  EXPECT_TRUE(contains("¿Qué? «gato»", "gato"));
  EXPECT_TRUE(contains("Il a été là.", "été"));
  EXPECT_TRUE(contains("The command is ./fathom chat.", "./fathom chat"));
}

TEST(AnswerCheck, ContainsNumbersAndNoPartsOfThem) {
  const auto contains = [](const char* text, const char* words) {
    return IsRight(AnswerCheck::kContains, words, text);
  };
  EXPECT_TRUE(contains("It costs 450.", "450"));
  EXPECT_TRUE(contains("450, 451", "450"));
  EXPECT_TRUE(contains("451, 450", "450"));
  EXPECT_TRUE(contains("450", "450"));
  EXPECT_FALSE(contains("It costs 1,450.", "450"));
  EXPECT_FALSE(contains("It costs 3.450.", "450"));
  EXPECT_FALSE(contains("It costs 450.75.", "450"));
  EXPECT_FALSE(contains("It costs 450,75.", "450"));
  EXPECT_FALSE(contains("It costs 450,000.", "450"));
  EXPECT_FALSE(contains("It is -450.", "450"));
  EXPECT_FALSE(contains("It is −450.", "450"));
  EXPECT_TRUE(contains("It is -450.", "-450"));
  EXPECT_TRUE(contains("500-450", "450"));
  EXPECT_TRUE(contains("- 450", "450"));
  EXPECT_TRUE(contains("It costs 1,450, no: 450.", "450"));
  EXPECT_TRUE(contains("It costs 12,450.", "12450"));
  EXPECT_TRUE(contains("It costs 12450.", "12,450"));
  EXPECT_TRUE(contains("It costs 1,234,567.50 dollars.", "1234567.50"));
  EXPECT_FALSE(contains("It costs 1,234,567.50 dollars.", "1234567"));
  EXPECT_TRUE(contains("7, remainder 3.", "7, remainder 3"));
}

TEST(AnswerCheck, NumberIsTheLastOne) {
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "632", "347 + 285 = 632."));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "632", "632"));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "1234", "It is 1,234 dollars."));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "1234", "It is 1,234.00 dollars."));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "1234.5", "1,234.5"));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "1234567.25", "-5 or 1,234,567.25"));
  EXPECT_FALSE(IsRight(AnswerCheck::kNumber, "234.5", "1,234.5"));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "3", "6 / 2 = 3.0"));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "3.5", "7/2=3.50."));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "4", "one, 3,4"));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "0", "5 - 5 = 0."));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "7", "从12里减5是7。"));
  EXPECT_FALSE(IsRight(AnswerCheck::kNumber, "632", "632 or 633"));
  EXPECT_FALSE(IsRight(AnswerCheck::kNumber, "632", "1632"));
  EXPECT_FALSE(IsRight(AnswerCheck::kNumber, "632", "no number"));
  EXPECT_FALSE(IsRight(AnswerCheck::kNumber, "632", "6.32"));
}

TEST(AnswerCheck, NumberHasASignUnlessItIsSubtracted) {
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "-12", "3 - 15 = -12."));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "-12", "−12"));
  EXPECT_FALSE(IsRight(AnswerCheck::kNumber, "12", "-12"));
  EXPECT_FALSE(IsRight(AnswerCheck::kNumber, "-12", "12"));
  EXPECT_TRUE(IsRight(AnswerCheck::kNumber, "3", "8-3"));
}

TEST(AnswerCheck, JsonIsComparedByValue) {
  EXPECT_TRUE(IsRight(AnswerCheck::kJson, R"({"a": 1, "b": [true, null, "x"]})", R"({"b":[true,null,"x"],"a":1.0})"));
  EXPECT_FALSE(IsRight(AnswerCheck::kJson, R"({"a": 1})", R"({"a": 1, "b": 2})"));
  EXPECT_FALSE(IsRight(AnswerCheck::kJson, R"({"a": [1, 2]})", R"({"a": [2, 1]})"));
  EXPECT_FALSE(IsRight(AnswerCheck::kJson, R"({"a": 1})", R"({"a": "1"})"));
  EXPECT_FALSE(IsRight(AnswerCheck::kJson, R"({"a": 1})", R"({"a": 1)"));
  EXPECT_FALSE(IsRight(AnswerCheck::kJson, R"({"a": 1, "b": 2})", R"({"a": 1, "a": 1})"));
}

TEST(AnswerCheck, ToolCallNeedsNameAndArguments) {
  Dialogue dialogue;
  dialogue.check = AnswerCheck::kToolCalls;
  dialogue.expected = R"([{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}])";
  ChatMessage answer = AssistantMessage("");
  EXPECT_FALSE(AnswerIsRight(dialogue, answer));
  answer.tool_calls.push_back({"call_1", "weather", R"({"days": 2, "city": "Oslo"})"});
  EXPECT_TRUE(AnswerIsRight(dialogue, answer));
  answer.tool_calls[0].arguments = R"({"days": 3, "city": "Oslo"})";
  EXPECT_FALSE(AnswerIsRight(dialogue, answer));
  answer.tool_calls[0] = {"call_1", "time", R"({"days": 2, "city": "Oslo"})"};
  EXPECT_FALSE(AnswerIsRight(dialogue, answer));
  answer.tool_calls[0] = {"call_1", "weather", "not JSON"};
  EXPECT_FALSE(AnswerIsRight(dialogue, answer));
}

TEST(AnswerCheck, AllToolCallsCountInTheirOrder) {
  Dialogue dialogue;
  dialogue.check = AnswerCheck::kToolCalls;
  dialogue.expected = R"([{"name": "w", "arguments": {"c": "Oslo"}}, {"name": "w", "arguments": {"c": "Rome"}}])";
  ChatMessage answer = AssistantMessage("");
  answer.tool_calls.push_back({"call_1", "w", R"({"c": "Oslo"})"});
  EXPECT_FALSE(AnswerIsRight(dialogue, answer));
  answer.tool_calls.push_back({"call_2", "w", R"({"c": "Rome"})"});
  EXPECT_TRUE(AnswerIsRight(dialogue, answer));
  std::swap(answer.tool_calls[0], answer.tool_calls[1]);
  EXPECT_FALSE(AnswerIsRight(dialogue, answer));
  answer.tool_calls = {{"call_1", "w", R"({"c": "Oslo"})"}, {"call_2", "w", R"({"c": "Paris"})"}};
  EXPECT_FALSE(AnswerIsRight(dialogue, answer));
}

TEST(AnswerCheck, ATextWithAToolCallIsWrong) {
  Dialogue dialogue;
  dialogue.check = AnswerCheck::kContains;
  dialogue.expected = "Tokyo";
  ChatMessage answer = AssistantMessage("It is Tokyo.");
  EXPECT_TRUE(AnswerIsRight(dialogue, answer));
  answer.tool_calls.push_back({"call_1", "search", "{}"});
  EXPECT_FALSE(AnswerIsRight(dialogue, answer));
}

TEST(AnswerCheck, EveryDialogueOfTheCorpusIsRight) {
  for (const Subject& subject : Subjects()) {
    for (uint64_t index = 0; index < 300; ++index) {
      const Dialogue dialogue = WriteDialogue(subject, Split::kTrain, 5, index);
      ASSERT_TRUE(AnswerIsRight(dialogue, dialogue.messages.back()))
          << subject.name << ": " << dialogue.messages.back().content << "\nexpected: " << dialogue.expected;
    }
  }
}

}  // namespace
}  // namespace fathom
