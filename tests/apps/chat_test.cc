// `fathom chat` with its commands from a pipe, and on a terminal.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/json.h"
#include "tests/apps/pty_session.h"
#include "tests/apps/synthetic_model.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

class ChatCommand : public testing::Test {
 protected:
  RunResult Chat(std::string_view input, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {"chat", "--model", SyntheticModelDirectory(), "--seed", "5", "--no-think"};
    // Enough to talk; without </think> and DSML, which a random model writes anywhere.
    arguments.insert(arguments.end(), {"--max-tokens", "12", "--logit-bias", "1=-inf"});
    for (int id = 512 - 47; id < 512; ++id) {
      arguments.insert(arguments.end(), {"--logit-bias", std::to_string(id) + "=-inf"});
    }
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunFathom(arguments, input);
  }

  Json Saved(const std::string& name) {
    const Result<Json> json = ParseJson(ReadTestFile(directory_ / name));
    EXPECT_TRUE(json.ok());
    return json.ok() && json->Find("messages") != nullptr ? *json->Find("messages") : Json::Array();
  }

  const TemporaryDirectory directory_;
};

TEST_F(ChatCommand, AnswersTheLinesOfAPipe) {
  const RunResult result = Chat("hello\nand again\n/stats\n");
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.err, "");
  EXPECT_NE(result.out.find("(out of tokens)\n"), std::string::npos) << result;
  EXPECT_NE(result.out.find("this session: 2 answers"), std::string::npos) << result;
  EXPECT_EQ(Chat("hello\nand again\n").out, result.out.substr(0, result.out.find("last answer")));
}

TEST_F(ChatCommand, HelpListsTheCommands) {
  const RunResult result = Chat("/help\n");
  for (const char* name : {"/new", "/system", "/think", "/tools", "/save FILE", "/load FILE", "/stats", "/quit"}) {
    EXPECT_NE(result.out.find(name), std::string::npos) << name;
  }
}

TEST_F(ChatCommand, SavesAndGoesOnWhereItWas) {
  const RunResult whole = Chat("/system Be brief.\none\ntwo\n/save " + (directory_ / "whole.json") + "\n");
  EXPECT_NE(whole.out.find("(saved 2 turns to "), std::string::npos) << whole;
  Chat("/system Be brief.\none\n/save " + (directory_ / "half.json") + "\n");
  const RunResult rest =
      Chat("/load " + (directory_ / "half.json") + "\ntwo\n/save " + (directory_ / "rest.json") + "\n");
  EXPECT_NE(rest.out.find("(loaded 1 turns from "), std::string::npos) << rest;
  EXPECT_EQ(ReadTestFile(directory_ / "rest.json"), ReadTestFile(directory_ / "whole.json"));
  const Json messages = Saved("whole.json");
  ASSERT_EQ(messages.items().size(), 5u);
  EXPECT_EQ(messages.items()[0].Find("role")->string(), "system");
  EXPECT_EQ(messages.items()[0].Find("content")->string(), "Be brief.");
  EXPECT_EQ(messages.items()[3].Find("content")->string(), "two");
  EXPECT_EQ(messages.items()[4].Find("role")->string(), "assistant");
}

TEST_F(ChatCommand, ABadFileIsASentenceAndLosesNothing) {
  WriteTestFile(directory_ / "text.json", "not json");
  WriteTestFile(directory_ / "shape.json", R"({"messages": 7})");
  WriteTestFile(directory_ / "role.json", R"([{"role": "wizard", "content": "x"}])");
  WriteTestFile(directory_ / "type.json", R"([{"role": "user", "content": 5}])");
  std::string input = "hello\n";
  for (const char* name : {"text.json", "shape.json", "role.json", "type.json", "missing.json"}) {
    input += "/load " + (directory_ / name) + "\n";
  }
  const RunResult result = Chat(input + "/load\n/save /nonexistent/x.json\n/save " + (directory_ / "kept.json") + "\n");
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 7) << result;
  for (const char* part : {"text.json: ", "shape.json: holds neither", "role.json: ", "wizard",
                           "type.json: ", "missing.json: ", "/load needs a file name", "/nonexistent/x.json"}) {
    EXPECT_NE(result.err.find(part), std::string::npos) << part << "\n" << result;
  }
  EXPECT_EQ(Saved("kept.json").items().size(), 2u);
}

