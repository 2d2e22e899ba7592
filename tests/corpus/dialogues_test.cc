// What holds for every dialogue, whatever its subject.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <unordered_set>

#include "base/strings.h"
#include "base/utf8.h"
#include "corpus/corpus.h"
#include "tokenizer/chat_template.h"
#include "tokenizer/python_json.h"

namespace fathom {
namespace {

constexpr uint64_t kDialoguesPerSubject = 300;

std::string Render(const Dialogue& dialogue, bool with_answer) {
  std::vector<ChatMessage> messages = dialogue.messages;
  if (!with_answer) messages.pop_back();
  const Result<RenderedPrompt> prompt =
      RenderChat(messages, dialogue.tools, {.thinking_mode = dialogue.mode, .reasoning_effort = dialogue.effort});
  EXPECT_TRUE(prompt.ok()) << dialogue.subject << ": " << prompt.status().message();
  return prompt.ok() ? prompt->text() : "";
}

// Calls `check` on dialogues of every subject, of both splits.
template <typename Check>
void ForEachDialogue(Check check) {
  for (const Subject& subject : Subjects()) {
    for (const Split split : {Split::kTrain, Split::kHeldOut}) {
      for (uint64_t index = 0; index < kDialoguesPerSubject; ++index) {
        const Dialogue dialogue = WriteDialogue(subject, split, 1, index);
        SCOPED_TRACE(StrCat(subject.name, split == Split::kTrain ? " train " : " held out ", index));
        check(dialogue);
        if (testing::Test::HasFatalFailure() || testing::Test::HasNonfatalFailure()) return;
      }
    }
  }
}

std::string AsJson(const std::vector<ToolCall>& calls) {
  std::vector<Json> all;
  for (const ToolCall& call : calls) {
    all.push_back(
        Json::Object({{"name", Json::String(call.name)}, {"arguments", ParsePythonJson(call.arguments).value()}}));
  }
  return DumpPythonJson(Json::Array(std::move(all)));
}

// Stricter than AnswerIsRight: what the corpus itself writes has one form.
bool Matches(const Dialogue& dialogue) {
  const ChatMessage& answer = dialogue.messages.back();
  switch (dialogue.check) {
    case AnswerCheck::kExact:
      return answer.content == dialogue.expected;
    case AnswerCheck::kContains:
      return answer.content.find(dialogue.expected) != std::string::npos;
    case AnswerCheck::kNumber:
      return answer.content.find(dialogue.expected) != std::string::npos;
    case AnswerCheck::kJson:
      return answer.content == dialogue.expected;
    case AnswerCheck::kToolCalls:
      return !answer.tool_calls.empty() && AsJson(answer.tool_calls) == dialogue.expected;
  }
  return false;
}

TEST(Dialogues, SubjectsHaveDistinctNamesAndShares) {
  std::set<std::string_view> names;
  for (const Subject& subject : Subjects()) {
    EXPECT_TRUE(names.insert(subject.name).second) << subject.name;
    EXPECT_GT(subject.share, 0) << subject.name;
    EXPECT_NE(subject.name.find('.'), std::string_view::npos) << subject.name;
  }
}

TEST(Dialogues, AreTheSameForTheSameNumbersAndOthersOtherwise) {
  std::unordered_set<std::string> texts;
  constexpr uint64_t kCount = 2000;
  for (uint64_t index = 0; index < kCount; ++index) {
    const std::string text = Render(CorpusDialogue(7, index), true);
    EXPECT_EQ(text, Render(CorpusDialogue(7, index), true));
    texts.insert(text);
  }
  EXPECT_GT(texts.size(), kCount / 2);
  EXPECT_NE(Render(CorpusDialogue(7, 0), true), Render(CorpusDialogue(8, 0), true));
}

TEST(Dialogues, AreValidUtf8AndAcceptedByTheTemplate) {
  ForEachDialogue([](const Dialogue& dialogue) {
    const std::string text = Render(dialogue, true);
    EXPECT_FALSE(text.empty());
    EXPECT_TRUE(IsValidUtf8(text));
    EXPECT_TRUE(IsValidUtf8(dialogue.expected));
    EXPECT_TRUE(text.starts_with(Render(dialogue, false))) << "the answer follows its prompt";
    // Slots have one letter; "{n}" also stands in Python programs.
    for (const std::string_view slot : {"{v}", "{k}", "{p}", "{q}", "{c}", "{x}", "{y}", "{t}", "{d}"}) {
      EXPECT_EQ(text.find(slot), std::string::npos) << text;
    }
  });
}

TEST(Dialogues, EndWithAnAnswerThatMatchesTheExpected) {
  ForEachDialogue([](const Dialogue& dialogue) {
    ASSERT_GE(dialogue.messages.size(), 2u);
    EXPECT_EQ(dialogue.messages.back().role, "assistant");
    EXPECT_FALSE(dialogue.expected.empty());
    EXPECT_TRUE(Matches(dialogue)) << dialogue.messages.back().content << "\nexpected: " << dialogue.expected;
    EXPECT_EQ(dialogue.mode == ThinkingMode::kThinking, !dialogue.messages.back().reasoning_content.empty());
    EXPECT_TRUE(!dialogue.effort || dialogue.mode == ThinkingMode::kThinking);
    for (const ChatMessage& message : dialogue.messages) {
      EXPECT_TRUE(message.role != "assistant" || !message.tool_calls.empty() || !message.content.empty());
    }
  });
}

TEST(Dialogues, HeldOutPromptsAreNeverTrained) {
  std::unordered_set<std::string> held_out;
  for (const Subject& subject : Subjects()) {
    const uint64_t count = subject.name == "lookup.long" ? 30 : kDialoguesPerSubject;
    for (uint64_t index = 0; index < count; ++index) {
      held_out.insert(Render(WriteDialogue(subject, Split::kHeldOut, 1, index), false));
    }
  }
  for (uint64_t index = 0; index < 30'000; ++index) {
    const Dialogue dialogue = CorpusDialogue(2, index);
    if (dialogue.subject == "lookup.long") continue;  // slow to render, and of random digits
    // Neither the last answer nor one on the way there.
    Dialogue begun = dialogue;
    while (!begun.messages.empty()) {
      if (begun.messages.back().role == "assistant") {
        const std::string prompt = Render(begun, false);
        EXPECT_FALSE(held_out.contains(prompt)) << dialogue.subject << ": " << prompt;
      }
      begun.messages.pop_back();
    }
  }
}

TEST(Dialogues, AreDrawnFromTheSubjectsAskedFor) {
  std::set<std::string> drawn;
  const std::vector<std::string> among = {"lookup.few", "strings"};
  for (uint64_t index = 0; index < 500; ++index) {
    const Dialogue dialogue = CorpusDialogue(1, index, among);
    EXPECT_TRUE(dialogue.subject == "lookup.few" || dialogue.subject.starts_with("strings.")) << dialogue.subject;
    drawn.insert(dialogue.subject);
  }
  EXPECT_EQ(drawn.size(), 9u);  // every kind of both
  EXPECT_TRUE(IsSubjectOrGroup("lookup.few"));
  EXPECT_TRUE(IsSubjectOrGroup("strings"));
  EXPECT_FALSE(IsSubjectOrGroup("string"));
  EXPECT_FALSE(IsSubjectOrGroup("lookup.none"));
  EXPECT_FALSE(IsSubjectOrGroup(""));
}

TEST(Dialogues, LookupsOfSeveralFactsTrainNoneThatIsHeldOut) {
  for (const std::string_view name : {"lookup.few", "lookup.several"}) {
    const auto subject = std::ranges::find(Subjects(), name, &Subject::name);
    ASSERT_NE(subject, Subjects().end());
    size_t answers = 0;
    for (const Split split : {Split::kTrain, Split::kHeldOut}) {
      for (uint64_t index = 0; index < kDialoguesPerSubject; ++index) {
        const std::vector<ChatMessage> messages = WriteDialogue(*subject, split, 1, index).messages;
        for (size_t at = 1; at < messages.size(); at += 2) {
          const std::string& answer = messages[at].content;
          EXPECT_NE(messages[0].content.find(answer), std::string::npos) << answer;
          EXPECT_TRUE(BelongsTo(at + 1 == messages.size() ? split : Split::kTrain, answer)) << answer;
          ++answers;
        }
      }
    }
    EXPECT_GT(answers, 4 * kDialoguesPerSubject);
  }
}

TEST(Dialogues, JsonAnswersHaveExactlyTheSchemasProperties) {
  ForEachDialogue([](const Dialogue& dialogue) {
    if (dialogue.check != AnswerCheck::kJson) return;
    const Result<Json> answer = ParseJson(dialogue.messages.back().content);
    ASSERT_TRUE(answer.ok());
    ASSERT_TRUE(answer->is_object());
    EXPECT_EQ(DumpPythonJson(*answer), dialogue.messages.back().content);
    const Json* properties = dialogue.messages[0].response_format.Find("properties");
    ASSERT_NE(properties, nullptr);
    ASSERT_EQ(properties->members().size(), answer->members().size());
    for (size_t member = 0; member < answer->members().size(); ++member) {
      const auto& [name, value] = answer->members()[member];
      EXPECT_EQ(name, properties->members()[member].first);
      const std::string& type = properties->members()[member].second.Find("type")->string();
      EXPECT_TRUE(type == "string"    ? value.is_string()
                  : type == "integer" ? value.is_integer()
                  : type == "number"  ? value.is_number()
                  : type == "boolean" ? value.is_bool()
                                      : value.is_array())
          << name;
    }
  });
}

const Json* FindTool(const Dialogue& dialogue, const std::string& name) {
  for (const Json& tool : dialogue.tools) {
    if (tool.Find("name")->string() == name) return &tool;
  }
  return nullptr;
}

TEST(Dialogues, ToolCallsNameAnOfferedToolAndItsParameters) {
  size_t calls = 0;
  ForEachDialogue([&](const Dialogue& dialogue) {
    std::set<std::string> names;
    for (const Json& tool : dialogue.tools) EXPECT_TRUE(names.insert(tool.Find("name")->string()).second);
    for (const ChatMessage& message : dialogue.messages) {
      if (message.role == "assistant" && !dialogue.tools.empty() && dialogue.mode == ThinkingMode::kThinking) {
        EXPECT_FALSE(message.reasoning_content.empty());
      }
      for (const ToolCall& call : message.tool_calls) {
        ++calls;
        const Json* tool = FindTool(dialogue, call.name);
        ASSERT_NE(tool, nullptr) << call.name;
        const Json& properties = *tool->Find("parameters")->Find("properties");
        const Json arguments = ParseJson(call.arguments).value();
        ASSERT_EQ(arguments.members().size(), tool->Find("parameters")->Find("required")->items().size());
        for (const auto& [name, value] : arguments.members()) {
          const Json* property = properties.Find(name);
          ASSERT_NE(property, nullptr) << name;
          EXPECT_EQ(property->Find("type")->string() == "string", value.is_string()) << name;
        }
      }
    }
  });
  EXPECT_GT(calls, 0u);
}

}  // namespace
}  // namespace fathom
