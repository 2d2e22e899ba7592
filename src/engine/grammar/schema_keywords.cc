#include "engine/grammar/schema_keywords.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>
#include <unordered_set>

#include "base/strings.h"

namespace fathom {
namespace {

constexpr std::string_view kSupported =
    "type, properties, required, additionalProperties, items, prefixItems, minItems, maxItems, enum, const, anyOf, "
    "oneOf, allOf, $ref, $defs, minLength, maxLength, pattern, format, minimum, maximum, exclusiveMinimum, "
    "exclusiveMaximum";

constexpr std::array<std::string_view, 20> kUnsupported = {"not",
                                                           "if",
                                                           "then",
                                                           "else",
                                                           "patternProperties",
                                                           "contains",
                                                           "minContains",
                                                           "maxContains",
                                                           "dependentSchemas",
                                                           "dependentRequired",
                                                           "multipleOf",
                                                           "minProperties",
                                                           "maxProperties",
                                                           "propertyNames",
                                                           "unevaluatedProperties",
                                                           "dependencies",
                                                           "$dynamicRef",
                                                           "$recursiveRef",
                                                           "additionalItems",
                                                           "unevaluatedItems"};

constexpr std::array<std::string_view, 3> kObjectKeywords = {"properties", "required", "additionalProperties"};
constexpr std::array<std::string_view, 4> kArrayKeywords = {"items", "prefixItems", "minItems", "maxItems"};
constexpr std::array<std::string_view, 4> kStringKeywords = {"minLength", "maxLength", "pattern", "format"};
constexpr std::array<std::string_view, 4> kNumberKeywords = {"minimum", "maximum", "exclusiveMinimum",
                                                             "exclusiveMaximum"};

// Formats as patterns. A year is 0001 to 9999, a day of February at most the 28th: always valid, though not all.
struct Format {
  std::string_view name;
  std::string_view pattern;
};
#define FATHOM_DATE                                                                                     \
  "(000[1-9]|00[1-9]\\d|0[1-9]\\d\\d|[1-9]\\d{3})-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)" \
  "-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))"
#define FATHOM_TIME "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
constexpr std::array<Format, 7> kFormats = {{
    {"date", "^" FATHOM_DATE "$"},
    {"time", "^" FATHOM_TIME "$"},
    {"date-time", "^" FATHOM_DATE "T" FATHOM_TIME "$"},
    {"email",
     "^[A-Za-z0-9_+-]{1,32}(\\.[A-Za-z0-9_+-]{1,30})?@([a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?\\.){1,4}[a-z]{2,12}$"},
    {"uuid", "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"},
    {"ipv4", "^((25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)\\.){3}(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)$"},
    {"uri", "^[a-z][a-z0-9+.-]{0,15}:[A-Za-z0-9/._~!$&'()*+,;=:@?-]*$"},
}};
#undef FATHOM_DATE
#undef FATHOM_TIME

template <size_t kCount>
bool IsOneOf(std::string_view key, const std::array<std::string_view, kCount>& keys) {
  return std::ranges::find(keys, key) != keys.end();
}

template <size_t kCount>
bool HasOneOf(const Json& schema, const std::array<std::string_view, kCount>& keys) {
  return std::ranges::any_of(keys, [&](std::string_view key) { return schema.Find(key) != nullptr; });
}

// One bound of a number; `sign` is 1 for lower bounds and -1 for upper ones.
Status ReadBound(const Json& schema, std::string_view key, const std::string& path, bool integer, int sign, bool open,
                 std::optional<int64_t>* bound, bool* bound_open) {
  const Json* value = schema.Find(key);
  if (value == nullptr) return {};
  std::optional<double> number = value->AsDouble();
  if (!number || !std::isfinite(*number)) return InvalidArgument(StrCat(path, ".", key, ": a number is expected"));
  std::optional<int64_t> whole = value->AsInt();
  if (!whole) {
    const double rounded = sign > 0 ? std::ceil(*number) : std::floor(*number);
    if (rounded != *number) {
      if (!integer) return InvalidArgument(StrCat(path, ".", key, ": only whole numbers are supported as bounds"));
      open = false;  // past the fraction
    }
    constexpr double kFar = 2e18;
    whole = static_cast<int64_t>(std::clamp(rounded, -kFar, kFar));
  }
  whole = std::clamp<int64_t>(*whole, -2 * kMaxGrammarInteger, 2 * kMaxGrammarInteger);
  if (*bound && (sign > 0 ? **bound > *whole : **bound < *whole)) return {};
  *bound_open = *bound == whole ? *bound_open || open : open;
  *bound = whole;
  return {};
}

}  // namespace

bool IsAnnotation(const std::string& keyword) {
  constexpr std::array<std::string_view, 17> kAnnotations = {
      "description", "title",       "default",     "examples",         "example",      "deprecated",
      "readOnly",    "writeOnly",   "$comment",    "$schema",          "$id",          "$anchor",
      "$defs",       "definitions", "$vocabulary", "contentMediaType", "discriminator"};
  return std::ranges::find(kAnnotations, keyword) != kAnnotations.end();
}

bool Constrains(const std::string& keyword) {
  constexpr std::array<std::string_view, 7> kAnyValue = {"type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"};
  return IsOneOf(keyword, kAnyValue) || IsOneOf(keyword, kObjectKeywords) || IsOneOf(keyword, kArrayKeywords) ||
         IsOneOf(keyword, kStringKeywords) || IsOneOf(keyword, kNumberKeywords) || IsOneOf(keyword, kUnsupported);
}

bool ConstrainsBeyond(const Json& schema, std::string_view key) {
  return std::ranges::any_of(
      schema.members(), [&](const Json::Member& member) { return member.first != key && Constrains(member.first); });
}

bool HasKindKeyword(const Json& schema) {
  return HasOneOf(schema, kObjectKeywords) || HasOneOf(schema, kArrayKeywords) || HasOneOf(schema, kStringKeywords) ||
         HasOneOf(schema, kNumberKeywords);
}

Status CheckKeywords(const Json& schema, const std::string& path) {
  for (const auto& [key, value] : schema.members()) {
    const bool unique = key == "uniqueItems" && !(value.is_bool() && !value.boolean());
    if (!unique && !IsOneOf(key, kUnsupported)) continue;
    return InvalidArgument(StrCat(path, ": the keyword '", key, "' is not supported; supported are ", kSupported));
  }
  return {};
}

Result<std::optional<int64_t>> CountAt(const Json& schema, std::string_view key, const std::string& path) {
  const Json* value = schema.Find(key);
  if (value == nullptr) return std::optional<int64_t>();
  const std::optional<int64_t> count = value->AsInt();
  if (!count || *count < 0) return InvalidArgument(StrCat(path, ".", key, ": a whole number from 0 is expected"));
  return count;
}

Result<NumberBounds> BoundsOf(const Json& schema, const std::string& path, bool integer) {
  NumberBounds bounds;
  const auto read = [&](std::string_view key, int sign, bool open) {
    return ReadBound(schema, key, path, integer, sign, open, sign > 0 ? &bounds.low : &bounds.high,
                     sign > 0 ? &bounds.low_open : &bounds.high_open);
  };
  FATHOM_RETURN_IF_ERROR(read("minimum", 1, false));
  FATHOM_RETURN_IF_ERROR(read("exclusiveMinimum", 1, true));
  FATHOM_RETURN_IF_ERROR(read("maximum", -1, false));
  FATHOM_RETURN_IF_ERROR(read("exclusiveMaximum", -1, true));
  return bounds;
}

bool HasType(const Json& value, std::string_view type) {
  switch (value.type()) {
    case Json::Type::kNull:
      return type == "null";
    case Json::Type::kBool:
      return type == "boolean";
    case Json::Type::kNumber:
      return type == "number" || (type == "integer" && value.AsInt().has_value());
    case Json::Type::kString:
      return type == "string";
    case Json::Type::kArray:
      return type == "array";
    case Json::Type::kObject:
      return type == "object";
  }
  return false;
}

Result<std::vector<std::string>> TypesOf(const Json& schema, const std::string& path) {
  std::vector<std::string> types;
  if (const Json* type = schema.Find("type")) {
    constexpr std::array<std::string_view, 7> kTypes = {"string", "integer", "number", "boolean",
                                                        "null",   "object",  "array"};
    const std::vector<Json> list = type->is_array() ? type->items() : std::vector<Json>{*type};
    for (const Json& item : list) {
      if (item.is_string() && IsOneOf(item.string(), kTypes)) {
        types.push_back(item.string());
        continue;
      }
      return InvalidArgument(StrCat(path, ".type: ", Printable(item.Dump()),
                                    " is no type; types are string, integer, number, boolean, null, object, array"));
    }
    if (std::ranges::find(types, "number") != types.end()) std::erase(types, "integer");
    if (types.empty()) types.push_back("none");
    return types;
  }
  if (HasOneOf(schema, kObjectKeywords)) types.push_back("object");
  if (HasOneOf(schema, kArrayKeywords)) types.push_back("array");
  if (HasOneOf(schema, kStringKeywords)) types.push_back("string");
  if (HasOneOf(schema, kNumberKeywords)) types.push_back("number");
  return types;
}

Result<std::string> PatternOf(const Json& schema, const std::string& path) {
  const Json* pattern = schema.Find("pattern");
  const Json* format = schema.Find("format");
  const Json* given = pattern != nullptr ? pattern : format;
  if (given == nullptr) return std::string();
  const std::string key = pattern != nullptr ? "pattern" : "format";
  if (!given->is_string()) return InvalidArgument(StrCat(path, ".", key, ": a string is expected"));
  const bool counted = schema.Find("minLength") != nullptr || schema.Find("maxLength") != nullptr;
  if (counted || (pattern != nullptr && format != nullptr)) {
    return InvalidArgument(
        StrCat(path, ".", key, ": pattern, format and minLength or maxLength together are not supported"));
  }
  if (pattern != nullptr) return pattern->string();
  std::string names;
  for (const Format& known : kFormats) {
    if (known.name == format->string()) return std::string(known.pattern);
    names += StrCat(names.empty() ? "" : ", ", known.name);
  }
  return InvalidArgument(
      StrCat(path, ".format: '", Printable(format->string()), "' is not supported; supported are ", names));
}

Result<ObjectShape> ShapeOf(const Json& schema, const std::string& path) {
  ObjectShape shape;
  const Json* properties = schema.Find("properties");
  if (properties != nullptr && !properties->is_object()) {
    return InvalidArgument(StrCat(path, ".properties: an object is expected"));
  }
  const Json* rest = schema.Find("additionalProperties");
  shape.open = rest != nullptr ? !rest->is_bool() || rest->boolean() : properties == nullptr;
  shape.other = rest != nullptr ? *rest : Json::Bool(true);
  shape.other_path = path + ".additionalProperties";
  std::unordered_set<std::string> names;
  if (properties != nullptr) {
    for (const auto& [name, value] : properties->members()) {
      shape.properties.push_back({name, value, StrCat(path, ".properties.", Printable(name))});
      names.insert(name);
    }
  }
  const Json* required = schema.Find("required");
  if (required == nullptr) return shape;
  if (!required->is_array()) return InvalidArgument(StrCat(path, ".required: a list of names is expected"));
  std::unordered_set<std::string> wanted;
  for (const Json& name : required->items()) {
    if (!name.is_string()) return InvalidArgument(StrCat(path, ".required: a list of names is expected"));
    wanted.insert(name.string());
    if (!names.insert(name.string()).second) continue;
    // Not closed unless it says so: a name that is only required is any value.
    if (rest != nullptr && !shape.open) {
      return InvalidArgument(StrCat(path, ".required: '", Printable(name.string()),
                                    "' is not among the properties, and additionalProperties is false"));
    }
    shape.properties.push_back({name.string(), shape.other, shape.other_path});
  }
  for (ObjectShape::Property& property : shape.properties) property.required = wanted.contains(property.name);
  return shape;
}

}  // namespace fathom
