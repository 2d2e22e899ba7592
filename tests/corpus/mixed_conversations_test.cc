// Conversations of several questions: what stands before the last one is whole, and of another kind.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "corpus/corpus.h"
#include "corpus/phrases.h"

namespace fathom {
namespace {

constexpr uint64_t kConversations = 600;

// Calls `check` on training and held-out dialogues of a subject.
template <typename Check>
void ForEachConversation(std::string_view name, Check check) {
  const auto subject = std::ranges::find(Subjects(), name, &Subject::name);
  ASSERT_NE(subject, Subjects().end()) << name;
  for (const Split split : {Split::kTrain, Split::kHeldOut}) {
    for (uint64_t index = 0; index < kConversations; ++index) {
      const Dialogue dialogue = WriteDialogue(*subject, split, 5, index);
      SCOPED_TRACE(StrCat(name, split == Split::kTrain ? " train " : " held out ", index));
      check(dialogue);
      if (testing::Test::HasFailure()) return;
    }
  }
}

int64_t CountOf(const Dialogue& dialogue, std::string_view role) {
  return std::ranges::count(dialogue.messages, role, &ChatMessage::role);
}

// Users and the assistant take turns; calls are followed by one result each, unless they are the last message.
void ExpectWhole(const Dialogue& dialogue) {
  std::string expected_role;
  std::vector<std::string> open_calls;
  for (size_t at = 0; at < dialogue.messages.size(); ++at) {
    const ChatMessage& message = dialogue.messages[at];
    if (message.role == "system") {
      EXPECT_EQ(at, 0u);
      continue;
    }
    if (message.role == "tool") {
      ASSERT_FALSE(open_calls.empty());
      EXPECT_EQ(message.tool_call_id, open_calls.front());
      open_calls.erase(open_calls.begin());
      expected_role = "assistant";
      continue;
    }
    EXPECT_TRUE(open_calls.empty()) << "a call has no result";
    EXPECT_TRUE(expected_role.empty() || message.role == expected_role) << at << " " << message.role;
    expected_role = message.role == "user" ? "assistant" : "user";
    for (const ToolCall& call : message.tool_calls) open_calls.push_back(call.id);
  }
  EXPECT_EQ(dialogue.messages.back().role, "assistant");
}

bool HasDigits(const std::string& text) { return text.find_first_of("0123456789") != std::string::npos; }

// What is asked and answered, for subjects whose key is the question: no conversation may train it. (Translations are
// left out: phrasings that differ by a mark are two keys, and one text here.)
using Exchanges = std::set<std::pair<std::string, std::string>>;

bool IsFromUser(const ChatMessage& message) { return message.role == "user"; }

std::string Answer(const ChatMessage& message) {
  std::string answer = message.content;
  for (const ToolCall& call : message.tool_calls) answer += StrCat(call.name, call.arguments);
  return answer;
}

Exchanges HeldOutExchanges() {
  constexpr std::array<std::string_view, 7> kGroups = {"facts.",   "arithmetic.", "word_problem.", "small_talk.",
                                                       "strings.", "python.",     "tools."};
  Exchanges held_out;
  for (const Subject& subject : Subjects()) {
    if (std::ranges::none_of(kGroups, [&](std::string_view group) { return subject.name.starts_with(group); }))
      continue;
    if (subject.name == "tools.list" || subject.name == "tools.not_needed") continue;  // with what is on offer
    for (uint64_t index = 0; index < 500; ++index) {
      const Dialogue dialogue = WriteDialogue(subject, Split::kHeldOut, 9, index);
      const auto question = std::find_if(dialogue.messages.rbegin(), dialogue.messages.rend(), IsFromUser);
      held_out.emplace(Plain(question->content), Answer(dialogue.messages.back()));
    }
  }
  return held_out;
}

TEST(MixedConversations, TrainNoQuestionThatItsSubjectHoldsOut) {
  const Exchanges held_out = HeldOutExchanges();
  uint64_t meetings = 0;  // of last questions of held-out conversations: the set is what it should be
  for (const std::string_view name : {"mixed.topics", "mixed.tools", "tools.several"}) {
    const auto subject = std::ranges::find(Subjects(), name, &Subject::name);
    for (const Split split : {Split::kTrain, Split::kHeldOut}) {
      for (uint64_t index = 0; index < 2 * kConversations; ++index) {
        const std::vector<ChatMessage> messages = WriteDialogue(*subject, split, 5, index).messages;
        const auto last_question = std::find_if(messages.rbegin(), messages.rend(), IsFromUser);
        for (size_t at = 1; at < messages.size(); ++at) {
          if (messages[at].role != "assistant" || !IsFromUser(messages[at - 1])) continue;
          const bool meets = held_out.contains({Plain(messages[at - 1].content), Answer(messages[at])});
          if (split == Split::kHeldOut && &messages[at - 1] == &*last_question) {
            meetings += static_cast<uint64_t>(meets);
          } else {
            EXPECT_FALSE(meets) << name << " " << index << ": " << messages[at - 1].content;
          }
        }
      }
    }
  }
  EXPECT_GT(meetings, 500u);
}

TEST(MixedConversations, GoFromOneKindOfQuestionToAnother) {
  uint64_t numbers_after_words = 0;
  uint64_t words_after_numbers = 0;
  uint64_t thinking = 0;
  ForEachConversation("mixed.topics", [&](const Dialogue& dialogue) {
    ExpectWhole(dialogue);
    ASSERT_GE(CountOf(dialogue, "user"), 2);
    EXPECT_TRUE(dialogue.tools.empty());
    // Only the last answer has its thoughts: the template drops those before it.
    for (size_t at = 0; at + 1 < dialogue.messages.size(); ++at) {
      EXPECT_EQ(dialogue.messages[at].reasoning_content, "");
    }
    const size_t begin = dialogue.messages[0].role == "system" ? 1 : 0;
    const bool first = HasDigits(dialogue.messages[begin].content);
    const bool last = HasDigits(dialogue.messages[dialogue.messages.size() - 2].content);
    numbers_after_words += static_cast<uint64_t>(!first && last);
    words_after_numbers += static_cast<uint64_t>(first && !last);
    thinking += static_cast<uint64_t>(dialogue.mode == ThinkingMode::kThinking);
  });
  EXPECT_GT(numbers_after_words, kConversations / 4);
  EXPECT_GT(words_after_numbers, kConversations / 20);
  EXPECT_GT(thinking, kConversations / 5);
}

TEST(MixedConversations, KeepToolsAndThoughtsThroughout) {
  uint64_t end_with_call = 0;
  uint64_t end_with_text_after_result = 0;
  ForEachConversation("mixed.tools", [&](const Dialogue& dialogue) {
    ExpectWhole(dialogue);
    ASSERT_GE(CountOf(dialogue, "user"), 2);
    EXPECT_FALSE(dialogue.tools.empty());
    for (const ChatMessage& message : dialogue.messages) {
      if (message.role != "assistant") continue;
      EXPECT_EQ(dialogue.mode == ThinkingMode::kThinking, !message.reasoning_content.empty());
    }
    if (!dialogue.messages.back().tool_calls.empty()) {
      ++end_with_call;
      EXPECT_EQ(dialogue.check, AnswerCheck::kToolCalls);
    } else if (CountOf(dialogue, "tool") > 0) {
      ++end_with_text_after_result;
    }
  });
  EXPECT_GT(end_with_call, kConversations / 10);
  EXPECT_GT(end_with_text_after_result, kConversations / 10);
}

TEST(MixedConversations, SeveralWishesCallSeveralTools) {
  uint64_t several_tools = 0;
  ForEachConversation("tools.several", [&](const Dialogue& dialogue) {
    ExpectWhole(dialogue);
    ASSERT_GE(CountOf(dialogue, "user"), 2);
    std::string first_called;
    for (const ChatMessage& message : dialogue.messages) {
      if (message.tool_calls.empty()) continue;
      if (first_called.empty()) first_called = message.tool_calls[0].name;
      several_tools += static_cast<uint64_t>(message.tool_calls[0].name != first_called);
    }
  });
  EXPECT_GT(several_tools, kConversations / 2);
}

}  // namespace
}  // namespace fathom
