#include "engine/grammar/json_schema.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/strings.h"
#include "engine/grammar/regex.h"
#include "engine/grammar/schema_keywords.h"
#include "engine/grammar/schema_merge.h"

namespace fathom {
namespace {

// What it costs to look at a value, copy it or compare it. Long texts cost more than their one node.
int64_t CostOf(const Json& value) {
  const auto text_cost = [](const std::string& text) { return static_cast<int64_t>(text.size() / 64); };
  int64_t cost = 1;
  if (value.is_string()) cost += text_cost(value.string());
  if (value.is_number()) cost += text_cost(value.number_text());
  if (value.is_array()) {
    for (const Json& item : value.items()) cost += CostOf(item);
  } else if (value.is_object()) {
    for (const auto& [key, member] : value.members()) cost += text_cost(key) + CostOf(member);
  }
  return cost;
}

}  // namespace

SchemaCompiler::SchemaCompiler(const Json& root, std::string root_path, SchemaBudget* budget, TextRules* rules,
                               AutomatonBuilder* builder)
    : root_(root), root_path_(std::move(root_path)), budget_(*budget), rules_(*rules), builder_(*builder) {}

Status SchemaCompiler::Charge(const Json& schema, const std::string& path) {
  if (budget_.left >= 0) budget_.left -= CostOf(schema);
  if (budget_.left >= 0) return {};
  return InvalidArgument(StrCat(path, ": the schema is too large, or combines schemas without an end"));
}

Result<Json> SchemaCompiler::Merge(const Json& a, const Json& b, const std::string& path) {
  FATHOM_RETURN_IF_ERROR(Charge(a, path));
  FATHOM_RETURN_IF_ERROR(Charge(b, path));
  return MergeSchemas(a, b, path);
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

Result<const Json*> SchemaCompiler::Resolve(const Json& schema, const std::string& path, std::string* target_path) {
  const Json& value = *schema.Find("$ref");
  if (!value.is_string()) return InvalidArgument(StrCat(path, ".$ref: a string is expected"));
  const std::string& reference = value.string();
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
    if (at->is_object()) budget_.left -= static_cast<int64_t>(at->members().size() / 64);  // Find() reads them
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
    const bool reference = schema.Find("$ref") != nullptr;
    if (reference && !ConstrainsBeyond(schema, "$ref")) return CompileReference(schema, path, form, from, to);
    if (!reference && schema.Find("allOf") == nullptr) return CompilePlain(schema, path, form, from, to);
    FATHOM_ASSIGN_OR_RETURN(schema, CombineOnce(schema, path));
  }
}

Status SchemaCompiler::CompileReference(const Json& schema, const std::string& path, ValueForm form, int32_t from,
                                        int32_t to) {
  std::string target_path;
  FATHOM_ASSIGN_OR_RETURN(const Json* target, Resolve(schema, path, &target_path));
  const auto [place, added] = referred_.try_emplace({target, form});
  if (added) {
    place->second = builder_.AddRule();
    pending_.push_back({target, target_path, form, place->second});
  }
  builder_.AddCall(from, place->second, to);
  return {};
}

Result<Json> SchemaCompiler::Combine(Json schema, const std::string& path) {
  const auto has = [&](std::string_view key) { return schema.Find(key) != nullptr; };
  while (!has("anyOf") && !has("oneOf") && (has("$ref") || has("allOf"))) {
    FATHOM_ASSIGN_OR_RETURN(schema, CombineOnce(schema, path));
  }
  return schema;
}

// Takes in the schema of `$ref` or, without it, those of `allOf`.
Result<Json> SchemaCompiler::CombineOnce(const Json& schema, const std::string& path) {
  if (schema.Find("$ref") != nullptr) {
    std::string target_path;
    FATHOM_ASSIGN_OR_RETURN(const Json* target, Resolve(schema, path, &target_path));
    return Merge(WithoutMember(schema, "$ref"), *target, path);
  }
  const Json& all = *schema.Find("allOf");
  if (!all.is_array()) return InvalidArgument(StrCat(path, ".allOf: a list of schemas is expected"));
  Json combined = WithoutMember(schema, "allOf");
  for (size_t index = 0; index < all.items().size(); ++index) {
    FATHOM_ASSIGN_OR_RETURN(combined, Merge(combined, all.items()[index], StrCat(path, ".allOf[", index, "]")));
  }
  return combined;
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
      FATHOM_ASSIGN_OR_RETURN(both, Merge(rest, branch, branch_path));
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
  if (HasKindKeyword(schema)) {
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
  SchemaBudget budget;
  SchemaCompiler compiler(schema, path, &budget, &rules, &builder);
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
