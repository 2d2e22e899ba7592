#include "apps/builtin_tools.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "apps/world_clock.h"
#include "base/strings.h"
#include "base/utf8.h"
#include "corpus/tool_tasks.h"

namespace fathom {
namespace {

std::string Value(std::string_view expression) {
  const Result<std::string> value = Calculate(expression);
  return value.ok() ? *value : "error: " + value.status().message();
}

TEST(Calculator, NumbersAndOperators) {
  EXPECT_EQ(Value("42"), "42");
  EXPECT_EQ(Value("2+3*4"), "14");
  EXPECT_EQ(Value(" ( 2 + 3 ) * 4 "), "20");
  EXPECT_EQ(Value("10 - 4 - 3"), "3");
  EXPECT_EQ(Value("16/4/2"), "2");
  EXPECT_EQ(Value("7 / 2"), "3.5");
  EXPECT_EQ(Value("-3 - -5"), "2");
  EXPECT_EQ(Value("-(1+2)*2"), "-6");
  EXPECT_EQ(Value("+-+4"), "-4");
  EXPECT_EQ(Value("6 × 7 − 2 ÷ 1"), "40");
}

TEST(Calculator, Decimals) {
  EXPECT_EQ(Value("0.1 + 0.2"), "0.3");
  EXPECT_EQ(Value(".5 * 4"), "2");
  EXPECT_EQ(Value("5. / 2"), "2.5");
  EXPECT_EQ(Value("1/3"), "0.333333333333333");
  EXPECT_EQ(Value("0 * -1"), "0");
  EXPECT_EQ(Value("94906265 * 94906265"), "9007199136250225");
}

TEST(Calculator, MistakesAreSentences) {
  EXPECT_EQ(Value(""), "error: the expression ends where a number is expected");
  EXPECT_EQ(Value("2 +"), "error: the expression ends where a number is expected");
  EXPECT_EQ(Value("(2"), "error: the expression ends where an operator or \")\" is expected");
  EXPECT_EQ(Value("2 x 3"),
            "error: found \"x\" where an operator is expected; accepted are numbers, + - * / and parentheses");
  EXPECT_EQ(Value("二"),
            "error: found \"二\" where a number is expected; accepted are numbers, + - * / and parentheses");
  EXPECT_EQ(Value("1 / (2 - 2)"), "error: division by zero");
  for (const char* wrong : {"2)", "()", "1,000", "1.2.3", ".", "1e5", "2**3", "sqrt(4)", "1 2"}) {
    EXPECT_EQ(Value(wrong).rfind("error: ", 0), 0u) << wrong << " " << Value(wrong);
  }
}

TEST(Calculator, HasBounds) {
  EXPECT_EQ(Value(std::string(100, '(') + "1" + std::string(100, ')')), "1");
  EXPECT_EQ(Value(std::string(101, '(') + "1" + std::string(101, ')')),
            "error: the parentheses are nested more than 100 deep");
  EXPECT_EQ(Value(std::string(999, '-') + "1"), "-1");
  EXPECT_EQ(Value(std::string(1001, '1')), "error: the expression has 1001 bytes; at most 1000 are accepted");
  EXPECT_EQ(Value(std::string(400, '9')), "error: a number is too large or too small");
  EXPECT_EQ(Value(std::string(300, '9') + "*" + std::string(300, '9')), "error: the value is too large");
  // Side by side is not nested.
  std::string row = "(1)";
  for (int i = 0; i < 150; ++i) row += "+(1)";
  EXPECT_EQ(Value(row), "151");
}

TEST(BuiltinTools, CallsByName) {
  EXPECT_EQ(CallBuiltinTool("calculator", Json::Object({{"expression", Json::String("17 * 23")}})), "391");
  EXPECT_EQ(CallBuiltinTool("calculator", Json::Object({{"expression", Json::Number("7")}})), "7");
  const std::string time = CallBuiltinTool("get_time", Json::Object({{"timezone", Json::String("UTC")}}));
  ASSERT_EQ(time.size(), 5u) << time;
  EXPECT_EQ(time[2], ':');
}

TEST(BuiltinTools, WhatIsWrongIsAResult) {
  EXPECT_EQ(CallBuiltinTool("calculator", Json::Object()),
            "error: the parameter expression is missing; expected a string");
  EXPECT_EQ(CallBuiltinTool("get_time", Json::Object({{"timezone", Json::Bool(true)}})),
            "error: the parameter timezone is missing; expected a string");
  EXPECT_EQ(CallBuiltinTool("rm", Json::Object()), "error: there is no built-in tool called rm");
  // Names are cut for the message, but not inside of a character.
  std::string place;
  for (int i = 0; i < 100; ++i) place += "火";
  const std::string result = CallBuiltinTool("get_time", Json::Object({{"timezone", Json::String("x" + place)}}));
  EXPECT_EQ(result.rfind("error: ", 0), 0u);
  EXPECT_TRUE(IsValidUtf8(result));
}

TEST(BuiltinTools, AreAmongThoseThatTheShippedModelLearns) {
  for (const Json& schema : BuiltinToolSchemas()) {
    CorpusRandom random(1);
    bool found = false;
    for (int draw = 0; draw < 20000 && !found; ++draw) {
      const Json tool = DrawToolTask(random, random.Below(ToolFamilies()), Language::kEn).tool;
      found = tool.Dump() == schema.Dump();
    }
    EXPECT_TRUE(found) << schema.Dump();
  }
}

TEST(BuiltinTools, CitiesOfTheCorpusHaveAClock) {
  if (!TimeAt("Europe/Berlin", 0).ok()) GTEST_SKIP() << "no time zone database";
  CorpusRandom random(1);
  std::set<std::string> cities;
  for (int draw = 0; draw < 3000; ++draw) {
    cities.insert(CityName(random, static_cast<Language>(random.Below(kLanguages))));
  }
  EXPECT_GT(cities.size(), 100u);
  for (const std::string& city : cities) EXPECT_TRUE(TimeAt(city, 0).ok()) << city;
}

}  // namespace
}  // namespace fathom
