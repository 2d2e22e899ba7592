#include "engine/grammar/tool_grammar.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "engine/grammar/automaton_walker.h"
#include "tests/engine/grammar/accepts.h"
#include "tests/engine/grammar/random_walk.h"
#include "tests/engine/grammar/schema_checker.h"
#include "tokenizer/completion_parser.h"
#include "tokenizer/completion_stream.h"

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

// Calls that each of these tools without `strict` must be able to write; with it their schemas are errors.
TEST(ToolGrammar, NoSchemaOfAToolThatIsntStrictIsRefused) {
  struct Loose {
    std::string parameters;
    std::string call;
    std::string error;
  };
  for (const Loose& test : std::vector<Loose>{
           {R"({"type":"object","properties":{"s":{"type":"string","maxLength":200000}},"required":["s"]})",
            Parameter("s", "true\">x"), "too large"},
           {R"({"type":"object","properties":{"l":{"type":"array","maxItems":60000}}})", Parameter("l", "false\">[1]"),
            "too large"},
           {R"({"type":"object","properties":[]})", Parameter("any-key", "true\">x"), ".properties: an object"},
           {R"({"type":"object","properties":{"a":{"type":"string"}},"required":["b"],"additionalProperties":false})",
            Parameter("b", "false\">2"), ".required: 'b'"},
           {R"({"type":"object","properties":{"x":{"type":"object","$ref":"#/properties/x"}}})",
            Parameter("x", "false\">{}"), "without an end"},
           {R"({"type":"object","properties":{"a\"b":true,"c":{"const":1}},"required":["a\"b"]})",
            Parameter("c", "false\">1"), "can't be written"},
           {R"({"type":"object","properties":{"n":{"type":"integer","minimum":3,"maximum":2}},"required":["n"]})",
            Parameter("n", "false\">3"), "no text can satisfy"},
           {R"([])", Parameter("a", "true\">x"), "the schema of an object"},
       }) {
    SCOPED_TRACE(test.parameters);
    const std::string tool = R"("name": "f", "parameters": )" + test.parameters + "}";
    const std::string other = R"({"name": "g", "strict": true, "parameters": {"properties": {"k": {"const": 1}}}})";
    const Result<ByteAutomaton> alone = Compile("[{" + tool + "]");
    ASSERT_TRUE(alone.ok()) << alone.status().message();
    EXPECT_TRUE(Accepts(*alone, Block(Call("f", test.call))));
    const Result<ByteAutomaton> both = Compile("[" + other + ", {" + tool + "]");
    ASSERT_TRUE(both.ok()) << both.status().message();
    EXPECT_FALSE(Accepts(*both, Block(Call("g", Parameter("k", "false\">2")))));
    const Result<ByteAutomaton> strict = Compile("[{\"strict\": true, " + tool + "]");
    ASSERT_FALSE(strict.ok());
    EXPECT_NE(strict.status().message().find(test.error), std::string::npos) << strict.status().message();
  }
}

TEST(ToolGrammar, TooManyParametersAreFreeTextWhereABlockHasBegun) {
  std::string properties;
  for (int index = 0; index < 4000; ++index) {
    properties += (index > 0 ? ",\"p" : "\"p") + std::to_string(index) + "\":{\"type\":\"integer\"}";
  }
  const std::string tools = R"([{"name":"f","parameters":{"properties":{)" + properties + "}}}]";
  const Result<ByteAutomaton> begun = Compile(tools, {.begun = true});
  ASSERT_TRUE(begun.ok()) << begun.status().message();
  EXPECT_TRUE(Accepts(*begun, Block(Call("f", Parameter("p9", "false\">1"))).substr(2 + ToolBlockMark().size())));
  const Result<ByteAutomaton> forced = Compile(tools);
  ASSERT_FALSE(forced.ok());
  EXPECT_NE(forced.status().message().find("tools: the grammar is too large"), std::string::npos)
      << forced.status().message();
}

