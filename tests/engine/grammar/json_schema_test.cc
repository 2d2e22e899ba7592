#include "engine/grammar/json_schema.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/grammar/automaton_walker.h"
#include "tests/engine/grammar/accepts.h"
#include "tests/engine/grammar/random_walk.h"
#include "tests/engine/grammar/schema_checker.h"

namespace fathom {
namespace {

Json Parse(const std::string& text) {
  Result<Json> json = ParseJson(text);
  EXPECT_TRUE(json.ok()) << text;
  return json.ok() ? *json : Json();
}

struct Case {
  std::string schema;
  std::vector<std::string> accepted;
  std::vector<std::string> rejected;
};

TEST(JsonSchema, AcceptsAndRejectsByKeyword) {
  const std::vector<Case> cases = {
      {R"({"type":"string"})",
       {R"("")", R"("a\n\u00e9 é 😀\ud83d\ude00")"},
       {R"(a)", R"("a)", "\"\n\"", R"("\x")", R"("\ud83d")", R"("\ude00")", "\"\xff\"", "\"\xc3\""}},
      {R"({"type":"integer"})", {"0", "-1", "10", "999999999999999999"}, {"01", "1.0", "+1", "-", "-0", "1e3"}},
      {R"({"type":"number"})", {"0", "-0.5", "1e5", "12.25E-3"}, {"01", ".5", "1.", "1e", "NaN", "1e100"}},
      {R"({"type":"boolean"})", {"true", "false"}, {"True", "null", "1"}},
      {R"({"type":["null","integer"]})", {"null", "7"}, {"\"7\"", "true"}},
      {R"({"type":"integer","minimum":-5,"maximum":12})", {"-5", "-1", "0", "9", "12"}, {"-6", "13", "-10", "20"}},
      {R"({"type":"integer","exclusiveMinimum":98,"maximum":1002})", {"99", "100", "1002"}, {"98", "1003", "9"}},
      {R"({"type":"integer","minimum":0.5,"exclusiveMaximum":3})", {"1", "2"}, {"0", "3"}},
      {R"({"type":"number","minimum":0,"maximum":1})", {"0", "1", "0.5", "0.999"}, {"1.1", "-1", "2", "1e1"}},
      {R"({"type":"number","exclusiveMinimum":0})", {"0.01", "1", "12.5"}, {"0", "0.0", "-1", "-0"}},
      {R"({"type":"number","minimum":-2,"exclusiveMaximum":0})", {"-2", "-0.5", "-1.99"}, {"0", "-2.1", "-3", "1"}},
      {R"({"type":"string","minLength":1,"maxLength":2})",
       {R"("a")", R"("é\n")", R"("\ud83d\ude00b")"},
       {R"("")", R"("abc")"}},
      {R"({"type":"string","maxLength":0})", {R"("")"}, {R"("a")"}},
      {R"({"type":"string","pattern":"^[a-c]+(x|yz)?\\d{2,3}$"})",
       {R"("a12")", R"("abcyz123")"},
       {R"("d12")", R"("a1")", R"("ax1234")"}},
      {R"({"type":"string","pattern":"b\"c"})", {R"("b\"c")", R"("xxb\"cyy")"}, {R"("bc")", R"("b")"}},
      {R"({"type":"string","pattern":"^[^a]$"})", {R"("b")", R"("é")", R"("\n")", R"("\\")"}, {R"("a")", R"("bb")"}},
      {R"({"type":"string","format":"date"})",
       {R"("2024-02-28")", R"("1999-12-31")"},
       {R"("2024-13-01")", R"("2023-02-30")", R"("0000-01-01")"}},
      {R"({"type":"string","format":"time"})",
       {R"("23:59:59Z")", R"("00:00:00.5+01:30")"},
       {R"("24:00:00Z")", R"("12:00")"}},
      {R"({"type":"string","format":"date-time"})", {R"("2024-01-31T12:00:00Z")"}, {R"("2024-01-31 12:00:00Z")"}},
      {R"({"type":"string","format":"ipv4"})", {R"("255.1.0.99")"}, {R"("256.1.1.1")", R"("01.1.1.1")", R"("1.1.1")"}},
      {R"({"type":"string","format":"uuid"})", {R"("123e4567-e89b-12d3-a456-426614174000")"}, {R"("123e4567")"}},
      {R"({"type":"string","format":"email"})", {R"("a.b@example.org")"}, {R"("a@b")", R"("@b.de")", R"("a@@b.de")"}},
      {R"({"enum":["red","green",1,null,{"a":[1,2]}]})",
       {R"("red")", "1", "null", R"({"a": [1, 2]})"},
       {R"("blue")", "2"}},
      {R"({"type":"string","enum":["a","ab",3]})", {R"("a")", R"("ab")"}, {"3", R"("abc")"}},
      {R"({"const":"x"})", {R"("x")"}, {R"("y")"}},
      {R"({"type":"array","items":{"type":"integer"}})",
       {"[]", "[1]", "[1, 2,3]"},
       {"[1,]", "[,1]", "[\"a\"]", "[ 1]"}},
      {R"({"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":3})",
       {"[1,2]", "[1,2,3]"},
       {"[1]", "[]", "[1,2,3,4]"}},
      {R"({"type":"array","prefixItems":[{"type":"integer"},{"type":"boolean"}],"items":{"type":"null"},"minItems":1})",
       {"[1]", "[1,true]", "[1,true,null,null]"},
       {"[]", "[true]", "[1,true,2]"}},
      {R"({"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"boolean"},"c":{"type":"null"}},"required":["b"],"additionalProperties":false})",
       {R"({"b":true})", R"({"a": 1, "b": false, "c": null})", R"({"b":true,"c":null})"},
       {R"({})", R"({"a":1})", R"({"b":true,"a":1})", R"({"b":true,})", R"({"b":true,"b":true})",
        R"({"d":1,"b":true})"}},
      {R"({"type":"object","properties":{"ab":{"type":"integer"}},"additionalProperties":{"type":"string"}})",
       {R"({"ab":1})", R"({"ab":1,"a":"x","abc":"y"})", R"({"é":"x"})", R"({})"},
       {R"({"ab":"x"})", R"({"a":1})"}},
      {R"({"type":"object","additionalProperties":{"type":"integer"}})",
       {R"({})", R"({"x":1,"y":2})"},
       {R"({"x":"y"})"}},
      {R"({"anyOf":[{"type":"integer"},{"type":"object","properties":{"a":{"type":"null"}},"required":["a"]}]})",
       {"1", R"({"a":null})"},
       {"true", R"({})"}},
      {R"({"type":"object","properties":{"a":{"type":"null"},"b":{"type":"null"}},"oneOf":[{"required":["a"]},{"required":["b"]}]})",
       {R"({"a":null})", R"({"b":null})", R"({"a":null,"b":null})"},
       {"{}"}},
      {R"({"oneOf":[{"type":"object","properties":{"t":{"const":"x"}},"required":["t"]},{"type":"null"}],"discriminator":{"propertyName":"t"}})",
       {R"({"t":"x"})", "null"},
       {R"({"t":"y"})", "{}"}},
      {R"({"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"a":{"minimum":3},"b":{"type":"null"}}}]})",
       {R"({"a":3})", R"({"a":4,"b":null})"},
       {R"({"a":2})", R"({"b":null})"}},
      {R"({"$ref":"#/$defs/n","$defs":{"n":{"type":"object","properties":{"v":{"type":"integer"},"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}},"required":["v","next"]}}})",
       {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":{"v":3,"next":null}}})"},
       {R"({"v":1})", R"({"v":1,"next":{"v":2}})"}},
      {R"({"$ref":"#/$defs/a~1b","description":"x","$defs":{"a/b":{"type":"null","title":"y","default":1}}})",
       {"null"},
       {"1"}},
      {R"({"type":"string","$ref":"#/$defs/s","$defs":{"s":{"maxLength":1}}})", {R"("a")"}, {R"("ab")"}},
      {R"(true)", {"1", R"({"a": [null, {"b": "c"}]})"}, {"x"}},
      {R"({})", {"[]", "\"x\""}, {"{"}},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.schema);
    const Json schema = Parse(test.schema);
    const Result<ByteAutomaton> automaton = CompileJsonSchema(schema, "schema");
    ASSERT_TRUE(automaton.ok()) << automaton.status().message();
    for (const std::string& text : test.accepted) EXPECT_TRUE(Accepts(*automaton, text)) << text;
    for (const std::string& text : test.rejected) EXPECT_FALSE(Accepts(*automaton, text)) << text;
    // What is written at random is never stuck, and valid.
    AutomatonWalker walker(*automaton);
    std::mt19937 random(7);
    bool stuck = false;
    int documents = 0;
    for (int walk = 0; walk < 40; ++walk) {
      const std::optional<std::string> text = RandomWalk(walker, random, 4000, &stuck);
      if (!text) continue;
      ++documents;
      const Result<Json> value = ParseJson(*text);
      ASSERT_TRUE(value.ok()) << *text;
      EXPECT_TRUE(SchemaChecker(schema).Valid(schema, *value)) << *text;
    }
    EXPECT_FALSE(stuck);
    // Walks seldom find by chance what an open pattern looks for.
    if (test.schema.find("b\\\"c") == std::string::npos) {
      EXPECT_GT(documents, 10);
    }
  }
}

