#include "tokenizer/python_json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

namespace fathom {
namespace {

std::string Rewritten(std::string_view text) {
  const Result<Json> json = ParsePythonJson(text);
  return json.ok() ? DumpPythonJson(*json) : "error";
}

TEST(PythonJson, SeparatorsAndOrder) {
  EXPECT_EQ(Rewritten("{\"b\":[1,2,{}],\"a\":{\"c\":null,\"d\":[]}}"),
            R"({"b": [1, 2, {}], "a": {"c": null, "d": []}})");
  EXPECT_EQ(Rewritten(" \r\n\t true \n"), "true");
}

TEST(PythonJson, StringsEscapeOnlyWhatPythonDoes) {
  EXPECT_EQ(Rewritten(R"("\u0000\u001f\u007f\u2028\/\"\\\b\f\n\r\té")"),
            "\"\\u0000\\u001f\x7f\u2028/\\\"\\\\\\b\\f\\n\\r\\té\"");
}

TEST(PythonJson, IntegersKeepEveryDigit) {
  EXPECT_EQ(Rewritten("123456789012345678901234567890"), "123456789012345678901234567890");
  EXPECT_EQ(Rewritten("-0"), "0");
  EXPECT_EQ(Rewritten("1" + std::string(400, '0')), "1" + std::string(400, '0'));
}

TEST(PythonJson, FloatsAreRewrittenAsRepr) {
  const std::pair<const char*, const char*> kCases[] = {
      {"1.0", "1.0"},
      {"1.50e3", "1500.0"},
      {"-0.0", "-0.0"},
      {"0.10", "0.1"},
      {"1e15", "1000000000000000.0"},
      {"1e16", "1e+16"},
      {"1e22", "1e+22"},
      {"1E5", "100000.0"},
      {"0.0001", "0.0001"},
      {"1e-5", "1e-05"},
      {"1.25e-7", "1.25e-07"},
      {"1e-100", "1e-100"},
      {"5e-324", "5e-324"},
      {"1.7976931348623157e308", "1.7976931348623157e+308"},
      {"9007199254740993.0", "9007199254740992.0"},
      {"123456789012345680.0", "1.2345678901234568e+17"},
      {"0e0", "0.0"},
      {"12.5", "12.5"},
      {"1E400", "Infinity"},
      {"-1e400", "-Infinity"},
      {"1e-400", "0.0"},
      {"0.30000000000000004", "0.30000000000000004"},
  };
  for (const auto& [text, expected] : kCases) EXPECT_EQ(Rewritten(text), expected) << text;
}

TEST(PythonJson, ReprReadsBackExactly) {
  // A walk through all exponents with changing digits.
  for (int exponent = -320; exponent <= 308; ++exponent) {
    const double value = std::ldexp(1.0 + (exponent + 400) / 1013.0, static_cast<int>(exponent * 3.3));
    if (!std::isfinite(value)) continue;
    const std::string text = PythonFloatRepr(value);
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
    EXPECT_NE(text.find_first_of(".e"), std::string::npos) << text;
  }
  EXPECT_EQ(PythonFloatRepr(std::numeric_limits<double>::quiet_NaN()), "NaN");
}

TEST(PythonJson, NotFiniteNumbersPassThrough) {
  EXPECT_EQ(Rewritten("[NaN,Infinity,-Infinity]"), "[NaN, Infinity, -Infinity]");
}

TEST(PythonJson, RejectsWhatPythonRejects) {
  for (const char* text :
       {"", " ", "\xEF\xBB\xBF{}", "{'a':1}", "[1,]", "Inf", "-NaN", "\"\t\"", "01", "1.", "{} {}"}) {
    EXPECT_EQ(Rewritten(text), "error") << text;
  }
}

TEST(PythonJson, RejectsZeroBytesEverywhere) {
  using std::string_literals::operator""s;
  for (const std::string& text : {"\0{}"s, "{}\0"s, "{}\0]"s, "[1,\0 2]"s, "\"a\0b\""s, "1\0002"s, "\0"s}) {
    EXPECT_EQ(Rewritten(text), "error") << testing::PrintToString(text);
  }
  EXPECT_EQ(Rewritten(R"("\u0000")"), R"("\u0000")");
}

TEST(PythonJson, DeepNestingIsAnErrorNotACrash) {
  EXPECT_NE(Rewritten(std::string(kMaxPythonJsonDepth, '[') + std::string(kMaxPythonJsonDepth, ']')), "error");
  EXPECT_EQ(Rewritten(std::string(100000, '[') + std::string(100000, ']')), "error");
}

TEST(PythonJson, TruthAsPythonSeesIt) {
  for (const char* text : {"null", "false", "0", "-0", "0.0", "-0.0", "\"\"", "[]", "{}"}) {
    EXPECT_FALSE(PythonTruth(*ParsePythonJson(text))) << text;
  }
  for (const char* text : {"true", "1", "0.1", "NaN", "\" \"", "[0]", "{\"\":0}"}) {
    EXPECT_TRUE(PythonTruth(*ParsePythonJson(text))) << text;
  }
}

}  // namespace
}  // namespace fathom
