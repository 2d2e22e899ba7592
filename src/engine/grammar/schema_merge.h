// schema_merge.h - one JSON Schema for what two schemas both accept.
#ifndef FATHOM_ENGINE_GRAMMAR_SCHEMA_MERGE_H_
#define FATHOM_ENGINE_GRAMMAR_SCHEMA_MERGE_H_

#include <string>

#include "base/json.h"
#include "base/result.h"

namespace fathom {

// Combines keyword by keyword; what only both together say ($ref, anyOf, different items) is left to an `allOf` in the
// result. An error naming `path` where keywords can't be combined. Both are schemas: objects or booleans.
Result<Json> MergeSchemas(const Json& a, const Json& b, const std::string& path);

// `schema` without a member.
Json WithoutMember(const Json& schema, const std::string& key);

}  // namespace fathom

#endif  // FATHOM_ENGINE_GRAMMAR_SCHEMA_MERGE_H_
