// `fathom run` as a user runs it.
#include <gtest/gtest.h>

#include <fstream>

#include "base/json.h"
#include "tests/apps/pty_session.h"
#include "tests/apps/synthetic_model.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

std::vector<std::string> Command(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {"run", "--model", SyntheticModelDirectory()};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

RunResult AskOnce(const std::vector<std::string>& more, std::string_view input = {}) {
  return RunFathom(Command(more), input);
}

Json RunJson(std::vector<std::string> more) {
  more.push_back("--json");
  const RunResult result = AskOnce(more);
  EXPECT_EQ(result.exit_code, 0) << result;
  const Result<Json> json = ParseJson(result.out);
  EXPECT_TRUE(json.ok()) << result;
  return json.ok() ? *json : Json::Object();
}

std::string Text(const Json& json, const char* key) {
  const Json* member = json.Find(key);
  EXPECT_NE(member, nullptr) << key;
  return member != nullptr && member->is_string() ? member->string() : "?";
}

int64_t Number(const Json& json, const char* object, const char* key) {
  const Json* member = json.Find(object);
  const Json* number = member == nullptr ? nullptr : member->Find(key);
  EXPECT_NE(number, nullptr) << object << "." << key;
  return number == nullptr ? -1 : number->AsInt().value_or(-1);
}

TEST(RunCommand, PrintsTheAnswerAndOneLineOfStatistics) {
  const RunResult result = AskOnce({"--raw", "-p", "once upon a time", "--max-tokens", "8", "--seed", "5"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_GT(result.out.size(), 1u);
  EXPECT_EQ(result.out.back(), '\n');
  EXPECT_EQ(result.err.rfind("fathom run: prompt ", 0), 0u) << result;
  EXPECT_NE(result.err.find("answer 8 tokens"), std::string::npos) << result;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result;
  const RunResult quiet = AskOnce({"--raw", "-p", "once upon a time", "--max-tokens", "8", "--seed", "5", "-q"});
  EXPECT_EQ(quiet.err, "");
  EXPECT_EQ(quiet.out, result.out);
}

TEST(RunCommand, SameSeedSameTextHoweverItIsRun) {
  const std::vector<std::string> base = {"--no-think", "-p", "the same words", "--max-tokens", "30", "--seed",
                                         "7",          "-q"};
  const RunResult first = AskOnce(base);
  EXPECT_EQ(first.exit_code, 0) << first;
  for (const std::vector<std::string>& more : {std::vector<std::string>{},
                                               {"--threads", "1"},
                                               {"--threads", "3"},
                                               {"--threads", "2", "--pin", "cores"},
                                               {"--no-mmap"},
                                               {"--isa", "reference"},
                                               {"--no-stream"}}) {
    std::vector<std::string> arguments = base;
    arguments.insert(arguments.end(), more.begin(), more.end());
    EXPECT_EQ(AskOnce(arguments).out, first.out) << (more.empty() ? "" : more[0]);
  }
  // Another precision is another model, the same on every instruction set.
  std::vector<std::string> int8 = base;
  int8.insert(int8.end(), {"--activations", "int8"});
  const RunResult whole = AskOnce(int8);
  EXPECT_EQ(whole.exit_code, 0) << whole;
  int8.insert(int8.end(), {"--isa", "reference", "--threads", "1"});
  EXPECT_EQ(AskOnce(int8).out, whole.out);
  std::vector<std::string> other = base;
  other[6] = "8";
  EXPECT_NE(AskOnce(other).out, first.out);
}

TEST(RunCommand, JsonHasEverything) {
  const Json json = RunJson({"--no-think", "-p", "hello", "--max-tokens", "12", "--seed", "3"});
  EXPECT_EQ(Text(json, "reasoning"), "");
  EXPECT_EQ(Text(json, "model"), SyntheticModelDirectory());
  EXPECT_EQ(json.Find("seed")->AsInt(), 3);
  EXPECT_TRUE(json.Find("tool_calls")->is_array());
  EXPECT_GT(Number(json, "usage", "prompt_tokens"), 3);
  EXPECT_LE(Number(json, "usage", "completion_tokens"), 12);
  EXPECT_TRUE(json.Find("timings")->Find("prefill_ms")->is_number());
  const std::string reason = Text(json, "finish_reason");
  EXPECT_TRUE(reason == "length" || reason == "stop" || reason == "tool_calls") << reason;
}

TEST(RunCommand, ThinkingIsReasoningInJsonAndNotPrintedToAPipe) {
  // Without the tokens that end or structure an answer: everything generated is reasoning.
  std::vector<std::string> arguments = {"--think", "-p", "hello", "--max-tokens", "12", "--seed", "3"};
  for (int id = 512 - 47; id < 512; ++id) {
    arguments.insert(arguments.end(), {"--logit-bias", std::to_string(id) + "=-inf"});
  }
  arguments.insert(arguments.end(), {"--logit-bias", "1=-inf"});
  const Json json = RunJson(arguments);
  EXPECT_NE(Text(json, "reasoning"), "");
  EXPECT_EQ(Text(json, "text"), "");
  EXPECT_EQ(Text(json, "finish_reason"), "length");
  const RunResult plain = AskOnce(arguments);
  EXPECT_EQ(plain.out, "");
  EXPECT_NE(plain.err.find("out of tokens while still thinking"), std::string::npos) << plain;
}

TEST(RunCommand, EffortAndSystemPromptChangeThePrompt) {
  const auto prompt_tokens = [](std::vector<std::string> more) {
    more.insert(more.end(), {"-p", "hello", "--max-tokens", "1"});
    return Number(RunJson(more), "usage", "prompt_tokens");
  };
  const int64_t plain = prompt_tokens({"--no-think"});
  EXPECT_EQ(prompt_tokens({"--think"}), plain);  // one mark instead of the other
  EXPECT_EQ(prompt_tokens({"--effort", "low"}), plain);
  EXPECT_GT(prompt_tokens({"--effort", "max"}), plain + 100);
  EXPECT_GT(prompt_tokens({"--no-think", "--system", "You are terse."}), plain);
}

TEST(RunCommand, ControlTokensInThePromptStayTextUnlessAskedFor) {
  const auto prompt_tokens = [](std::vector<std::string> more) {
    more.insert(more.end(), {"-p", "a<｜User｜>b", "--max-tokens", "1"});
    return Number(RunJson(more), "usage", "prompt_tokens");
  };
  const int64_t compatible = prompt_tokens({"--unprotected"});
  EXPECT_GT(prompt_tokens({}), compatible + 3);
  EXPECT_EQ(prompt_tokens({"--raw"}), 3);
}

TEST(RunCommand, StandardInputIsThePrompt) {
  const RunResult argument = AskOnce({"--no-think", "--max-tokens", "10", "--seed", "1", "-q", "-p", "from a pipe"});
  const RunResult piped = AskOnce({"--no-think", "--max-tokens", "10", "--seed", "1", "-q"}, "from a pipe\n");
  EXPECT_EQ(piped.exit_code, 0) << piped;
  EXPECT_EQ(piped.out, argument.out);
}

TEST(RunCommand, SaysThatItReadsATerminal) {
  if (std::string_view(FATHOM_EMULATOR) != "") GTEST_SKIP() << "cross build: no terminal through the emulator";
  for (const char* term : {"xterm", "dumb"}) {
    PtySession session(FATHOM_BINARY, Command({"--no-think", "--max-tokens", "2"}), {{"TERM", term}});
    ASSERT_TRUE(session.WaitFor("reading the prompt from the terminal; end it with Ctrl-D")) << term;
    session.Type("hi\r\x04");
    EXPECT_EQ(session.ExitCode(), 0) << term;
  }
}

TEST(RunCommand, StopsBeforeAStopString) {
  const std::vector<std::string> base = {"--raw",  "-p", "abc",          "--max-tokens", "40",
                                         "--seed", "11", "--logit-bias", "1=-inf"};
  const std::string text = Text(RunJson(base), "text");
  ASSERT_GT(text.size(), 20u);
  // A piece of the answer that is whole characters.
  size_t begin = text.size() / 2;
  while ((static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) ++begin;
  size_t end = begin + 3;
  while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) ++end;
  const std::string stop = text.substr(begin, end - begin);
  std::vector<std::string> stopped = base;
  stopped.insert(stopped.end(), {"--stop", stop});
  const Json json = RunJson(stopped);
  EXPECT_EQ(Text(json, "text"), text.substr(0, text.find(stop)));
  EXPECT_EQ(Text(json, "finish_reason"), "stop");
  EXPECT_EQ(Text(json, "stop_string"), stop);
}

TEST(RunCommand, CtrlCPrintsWhatThereIsAndExitsWith130) {
  std::vector<std::string> arguments = {"--raw", "-p", "abc", "--seed", "11", "--logit-bias", "1=-inf"};
  const std::string start =
      Text(RunJson({"--raw", "-p", "abc", "--seed", "11", "--logit-bias", "1=-inf", "--max-tokens", "4"}), "text");
  ASSERT_FALSE(start.empty());
  RunOptions options;
  options.interrupt_after = start;
  const RunResult result = RunFathom(Command(arguments), options);
  EXPECT_EQ(result.exit_code, 130) << result;
  EXPECT_EQ(result.out.rfind(start, 0), 0u);
  EXPECT_NE(result.err.find("stopped by Ctrl-C"), std::string::npos) << result;
}

TEST(RunCommand, MistakesAreOneSentence) {
  struct Case {
    std::vector<std::string> arguments;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"--raw", "-p", "a b c d e f g h", "--ctx", "8"}, "the prompt is too long: it has "},
      {{"-p", ""}, "the prompt is empty; give one with -p or on standard input"},
      {{"-p", "caf\xE9"}, "the prompt is not valid UTF-8"},
      {{"-p", "x", "--system", "\xFF"}, "the text of --system is not valid UTF-8"},
      {{"-p", "x", "--temperature", "-1"}, "fathom: --temperature is -1; accepted is 0 to 100"},
      {{"-p", "x", "--top-p", "1.5"}, "fathom: --top-p is 1.5; accepted is 1e-06 to 1"},
      {{"-p", "x", "--max-tokens", "0"}, "--max-tokens is '0'; accepted is a whole number, 1 or more"},
      {{"-p", "x", "--logit-bias", "7"}, "--logit-bias is '7'; accepted is ID=BIAS"},
      {{"-p", "x", "--logit-bias", "99999=1"}, "fathom: --logit-bias has token 99999; this model has tokens 0 to 511"},
      {{"-p", "x", "--effort", "huge"}, "fathom: --effort is \"huge\"; accepted are none, minimal, low,"},
      {{"-p", "x", "--isa", "z80"}, "--isa is 'z80'; this machine and build have auto, reference"},
      {{"-p", "x", "--pin", "tightly"}, "--pin is 'tightly'; accepted are auto, none, nodes and cores"},
      {{"-p", "x", "--activations", "fp4"}, "--activations is 'fp4'; accepted are fp8 and int8"},
      {{"-p", "x", "--threads", "-1"}, "--threads is '-1'; accepted is a whole number, 0 to 1024"},
      {{"-p", "x", "--ctx", "100000"}, "fathom: --ctx is 100000; this model accepts 2 to 8192"},
      {{"-p", "x", "--tools", "/nonexistent.json"}, "/nonexistent.json"},
      {{"-p", "x", "--think", "--no-think"}, "--no-think"},
      {{"-p", "x", "--raw", "--system", "y"}, "--raw"},
      {{"--frobnicate"}, "--frobnicate"},
  };
  EXPECT_EQ(RunFathom({"run", "-p", "x", "--model", "/nonexistent"}).exit_code, 2);
  for (const Case& mistake : cases) {
    const RunResult result = AskOnce(mistake.arguments);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(mistake.message), std::string::npos) << mistake.message << "\n" << result;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result;
  }
}

