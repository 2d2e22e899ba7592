// json_schema.h - JSON Schema (a subset of draft 2020-12) to a grammar of documents that are valid by it.
//
//   FATHOM_ASSIGN_OR_RETURN(ByteAutomaton grammar, CompileJsonSchema(schema, "response_format.json_schema.schema"));
//
// docs/formats.md lists the keywords. What is generated is always valid (with `oneOf` read as `anyOf`: it may fit
// several branches that don't exclude each other), but not everything valid is generated: keys come in the order of
// `properties`, other keys only where additionalProperties asks for them (or if there are no properties), a schema
// without `type` that names one kind of value means that kind, and white space is compact. A keyword that would change
// what is valid and is not supported is an error with its path. Schemas are untrusted: size, nesting, states and the
// work of going through schemas and combining them are limited.
#ifndef FATHOM_ENGINE_GRAMMAR_JSON_SCHEMA_H_
#define FATHOM_ENGINE_GRAMMAR_JSON_SCHEMA_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/grammar/byte_automaton.h"
#include "engine/grammar/text_rules.h"

namespace fathom {

inline constexpr size_t kMaxSchemaBytes = size_t{256} << 10;
inline constexpr int kMaxSchemaDepth = 48;

// `path` is what messages call the schema.
Result<ByteAutomaton> CompileJsonSchema(const Json& schema, const std::string& path);
// Any JSON object.
Result<ByteAutomaton> CompileJsonObject();

// Which values of a schema, and how they are written: parameters of tool calls have strings apart from other values.
enum class ValueForm { kJson, kRawString, kJsonNoString };

// What compiling may still cost: all members and items that are looked at, those of schemas to combine included.
struct SchemaBudget {
  static constexpr int64_t kWhole = 1 << 20;
  int64_t left = kWhole;
};

// The values of schemas that share one root for their $refs, as parts of a larger grammar.
class SchemaCompiler {
 public:
  // All must outlive the compiler.
  SchemaCompiler(const Json& root, std::string root_path, SchemaBudget* budget, TextRules* rules,
                 AutomatonBuilder* builder);

  // Adds the values between two states. Finish() must follow, once.
  Status Compile(const Json& schema, const std::string& path, ValueForm form, int32_t from, int32_t to);
  // Adds any values.
  void CompileAny(ValueForm form, int32_t from, int32_t to);
  // Adds the rules that were referred to. `lenient`: those with something unsupported take any value.
  Status Finish(bool lenient = false);
  // `schema` with what its $ref and allOf refer to as its own members. Beside anyOf and oneOf they stay.
  Result<Json> Combine(Json schema, const std::string& path);

 private:
  struct Pending {
    const Json* schema = nullptr;
    std::string path;
    ValueForm form = ValueForm::kJson;
    AutomatonBuilder::Rule rule;
  };

  Status CompileSchema(Json schema, const std::string& path, ValueForm form, int32_t from, int32_t to);
  Status CompileReference(const Json& schema, const std::string& path, ValueForm form, int32_t from, int32_t to);
  Status CompileAlternatives(const Json& schema, const std::string& key, const std::string& path, ValueForm form,
                             int32_t from, int32_t to);
  Status CompilePlain(const Json& schema, const std::string& path, ValueForm form, int32_t from, int32_t to);
  Status CompileValues(const Json& schema, const std::string& path, ValueForm form, int32_t from, int32_t to);
  Status CompileType(const std::string& type, const Json& schema, const std::string& path, ValueForm form, int32_t from,
                     int32_t to);
  Status CompileString(const Json& schema, const std::string& path, ValueForm form, int32_t from, int32_t to);
  Status CompileObject(const Json& schema, const std::string& path, int32_t from, int32_t to);
  Status CompileArray(const Json& schema, const std::string& path, int32_t from, int32_t to);
  Result<AutomatonBuilder::Rule> RuleOf(const Json& schema, const std::string& path);
  Result<const Json*> Resolve(const Json& schema, const std::string& path, std::string* target_path);
  Result<Json> CombineOnce(const Json& schema, const std::string& path);
  Result<Json> Merge(const Json& a, const Json& b, const std::string& path);
  Status Charge(const Json& schema, const std::string& path);

  const Json& root_;
  const std::string root_path_;
  SchemaBudget& budget_;
  TextRules& rules_;
  AutomatonBuilder& builder_;
  std::map<std::pair<const Json*, ValueForm>, AutomatonBuilder::Rule> referred_;
  std::vector<Pending> pending_;
  int depth_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_GRAMMAR_JSON_SCHEMA_H_
