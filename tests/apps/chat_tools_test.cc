#include "apps/chat_tools.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/signals.h"
#include "base/strings.h"
#include "tests/apps/pty_session.h"
#include "tests/support/run_binary.h"
#include "tokenizer/chat_template.h"

namespace fathom {
namespace {

constexpr const char* kFile =
    R"([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties":)"
    R"( {"city": {"type": "string"}}}}}])";

Answer Says(std::string content) {
  Answer answer;
  answer.content = std::move(content);
  answer.finish_reason = "stop";
  return answer;
}

Answer Calls(std::vector<std::pair<std::string, std::string>> calls, std::string content = "") {
  Answer answer;
  answer.content = std::move(content);
  for (auto& [name, arguments] : calls) answer.tool_calls.push_back({"", name, arguments});
  answer.finish_reason = "tool_calls";
  return answer;
}

Answer Cut(Answer answer, const char* reason) {
  answer.finish_reason = reason;
  return answer;
}

const Answer kMultiply = Calls({{"calculator", R"({"expression": "6 * 7"})"}});

// A turn with a model that answers by a list.
class ChatTurn : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(tools_.Set("builtin").ok()); }

  void UseFile() {
    WriteTestFile(directory_ / "tools.json", kFile);
    const Status set = tools_.Set(directory_ / "tools.json");
    ASSERT_TRUE(set.ok()) << set.message();
  }

  TurnEnd Turn(std::deque<Answer> answers, std::string text = "hello") {
    const TurnActions actions = {
        .answer = [&]() -> Result<Answer> {
          prompts_.push_back(Rendered());
          if (answers.empty()) return IoError("the model is gone");
          Answer answer = answers.front();
          if (answers.size() > 1 || !repeat_last_) answers.pop_front();
          return answer;
        },
        .ask = [&](const ToolCall& call) -> std::optional<std::string> {
          asked_.push_back(StrCat(call.id, " ", call.name, " ", call.arguments));
          if (replies_.empty()) return std::nullopt;
          std::string reply = replies_.front();
          replies_.pop_front();
          return reply;
        },
        .show = [&](const ToolCall& call,
                    std::string_view result) { shown_.push_back(StrCat(call.name, " → ", result)); }};
    const Result<TurnEnd> end = RunTurn(std::move(text), tools_, actions, &conversation_);
    failed_ = !end.ok();
    return end.ok() ? *end : TurnEnd::kForgotten;
  }

  // What the model sees. Both dialects must accept every conversation.
  std::string Rendered() {
    const Result<std::vector<ChatMessage>> messages = conversation_.Messages();
    EXPECT_TRUE(messages.ok()) << messages.status().message();
    if (!messages.ok()) return {};
    const Result<RenderedPrompt> newer = RenderChat(*messages, tools_.schemas(), {.dialect = Dialect::kV41});
    EXPECT_TRUE(newer.ok()) << newer.status().message();
    const Result<RenderedPrompt> prompt = RenderChat(*messages, tools_.schemas(), {});
    EXPECT_TRUE(prompt.ok()) << prompt.status().message();
    return prompt.ok() ? prompt->text() : std::string();
  }

  // "user:hello assistant[call_1]: tool[call_1]:42 assistant:It is 42."
  std::string Outline() {
    std::string outline;
    const Result<std::vector<ChatMessage>> messages = conversation_.Messages();
    if (!messages.ok()) return messages.status().message();
    for (const ChatMessage& message : *messages) {
      outline += StrCat(outline.empty() ? "" : " ", message.role);
      for (const ToolCall& call : message.tool_calls) outline += StrCat("[", call.id, "]");
      if (!message.tool_call_id.empty()) outline += StrCat("[", message.tool_call_id, "]");
      outline += ":" + message.content;
    }
    return outline;
  }

  const TemporaryDirectory directory_;
  ChatTools tools_;
  Conversation conversation_;
  std::deque<std::string> replies_;
  std::vector<std::string> prompts_;
  std::vector<std::string> asked_;
  std::vector<std::string> shown_;
  bool repeat_last_ = false;
  bool failed_ = false;
};

TEST_F(ChatTurn, ACallIsExecutedAndTheModelGoesOn) {
  EXPECT_EQ(Turn({kMultiply, Says("It is 42.")}), TurnEnd::kAnswered);
  EXPECT_EQ(Outline(), "user:hello assistant[call_1]: tool[call_1]:42 assistant:It is 42.");
  EXPECT_EQ(shown_, std::vector<std::string>{"calculator → 42"});
  EXPECT_TRUE(asked_.empty());
  ASSERT_EQ(prompts_.size(), 2u);
  EXPECT_NE(prompts_[1].find(R"(name="expression" string="true">6 * 7)"), std::string::npos) << prompts_[1];
  EXPECT_NE(prompts_[1].find("<tool_result>42</tool_result>"), std::string::npos) << prompts_[1];
}