TEST(ToolGrammar, ASchemaBeyondTheLimitIsRefused) {
  const std::string tools = R"([{"name":"now"},{"name":"big","parameters":{"type":"object","description":")" +
                            std::string(300 << 10, 'x') + R"("}}])";
  const Result<ByteAutomaton> refused = Compile(tools, {.begun = true});
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(refused.status().message().starts_with("tools[1].function.parameters of 'big' is "))
      << refused.status().message();
  EXPECT_TRUE(Compile(tools, {.only = "now"}).ok());
}

TEST(ToolGrammar, ParametersComposedAsAWhole) {
  const std::string mode = R"("type":"object","properties":{"mode":{"const":"read"}},"required":["mode"])";
  const std::string read = Parameter("mode", "true\">read");
  const auto tool = [&](const std::string& more, bool strict) {
    return R"([{"name":"w","strict":)" + std::string(strict ? "true" : "false") + R"(,"parameters":{)" + mode + more +
           "}}]";
  };
  // Combined into one schema, also by reference.
  for (const char* more : {R"(,"allOf":[{"properties":{"path":{"const":"p"}},"required":["path"]}])",
                           R"(,"$ref":"#/$defs/path","$defs":{"path":{"properties":{"path":{"const":"p"}},
                                                                      "required":["path"]}})"}) {
    for (const bool strict : {false, true}) {
      SCOPED_TRACE(more);
      const Result<ByteAutomaton> automaton = Compile(tool(more, strict));
      ASSERT_TRUE(automaton.ok()) << automaton.status().message();
      EXPECT_TRUE(Accepts(*automaton, Block(Call("w", read + Parameter("path", "true\">p")))));
      EXPECT_FALSE(Accepts(*automaton, Block(Call("w", read))));
      EXPECT_FALSE(Accepts(*automaton, Block(Call("w", read + Parameter("path", "true\">q")))));
    }
  }
  // Nothing that may be valid is impossible.
  for (const char* more : {R"(,"patternProperties":{"^x-":{"type":"string"}},"additionalProperties":false)",
                           R"(,"anyOf":[{"properties":{"x-a":true}},{"required":["x-b"]}])",
                           R"(,"allOf":[{"properties":{"x-a":true}}],"additionalProperties":false)"}) {
    SCOPED_TRACE(more);
    const Result<ByteAutomaton> automaton = Compile(tool(more, false));
    ASSERT_TRUE(automaton.ok()) << automaton.status().message();
    EXPECT_TRUE(Accepts(*automaton, Block(Call("w", read + Parameter("x-a", "true\">v")))));
    EXPECT_FALSE(Accepts(*automaton, Block(Call("w", Parameter("mode", "true\">write")))));
    EXPECT_FALSE(Compile(tool(more, true)).ok());
  }
  // What says nothing of the object is no reason to take more.
  const Result<ByteAutomaton> closed = Compile(tool(R"(,"examples":[],"x-order":1)", true));
  ASSERT_TRUE(closed.ok()) << closed.status().message();
  EXPECT_FALSE(Accepts(*closed, Block(Call("w", read + Parameter("x-a", "true\">v")))));
}

TEST(ToolGrammar, ABlockCanEndHoweverManyToolsThereAre) {
  std::string tools;
  for (int index = 0; index < 1024; ++index) {
    tools += (index > 0 ? ",{\"name\":\"t" : "{\"name\":\"t") + std::to_string(index) + "\"}";
  }
  const Result<ByteAutomaton> automaton = Compile("[" + tools + "]");
  ASSERT_TRUE(automaton.ok()) << automaton.status().message();
  EXPECT_TRUE(Accepts(*automaton, Block(Call("t1023", "\n"))));
  EXPECT_TRUE(Accepts(*automaton, Block(Call("t0", "\n") + Call("t9", "\n"))));
}