TEST_F(ChatCommand, LoadedMessagesKeepWhatTheProgramDoesNotKnow) {
  WriteTestFile(directory_ / "in.json",
                R"([{"role": "user", "content": [{"type": "text", "text": "hi"}], "name": "ada"},)"
                R"({"role": "assistant", "content": "ho", "x": 1.50}])");
  Chat("/load " + (directory_ / "in.json") + "\n/save " + (directory_ / "out.json") + "\n");
  EXPECT_EQ(Saved("out.json").Dump(), R"([{"role":"user","content":[{"type":"text","text":"hi"}],"name":"ada"},)"
                                      R"({"role":"assistant","content":"ho","x":1.50}])");
}

TEST_F(ChatCommand, NewForgetsTheMessagesButNotTheSystemPrompt) {
  Chat("/system Be brief.\none\n/new\ntwo\n/save " + (directory_ / "a.json") + "\n");
  const Json messages = Saved("a.json");
  ASSERT_EQ(messages.items().size(), 3u);
  EXPECT_EQ(messages.items()[1].Find("content")->string(), "two");
}

TEST_F(ChatCommand, ThinkingIsSetAndShown) {
  const RunResult result = Chat("/think\n/think on\n/think max\n/think off\n/think deeply\n/think\n");
  EXPECT_EQ(result.out, "(thinking off)\n(thinking on)\n(thinking on, effort max)\n(thinking off)\n(thinking off)\n");
  EXPECT_NE(result.err.find("the level of /think is \"deeply\"; accepted are none, minimal, low,"), std::string::npos)
      << result;
  // Thinking goes into the message but not into a pipe.
  const RunResult answer = Chat("/think on\nhello\n/save " + (directory_ / "a.json") + "\n");
  EXPECT_EQ(answer.out.rfind("(thinking on)\n(out of tokens)\n", 0), 0u) << answer;
  EXPECT_NE(Saved("a.json").items()[1].Find("reasoning_content")->string(), "");
}

TEST_F(ChatCommand, ToolsAreSetAndShownAndStay) {
  WriteTestFile(directory_ / "tools.json", R"([{"type": "function", "function": {"name": "get_weather"}}])");
  const RunResult result = Chat("/tools\n/tools builtin\n/new\n/tools\n/tools /nonexistent.json\n/tools " +
                                (directory_ / "tools.json") + "\n/tools off\n");
  EXPECT_EQ(result.out,
            "(no tools)\n(tools: calculator, get_time)\n(new conversation)\n(tools: calculator, get_time)\n"
            "(tools: get_weather; you are asked for their results)\n(no tools)\n");
  EXPECT_NE(result.err.find("/nonexistent.json"), std::string::npos) << result;
  EXPECT_EQ(Chat("/tools\n", {"--tools", "builtin"}).out, "(tools: calculator, get_time)\n");
  EXPECT_EQ(Chat("", {"--tools", "/nonexistent.json"}).exit_code, 2);
}

TEST_F(ChatCommand, TheModelIsToldOfTheTools) {
  const auto prompt_tokens = [&](const std::vector<std::string>& more) {
    const RunResult result = Chat("hello\n/stats\n", more);
    const size_t at = result.out.find("prompt ");
    EXPECT_NE(at, std::string::npos) << result;
    return at == std::string::npos ? 0 : std::atoi(result.out.c_str() + at + 7);
  };
  EXPECT_GT(prompt_tokens({"--tools", "builtin"}), prompt_tokens({}) + 100);
}

TEST_F(ChatCommand, AConversationWithCallsIsLoadedAndContinued) {
  const std::string calls =
      R"([{"role":"user","content":"6 * 7?"},{"role":"assistant","content":"","tool_calls":[{"id":"call_1",)"
      R"("type":"function","function":{"name":"calculator","arguments":"{\"expression\": \"6 * 7\"}"}}]},)"
      R"({"role":"tool","tool_call_id":"call_1","content":"42"},{"role":"assistant","content":"42"}])";
  WriteTestFile(directory_ / "in.json", calls);
  const RunResult result =
      Chat("/load " + (directory_ / "in.json") + "\nmore\n/save " + (directory_ / "out.json") + "\n",
           {"--tools", "builtin"});
  EXPECT_EQ(result.err.find("fathom chat: "), std::string::npos) << result;
  const Json messages = Saved("out.json");
  ASSERT_EQ(messages.items().size(), 6u) << result;
  EXPECT_EQ(messages.Dump().substr(0, calls.size() - 1), calls.substr(0, calls.size() - 1));
}

TEST_F(ChatCommand, ABackslashContinuesAndADoubleSlashIsText) {
  Chat("one\\\ntwo\\\nthree\n//slash\n/save " + (directory_ / "a.json") + "\n");
  const Json messages = Saved("a.json");
  ASSERT_EQ(messages.items().size(), 4u);
  EXPECT_EQ(messages.items()[0].Find("content")->string(), "one\ntwo\nthree");
  EXPECT_EQ(messages.items()[2].Find("content")->string(), "/slash");
}

