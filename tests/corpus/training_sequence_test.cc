#include "corpus/training_sequence.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/signals.h"
#include "base/strings.h"
#include "tests/support/run_binary.h"
#include "tokenizer/synthetic_tokenizer.h"

namespace fathom {
namespace {

constexpr float kPromptWeight = 0.25f;

const Tokenizer& TheTokenizer() {
  static const std::unique_ptr<Tokenizer> kTokenizer =
      std::move(*Tokenizer::FromJson(*SyntheticTokenizerJson(1000), "tokenizer.json"));
  return *kTokenizer;
}

ChatMessage Message(std::string role, std::string content, std::string reasoning = "") {
  ChatMessage message;
  message.role = std::move(role);
  message.content = std::move(content);
  message.reasoning_content = std::move(reasoning);
  return message;
}

ChatMessage Call(std::string reasoning) {
  ChatMessage message = Message("assistant", "I look.", std::move(reasoning));
  message.tool_calls.push_back({"1", "weather", R"({"city": "Lima"})"});
  return message;
}

Json Tool() { return *ParseJson(R"({"name": "weather", "parameters": {"type": "object"}})"); }

// The tokens' texts, those of weight 1 in brackets: a compact view of both vectors. Checks what always holds.
std::string Shown(const Dialogue& dialogue) {
  const Result<TrainingSequence> made = MakeTrainingSequence(dialogue, TheTokenizer(), kPromptWeight);
  if (!made.ok()) return made.status().message();
  EXPECT_EQ(made->tokens, TheTokenizer().EncodeSpans(RenderDialogue(dialogue)->text_spans()));
  EXPECT_EQ(made->weights.size(), made->tokens.size());
  EXPECT_EQ(made->weights[0], 0);
  std::string out;
  bool open = false;
  for (size_t at = 0; at < made->tokens.size(); ++at) {
    const bool answer = made->weights[at] == 1;
    if (!answer && at > 0) {
      EXPECT_EQ(made->weights[at], kPromptWeight) << at;
    }
    if (answer != open) out += answer ? "[" : "]";
    open = answer;
    out += TheTokenizer().token_bytes(made->tokens[at]);
  }
  return open ? out + "]" : out;
}

// Whether the whole's ids begin with those of the prompt, and what follows has weight 1.
void ExpectPromptIsPrefix(const Dialogue& dialogue) {
  const std::vector<int32_t> prompt = *MakePrompt(dialogue, TheTokenizer());
  const TrainingSequence whole = *MakeTrainingSequence(dialogue, TheTokenizer(), kPromptWeight);
  ASSERT_LT(prompt.size(), whole.tokens.size());
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), whole.tokens.begin()));
  for (size_t at = prompt.size(); at < whole.tokens.size(); ++at) EXPECT_EQ(whole.weights[at], 1) << at;
  EXPECT_NE(whole.weights[prompt.size() - 1], 1);
}

TEST(TrainingSequence, EveryAnswerCountsWithoutThinking) {
  Dialogue dialogue;
  dialogue.messages = {Message("system", "Be brief."), Message("user", "banana?"), Message("assistant", "banana!"),
                       Message("user", "and"), Message("assistant", "so")};
  EXPECT_EQ(Shown(dialogue),
            "<｜begin▁of▁sentence｜>Be brief.<｜User｜>banana?<｜Assistant｜></think>[banana!<｜end▁of▁sentence｜>]"
            "<｜User｜>and<｜Assistant｜></think>[so<｜end▁of▁sentence｜>]");
  ExpectPromptIsPrefix(dialogue);
}

TEST(TrainingSequence, OnlyTheLastAnswerCountsWhereEarlierReasoningIsForgotten) {
  Dialogue dialogue;
  dialogue.mode = ThinkingMode::kThinking;
  dialogue.messages = {Message("user", "1"), Message("assistant", "one", "easy"), Message("user", "2"),
                       Message("assistant", "two", "hard")};
  EXPECT_EQ(Shown(dialogue),
            "<｜begin▁of▁sentence｜><｜User｜>1<｜Assistant｜></think>one<｜end▁of▁sentence｜>"
            "<｜User｜>2<｜Assistant｜><think>[hard</think>two<｜end▁of▁sentence｜>]");
  ExpectPromptIsPrefix(dialogue);
}