TEST_F(ChatTurn, ReasoningStaysWhereThereAreToolsAndNoneIsAnEmptyThought) {
  Answer thinks = kMultiply;
  thinks.reasoning = "I should multiply.";
  EXPECT_EQ(Turn({thinks, Says("42")}), TurnEnd::kAnswered);
  EXPECT_EQ(Turn({Says("bye")}, "thanks"), TurnEnd::kAnswered);
  ASSERT_EQ(prompts_.size(), 3u);
  EXPECT_NE(prompts_[2].find("<think>I should multiply.</think>"), std::string::npos) << prompts_[2];
  EXPECT_NE(prompts_[2].find("</tool_result><｜Assistant｜><think></think>42"), std::string::npos) << prompts_[2];
}

TEST_F(ChatTurn, CallsAreNumberedThroughTheConversation) {
  Turn({Calls({{"calculator", R"({"expression": "1"})"}, {"calculator", R"({"expression": "2"})"}}, "Let me see."),
        kMultiply, Says("a")});
  Turn({kMultiply, Says("b")}, "again");
  EXPECT_EQ(Outline(),
            "user:hello assistant[call_1][call_2]:Let me see. tool[call_1]:1 tool[call_2]:2 assistant[call_3]: "
            "tool[call_3]:42 assistant:a user:again assistant[call_4]: tool[call_4]:42 assistant:b");
}

TEST_F(ChatTurn, WhatIsWrongWithACallIsItsResult) {
  EXPECT_EQ(Turn({Calls({{"get_weather", "{}"},
                         {"calculator", "6 * 7"},
                         {"calculator", "[1]"},
                         {"calculator", "{\"expression\": "},
                         {"calculator", R"({"expression": "6 *"})"}}),
                  Says("Sorry.")}),
            TurnEnd::kAnswered);
  EXPECT_EQ(shown_, (std::vector<std::string>{
                        "get_weather → error: there is no tool called get_weather; the tools are calculator, get_time",
                        "calculator → error: the arguments are not a JSON object",
                        "calculator → error: the arguments are not a JSON object",
                        "calculator → error: the arguments are not a JSON object",
                        "calculator → error: the expression ends where a number is expected"}));
  // The model sees what it wrote.
  EXPECT_NE(prompts_[1].find(R"(name="arguments" string="true">6 * 7)"), std::string::npos) << prompts_[1];
  ASSERT_TRUE(tools_.Set("off").ok());
  shown_.clear();
  EXPECT_EQ(Turn({kMultiply, Says("Sorry.")}), TurnEnd::kAnswered);
  EXPECT_EQ(shown_,
            std::vector<std::string>{"calculator → error: there is no tool called calculator; there are no tools"});
}

TEST_F(ChatTurn, AfterEightRoundsTheUserHasTheWord) {
  repeat_last_ = true;
  EXPECT_EQ(Turn({kMultiply}), TurnEnd::kTooManyRounds);
  EXPECT_EQ(prompts_.size(), 9u);
  EXPECT_EQ(conversation_.tool_calls(), 8);
  EXPECT_EQ(conversation_.size(), 1u + 2 * 8);
  EXPECT_TRUE(Outline().ends_with("tool[call_8]:42")) << Outline();
  repeat_last_ = false;
  EXPECT_EQ(Turn({Says("I give up.")}, "and?"), TurnEnd::kAnswered);
}

TEST_F(ChatTurn, AStopLeavesNoCallWithoutAResult) {
  Turn({Says("hi")});
  const std::string before = Outline();
  EXPECT_EQ(Turn({Cut(Says(""), "cancelled")}), TurnEnd::kForgotten);
  EXPECT_EQ(Outline(), before);
  EXPECT_EQ(Turn({kMultiply, Cut(kMultiply, "cancelled")}), TurnEnd::kForgotten);
  EXPECT_EQ(Outline(), before);
  EXPECT_EQ(Turn({kMultiply, Cut(Calls({{"calculator", "{"}}, "Well"), "cancelled")}, "x"), TurnEnd::kStopped);
  EXPECT_EQ(Outline(), before + " user:x assistant[call_1]: tool[call_1]:42 assistant:Well");
  EXPECT_EQ(Turn({Cut(Calls({{"calculator", "{\"expr"}}, "Hm"), "length")}, "y"), TurnEnd::kOutOfTokens);
  EXPECT_TRUE(Outline().ends_with(" user:y assistant:Hm")) << Outline();
}

TEST_F(ChatTurn, AFailureForgetsTheTurn) {
  EXPECT_EQ(Turn({kMultiply, kMultiply}), TurnEnd::kForgotten);
  EXPECT_TRUE(failed_);
  EXPECT_EQ(conversation_.size(), 0u);
}