TEST_F(ChatCommand, MistakesAreSentencesAndTheConversationGoesOn) {
  const RunResult result =
      Chat("/frobnicate\n\xFFx\n   \n" + std::string(400, 'z') + "\nhi\n/save " + (directory_ / "a.json") + "\n",
           {"--ctx", "100"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.err.find("/frobnicate is no command"), std::string::npos) << result;
  EXPECT_NE(result.err.find("the message is not valid UTF-8"), std::string::npos) << result;
  EXPECT_NE(result.err.find("the prompt is too long: it has "), std::string::npos) << result;
  EXPECT_EQ(Saved("a.json").items().size(), 2u);
  EXPECT_EQ(RunFathom({"chat", "--model", "/nonexistent"}).exit_code, 2);
  EXPECT_EQ(Chat("", {"--temperature", "x"}).exit_code, 2);
  EXPECT_EQ(Chat("", {"--load", "/nonexistent"}).exit_code, 2);
}

TEST_F(ChatCommand, FlagsThatCanNeverWorkEndItBeforeTheFirstMessage) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--temperature", "500"}, "--temperature is 500; accepted is 0 to 100"},
      {{"--top-p", "2"}, "--top-p is 2; accepted is 1e-06 to 1"},
      {{"--max-tokens", "0"}, "--max-tokens is '0'; accepted is a whole number, 1 or more"},
      {{"--logit-bias", "99999999=1"}, "--logit-bias has token 99999999; this model has tokens 0 to 511"},
      {{"--stop", std::string(5000, 'x')}, "--stop[0] has 5000 bytes; accepted are 1 to 4096"},
      {{"--effort", "foo"}, "--effort is \"foo\"; accepted are none, minimal, low, medium, high, xhigh, max and ultra"},
      {{"--ctx", "1"}, "--ctx is 1; this model accepts 2 to 8192"},
      {{"--system", "\xFF"}, "the text of --system is not valid UTF-8"},
  };
  for (const auto& [flags, message] : cases) {
    std::vector<std::string> arguments = {"chat", "--model", SyntheticModelDirectory()};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const RunResult result = RunFathom(arguments, "hello\n");
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(message), std::string::npos) << message << "\n" << result;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result;
  }
}

TEST_F(ChatCommand, ALongConversationReusesItsPast) {
  const std::string words(300, 'q');
  const RunResult result = Chat(words + "\nmore\n/stats\n");
  const size_t at = result.out.find("this session: ");
  ASSERT_NE(at, std::string::npos) << result;
  EXPECT_EQ(result.out.find("(0 cached)", at), std::string::npos) << result;
}

// ---- on a terminal -----------------------------------------------------------------------------------------------

class ChatTerminal : public ChatCommand {
 protected:
  void SetUp() override {
    if (std::string_view(FATHOM_EMULATOR) != "") GTEST_SKIP() << "cross build: no terminal through the emulator";
  }
  std::vector<std::string> Arguments() const {
    std::vector<std::string> arguments = {"chat", "--model", SyntheticModelDirectory(), "--seed", "5", "--no-think"};
    for (const char* id : {"1"}) arguments.insert(arguments.end(), {"--logit-bias", std::string(id) + "=-inf"});
    for (int id = 512 - 47; id < 512; ++id) {
      arguments.insert(arguments.end(), {"--logit-bias", std::to_string(id) + "=-inf"});
    }
    return arguments;
  }
  std::vector<std::pair<std::string, std::string>> Environment() const {
    return {{"XDG_STATE_HOME", directory_ / "state"}};
  }
};

TEST_F(ChatTerminal, CtrlCStopsTheAnswerAndNotTheProgram) {
  PtySession session(FATHOM_BINARY, Arguments(), Environment());
  ASSERT_TRUE(session.WaitFor("/help lists the commands"));
  ASSERT_TRUE(session.WaitForPrompt());
  session.Type("hello\r");
  ASSERT_TRUE(session.WaitFor("hello\r\n"));
  ASSERT_TRUE(session.WaitForBytes(100));  // the answer is on its way
  session.Type("\x03");
  ASSERT_TRUE(session.WaitFor("(stopped)"));
  ASSERT_TRUE(session.WaitForPrompt());
  // At the prompt it empties the line: what comes after is a command by itself.
  session.Type("some text");
  ASSERT_TRUE(session.WaitFor("some text"));
  session.Type("\x03");
  ASSERT_TRUE(session.WaitFor("\n"));  // the prompt has a line of its own
  ASSERT_TRUE(session.WaitForPrompt());
  session.Type("/stats\r");
  ASSERT_TRUE(session.WaitFor("this session: 1 answers"));
  ASSERT_TRUE(session.WaitForPrompt());
  session.Type("\x04");
  EXPECT_EQ(session.ExitCode(), 0);
}

