#include "engine/grammar/tool_grammar.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/grammar/automaton_walker.h"
#include "tests/engine/grammar/accepts.h"
#include "tests/engine/grammar/random_walk.h"
#include "tokenizer/completion_parser.h"

namespace fathom {
namespace {

std::vector<Json> Tools(const std::string& text) {
  const Result<Json> json = ParseJson(text);
  EXPECT_TRUE(json.ok()) << text;
  return json.ok() ? json->items() : std::vector<Json>();
}

constexpr char kTools[] = R"([
  {"name": "read", "parameters": {"type": "object", "properties": {
     "path": {"type": "string"}, "lines": {"type": "array", "items": {"type": "integer"}},
     "mode": {"type": ["string", "null"], "enum": ["r", "w", null]}}, "required": ["path"]}},
  {"name": "now"}])";

Result<ByteAutomaton> Compile(const std::string& tools, ToolGrammarOptions options = {}) {
  options.dsml_token = false;
  return CompileToolGrammar(Tools(tools), "tools", options);
}

std::string Block(const std::string& calls) { return "\n\n<｜DSML｜tool_calls>\n" + calls + "</｜DSML｜tool_calls>"; }
std::string Call(const std::string& name, const std::string& parameters) {
  return "<｜DSML｜invoke name=\"" + name + "\">\n" + parameters + "</｜DSML｜invoke>\n";
}
std::string Parameter(const std::string& name, const std::string& value) {
  return "<｜DSML｜parameter name=\"" + name + "\" string=\"" + value + "</｜DSML｜parameter>\n";
}

TEST(ToolGrammar, AcceptsBlocksOfValidCalls) {
  const Result<ByteAutomaton> automaton = Compile(kTools);
  ASSERT_TRUE(automaton.ok()) << automaton.status().message();
  const std::string path = Parameter("path", "true\">a </b> <｜x\n\"");
  for (const std::string& calls : {
           Call("now", "\n"),
           Call("read", path),
           Call("read", path + Parameter("lines", "false\">[1, 20]")) + Call("now", "\n"),
           Call("read", path + Parameter("mode", "true\">w")),
           Call("read", path + Parameter("mode", "false\">null")),
       }) {
    EXPECT_TRUE(Accepts(*automaton, Block(calls))) << calls;
  }
  for (const std::string& calls : {
           std::string(),
           Call("now", ""),
           Call("write", "\n"),
           Call("read", "\n"),
           Call("read", path + path),
           Call("read", Parameter("path", "false\">\"a\"")),
           Call("read", path + Parameter("lines", "true\">[1]")),
           Call("read", path + Parameter("lines", "false\">[x]")),
           Call("read", path + Parameter("mode", "true\">x")),
           Call("read", path + Parameter("other", "true\">x")),
           Call("read", Parameter("path", "true\">a</｜DSML｜")),
       }) {
    EXPECT_FALSE(Accepts(*automaton, Block(calls))) << calls;
  }
}

TEST(ToolGrammar, OneToolOnlyAndBegunBlocks) {
  const Result<ByteAutomaton> automaton = Compile(kTools, {.only = "now", .begun = true});
  ASSERT_TRUE(automaton.ok()) << automaton.status().message();
  const std::string rest = Block(Call("now", "\n")).substr(2 + ToolBlockMark().size());
  EXPECT_TRUE(Accepts(*automaton, rest));
  EXPECT_FALSE(Accepts(*automaton, Block(Call("now", "\n"))));
  const Result<ByteAutomaton> unknown = Compile(kTools, {.only = "then"});
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.status().message(), "no tool is called 'then'; the tools are read, now");
}

TEST(ToolGrammar, WhatCantBeExpressedIsAnErrorOnlyWhenStrict) {
  const std::string schema = R"("name": "f", "parameters": {"type": "object", "properties": {
      "n": {"type": "integer", "multipleOf": 2}, "m": {"$ref": "#/$defs/m"}}, "required": ["n"],
      "$defs": {"m": {"not": {}}}})";
  const Result<ByteAutomaton> loose = Compile("[{" + schema + "}]");
  ASSERT_TRUE(loose.ok()) << loose.status().message();
  EXPECT_TRUE(Accepts(*loose, Block(Call("f", Parameter("n", "false\">3") + Parameter("m", "true\">x")))));
  const Result<ByteAutomaton> strict = Compile("[{\"strict\": true, " + schema + "}]");
  ASSERT_FALSE(strict.ok());
  EXPECT_NE(strict.status().message().find("tools[0].function.parameters.properties.n: the keyword 'multipleOf'"),
            std::string::npos)
      << strict.status().message();
}

TEST(ToolGrammar, RandomBlocksAreReadBack) {
  const Result<ByteAutomaton> automaton = CompileToolGrammar(Tools(kTools), "tools", {.dsml_token = true});
  ASSERT_TRUE(automaton.ok());
  AutomatonWalker walker(*automaton);
  std::mt19937 random(3);
  bool stuck = false;
  int blocks = 0;
  for (int walk = 0; walk < 60; ++walk) {
    const std::optional<std::string> text = RandomWalk(walker, random, 6000, &stuck);
    if (!text) continue;
    ++blocks;
    const Result<ParsedCompletion> message =
        ParseCompletion(*text + std::string(kEosText), ThinkingMode::kChat, Dialect::kV4);
    ASSERT_TRUE(message.ok()) << message.status().message() << *text;
    ASSERT_FALSE(message->tool_calls.empty());
    for (const ToolCall& call : message->tool_calls) EXPECT_TRUE(ParseJson(call.arguments).ok()) << call.arguments;
  }
  EXPECT_FALSE(stuck);
  EXPECT_GT(blocks, 20);
}

}  // namespace
}  // namespace fathom
