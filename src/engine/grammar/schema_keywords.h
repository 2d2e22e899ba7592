// schema_keywords.h - what the keywords of one JSON Schema say, read and checked.
//
// Schemas are objects here; `path` names them in errors. What combines schemas or holds inner ones is the compiler's
// (json_schema.h), which goes through them.
#ifndef FATHOM_ENGINE_GRAMMAR_SCHEMA_KEYWORDS_H_
#define FATHOM_ENGINE_GRAMMAR_SCHEMA_KEYWORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "engine/grammar/text_rules.h"

namespace fathom {

// Whether a keyword says nothing about what is valid: description, title, default, examples, $defs, ...
bool IsAnnotation(const std::string& keyword);
// Whether a keyword, supported or not, can change what is valid.
bool Constrains(const std::string& keyword);
// Whether any keyword but `key` does.
bool ConstrainsBeyond(const Json& schema, std::string_view key);
// Whether there is a keyword about one kind of value, as minLength is about strings.
bool HasKindKeyword(const Json& schema);

// An error at a keyword that is not supported.
Status CheckKeywords(const Json& schema, const std::string& path);

// A count such as minLength; nothing without one.
Result<std::optional<int64_t>> CountAt(const Json& schema, std::string_view key, const std::string& path);
// minimum, maximum, exclusiveMinimum and exclusiveMaximum, for integers or for all numbers.
Result<NumberBounds> BoundsOf(const Json& schema, const std::string& path, bool integer);
// The pattern that strings match, by `pattern` or `format`; empty: any.
Result<std::string> PatternOf(const Json& schema, const std::string& path);

bool HasType(const Json& value, std::string_view type);
// The types a schema names or, by its keywords, means; empty: any value.
Result<std::vector<std::string>> TypesOf(const Json& schema, const std::string& path);

// The members of an object.
struct ObjectShape {
  struct Property {
    std::string name;
    Json schema;
    std::string path;
    bool required = false;
  };
  std::vector<Property> properties;
  bool open = false;  // other keys, with values by `other`
  Json other;
  std::string other_path;
};
Result<ObjectShape> ShapeOf(const Json& schema, const std::string& path);

}  // namespace fathom

#endif  // FATHOM_ENGINE_GRAMMAR_SCHEMA_KEYWORDS_H_
