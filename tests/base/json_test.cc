#include "base/json.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

namespace fathom {
namespace {

Json Parsed(std::string_view text, const JsonParseOptions& options = {}) {
  Result<Json> json = ParseJson(text, options);
  EXPECT_TRUE(json.ok()) << text << ": " << json.status().message();
  return json.ok() ? *json : Json();
}

bool Accepts(std::string_view text, const JsonParseOptions& options = {}) { return ParseJson(text, options).ok(); }

TEST(Json, DumpGivesBackWhatWasRead) {
  for (const char* text : {"null", "true", "[]", "{}", "[1,[2,{\"a\":null}],\"x\"]", "{\"b\":1,\"a\":2}",
                           "\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001\"", "\"\x7f/\xe2\x80\xa8\xf0\x9f\x98\x80\"", "1.50", "-0",
                           "-0.0", "1E5", "123456789012345678901234567890"}) {
    EXPECT_EQ(Parsed(text).Dump(), text);
  }
}

TEST(Json, WhiteSpaceAroundIsIgnoredAndNothingElseMayFollow) {
  EXPECT_EQ(Parsed(" \t\r\n[ 1 ,\n2 ] ").Dump(), "[1,2]");
  EXPECT_FALSE(Accepts("1 2"));
  EXPECT_FALSE(Accepts("{} x"));
  EXPECT_FALSE(Accepts(""));
  EXPECT_FALSE(Accepts("  "));
  EXPECT_FALSE(Accepts("\v1"));
}

TEST(Json, DuplicateKeysKeepTheLastValueAtThePlaceOfTheFirst) {
  EXPECT_EQ(Parsed(R"({"a":1,"b":2,"a":3})").Dump(), R"({"a":3,"b":2})");
  EXPECT_EQ(Parsed(R"({"":1,"":2})").Dump(), R"({"":2})");
}

TEST(Json, DuplicateKeysInLargeObjects) {
  std::string text = "{";
  for (int i = 0; i < 100; ++i) text += "\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",";
  text += "\"k3\":-3,\"k99\":-99,\"new\":1}";
  const Json json = Parsed(text);
  ASSERT_EQ(json.members().size(), 101u);
  EXPECT_EQ(json.members()[3].second.AsInt(), -3);
  EXPECT_EQ(json.members()[99].second.AsInt(), -99);
  EXPECT_EQ(json.members()[100].first, "new");
}

TEST(Json, NumbersKeepTheirTextBeyondDoubles) {
  const std::string huge(400, '9');
  for (const std::string& text : {std::string("1e400"), std::string("-1E+999"), huge, "-" + huge + ".5e3"}) {
    EXPECT_EQ(Parsed(text).number_text(), text);
  }
  EXPECT_EQ(Parsed("[1,\"9e999\\\"x\",1e999,2,{\"1e999\":-3e500}]").Dump(),
            "[1,\"9e999\\\"x\",1e999,2,{\"1e999\":-3e500}]");
  for (const char* text : {"[1e999,]", "1e999x", "[01e999]", "[1e999 2]", "1e999e", "\"1e999", "[1.e999,1e999]"}) {
    EXPECT_FALSE(Accepts(text)) << text;
  }
}

TEST(Json, DoublesOutOfRangeAreInfiniteOrZero) {
  EXPECT_EQ(Parsed("1e400").AsDouble(), HUGE_VAL);
  EXPECT_EQ(Parsed("-1e400").AsDouble(), -HUGE_VAL);
  EXPECT_EQ(Parsed(std::string(400, '1')).AsDouble(), HUGE_VAL);
  EXPECT_EQ(Parsed("1e99999999999999999999").AsDouble(), HUGE_VAL);
  EXPECT_EQ(Parsed("1e-400").AsDouble(), 0.0);
  EXPECT_EQ(Parsed("1e9223372036854775807").AsDouble(), HUGE_VAL);
  EXPECT_EQ(Parsed("0.01e-9223372036854775808").AsDouble(), 0.0);
  EXPECT_EQ(Parsed("1e-99999999999999999999").AsDouble(), 0.0);
  EXPECT_EQ(Parsed("0." + std::string(400, '0') + "1").AsDouble(), 0.0);
  EXPECT_EQ(Parsed("0." + std::string(400, '0') + "1e800").AsDouble(), HUGE_VAL);
  EXPECT_TRUE(std::signbit(*Parsed("-1e-400").AsDouble()));
  EXPECT_EQ(Parsed("5e-324").AsDouble(), 5e-324);
  EXPECT_EQ(Parsed("0e999").AsDouble(), 0.0);
}

TEST(Json, WholeNumbersInAnyWriting) {
  EXPECT_EQ(Parsed("12").AsInt(), 12);
  EXPECT_EQ(Parsed("1.0").AsInt(), 1);
  EXPECT_EQ(Parsed("1e3").AsInt(), 1000);
  EXPECT_EQ(Parsed("-9223372036854775808").AsInt(), INT64_MIN);
  EXPECT_EQ(Parsed("9223372036854775808").AsInt(), std::nullopt);
  EXPECT_EQ(Parsed("1e19").AsInt(), std::nullopt);
  EXPECT_EQ(Parsed("1.5").AsInt(), std::nullopt);
  EXPECT_EQ(Parsed("\"1\"").AsInt(), std::nullopt);
}

TEST(Json, MalformedNumbersAreRejected) {
  for (const char* text : {"+1", "01", "1.", ".5", "-", "1e", "1e+", "0x1", "- 1", "1_0"}) {
    EXPECT_FALSE(Accepts(text)) << text;
  }
}

TEST(Json, NamesForNumbersOnlyWhenAllowedAndOnlyPythons) {
  const JsonParseOptions allowed{.allow_nan = true};
  EXPECT_EQ(Parsed("[NaN,Infinity,-Infinity]", allowed).Dump(), "[NaN,Infinity,-Infinity]");
  EXPECT_TRUE(std::isnan(*Parsed("NaN", allowed).AsDouble()));
  EXPECT_EQ(Parsed("-Infinity", allowed).AsDouble(), -HUGE_VAL);
  EXPECT_FALSE(Parsed("NaN", allowed).is_integer());
  for (const char* text : {"Inf", "-Inf", "-NaN", "nan", "infinity", "+Infinity", "[Inf]", "Infinityx"}) {
    EXPECT_FALSE(Accepts(text, allowed)) << text;
  }
  for (const char* text : {"NaN", "Infinity", "-Infinity"}) EXPECT_FALSE(Accepts(text)) << text;
}

TEST(Json, StringsMayHoldAnythingButRawControlCharacters) {
  EXPECT_EQ(Parsed("\"a\\u0000b\"").string(), std::string("a\0b", 3));
  EXPECT_EQ(Parsed("\"\\/\\u00e9\\ud83d\\ude00\"").string(), "/é😀");
  for (const char* text : {"\"\x01\"", "\"\n\"", "\"\t\"", "\"\\x\"", "\"\\u12\"", "\"", "'a'"}) {
    EXPECT_FALSE(Accepts(text)) << text;
  }
}

TEST(Json, AZeroByteIsAnErrorAndNotTheEnd) {
  using std::string_view_literals::operator""sv;
  for (const std::string_view text : {"{}\0"sv, "\0{}"sv, "{\0}"sv, "[1]\0]"sv, "\"a\0\""sv, "1e999\0"sv}) {
    EXPECT_FALSE(Accepts(text)) << testing::PrintToString(text);
  }
  const Result<Json> json = ParseJson("[1]\0 x"sv);
  ASSERT_FALSE(json.ok());
  EXPECT_EQ(json.status().message(), "JSON is malformed at byte 3: a zero byte is nowhere accepted");
}

TEST(Json, LoneSurrogatesBecomeReplacementCharacters) {
  EXPECT_EQ(Parsed("\"\\ud800\"").string(), "\uFFFD");
  EXPECT_EQ(Parsed("\"\\udc00x\"").string(), "\uFFFDx");
  EXPECT_EQ(Parsed("\"\\ud800\\ud800\\udc00\"").string(), "\uFFFD\U00010000");
  EXPECT_EQ(Parsed("\"\\ud800\\u0041\"").string(), "\uFFFDA");
  EXPECT_EQ(Parsed("\"\\\\ud800\"").string(), "\\ud800");
  EXPECT_EQ(Parsed("\"\\uD83D\\uDE00\"").string(), "😀");
}

TEST(Json, InvalidUtf8IsRejected) {
  for (const char* text : {"\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"", "\"\xf5\x80\x80\x80\""}) {
    EXPECT_FALSE(Accepts(text)) << text;
  }
}

TEST(Json, DepthIsBounded) {
  const auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
  EXPECT_TRUE(Accepts(nested(256)));
  const Result<Json> deep = ParseJson(nested(257));
  ASSERT_FALSE(deep.ok());
  EXPECT_NE(deep.status().message().find("deeper than 256"), std::string::npos) << deep.status().message();
  EXPECT_FALSE(Accepts(std::string(1 << 20, '[')));
  EXPECT_TRUE(Accepts(nested(3), {.max_depth = 3}));
  EXPECT_FALSE(Accepts(nested(4), {.max_depth = 3}));
}

TEST(Json, ErrorsNameTheByte) {
  const Result<Json> json = ParseJson("[1, 2, x]");
  ASSERT_FALSE(json.ok());
  EXPECT_NE(json.status().message().find("byte 7"), std::string::npos) << json.status().message();
}

TEST(Json, BuiltValuesPrintAndChange) {
  Json json = Json::Object({{"a", Json::Int(-5)}, {"b", Json::Double(0.1)}});
  json.Set("c", Json::Array({Json::Bool(false), Json(), Json::String("x")}));
  json.Set("a", Json::String("new"));
  EXPECT_EQ(json.Dump(), R"({"a":"new","b":0.1,"c":[false,null,"x"]})");
  EXPECT_EQ(json.DumpPretty(),
            "{\n  \"a\": \"new\",\n  \"b\": 0.1,\n  \"c\": [\n    false,\n    null,\n    \"x\"\n  ]\n}");
  EXPECT_EQ(json.Find("c")->items().size(), 3u);
  EXPECT_EQ(json.Find("d"), nullptr);
  EXPECT_EQ(Json::Int(1).Find("a"), nullptr);
  EXPECT_EQ(Json::Double(HUGE_VAL).Dump(), "Infinity");
}

TEST(Json, WhatIsNoNumberCanBeWrittenAsNull) {
  EXPECT_EQ(Json::DoubleOrNull(0.5).Dump(), "0.5");
  for (const double value : {HUGE_VAL, -HUGE_VAL, std::nan("")}) EXPECT_TRUE(Json::DoubleOrNull(value).is_null());
}

}  // namespace
}  // namespace fathom
