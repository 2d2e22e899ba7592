#include "engine/grammar/schema_merge.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "engine/grammar/schema_keywords.h"

namespace fathom {
namespace {

std::vector<Json> ListOf(const Json& value) { return value.is_array() ? value.items() : std::vector<Json>{value}; }

// Values by their text, so that looking for one takes the time of writing it once.
class ValueSet {
 public:
  explicit ValueSet(const std::vector<Json>& values) {
    for (const Json& value : values) Add(value);
  }
  // False if it was there.
  bool Add(const Json& value) { return texts_.insert(value.Dump()).second; }
  bool Holds(const Json& value) const { return texts_.contains(value.Dump()); }

 private:
  std::unordered_set<std::string> texts_;
};

// Types that both lists allow; an integer is a number.
Json MergeTypes(const Json& a, const Json& b) {
  const ValueSet second(ListOf(b));
  const bool number = second.Holds(Json::String("number"));
  const bool integer = second.Holds(Json::String("integer"));
  std::vector<Json> both;
  for (const Json& type : ListOf(a)) {
    const std::string text = type.Dump();
    if (second.Holds(type) || (number && text == "\"integer\"")) {
      both.push_back(type);
    } else if (integer && text == "\"number\"") {
      both.push_back(Json::String("integer"));
    }
  }
  return Json::Array(std::move(both));
}

Json Union(const Json& a, const Json& b) {
  std::vector<Json> all = ListOf(a);
  ValueSet known(all);
  for (const Json& item : ListOf(b)) {
    if (known.Add(item)) all.push_back(item);
  }
  return Json::Array(std::move(all));
}

Json BothOf(const Json& a, const Json& b) {
  if (a.Dump() == b.Dump()) return a;
  return Json::Object({{"allOf", Json::Array({a, b})}});
}

bool IsFalse(const Json* value) { return value != nullptr && value->is_bool() && !value->boolean(); }

void AppendAllOf(const std::vector<Json>& schemas, Json* merged) {
  const Json* list = merged->Find("allOf");
  std::vector<Json> items = list != nullptr && list->is_array() ? list->items() : std::vector<Json>();
  items.insert(items.end(), schemas.begin(), schemas.end());
  merged->Set("allOf", Json::Array(std::move(items)));
}

// Where the members of an object are; it must not change meanwhile.
using MemberIndex = std::unordered_map<std::string_view, size_t>;
MemberIndex IndexOf(const Json& object) {
  MemberIndex index;
  for (size_t at = 0; at < object.members().size(); ++at) index.emplace(object.members()[at].first, at);
  return index;
}

// Properties of both; those that both have obey both schemas.
Json MergeProperties(const Json& a, const Json& b) {
  const MemberIndex known = IndexOf(a);
  std::vector<Json::Member> both = a.members();
  for (const auto& [name, schema] : b.members()) {
    const auto place = known.find(name);
    if (place == known.end()) {
      both.emplace_back(name, schema);
    } else {
      both[place->second].second = BothOf(a.members()[place->second].second, schema);
    }
  }
  return Json::Object(std::move(both));
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
    const MemberIndex known = IndexOf(a_);
    for (const auto& [key, value] : b_.members()) {
      const auto place = known.find(key);
      if (place == known.end()) {
        merged_.members().emplace_back(key, value);
      } else if (const Json& old = a_.members()[place->second].second;
                 !IsAnnotation(key) && old.Dump() != value.Dump()) {
        FATHOM_RETURN_IF_ERROR(Combine(key, old, value));
      }
    }
    if (!also_.empty()) AppendAllOf(also_, &merged_);
    return std::move(merged_);
  }

 private:
  // Properties that only `other` knows are forbidden by additionalProperties: false.
  Status CheckClosed(const Json& closed, const Json& other) const {
    const Json* rest = closed.Find("additionalProperties");
    const Json* properties = other.Find("properties");
    if (rest == nullptr || (rest->is_bool() && rest->boolean()) || properties == nullptr || !properties->is_object()) {
      return {};
    }
    const Json* own = closed.Find("properties");
    const MemberIndex known = own != nullptr && own->is_object() ? IndexOf(*own) : MemberIndex();
    for (const auto& [name, schema] : properties->members()) {
      if (known.contains(name)) continue;
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
      merged_.Set(key, MergeProperties(old, value));
    } else if (std::ranges::find(kLeast, key) != kLeast.end() && numbers) {
      merged_.Set(key, *old.AsDouble() > *value.AsDouble() ? old : value);
    } else if (std::ranges::find(kMost, key) != kMost.end() && numbers) {
      merged_.Set(key, *old.AsDouble() < *value.AsDouble() ? old : value);
    } else if (key == "enum" && old.is_array() && value.is_array()) {
      std::vector<Json> both = old.items();
      const ValueSet allowed(value.items());
      std::erase_if(both, [&](const Json& item) { return !allowed.Holds(item); });
      merged_.Set(key, Json::Array(std::move(both)));
    } else if (key == "items") {
      merged_.Set(key, BothOf(old, value));
    } else if (key == "additionalProperties") {
      merged_.Set(key, IsFalse(&old) || IsFalse(&value) ? Json::Bool(false) : BothOf(old, value));
    } else if (key == "anyOf" || key == "oneOf" || key == "$ref") {
      also_.push_back(Json::Object({{key, value}}));
    } else if (key == "allOf" && old.is_array() && value.is_array()) {
      also_.insert(also_.end(), value.items().begin(), value.items().end());
    } else {
      return InvalidArgument(StrCat(path_, ": two different values of '", Printable(key), "' can't be combined"));
    }
    return {};
  }

  const Json& a_;
  const Json& b_;
  const std::string& path_;
  Json merged_;
  std::vector<Json> also_;  // for merged_'s allOf
};

}  // namespace

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
