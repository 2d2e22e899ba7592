// schema_checker.h - whether a document is valid by a JSON Schema: written from the standard, apart from the compiler.
//
// Patterns and formats are looked at by the caller's own tables; here they pass.
#ifndef FATHOM_TESTS_ENGINE_GRAMMAR_SCHEMA_CHECKER_H_
#define FATHOM_TESTS_ENGINE_GRAMMAR_SCHEMA_CHECKER_H_

#include <string>
#include <string_view>
#include <unordered_set>

#include "base/json.h"
#include "base/utf8.h"

namespace fathom {

class SchemaChecker {
 public:
  explicit SchemaChecker(const Json& root) : root_(root) {}

  bool Valid(const Json& schema, const Json& value, int depth = 0) const {
    if (depth > 400) return false;
    if (schema.is_bool()) return schema.boolean();
    if (const Json* reference = schema.Find("$ref");
        reference && !Valid(*Target(reference->string()), value, depth + 1)) {
      return false;
    }
    return ValidCombined(schema, value, depth) && ValidType(schema, value) && ValidEnum(schema, value) &&
           ValidNumber(schema, value) && ValidString(schema, value) && ValidArray(schema, value, depth) &&
           ValidObject(schema, value, depth);
  }

  static bool Equal(const Json& a, const Json& b) {
    if (a.type() != b.type()) return false;
    if (a.is_number()) return a.AsDouble() == b.AsDouble();
    if (a.is_array()) {
      if (a.items().size() != b.items().size()) return false;
      for (size_t i = 0; i < a.items().size(); ++i) {
        if (!Equal(a.items()[i], b.items()[i])) return false;
      }
      return true;
    }
    if (a.is_object()) {
      if (a.members().size() != b.members().size()) return false;
      for (const auto& [key, member] : a.members()) {
        if (b.Find(key) == nullptr || !Equal(member, *b.Find(key))) return false;
      }
      return true;
    }
    return a.Dump() == b.Dump();
  }

 private:
  const Json* Target(std::string_view reference) const {
    const Json* at = &root_;
    reference.remove_prefix(1);
    while (!reference.empty()) {
      reference.remove_prefix(1);
      std::string key;
      for (; !reference.empty() && reference[0] != '/'; reference.remove_prefix(1)) {
        if (reference[0] == '~') {
          reference.remove_prefix(1);
          key += reference[0] == '0' ? '~' : '/';
        } else {
          key += reference[0];
        }
      }
      at = at->is_array() ? &at->items().at(std::stoul(key)) : at->Find(key);
    }
    return at;
  }

  bool ValidCombined(const Json& schema, const Json& value, int depth) const {
    for (const char* key : {"anyOf", "oneOf", "allOf"}) {
      const Json* list = schema.Find(key);
      if (list == nullptr) continue;
      size_t valid = 0;
      for (const Json& part : list->items()) valid += Valid(part, value, depth + 1) ? 1 : 0;
      if (std::string_view(key) == "allOf" ? valid < list->items().size() : valid == 0) return false;
    }
    return true;
  }

  static bool IsType(const std::string& type, const Json& value) {
    if (type == "string") return value.is_string();
    if (type == "number") return value.is_number();
    if (type == "integer") return value.AsInt().has_value();
    if (type == "boolean") return value.is_bool();
    if (type == "null") return value.is_null();
    if (type == "object") return value.is_object();
    return type == "array" && value.is_array();
  }
  static bool ValidType(const Json& schema, const Json& value) {
    const Json* type = schema.Find("type");
    if (type == nullptr) return true;
    if (type->is_string()) return IsType(type->string(), value);
    for (const Json& one : type->items()) {
      if (IsType(one.string(), value)) return true;
    }
    return false;
  }
  static bool ValidEnum(const Json& schema, const Json& value) {
    const Json* constant = schema.Find("const");
    if (constant != nullptr && !Equal(*constant, value)) return false;
    const Json* list = schema.Find("enum");
    if (list == nullptr) return true;
    for (const Json& one : list->items()) {
      if (Equal(one, value)) return true;
    }
    return false;
  }
  static bool ValidNumber(const Json& schema, const Json& value) {
    if (!value.is_number()) return true;
    const double x = *value.AsDouble();
    const auto bound = [&](const char* key, double none) {
      const Json* number = schema.Find(key);
      return number != nullptr ? *number->AsDouble() : none;
    };
    constexpr double kFar = 1e300;
    return x >= bound("minimum", -kFar) && x <= bound("maximum", kFar) && x > bound("exclusiveMinimum", -kFar) &&
           x < bound("exclusiveMaximum", kFar);
  }
  static bool InCount(const Json& schema, const char* least, const char* most, size_t count) {
    const Json* low = schema.Find(least);
    const Json* high = schema.Find(most);
    return (low == nullptr || static_cast<double>(count) >= *low->AsDouble()) &&
           (high == nullptr || static_cast<double>(count) <= *high->AsDouble());
  }
  static bool ValidString(const Json& schema, const Json& value) {
    if (!value.is_string()) return true;
    size_t characters = 0;
    for (const char byte : value.string()) characters += (static_cast<uint8_t>(byte) & 0xC0) != 0x80 ? 1 : 0;
    return IsValidUtf8(value.string()) && InCount(schema, "minLength", "maxLength", characters);
  }
  bool ValidArray(const Json& schema, const Json& value, int depth) const {
    if (!value.is_array()) return true;
    const Json* prefix = schema.Find("prefixItems");
    const Json* items = schema.Find("items");
    const size_t fixed = prefix != nullptr ? prefix->items().size() : 0;
    for (size_t at = 0; at < value.items().size(); ++at) {
      const Json* item = at < fixed ? &prefix->items()[at] : items;
      if (item != nullptr && !Valid(*item, value.items()[at], depth + 1)) return false;
    }
    return InCount(schema, "minItems", "maxItems", value.items().size());
  }
  bool ValidObject(const Json& schema, const Json& value, int depth) const {
    if (!value.is_object()) return true;
    if (const Json* required = schema.Find("required")) {
      for (const Json& name : required->items()) {
        if (value.Find(name.string()) == nullptr) return false;
      }
    }
    const Json* properties = schema.Find("properties");
    const Json* rest = schema.Find("additionalProperties");
    for (const auto& [key, member] : value.members()) {
      const Json* property = properties != nullptr ? properties->Find(key) : nullptr;
      const Json* rule = property != nullptr ? property : rest;
      if (rule != nullptr && !Valid(*rule, member, depth + 1)) return false;
    }
    return true;
  }

  const Json& root_;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_ENGINE_GRAMMAR_SCHEMA_CHECKER_H_
