#include "engine/grammar/schema_merge.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/strings.h"

namespace fathom {
namespace {

std::vector<Json> ListOf(const Json& value) { return value.is_array() ? value.items() : std::vector<Json>{value}; }

bool Holds(const std::vector<Json>& list, const Json& value) {
  return std::ranges::any_of(list, [&](const Json& item) { return item.Dump() == value.Dump(); });
}

// Types that both lists allow; an integer is a number.
Json MergeTypes(const Json& a, const Json& b) {
  const std::vector<Json> first = ListOf(a);
  const std::vector<Json> second = ListOf(b);
  const Json number = Json::String("number");
  std::vector<Json> both;
  for (const Json& type : first) {
    const bool integer = type.Dump() == "\"integer\"" && Holds(second, number);
    if (integer || Holds(second, type)) both.push_back(type);
    if (type.Dump() == number.Dump() && !Holds(second, number) && Holds(second, Json::String("integer"))) {
      both.push_back(Json::String("integer"));
    }
  }
  return Json::Array(std::move(both));
}

Json Union(const Json& a, const Json& b) {
  std::vector<Json> all = ListOf(a);
  for (const Json& item : ListOf(b)) {
    if (!Holds(all, item)) all.push_back(item);
  }
  return Json::Array(std::move(all));
}

Json BothOf(const Json& a, const Json& b) {
  if (a.Dump() == b.Dump()) return a;
  return Json::Object({{"allOf", Json::Array({a, b})}});
}

bool IsFalse(const Json* value) { return value != nullptr && value->is_bool() && !value->boolean(); }

void AppendAllOf(Json schema, Json* merged) {
  const Json* list = merged->Find("allOf");
  std::vector<Json> items = list != nullptr && list->is_array() ? list->items() : std::vector<Json>();
  items.push_back(std::move(schema));
  merged->Set("allOf", Json::Array(std::move(items)));
}

class Merger {
 public:
  Merger(const Json& a, const Json& b, const std::string& path) : a_(a), b_(b), path_(path), merged_(a) {}

  Result<Json> Merge() {
    FATHOM_RETURN_IF_ERROR(CheckClosed(a_, b_));
    FATHOM_RETURN_IF_ERROR(CheckClosed(b_, a_));
    for (const auto& [one, other] : {std::pair(&a_, &b_), std::pair(&b_, &a_)}) {
      // `items` is about all items there, and about the rest here.
      if (one->Find("prefixItems") == nullptr || other->Find("prefixItems") != nullptr || !other->Find("items"))
        continue;
      return InvalidArgument(StrCat(path_, ": prefixItems of one schema and items of another can't be combined"));
    }
    for (const auto& [key, value] : b_.members()) {
      const Json* old = merged_.Find(key);
      if (old == nullptr) {
        merged_.Set(key, value);
      } else if (!IsAnnotation(key) && old->Dump() != value.Dump()) {
        FATHOM_RETURN_IF_ERROR(Combine(key, Json(*old), value));
      }
    }
    return merged_;
  }

 private:
  // Properties that only `other` knows are forbidden by additionalProperties: false.
  Status CheckClosed(const Json& closed, const Json& other) const {
    const Json* rest = closed.Find("additionalProperties");
    const Json* properties = other.Find("properties");
    if (rest == nullptr || (rest->is_bool() && rest->boolean()) || properties == nullptr || !properties->is_object()) {
      return {};
    }
    const Json* known = closed.Find("properties");
    for (const auto& [name, schema] : properties->members()) {
      if (known != nullptr && known->is_object() && known->Find(name) != nullptr) continue;
      return InvalidArgument(StrCat(path_, ": the property '", Printable(name),
                                    "' is not among those that additionalProperties of a schema combined with it "
                                    "allows; schemas combined by allOf, anyOf or $ref must not exclude each other's"));
    }
    return {};
  }

  Status Combine(const std::string& key, const Json& old, const Json& value) {
    constexpr std::array<std::string_view, 4> kLeast = {"minimum", "exclusiveMinimum", "minLength", "minItems"};
    constexpr std::array<std::string_view, 4> kMost = {"maximum", "exclusiveMaximum", "maxLength", "maxItems"};
    const bool numbers = old.AsDouble() && value.AsDouble();
    if (key == "type") {
      merged_.Set(key, MergeTypes(old, value));
    } else if (key == "required" && old.is_array() && value.is_array()) {
      merged_.Set(key, Union(old, value));
    } else if (key == "properties" && old.is_object() && value.is_object()) {
      Json properties = old;
      for (const auto& [name, schema] : value.members()) {
        const Json* known = properties.Find(name);
        properties.Set(name, known == nullptr ? schema : BothOf(Json(*known), schema));
      }
      merged_.Set(key, std::move(properties));
    } else if (std::ranges::find(kLeast, key) != kLeast.end() && numbers) {
      merged_.Set(key, *old.AsDouble() > *value.AsDouble() ? old : value);
    } else if (std::ranges::find(kMost, key) != kMost.end() && numbers) {
      merged_.Set(key, *old.AsDouble() < *value.AsDouble() ? old : value);
    } else if (key == "enum" && old.is_array() && value.is_array()) {
      std::vector<Json> both;
      for (const Json& item : old.items()) {
        if (Holds(value.items(), item)) both.push_back(item);
      }
      merged_.Set(key, Json::Array(std::move(both)));
    } else if (key == "items") {
      merged_.Set(key, BothOf(old, value));
    } else if (key == "additionalProperties") {
      merged_.Set(key, IsFalse(&old) || IsFalse(&value) ? Json::Bool(false) : BothOf(old, value));
    } else if (key == "anyOf" || key == "oneOf" || key == "$ref") {
      AppendAllOf(Json::Object({{key, value}}), &merged_);
    } else if (key == "allOf" && old.is_array() && value.is_array()) {
      for (const Json& schema : value.items()) AppendAllOf(schema, &merged_);
    } else {
      return InvalidArgument(StrCat(path_, ": two different values of '", Printable(key), "' can't be combined"));
    }
    return {};
  }

  const Json& a_;
  const Json& b_;
  const std::string& path_;
  Json merged_;
};

}  // namespace

bool IsAnnotation(const std::string& keyword) {
  constexpr std::array<std::string_view, 16> kAnnotations = {
      "description", "title",   "default", "examples", "example", "deprecated",  "readOnly",    "writeOnly",
      "$comment",    "$schema", "$id",     "$anchor",  "$defs",   "definitions", "$vocabulary", "contentMediaType"};
  return std::ranges::find(kAnnotations, keyword) != kAnnotations.end();
}

Json WithoutMember(const Json& schema, const std::string& key) {
  Json rest = schema;
  std::erase_if(rest.members(), [&](const Json::Member& member) { return member.first == key; });
  return rest;
}

Result<Json> MergeSchemas(const Json& a, const Json& b, const std::string& path) {
  if (a.is_bool()) return a.boolean() ? b : a;
  if (b.is_bool()) return b.boolean() ? a : b;
  if (!a.is_object() || !b.is_object()) return InvalidArgument(StrCat(path, ": a schema is an object, true or false"));
  return Merger(a, b, path).Merge();
}

}  // namespace fathom
