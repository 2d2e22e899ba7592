// text_rules.h - the small pieces that grammars of JSON and tool calls are made of: characters, strings, numbers.
//
// Every Add...(from, ..., to) adds paths between two states of the builder. Texts are valid UTF-8. Shared rules are
// made once. JSON has no white space but one optional space behind "," and ":"; a string that a schema leaves open may
// have any escape, where its characters matter they have one spelling: raw, or the shortest escape if one is required.
#ifndef FATHOM_ENGINE_GRAMMAR_TEXT_RULES_H_
#define FATHOM_ENGINE_GRAMMAR_TEXT_RULES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "engine/grammar/byte_automaton.h"

namespace fathom {

// Ascending, apart from each other.
using CodePoints = std::vector<std::pair<char32_t, char32_t>>;
CodePoints Normalized(CodePoints set);
CodePoints Complement(const CodePoints& set);
CodePoints Intersection(const CodePoints& a, const CodePoints& b);

// How the characters of a string are spelled.
enum class StringSpelling {
  kJson,  // inside of quotes
  kRaw,   // as they are, for string parameters of tool calls; U+FF5C never occurs, so no tag can
};

// A range of whole numbers or of all numbers, by whole-number bounds.
struct NumberBounds {
  std::optional<int64_t> low;
  std::optional<int64_t> high;
  bool low_open = false;  // the bound itself is not in the range
  bool high_open = false;
};
// Integers have at most this many digits.
inline constexpr int kMaxIntegerDigits = 18;
inline constexpr int64_t kMaxGrammarInteger = 999'999'999'999'999'999;

// Where JSON stands: between the tags of a tool call U+FF5C is written as an escape, so that no tag can be in it.
enum class JsonPlace { kDocument, kToolCall };

class TextRules {
 public:
  explicit TextRules(AutomatonBuilder* builder, JsonPlace place = JsonPlace::kDocument);

  // One character of `set`; kJson spells it with an escape where needed.
  void AddCharacter(int32_t from, const CodePoints& set, StringSpelling spelling, int32_t to);
  // `least` to `most` characters (no limit without `most`).
  void AddCharacters(int32_t from, int64_t least, std::optional<int64_t> most, StringSpelling spelling, int32_t to);
  // A key with its quotes that is none of `names`; no escapes in it.
  void AddOtherKey(int32_t from, std::span<const std::string> names, const CodePoints& set, int32_t to);
  // Any text without "</｜DSML｜".
  void AddParameterText(int32_t from, int32_t to);

  // "," or ", "; ":" or ": ".
  void AddSeparator(int32_t from, char separator, int32_t to);
  void AddInteger(int32_t from, const NumberBounds& bounds, int32_t to);
  void AddNumber(int32_t from, const NumberBounds& bounds, int32_t to);
  // `value`, as Python writes it but for what the place wants escaped.
  void AddLiterals(int32_t from, std::span<const Json> values, int32_t to);

  AutomatonBuilder::Rule String();
  AutomatonBuilder::Rule AnyValue();
  AutomatonBuilder::Rule AnyObject();
  AutomatonBuilder::Rule AnyArray();
  void AddAnyScalar(int32_t from, bool strings, int32_t to);

 private:
  AutomatonBuilder::Rule AnyCharacter(StringSpelling spelling);
  void AddUtf8(int32_t from, const CodePoints& set, int32_t to);
  void AddUtf8Range(int32_t from, char32_t low, char32_t high, int32_t to);
  void AddEscape(int32_t from, int32_t to);
  void AddDigitRange(int32_t from, int64_t low, int64_t high, int32_t to);
  void AddFraction(int32_t from, int digits, bool zero, int32_t to);
  void AddRealRange(int32_t from, const NumberBounds& bounds, int32_t to);
  void AddExponentNumber(int32_t from, int32_t to);

  AutomatonBuilder& builder_;
  const bool in_tool_call_;
  const CodePoints escaped_;  // what never stands in JSON as it is
  std::map<CodePoints, AutomatonBuilder::Rule> beyond_ascii_;
  std::optional<AutomatonBuilder::Rule> any_json_character_;
  std::optional<AutomatonBuilder::Rule> any_raw_character_;
  std::optional<AutomatonBuilder::Rule> integer_;
  std::optional<AutomatonBuilder::Rule> number_;
  std::optional<AutomatonBuilder::Rule> string_;
  std::optional<AutomatonBuilder::Rule> value_;
  std::optional<AutomatonBuilder::Rule> object_;
  std::optional<AutomatonBuilder::Rule> array_;
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_GRAMMAR_TEXT_RULES_H_