TEST_F(ChatTurn, ResultsOfAFilesToolsAreAskedFor) {
  UseFile();
  replies_ = {"sunny", ""};
  const Answer two = Calls({{"get_weather", R"({"city": "Oslo"})"}, {"get_weather", R"({"city": "Rom"})"}});
  EXPECT_EQ(Turn({two, Says("Sunny.")}), TurnEnd::kAnswered);
  EXPECT_EQ(asked_, (std::vector<std::string>{R"(call_1 get_weather {"city": "Oslo"})",
                                              R"(call_2 get_weather {"city": "Rom"})"}));
  EXPECT_EQ(Outline(), "user:hello assistant[call_1][call_2]: tool[call_1]:sunny tool[call_2]: assistant:Sunny.");
  EXPECT_TRUE(shown_.empty());
  // Nobody is asked for what no answer could be right.
  Turn({Calls({{"get_weather", "Oslo"}, {"calculator", "{}"}}), Says("Sorry.")});
  EXPECT_EQ(asked_.size(), 2u);
  EXPECT_EQ(shown_.size(), 2u);
  // Whoever gives up after one of two results takes back the turn.
  const std::string before = Outline();
  replies_ = {"rain"};
  EXPECT_EQ(Turn({two, Says("Rain.")}), TurnEnd::kForgotten);
  EXPECT_EQ(Outline(), before);
}

TEST_F(ChatTurn, CallsAndResultsAreSavedAndLoaded) {
  Turn({kMultiply, Says("It is 42.")});
  const std::string before = Outline();
  ASSERT_TRUE(conversation_.Save(directory_ / "a.json").ok());
  conversation_.Clear();
  const Status loaded = conversation_.Load(directory_ / "a.json");
  ASSERT_TRUE(loaded.ok()) << loaded.message();
  EXPECT_EQ(Outline(), before);
  Turn({kMultiply, Says("Still.")}, "again");
  EXPECT_EQ(Outline(), before + " user:again assistant[call_2]: tool[call_2]:42 assistant:Still.");
}

TEST(ChatTools, AreSetAndKeptOnAMistake) {
  const TemporaryDirectory directory;
  ChatTools tools;
  EXPECT_EQ(tools.Names(), "");
  ASSERT_TRUE(tools.Set("builtin").ok());
  EXPECT_EQ(tools.Names(), "calculator, get_time");
  EXPECT_TRUE(tools.builtin());
  WriteTestFile(directory / "text.json", "{");
  WriteTestFile(directory / "shape.json", R"([{"name": "x"}])");
  WriteTestFile(directory / "name.json", R"([{"function": {"description": "x"}}])");
  for (const char* name : {"text.json", "shape.json", "name.json", "missing.json"}) {
    const Status set = tools.Set(directory / name);
    EXPECT_NE(set.message().find(name), std::string::npos) << name << ": " << set.message();
  }
  EXPECT_EQ(tools.Names(), "calculator, get_time");
  WriteTestFile(directory / "tools.json", kFile);
  ASSERT_TRUE(tools.Set(directory / "tools.json").ok());
  EXPECT_EQ(tools.Names(), "get_weather");
  EXPECT_FALSE(tools.builtin());
  ASSERT_TRUE(tools.Set("off").ok());
  EXPECT_EQ(tools.Names(), "");
}

// ---- on a terminal -----------------------------------------------------------------------------------------------

// Asks for two results and tells what it got.
int AskTwice() {
  InstallInterruptHandler();
  LineEditor editor("");
  for (int question = 0; question < 2; ++question) {
    const std::optional<std::string> result = AskToolResult({"call_1", "get_weather", "{}"}, editor);
    std::printf("\ngot <%s>\n", result ? result->c_str() : "nothing");
    if (!result) ClearInterrupt();
  }
  std::printf("then <%s>\n", editor.Read().value_or("nothing").c_str());
  return 0;
}

TEST(AskToolResult, CtrlCGivesUpTheQuestion) {
  PtySession session(AskTwice, {});
  ASSERT_TRUE(session.WaitFor("result of get_weather: "));
  ASSERT_TRUE(session.WaitForKeys());
  session.Type("12 degrees\r");
  ASSERT_TRUE(session.WaitFor("got <12 degrees>"));
  ASSERT_TRUE(session.WaitFor("result of get_weather: "));
  ASSERT_TRUE(session.WaitForKeys());
  session.Type("rai\x03");
  ASSERT_TRUE(session.WaitFor("got <nothing>"));
  ASSERT_TRUE(session.WaitForPrompt());
  // Results are no part of the history.
  session.Type("\x1b[Anext\r");
  EXPECT_TRUE(session.WaitFor("then <next>"));
  EXPECT_EQ(session.ExitCode(), 0);
}

TEST(AskToolResult, WithoutATerminalTheNextLineIsTheResult) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "input", "sunny\n\\\n");
  ASSERT_NE(std::freopen((directory / "input").c_str(), "r", stdin), nullptr);
  LineEditor editor("");
  const ToolCall call = {"call_1", "get_weather", "{}"};
  EXPECT_EQ(AskToolResult(call, editor).value_or("nothing"), "sunny");
  EXPECT_EQ(AskToolResult(call, editor).value_or("nothing"), "\n");
  EXPECT_EQ(AskToolResult(call, editor).value_or("nothing"), "nothing");
}

}  // namespace
}  // namespace fathom
