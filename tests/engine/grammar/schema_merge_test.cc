#include "engine/grammar/schema_merge.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fathom {
namespace {

std::string Merged(const std::string& a, const std::string& b) {
  const Result<Json> merged = MergeSchemas(*ParseJson(a), *ParseJson(b), "schema");
  return merged.ok() ? merged->Dump() : merged.status().message();
}

TEST(SchemaMerge, KeywordByKeyword) {
  EXPECT_EQ(Merged(R"({"type":["integer","string"]})", R"({"type":["number","null"]})"), R"({"type":["integer"]})");
  EXPECT_EQ(Merged(R"({"type":"number"})", R"({"type":["integer"]})"), R"({"type":["integer"]})");
  EXPECT_EQ(Merged(R"({"enum":[1,"a",null]})", R"({"enum":[null,2,1]})"), R"({"enum":[1,null]})");
  EXPECT_EQ(Merged(R"({"required":["a","b"]})", R"({"required":["c","a","c"]})"), R"({"required":["a","b","c"]})");
  EXPECT_EQ(Merged(R"({"minimum":1,"maximum":9})", R"({"minimum":2,"maximum":10})"), R"({"minimum":2,"maximum":9})");
  EXPECT_EQ(Merged(R"({"properties":{"a":{"type":"null"},"b":true}})", R"({"properties":{"b":{"const":1},"c":true}})"),
            R"({"properties":{"a":{"type":"null"},"b":{"allOf":[true,{"const":1}]},"c":true}})");
}

TEST(SchemaMerge, WhatOnlyBothSayIsLeftToOneAllOf) {
  EXPECT_EQ(Merged(R"({"anyOf":[1]})", R"({"anyOf":[2],"allOf":[3]})"), R"({"anyOf":[1],"allOf":[3,{"anyOf":[2]}]})");
  EXPECT_EQ(Merged(R"({"anyOf":[1]})", R"({"allOf":[3],"anyOf":[2]})"), R"({"anyOf":[1],"allOf":[3,{"anyOf":[2]}]})");
  EXPECT_EQ(Merged(R"({"allOf":[1],"$ref":"#/a"})", R"({"allOf":[2],"$ref":"#/b"})"),
            R"({"allOf":[1,2,{"$ref":"#/b"}],"$ref":"#/a"})");
}

// The time grows with the size of both, not with its square.
TEST(SchemaMerge, LargeListsAndObjects) {
  constexpr int kCount = 100000;
  std::vector<Json> values;
  std::vector<Json> shifted;
  std::vector<Json::Member> properties;
  std::vector<Json::Member> others;
  for (int value = 0; value < kCount; ++value) {
    values.push_back(Json::Int(value));
    shifted.push_back(Json::Int(value + kCount / 2));
    properties.emplace_back("a" + std::to_string(value), Json::Bool(true));
    others.emplace_back("b" + std::to_string(value), Json::Bool(true));
  }
  const auto schema = [](const std::vector<Json>& list, const std::vector<Json::Member>& members) {
    return Json::Object(
        {{"enum", Json::Array(list)}, {"required", Json::Array(list)}, {"properties", Json::Object(members)}});
  };
  const Result<Json> merged = MergeSchemas(schema(values, properties), schema(shifted, others), "schema");
  ASSERT_TRUE(merged.ok()) << merged.status().message();
  EXPECT_EQ(merged->Find("enum")->items().size(), size_t{kCount} / 2);
  EXPECT_EQ(merged->Find("required")->items().size(), size_t{kCount} * 3 / 2);
  EXPECT_EQ(merged->Find("properties")->members().size(), size_t{kCount} * 2);
}

}  // namespace
}  // namespace fathom