TEST_F(ChatTerminal, SigtermEndsItAtThePromptAndInAnAnswer) {
  for (const bool answering : {false, true}) {
    PtySession session(FATHOM_BINARY, Arguments(), Environment());
    ASSERT_TRUE(session.WaitFor("/help lists the commands"));
    ASSERT_TRUE(session.WaitForPrompt());
    if (answering) {
      session.Type("hello\r");
      ASSERT_TRUE(session.WaitFor("hello\r\n"));
      ASSERT_TRUE(session.WaitForBytes(100));
    }
    session.Signal(SIGTERM);
    EXPECT_EQ(session.ExitCode(), 130) << answering;
  }
}

TEST_F(ChatTerminal, WithoutCursorMovementThereArePromptsAndNoEscapes) {
  for (const char* term : {"dumb", ""}) {
    std::vector<std::string> arguments = Arguments();
    arguments.insert(arguments.end(), {"--max-tokens", "8"});
    std::vector<std::pair<std::string, std::string>> environment = Environment();
    environment.emplace_back("TERM", term);
    PtySession session(FATHOM_BINARY, arguments, environment);
    ASSERT_TRUE(session.WaitFor("/help lists the commands"));
    ASSERT_TRUE(session.WaitForPrompt());
    session.Type("/think on\r");
    ASSERT_TRUE(session.WaitFor("(thinking on)"));
    ASSERT_TRUE(session.WaitForPrompt());
    session.Type("hello\r");
    ASSERT_TRUE(session.WaitFor("(thinking)\r\n"));
    ASSERT_TRUE(session.WaitFor("(out of tokens)"));
    ASSERT_TRUE(session.WaitForPrompt());
    session.Type("/quit\r");
    EXPECT_EQ(session.ExitCode(), 0);
    EXPECT_EQ(session.all_shown().find('\x1b'), std::string::npos) << session.all_shown();
  }
}

TEST_F(ChatTerminal, HistoryIsKeptBetweenSessions) {
  {
    PtySession session(FATHOM_BINARY, Arguments(), Environment());
    ASSERT_TRUE(session.WaitForPrompt());
    session.Type("/think low\r");
    ASSERT_TRUE(session.WaitFor("(thinking on, effort low)"));
    session.Type("/quit\r");
    EXPECT_EQ(session.ExitCode(), 0);
  }
  EXPECT_NE(ReadTestFile(directory_ / "state/fathom/chat_history").find("think"), std::string::npos);
  PtySession session(FATHOM_BINARY, Arguments(), Environment());
  ASSERT_TRUE(session.WaitForPrompt());
  session.Type("\x1b[A\x1b[A\r");  // two lines up: the command before /quit
  EXPECT_TRUE(session.WaitFor("(thinking on, effort low)"));
  session.Type("/quit\r");
  EXPECT_EQ(session.ExitCode(), 0);
}

TEST_F(ChatTerminal, APasteOfSeveralLinesIsOneMessage) {
  std::vector<std::string> arguments = Arguments();
  arguments.insert(arguments.end(), {"--max-tokens", "3"});
  PtySession session(FATHOM_BINARY, arguments, Environment());
  ASSERT_TRUE(session.WaitForPrompt());
  session.Type("första raden 日本\rsecond line\rthird\r");
  ASSERT_TRUE(session.WaitFor("(out of tokens)"));
  session.Type("/save " + (directory_ / "a.json") + "\r");
  ASSERT_TRUE(session.WaitFor("(saved 1 turns"));
  session.Type("/quit\r");
  EXPECT_EQ(session.ExitCode(), 0);
  EXPECT_EQ(Saved("a.json").items()[0].Find("content")->string(), "första raden 日本\nsecond line\nthird");
}

TEST_F(ChatTerminal, ThinkingIsDim) {
  std::vector<std::string> arguments = Arguments();
  arguments.insert(arguments.end(), {"--max-tokens", "8"});
  PtySession session(FATHOM_BINARY, arguments, Environment());
  ASSERT_TRUE(session.WaitForPrompt());
  session.Type("/think on\r");
  ASSERT_TRUE(session.WaitFor("(thinking on)"));
  session.Type("hello\r");
  EXPECT_TRUE(session.WaitFor("\x1b[2m"));
  EXPECT_TRUE(session.WaitFor("\x1b[0m"));
  EXPECT_TRUE(session.WaitFor("(out of tokens)"));
  session.Type("/quit\r");
  EXPECT_EQ(session.ExitCode(), 0);
}

}  // namespace
}  // namespace fathom