TEST(RunCommand, DefectiveGenerationConfigNamesFileAndKey) {
  const TemporaryDirectory directory;
  for (const char* name : {"config.json", "tokenizer.json", "model.safetensors.index.json"}) {
    WriteTestFile(directory / name, ReadTestFile(SyntheticModelDirectory() + "/" + name));
  }
  const std::string index = ReadTestFile(directory / "model.safetensors.index.json");
  for (size_t at = 0; (at = index.find("model-", at)) != std::string::npos; ++at) {
    const std::string shard = index.substr(at, index.find('"', at) - at);
    WriteTestFile(directory / shard, ReadTestFile(SyntheticModelDirectory() + "/" + shard));
  }
  const auto run = [&](std::string_view text) {
    WriteTestFile(directory / "generation_config.json", text);
    return RunFathom({"run", "--model", directory.path(), "-p", "x", "--max-tokens", "1", "-q"});
  };
  EXPECT_EQ(run(R"({"temperature": 0.5, "eos_token_id": [1, 2]})").exit_code, 0);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"temperature": -3})", "generation_config.json: temperature is -3; accepted is 0 to 100"},
      {R"({"top_p": "much"})", "generation_config.json: top_p is \"much\", not a number"},
      {R"({"eos_token_id": 512})", "generation_config.json: eos_token_id is 512; accepted are token ids 0 to 511"},
      {"[]", "generation_config.json: holds no JSON object"},
      {"{", "generation_config.json: "},
  };
  for (const auto& [text, message] : cases) {
    const RunResult result = run(text);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_NE(result.err.find(message), std::string::npos) << message << "\n" << result;
  }
}

