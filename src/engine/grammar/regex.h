// regex.h - patterns of JSON Schema as grammars.
//
// The part of ECMA-262's syntax that is regular and means the same everywhere: characters, `.`, classes, \d \w \s and
// their complements, \t \n \r \f \v \0 \xHH \uHHHH, groups, `|`, `* + ? {m} {m,} {m,n}`, and ^ $ at the ends. As the
// schema standard has it a pattern without anchors may match anywhere. All else (look-around, back references, \b, \p,
// lazy quantifiers) is an error.
#ifndef FATHOM_ENGINE_GRAMMAR_REGEX_H_
#define FATHOM_ENGINE_GRAMMAR_REGEX_H_

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "engine/grammar/byte_automaton.h"
#include "engine/grammar/text_rules.h"

namespace fathom {

inline constexpr size_t kMaxPatternBytes = 4096;
inline constexpr int kMaxPatternDepth = 24;

// Adds the strings that match `pattern` between two states, without quotes. The message of an error says where.
Status AddPattern(std::string_view pattern, StringSpelling spelling, TextRules* rules, AutomatonBuilder* builder,
                  int32_t from, int32_t to);

}  // namespace fathom

#endif  // FATHOM_ENGINE_GRAMMAR_REGEX_H_