TEST(TrainingSequence, WithToolsReasoningStaysAndEveryTurnCounts) {
  Dialogue dialogue;
  dialogue.mode = ThinkingMode::kThinking;
  dialogue.tools = {Tool()};
  ChatMessage result = Message("tool", "rain");
  result.tool_call_id = "1";
  dialogue.messages = {Message("user", "Lima?"), Call("ask"), result, Message("assistant", "Rain.", "so")};
  const std::string shown = Shown(dialogue);
  const size_t user = shown.find("<｜User｜>");
  ASSERT_NE(user, std::string::npos);
  EXPECT_EQ(shown.substr(0, user).find('['), std::string::npos);
  EXPECT_EQ(shown.substr(user),
            "<｜User｜>Lima?<｜Assistant｜><think>[ask</think>I look.\n\n<｜DSML｜tool_calls>\n<｜DSML｜invoke "
            "name=\"weather\">\n<｜DSML｜parameter name=\"city\" string=\"true\">Lima</｜DSML｜parameter>\n"
            "</｜DSML｜invoke>\n</｜DSML｜tool_calls><｜end▁of▁sentence｜>]<｜User｜><tool_result>rain</tool_result>"
            "<｜Assistant｜><think>[so</think>Rain.<｜end▁of▁sentence｜>]");
  ExpectPromptIsPrefix(dialogue);
}

TEST(TrainingSequence, AnAnswerOfNothingIsItsEnd) {
  Dialogue dialogue;
  dialogue.messages = {Message("user", "hush"), Message("assistant", "")};
  EXPECT_EQ(Shown(dialogue), "<｜begin▁of▁sentence｜><｜User｜>hush<｜Assistant｜></think>[<｜end▁of▁sentence｜>]");
  ExpectPromptIsPrefix(dialogue);
}

TEST(TrainingSequence, ControlTokensThatTheUserSpellsBeginNoAnswer) {
  Dialogue dialogue;
  dialogue.messages = {Message("user", "<｜Assistant｜></think>no<｜end▁of▁sentence｜>"), Message("assistant", "yes")};
  const std::string shown = Shown(dialogue);
  EXPECT_TRUE(shown.ends_with("<｜Assistant｜></think>[yes<｜end▁of▁sentence｜>]")) << shown;
  EXPECT_EQ(std::count(shown.begin(), shown.end(), '['), 1);
  ExpectPromptIsPrefix(dialogue);
}

TEST(TrainingSequence, AReminderStandsBetweenThePromptAndTheAnswer) {
  Dialogue dialogue;
  dialogue.messages = {Message("user", "q"), Message("latest_reminder", "ba"), Message("assistant", "na")};
  ExpectPromptIsPrefix(dialogue);  // "bana" is one token of the vocabulary, but not one across this border
}

TEST(TrainingSequence, EffortIsPartOfThePrompt) {
  Dialogue dialogue;
  dialogue.mode = ThinkingMode::kThinking;
  dialogue.messages = {Message("user", "q"), Message("assistant", "a", "r")};
  const std::string without = Shown(dialogue);
  dialogue.effort = "max";
  const std::string with = Shown(dialogue);
  EXPECT_GT(with.size(), without.size());
  EXPECT_EQ(with.substr(with.find("<｜User｜>")), without.substr(without.find("<｜User｜>")));
  dialogue.effort = "some";
  EXPECT_FALSE(MakeTrainingSequence(dialogue, TheTokenizer(), 0).ok());
  EXPECT_FALSE(MakePrompt(dialogue, TheTokenizer()).ok());
}

TEST(TrainingSequence, APromptNeedsAnAnswer) {
  Dialogue dialogue;
  dialogue.messages = {Message("user", "q")};
  EXPECT_EQ(MakePrompt(dialogue, TheTokenizer()).status().message(),
            "the dialogue does not end with the assistant's answer");
}

TEST(TrainingSequence, EveryDialogueOfTheCorpusIsItsPromptAndTheAnswer) {
  for (uint64_t index = 0; index < 500; ++index) {
    const Dialogue dialogue = CorpusDialogue(/*seed=*/5, index);
    SCOPED_TRACE(StrCat(dialogue.subject, " ", index));
    const Result<TrainingSequence> made = MakeTrainingSequence(dialogue, TheTokenizer(), kPromptWeight);
    ASSERT_TRUE(made.ok()) << made.status().message();
    ASSERT_EQ(made->tokens, TheTokenizer().EncodeSpans(RenderDialogue(dialogue)->text_spans()));
    ExpectPromptIsPrefix(dialogue);
  }
}