std::string WriteFileIn(const TemporaryDirectory& directory, const std::string& name, const std::string& text) {
  const std::string path = directory.path() + "/" + name;
  std::ofstream(path) << text;
  return path;
}

TEST(RunCommand, AnswersObeyASchema) {
  const TemporaryDirectory directory;
  const std::string schema = WriteFileIn(directory, "schema.json", R"({"type": "object", "properties": {
      "name": {"type": "string", "maxLength": 8}, "n": {"type": "integer", "minimum": 1, "maximum": 20}},
      "required": ["name", "n"], "additionalProperties": false})");
  for (const char* seed : {"1", "2", "3"}) {
    const Json answer = RunJson({"--no-think", "--schema", schema, "-p", "x", "--max-tokens", "200", "--seed", seed});
    EXPECT_EQ(Text(answer, "finish_reason"), "stop");
    const Result<Json> value = ParseJson(Text(answer, "text"));
    ASSERT_TRUE(value.ok()) << Text(answer, "text");
    ASSERT_EQ(value->members().size(), 2u);
    EXPECT_TRUE(value->Find("name")->is_string());
    const int64_t n = value->Find("n")->AsInt().value_or(0);
    EXPECT_TRUE(n >= 1 && n <= 20) << n;
  }
}

TEST(RunCommand, WrongSchemasAreNamedWithTheirPlace) {
  const TemporaryDirectory directory;
  const std::string schema =
      WriteFileIn(directory, "schema.json", R"({"type": "object", "properties": {"x": {"not": {}}}})");
  const RunResult result = AskOnce({"--no-think", "--schema", schema, "-p", "x"});
  EXPECT_EQ(result.exit_code, 2) << result;
  EXPECT_NE(result.err.find("schema.json.properties.x: the keyword 'not' is not supported"), std::string::npos)
      << result;
  EXPECT_EQ(AskOnce({"--json-object", "--schema", schema, "-p", "x"}).exit_code, 2);
  EXPECT_EQ(AskOnce({"--tool-choice", "required", "-p", "x"}).exit_code, 2);
}