// The number that `text` begins, with `digit` as often as it may come and then `last` if that may come.
double NumberBy(const std::string& bounds, std::string text, char digit, char last) {
  const Result<ByteAutomaton> automaton = CompileJsonSchema(Parse(R"({"type":"number",)" + bounds + "}"), "schema");
  EXPECT_TRUE(automaton.ok()) << automaton.status().message();
  AutomatonWalker walker(*automaton);
  int32_t at = walker.StepText(walker.start(), text);
  EXPECT_NE(at, AutomatonWalker::kDead) << bounds;
  for (int32_t next = 0; (next = walker.Step(at, digit)) != AutomatonWalker::kDead; at = next) text += digit;
  if (const int32_t next = walker.Step(at, last); next != AutomatonWalker::kDead) {
    text += last;
    at = next;
  }
  EXPECT_TRUE(walker.complete(at)) << text;
  return Parse(text).AsDouble().value_or(0);
}

TEST(JsonSchema, NumbersNextToAnOpenBoundAreApartFromItAsDoubles) {
  EXPECT_LT(NumberBy(R"("minimum":4,"exclusiveMaximum":5)", "4.", '9', '9'), 5);
  EXPECT_GT(NumberBy(R"("exclusiveMinimum":4,"maximum":5)", "4.", '0', '1'), 4);
  EXPECT_LT(NumberBy(R"("exclusiveMinimum":4,"exclusiveMaximum":5)", "4.", '9', '9'), 5);
  EXPECT_GT(NumberBy(R"("exclusiveMinimum":4,"exclusiveMaximum":5)", "4.", '0', '1'), 4);
  EXPECT_LT(NumberBy(R"("minimum":0,"exclusiveMaximum":1)", "0.", '9', '9'), 1);
  EXPECT_GT(NumberBy(R"("exclusiveMinimum":0)", "0.", '0', '1'), 0);
  EXPECT_LT(NumberBy(R"("exclusiveMaximum":1000)", "999.", '9', '9'), 1000);
  EXPECT_GT(NumberBy(R"("exclusiveMinimum":-5,"maximum":0)", "-4.", '9', '9'), -5);
  EXPECT_LT(NumberBy(R"("exclusiveMaximum":-4)", "-4.", '0', '1'), -4);
  // Up to a bound that may be reached all digits may come.
  EXPECT_EQ(NumberBy(R"("minimum":4,"maximum":5)", "4.", '9', '9'), 5);
  // Where not every whole number is a double: the last one below the bound.
  const Result<ByteAutomaton> large =
      CompileJsonSchema(Parse(R"({"type":"number","exclusiveMaximum":100000000000000000})"), "schema");
  ASSERT_TRUE(large.ok()) << large.status().message();
  EXPECT_TRUE(Accepts(*large, "99999999999999984"));
  EXPECT_FALSE(Accepts(*large, "99999999999999999"));
}