TEST(ToolGrammar, JsonValuesHoldNoMark) {
  const Result<ByteAutomaton> automaton = Compile(R"([{"name":"f","strict":true,"parameters":{"properties":{
      "a":{"type":"array","items":{"enum":["</｜DSML｜parameter> x"]},"minItems":1,"maxItems":1}},"required":["a"]}}])");
  ASSERT_TRUE(automaton.ok()) << automaton.status().message();
  const std::string escaped = R"(false">["</\uff5cDSML\uff5cparameter> x"])";
  EXPECT_TRUE(Accepts(*automaton, Block(Call("f", Parameter("a", escaped)))));
  EXPECT_FALSE(Accepts(*automaton, Block(Call("f", Parameter("a", R"(false">["</｜DSML｜parameter> x"])")))));
}

// Calls `body` with many random blocks of the grammar and with what each is read as; none of them may end in nothing.
void ForRandomBlocks(const ByteAutomaton& automaton, unsigned seed,
                     const std::function<void(const std::string& text, const ParsedCompletion& message)>& body) {
  AutomatonWalker walker(automaton);
  std::mt19937 random(seed);
  bool stuck = false;
  int blocks = 0;
  for (int walk = 0; walk < 60; ++walk) {
    const std::optional<std::string> text = RandomWalk(walker, random, 6000, &stuck);
    if (!text) continue;
    ++blocks;
    const Result<ParsedCompletion> message =
        ParseCompletion(*text + std::string(kEosText), ThinkingMode::kChat, Dialect::kV4);
    ASSERT_TRUE(message.ok()) << message.status().message() << *text;
    body(*text, *message);
  }
  EXPECT_FALSE(stuck);
  EXPECT_GT(blocks, 20);
}

// Values that hold marks and other spellings of them, read by both parsers.
TEST(ToolGrammar, StrictCallsAreReadAsTheirSchemaSays) {
  const std::string tools = R"([{"name": "f", "strict": true, "parameters": {"type": "object", "properties": {
      "s": {"enum": ["see </|DSML|invoke> there", "x</||DSML||parameter>", "</|DSML|tool_calls>"]},
      "p": {"type": "string", "pattern": "^(</[|]DSML[|]|a){1,3}$"},
      "e": {"type": "array", "items": {"enum": ["</｜DSML｜parameter> x", "</｜DSML｜invoke>", 7]}, "minItems": 1,
            "maxItems": 2},
      "c": {"type": "array", "items": {"type": "string", "pattern": "^[｜</a]{1,4}$"}, "maxItems": 2},
      "l": {"type": "array", "items": {"type": "string", "maxLength": 9}, "maxItems": 2},
      "o": {"type": "object", "properties": {"k｜": {"const": "</｜DSML｜tool_calls>"}}, "required": ["k｜"],
            "additionalProperties": {"type": "integer"}},
      "b": {"const": 5}}, "required": ["s", "p", "e", "c", "l", "o", "b"]}}])";
  const Json schema = *Tools(tools)[0].Find("parameters");
  const Result<ByteAutomaton> automaton = CompileToolGrammar(Tools(tools), "tools", {.one_call = true});
  ASSERT_TRUE(automaton.ok()) << automaton.status().message();
  ForRandomBlocks(*automaton, 11, [&](const std::string& text, const ParsedCompletion& message) {
    ASSERT_EQ(message.tool_calls.size(), 1u);
    CompletionStream stream({.mode = ThinkingMode::kChat, .tolerant_tags = true, .quote_bad_json = true});
    std::string streamed;
    for (const CompletionEvent& event : stream.Push(text)) {
      if (event.type == CompletionEventType::kToolCallArguments) streamed += event.text;
    }
    EXPECT_EQ(streamed, message.tool_calls[0].arguments) << text;
    const Result<Json> arguments = ParseJson(streamed);
    ASSERT_TRUE(arguments.ok()) << streamed;
    EXPECT_TRUE(SchemaChecker(schema).Valid(schema, *arguments)) << streamed;
  });
}

TEST(ToolGrammar, RandomBlocksAreReadBack) {
  const Result<ByteAutomaton> automaton = CompileToolGrammar(Tools(kTools), "tools", {.dsml_token = true});
  ASSERT_TRUE(automaton.ok());
  ForRandomBlocks(*automaton, 3, [](const std::string&, const ParsedCompletion& message) {
    ASSERT_FALSE(message.tool_calls.empty());
    for (const ToolCall& call : message.tool_calls) EXPECT_TRUE(ParseJson(call.arguments).ok()) << call.arguments;
  });
}

}  // namespace
}  // namespace fathom