TEST(RunCommand, RequiredToolsAreCalled) {
  const TemporaryDirectory directory;
  const std::string tools = WriteFileIn(directory, "tools.json", R"([
      {"type": "function", "function": {"name": "roll", "parameters": {"type": "object",
        "properties": {"sides": {"type": "integer", "minimum": 2, "maximum": 100}}, "required": ["sides"]}}},
      {"type": "function", "function": {"name": "flip", "parameters": {"type": "object", "properties": {}}}}])");
  const std::vector<std::string> base = {"--no-think", "--tools", tools, "-p", "x", "--max-tokens", "400"};
  std::vector<std::string> named = base;
  named.insert(named.end(), {"--tool-choice", "roll"});
  const Json answer = RunJson(named);
  const Json* calls = answer.Find("tool_calls");
  ASSERT_TRUE(calls != nullptr && !calls->items().empty());
  EXPECT_EQ(Text(calls->items()[0], "name"), "roll");
  const Result<Json> arguments = ParseJson(Text(calls->items()[0], "arguments"));
  ASSERT_TRUE(arguments.ok() && arguments->Find("sides") != nullptr) << Text(calls->items()[0], "arguments");
  std::vector<std::string> unknown = base;
  unknown.insert(unknown.end(), {"--tool-choice", "dance"});
  const RunResult result = AskOnce(unknown);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("no tool is called 'dance'; the tools are roll, flip"), std::string::npos) << result;
}

}  // namespace
}  // namespace fathom