TEST(JsonSchema, NamesWhatIsNotSupportedByItsPath) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"type":"object","properties":{"x":{"not":{}}}})", "schema.properties.x: the keyword 'not'"},
      {R"({"type":"array","items":{"type":"number","multipleOf":2}})", "schema.items: the keyword 'multipleOf'"},
      {R"({"anyOf":[{"type":"null"},{"if":true}]})", "schema.anyOf[1]: the keyword 'if'"},
      {R"({"type":"array","uniqueItems":true})", "schema: the keyword 'uniqueItems'"},
      {R"({"$ref":"#/$defs/a","$defs":{"a":{"patternProperties":{}}}})",
       "schema.$defs.a: the keyword 'patternProperties'"},
      {R"({"$ref":"#/$defs/a"})", "schema.$ref: '#/$defs/a' leads nowhere"},
      {R"({"$ref":"http://x/y"})", "schema.$ref"},
      {R"({"type":"strin"})", "schema.type"},
      {R"({"type":"string","format":"hostname"})", "schema.format: 'hostname'"},
      {R"x({"type":"string","pattern":"(?=a)"})x", "schema.pattern: look-around"},
      {R"({"type":"string","pattern":"(a"})", "schema.pattern: ')' is missing"},
      {R"({"type":"string","pattern":"a","maxLength":3})", "schema.pattern"},
      {R"({"type":"number","minimum":0.5})", "schema.minimum: only whole numbers"},
      {R"({"type":"object","properties":{"a":true},"required":["b"],"additionalProperties":false})",
       "schema.required: 'b'"},
      {R"({"type":"string","minLength":-1})", "schema.minLength"},
      {R"(7)", "schema: a schema is an object"},
      // Without a finite document, too large, endless.
      {R"({"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]})", "schema: no text"},
      {R"({"$ref":"#"})", "schema: no text"},
      {R"({"allOf":[{"type":"string"},{"type":"integer"}]})", "schema: no text"},
      {R"({"type":"integer","minimum":3,"maximum":2})", "schema: no text"},
      {R"({"type":"array","items":{"type":"integer"},"minItems":1000000000})", "too large"},
      {R"({"type":"string","pattern":"((((a{1000}){1000}){1000}){1000}){1000}"})", "too large"},
      {R"({"type":"object","allOf":[{"$ref":"#"}]})", "without an end"},
  };
  for (const auto& [schema, message] : cases) {
    SCOPED_TRACE(schema);
    const Result<ByteAutomaton> automaton = CompileJsonSchema(Parse(schema), "schema");
    ASSERT_FALSE(automaton.ok());
    EXPECT_NE(automaton.status().message().find(message), std::string::npos) << automaton.status().message();
  }
}

TEST(JsonSchema, DeepNestingEndsBeforeTheLimit) {
  const Result<ByteAutomaton> automaton = CompileJsonObject();
  ASSERT_TRUE(automaton.ok());
  AutomatonWalker walker(*automaton);
  int32_t at = walker.StepText(walker.start(), "{\"a\":");
  int depth = 1;
  while (true) {
    const int32_t deeper = walker.Step(at, '[');
    if (deeper == AutomatonWalker::kDead) break;
    at = deeper;
    ++depth;
    ASSERT_LT(depth, 1000);
  }
  EXPECT_GT(depth, 20);
  for (; depth > 1; --depth) at = walker.Step(at, ']');
  EXPECT_TRUE(walker.complete(walker.Step(at, '}')));
}

TEST(JsonSchema, AnyObjectIsJson) {
  const Result<ByteAutomaton> automaton = CompileJsonObject();
  ASSERT_TRUE(automaton.ok());
  EXPECT_TRUE(Accepts(*automaton, R"({"a": [1, -2.5e3, "x\u0041"], "b": {}, "": null})"));
  for (const char* text : {"[]", "1", "{", "{\"a\"}", "{} ", " {}", "{'a':1}"}) EXPECT_FALSE(Accepts(*automaton, text));
}

TEST(AutomatonWalker, AnAdoptedPositionIsTheSame) {
  const Result<ByteAutomaton> automaton = CompileJsonObject();
  ASSERT_TRUE(automaton.ok());
  AutomatonWalker walker(*automaton);
  int32_t at = walker.StepText(walker.start(), R"({"a": [1, {"b": "x)");
  AutomatonWalker other(*automaton);
  other.Adopt(walker, {&at, 1});
  EXPECT_LT(other.bytes(), walker.bytes());
  EXPECT_EQ(other.StepText(at, "\"]"), AutomatonWalker::kDead);
  EXPECT_TRUE(other.complete(other.StepText(at, "\"}]}")));
}

}  // namespace
}  // namespace fathom
