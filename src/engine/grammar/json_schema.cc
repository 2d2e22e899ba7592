#include "engine/grammar/json_schema.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string_view>
#include <unordered_set>

#include "base/strings.h"
#include "engine/grammar/regex.h"
#include "engine/grammar/schema_merge.h"

namespace fathom {
namespace {

// Members and items of all schemas visited, copies made by combining included.
constexpr int64_t kMaxWork = 1 << 20;

constexpr std::string_view kSupported =
    "type, properties, required, additionalProperties, items, prefixItems, minItems, maxItems, enum, const, anyOf, "
    "oneOf, allOf, $ref, $defs, minLength, maxLength, pattern, format, minimum, maximum, exclusiveMinimum, "
    "exclusiveMaximum";

constexpr std::array<std::string_view, 21> kUnsupported = {"not",
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
                                                           "unevaluatedItems",
                                                           "discriminator"};

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

bool ConstrainsBeyond(const Json& schema, std::string_view key) {
  return std::ranges::any_of(schema.members(), [&](const Json::Member& member) {
    return member.first != key && !IsAnnotation(member.first) &&
           (member.first == "type" || member.first == "enum" || member.first == "const" || member.first == "anyOf" ||
            member.first == "oneOf" || member.first == "allOf" || member.first == "$ref" ||
            IsOneOf(member.first, kObjectKeywords) || IsOneOf(member.first, kArrayKeywords) ||
            IsOneOf(member.first, kStringKeywords) || IsOneOf(member.first, kNumberKeywords) ||
            IsOneOf(member.first, kUnsupported));
  });
}

Status CheckKeywords(const Json& schema, const std::string& path) {
  for (const auto& [key, value] : schema.members()) {
    const bool unique = key == "uniqueItems" && !(value.is_bool() && !value.boolean());
    if (!unique && !IsOneOf(key, kUnsupported)) continue;
    return InvalidArgument(StrCat(path, ": the keyword '", key, "' is not supported; supported are ", kSupported));
  }
  return {};
}

int64_t CountNodes(const Json& value) {
  int64_t nodes = 1;
  if (value.is_array()) {
    for (const Json& item : value.items()) nodes += CountNodes(item);
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.members()) nodes += CountNodes(member);
  }
  return nodes;
}

// A count such as minLength; `absent` without one.
Result<std::optional<int64_t>> CountAt(const Json& schema, std::string_view key, const std::string& path) {
  const Json* value = schema.Find(key);
  if (value == nullptr) return std::optional<int64_t>();
  const std::optional<int64_t> count = value->AsInt();
  if (!count || *count < 0) return InvalidArgument(StrCat(path, ".", key, ": a whole number from 0 is expected"));
  return count;
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

// The types a schema names or, by its keywords, means; empty: any value.
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

}  // namespace

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

SchemaCompiler::SchemaCompiler(const Json& root, std::string root_path, TextRules* rules, AutomatonBuilder* builder)
    : root_(root), root_path_(std::move(root_path)), rules_(*rules), builder_(*builder) {}

Status SchemaCompiler::Charge(const Json& schema, const std::string& path) {
  work_ += CountNodes(schema);
  if (work_ <= kMaxWork) return {};
  return InvalidArgument(StrCat(path, ": the schema is too large, or combines schemas without an end"));
}

Status SchemaCompiler::Compile(const Json& schema, const std::string& path, ValueForm form, int32_t from, int32_t to) {
  if (depth_ >= kMaxSchemaDepth) {
    return InvalidArgument(StrCat(path, ": schemas are nested more than ", kMaxSchemaDepth, " levels deep"));
  }
  if (builder_.full()) return {};  // Finish() says so
  ++depth_;
  Status status = CompileSchema(schema, path, form, from, to);
  --depth_;
  return status;
}

Status SchemaCompiler::Finish(bool lenient) {
  while (!pending_.empty()) {
    const Pending next = std::move(pending_.back());
    pending_.pop_back();
    Status status = Compile(*next.schema, next.path, next.form, next.rule.start, next.rule.end);
    if (!status.ok() && !lenient) return status;
    if (!status.ok()) CompileAny(next.form, next.rule.start, next.rule.end);
  }
  return {};
}

Result<const Json*> SchemaCompiler::Resolve(const std::string& reference, const std::string& path,
                                            std::string* target_path) const {
  const auto error = [&](std::string_view why) {
    return InvalidArgument(StrCat(path, ".$ref: '", Printable(reference), "' ", why));
  };
  if (!reference.starts_with('#')) return error("is not supported; references are like '#/$defs/name'");
  const Json* at = &root_;
  *target_path = root_path_;
  std::string_view rest = reference;
  rest.remove_prefix(1);
  if (!rest.empty() && rest[0] != '/') return error("is not supported; references are like '#/$defs/name'");
  while (!rest.empty()) {
    rest.remove_prefix(1);
    std::string key;
    for (; !rest.empty() && rest[0] != '/'; rest.remove_prefix(1)) {
      const bool escape = rest.starts_with("~0") || rest.starts_with("~1");
      if (escape) rest.remove_prefix(1);
      key += escape ? (rest[0] == '0' ? '~' : '/') : rest[0];
    }
    const Json* next = at->Find(key);
    if (at->is_array() && !key.empty() && key.size() < 7 && key.find_first_not_of("0123456789") == std::string::npos) {
      const size_t index = std::stoul(key);
      if (index < at->items().size()) next = &at->items()[index];
    }
    if (next == nullptr) return error("leads nowhere");
    at = next;
    *target_path += StrCat(".", Printable(key));
  }
  return at;
}

Status SchemaCompiler::CompileSchema(Json schema, const std::string& path, ValueForm form, int32_t from, int32_t to) {
  while (true) {
    FATHOM_RETURN_IF_ERROR(Charge(schema, path));
    if (schema.is_bool()) {
      if (schema.boolean()) CompileAny(form, from, to);
      return {};
    }
    if (!schema.is_object()) return InvalidArgument(StrCat(path, ": a schema is an object, true or false"));
    FATHOM_RETURN_IF_ERROR(CheckKeywords(schema, path));
    for (const char* key : {"anyOf", "oneOf"}) {
      if (schema.Find(key) != nullptr) return CompileAlternatives(schema, key, path, form, from, to);
    }
    if (const Json* reference = schema.Find("$ref")) {
      if (!reference->is_string()) return InvalidArgument(StrCat(path, ".$ref: a string is expected"));
      std::string target_path;
      FATHOM_ASSIGN_OR_RETURN(const Json* target, Resolve(reference->string(), path, &target_path));
      if (!ConstrainsBeyond(schema, "$ref")) {
        const auto [place, added] = referred_.try_emplace({target, form});
        if (added) {
          place->second = builder_.AddRule();
          pending_.push_back({target, target_path, form, place->second});
        }
        builder_.AddCall(from, place->second, to);
        return {};
      }
      FATHOM_ASSIGN_OR_RETURN(schema, MergeSchemas(WithoutMember(schema, "$ref"), *target, path));
      continue;
    }
    const Json* all = schema.Find("allOf");
    if (all == nullptr) return CompilePlain(schema, path, form, from, to);
    if (!all->is_array()) return InvalidArgument(StrCat(path, ".allOf: a list of schemas is expected"));
    const std::vector<Json> parts = all->items();
    schema = WithoutMember(schema, "allOf");
    for (size_t index = 0; index < parts.size(); ++index) {
      FATHOM_ASSIGN_OR_RETURN(schema, MergeSchemas(schema, parts[index], StrCat(path, ".allOf[", index, "]")));
    }
  }
}

Status SchemaCompiler::CompileAlternatives(const Json& schema, const std::string& key, const std::string& path,
                                           ValueForm form, int32_t from, int32_t to) {
  const Json* list = schema.Find(key);
  if (!list->is_array() || list->items().empty()) {
    return InvalidArgument(StrCat(path, ".", key, ": a list of schemas is expected"));
  }
  const Json rest = WithoutMember(schema, key);
  const bool alone = !ConstrainsBeyond(rest, "");
  for (size_t index = 0; index < list->items().size(); ++index) {
    const Json& branch = list->items()[index];
    const std::string branch_path = StrCat(path, ".", key, "[", index, "]");
    Json both = branch;
    if (!alone) {
      FATHOM_ASSIGN_OR_RETURN(both, MergeSchemas(rest, branch, branch_path));
    }
    FATHOM_RETURN_IF_ERROR(Compile(both, branch_path, form, from, to));
  }
  return {};
}

Status SchemaCompiler::CompilePlain(const Json& schema, const std::string& path, ValueForm form, int32_t from,
                                    int32_t to) {
  if (schema.Find("enum") != nullptr || schema.Find("const") != nullptr) {
    return CompileValues(schema, path, form, from, to);
  }
  FATHOM_ASSIGN_OR_RETURN(const std::vector<std::string> types, TypesOf(schema, path));
  if (types.empty()) CompileAny(form, from, to);
  for (const std::string& type : types) FATHOM_RETURN_IF_ERROR(CompileType(type, schema, path, form, from, to));
  return {};
}

// enum and const.
Status SchemaCompiler::CompileValues(const Json& schema, const std::string& path, ValueForm form, int32_t from,
                                     int32_t to) {
  if (HasOneOf(schema, kObjectKeywords) || HasOneOf(schema, kArrayKeywords) || HasOneOf(schema, kStringKeywords) ||
      HasOneOf(schema, kNumberKeywords)) {
    return InvalidArgument(StrCat(path, ": beside enum and const only 'type' is supported"));
  }
  const Json* list = schema.Find("enum");
  const Json* single = schema.Find("const");
  if (list != nullptr && (!list->is_array() || list->items().empty())) {
    return InvalidArgument(StrCat(path, ".enum: a list with at least one value is expected"));
  }
  std::vector<Json> values = list != nullptr ? list->items() : std::vector<Json>{*single};
  if (single != nullptr) std::erase_if(values, [&](const Json& value) { return value.Dump() != single->Dump(); });
  FATHOM_ASSIGN_OR_RETURN(const std::vector<std::string> types, TypesOf(schema, path));
  std::erase_if(values, [&](const Json& value) {
    const bool typed = types.empty() || std::ranges::any_of(types, [&](auto& type) { return HasType(value, type); });
    return !typed || (form == ValueForm::kRawString && !value.is_string()) ||
           (form == ValueForm::kJsonNoString && value.is_string());
  });
  if (form != ValueForm::kRawString) {
    rules_.AddLiterals(from, values, to);
    return {};
  }
  std::vector<std::string_view> texts;
  for (const Json& value : values) {
    // It could hold the mark that ends a parameter.
    if (value.string().find("\uFF5C") == std::string::npos) texts.push_back(value.string());
  }
  builder_.AddTexts(from, texts, to);
  return {};
}

Status SchemaCompiler::CompileType(const std::string& type, const Json& schema, const std::string& path, ValueForm form,
                                   int32_t from, int32_t to) {
  if (type == "string") return CompileString(schema, path, form, from, to);
  if (form == ValueForm::kRawString) return {};
  if (type == "null") builder_.AddText(from, "null", to);
  if (type == "boolean") {
    for (const char* word : {"true", "false"}) builder_.AddText(from, word, to);
  }
  if (type == "integer" || type == "number") {
    FATHOM_ASSIGN_OR_RETURN(const NumberBounds bounds, BoundsOf(schema, path, type == "integer"));
    if (type == "integer") {
      rules_.AddInteger(from, bounds, to);
    } else {
      rules_.AddNumber(from, bounds, to);
    }
  }
  if (type == "object") return CompileObject(schema, path, from, to);
  if (type == "array") return CompileArray(schema, path, from, to);
  return {};
}

Status SchemaCompiler::CompileString(const Json& schema, const std::string& path, ValueForm form, int32_t from,
                                     int32_t to) {
  if (form == ValueForm::kJsonNoString) return {};
  const bool raw = form == ValueForm::kRawString;
  const StringSpelling spelling = raw ? StringSpelling::kRaw : StringSpelling::kJson;
  FATHOM_ASSIGN_OR_RETURN(const std::string pattern, PatternOf(schema, path));
  FATHOM_ASSIGN_OR_RETURN(const std::optional<int64_t> least, CountAt(schema, "minLength", path));
  FATHOM_ASSIGN_OR_RETURN(const std::optional<int64_t> most, CountAt(schema, "maxLength", path));
  if (pattern.empty() && !least && !most) {
    if (raw) {
      rules_.AddParameterText(from, to);
    } else {
      builder_.AddCall(from, rules_.String(), to);
    }
    return {};
  }
  int32_t first = from;
  int32_t last = to;
  if (!raw) {
    first = builder_.AddState();
    last = builder_.AddState();
    builder_.AddSymbol(from, '"', first);
    builder_.AddSymbol(last, '"', to);
  }
  if (pattern.empty()) {
    rules_.AddCharacters(first, least.value_or(0), most, spelling, last);
    return {};
  }
  const Status status = AddPattern(pattern, spelling, &rules_, &builder_, first, last);
  return status.ok() ? status : InvalidArgument(StrCat(path, ".pattern: ", status.message()));
}

void SchemaCompiler::CompileAny(ValueForm form, int32_t from, int32_t to) {
  if (form == ValueForm::kRawString) return rules_.AddParameterText(from, to);
  if (form == ValueForm::kJson) return builder_.AddCall(from, rules_.AnyValue(), to);
  rules_.AddAnyScalar(from, false, to);
  builder_.AddCall(from, rules_.AnyObject(), to);
  builder_.AddCall(from, rules_.AnyArray(), to);
}

Status SchemaCompiler::CompileObject(const Json& schema, const std::string& path, int32_t from, int32_t to) {
  FATHOM_ASSIGN_OR_RETURN(const ObjectShape shape, ShapeOf(schema, path));
  // `first`: no member yet; `later`: behind a member. Both walk past the properties that may be left out.
  int32_t first = builder_.AddState();
  int32_t later = builder_.AddState();
  builder_.AddSymbol(from, '{', first);
  const auto begin_member = [&]() {
    const int32_t member = builder_.AddState();
    builder_.AddEpsilon(first, member);
    rules_.AddSeparator(later, ',', member);
    return member;
  };
  std::vector<std::string> names;
  for (const ObjectShape::Property& property : shape.properties) {
    names.push_back(property.name);
    const int32_t colon = builder_.AddState();
    const int32_t value = builder_.AddState();
    const int32_t next_first = builder_.AddState();
    const int32_t next_later = builder_.AddState();
    const Json name = Json::String(property.name);
    rules_.AddLiterals(begin_member(), {&name, 1}, colon);
    rules_.AddSeparator(colon, ':', value);
    FATHOM_RETURN_IF_ERROR(Compile(property.schema, property.path, ValueForm::kJson, value, next_later));
    if (!property.required) {
      builder_.AddEpsilon(first, next_first);
      builder_.AddEpsilon(later, next_later);
    }
    first = next_first;
    later = next_later;
  }
  if (shape.open) {
    const int32_t colon = builder_.AddState();
    const int32_t value = builder_.AddState();
    const int32_t member = begin_member();
    if (names.empty()) {
      builder_.AddCall(member, rules_.String(), colon);
    } else {
      rules_.AddOtherKey(member, names, {{0, 0x10FFFF}}, colon);
    }
    rules_.AddSeparator(colon, ':', value);
    FATHOM_RETURN_IF_ERROR(Compile(shape.other, shape.other_path, ValueForm::kJson, value, later));
  }
  builder_.AddSymbol(first, '}', to);
  builder_.AddSymbol(later, '}', to);
  return {};
}

Result<AutomatonBuilder::Rule> SchemaCompiler::RuleOf(const Json& schema, const std::string& path) {
  const AutomatonBuilder::Rule rule = builder_.AddRule();
  FATHOM_RETURN_IF_ERROR(Compile(schema, path, ValueForm::kJson, rule.start, rule.end));
  return rule;
}

Status SchemaCompiler::CompileArray(const Json& schema, const std::string& path, int32_t from, int32_t to) {
  FATHOM_ASSIGN_OR_RETURN(const std::optional<int64_t> least, CountAt(schema, "minItems", path));
  FATHOM_ASSIGN_OR_RETURN(const std::optional<int64_t> most, CountAt(schema, "maxItems", path));
  const Json* prefix = schema.Find("prefixItems");
  const Json* items = schema.Find("items");
  if (prefix != nullptr && !prefix->is_array()) {
    return InvalidArgument(StrCat(path, ".prefixItems: a list of schemas is expected"));
  }
  const size_t fixed = prefix != nullptr ? prefix->items().size() : 0;
  // Like additional properties: what follows prefixItems must be asked for, unless more items are required.
  const bool open = items != nullptr || prefix == nullptr || least.value_or(0) > static_cast<int64_t>(fixed);
  std::optional<AutomatonBuilder::Rule> rest;
  if (open) {
    FATHOM_ASSIGN_OR_RETURN(rest, RuleOf(items != nullptr ? *items : Json::Bool(true), path + ".items"));
  }
  int32_t state = builder_.AddState();
  builder_.AddSymbol(from, '[', state);
  for (int64_t count = 0; !builder_.full(); ++count) {
    const bool enough = count >= least.value_or(0);
    if (enough) builder_.AddSymbol(state, ']', to);
    const bool in_prefix = count < static_cast<int64_t>(fixed);
    if ((most && count >= *most) || (!in_prefix && !open)) break;
    int32_t item = builder_.AddState();
    if (count == 0) {
      builder_.AddEpsilon(state, item);
    } else {
      rules_.AddSeparator(state, ',', item);
    }
    const int32_t next = builder_.AddState();
    if (in_prefix) {
      const auto index = static_cast<size_t>(count);
      FATHOM_RETURN_IF_ERROR(
          Compile(prefix->items()[index], StrCat(path, ".prefixItems[", index, "]"), ValueForm::kJson, item, next));
    } else {
      builder_.AddCall(item, *rest, next);
    }
    if (!in_prefix && !most && count + 1 >= least.value_or(0)) {
      rules_.AddSeparator(next, ',', item);
      builder_.AddSymbol(next, ']', to);
      break;
    }
    state = next;
  }
  return {};
}

Result<ByteAutomaton> CompileJsonSchema(const Json& schema, const std::string& path) {
  if (schema.Dump().size() > kMaxSchemaBytes) {
    return InvalidArgument(StrCat(path, ": the schema is larger than ", kMaxSchemaBytes / 1024, " KiB"));
  }
  AutomatonBuilder builder;
  const AutomatonBuilder::Rule root = builder.AddRule();
  TextRules rules(&builder);
  SchemaCompiler compiler(schema, path, &rules, &builder);
  FATHOM_RETURN_IF_ERROR(compiler.Compile(schema, path, ValueForm::kJson, root.start, root.end));
  FATHOM_RETURN_IF_ERROR(compiler.Finish());
  Result<ByteAutomaton> automaton = builder.Finish(root);
  return automaton.ok() ? std::move(automaton) : InvalidArgument(StrCat(path, ": ", automaton.status().message()));
}

Result<ByteAutomaton> CompileJsonObject() {
  AutomatonBuilder builder;
  TextRules rules(&builder);
  return builder.Finish(rules.AnyObject());
}

}  // namespace fathom