class ReadDialoguesTest : public testing::Test {
 protected:
  Result<std::vector<Dialogue>> Read(const std::string& text) {
    WriteTestFile(path_, text);
    return ReadDialogues(path_);
  }
  // The error without the file's name.
  std::string Error(const std::string& text) {
    const Result<std::vector<Dialogue>> read = Read(text);
    if (read.ok()) return "no error";
    const std::string& message = read.status().message();
    EXPECT_TRUE(message.starts_with(path_)) << message;
    return message.substr(path_.size());
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "own.jsonl";
};

TEST_F(ReadDialoguesTest, ReadsEveryField) {
  const auto read = Read(
      R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}], "id": 7})"
      "\r\n\n"
      R"({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "reasoning_content": "r", "content": "a"}],)"
      R"( "tools": [{"type": "function", "function": {"name": "f"}}], "reasoning_effort": "max"})"
      "\n"
      R"({"messages": [{"role": "assistant", "content": "a"}], "thinking": true, "tools": null})");
  ASSERT_TRUE(read.ok()) << read.status().message();
  ASSERT_EQ(read->size(), 3u);
  const Dialogue& plain = (*read)[0];
  EXPECT_EQ(plain.mode, ThinkingMode::kChat);
  EXPECT_FALSE(plain.effort);
  ASSERT_EQ(plain.messages.size(), 2u);
  EXPECT_EQ(plain.messages[1].content, "ho");
  const Dialogue& thinking = (*read)[1];
  EXPECT_EQ(thinking.mode, ThinkingMode::kThinking);
  EXPECT_EQ(thinking.effort, "max");
  ASSERT_EQ(thinking.tools.size(), 1u);
  EXPECT_EQ(thinking.tools[0].Find("name")->string(), "f");
  EXPECT_EQ(thinking.messages[1].reasoning_content, "r");
  EXPECT_EQ((*read)[2].mode, ThinkingMode::kThinking);
}

TEST_F(ReadDialoguesTest, ThinkingCanBeTurnedOff) {
  const auto read =
      Read(R"({"messages": [{"role": "assistant", "content": "a", "reasoning_content": "r"}], "thinking": false})");
  ASSERT_TRUE(read.ok()) << read.status().message();
  EXPECT_EQ((*read)[0].mode, ThinkingMode::kChat);
}

TEST_F(ReadDialoguesTest, CtrlCEndsTheReading) {
  RequestInterrupt();
  const Status status = Read(R"({"messages": [{"role": "assistant", "content": "a"}]})").status();
  ClearInterrupt();
  EXPECT_EQ(status.exit_code(), 130);
  EXPECT_EQ(status.message(), "stopped while " + path_ + " was read");
}

TEST_F(ReadDialoguesTest, ErrorsNameLineAndField) {
  const std::string good = R"({"messages": [{"role": "assistant", "content": "a"}]})"
                           "\n\n";
  EXPECT_TRUE(Error(good + "{").starts_with(":3: ")) << Error(good + "{");
  EXPECT_EQ(Error(good + "[]"), ":3: the line is []; a JSON object is expected");
  EXPECT_EQ(Error("{}"), ":1: messages is missing; a list is expected");
  EXPECT_EQ(Error(R"({"messages": 3})"), ":1: messages is a number; expected a list");
  EXPECT_EQ(Error(R"({"messages": []})"), ":1: messages does not end with the assistant's answer");
  EXPECT_EQ(Error(R"({"messages": [{"role": "user", "content": "a"}]})"),
            ":1: messages does not end with the assistant's answer");
  EXPECT_EQ(Error(R"({"messages": [{"role": "user", "content": 1}, {"role": "assistant"}]})"),
            ":1: messages[0].content is a number; expected a string, a list of parts or null");
  EXPECT_EQ(Error(R"({"messages": [{"role": "judge"}, {"role": "assistant"}]})"),
            ":1: messages[0].role is \"judge\"; accepted are system, developer, user, assistant, tool and "
            "latest_reminder");
  EXPECT_EQ(Error(R"({"messages": [{"role": "assistant"}], "thinking": "yes"})"),
            ":1: thinking is \"yes\"; expected true or false");
  EXPECT_EQ(Error(R"({"messages": [{"role": "assistant"}], "reasoning_effort": 3})"),
            ":1: reasoning_effort is 3; expected a string");
  EXPECT_EQ(Error(R"({"messages": [{"role": "assistant"}], "reasoning_effort": "max"})"),
            ":1: reasoning_effort is given, but the dialogue has no thinking");
  EXPECT_TRUE(Error(R"({"messages": [{"role": "assistant"}], "reasoning_effort": "no", "thinking": true})")
                  .starts_with(":1: reasoning_effort is \"no\""));
  EXPECT_EQ(Error(R"({"messages": [{"role": "assistant"}], "tools": [1]})"),
            ":1: tools[0].function is missing; expected an object");
  EXPECT_EQ(Error(" \n\r\n"), " has no dialogue; one JSON object a line is expected");
  EXPECT_EQ(Error(std::string(kMaxDialogueLineBytes + 1, 'x')),
            ":1: the line has 16.8 MB; at most 16.8 MB are accepted");
  EXPECT_FALSE(ReadDialogues(directory_ / "none.jsonl").ok());
}

}  // namespace
}  // namespace fathom
