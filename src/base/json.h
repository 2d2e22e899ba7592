// json.h - one JSON value type for configs, headers, API bodies and tool arguments.
//
// Parsing is RapidJSON's; this type keeps what its DOM would lose and the chat encoding needs: member order, duplicate
// keys (the last value counts, at the place of the first), and every number as the text it was written as, so that
// integers keep full precision and 1.50 stays different from 1.5 until somebody asks for a double.
#ifndef FATHOM_BASE_JSON_H_
#define FATHOM_BASE_JSON_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace fathom {

class Json {
 public:
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };
  using Member = std::pair<std::string, Json>;

  Json() = default;  // null
  static Json Bool(bool value);
  static Json Int(int64_t value);
  // Shortest text that reads back as `value`.
  static Json Double(double value);
  // The same; null if the number is not finite, which JSON has no text for.
  static Json DoubleOrNull(double value);
  // A number by its text; the caller vouches that it is one.
  static Json Number(std::string text);
  static Json String(std::string text);
  static Json Array(std::vector<Json> items = {});
  static Json Object(std::vector<Member> members = {});

  Type type() const { return type_; }
  bool is_null() const { return type_ == Type::kNull; }
  bool is_bool() const { return type_ == Type::kBool; }
  bool is_number() const { return type_ == Type::kNumber; }
  bool is_string() const { return type_ == Type::kString; }
  bool is_array() const { return type_ == Type::kArray; }
  bool is_object() const { return type_ == Type::kObject; }

  // Accessors CHECK the type.
  bool boolean() const;
  const std::string& string() const;       // a string's text
  const std::string& number_text() const;  // a number as written
  const std::vector<Json>& items() const;
  std::vector<Json>& items();
  const std::vector<Member>& members() const;
  std::vector<Member>& members();

  // A number with neither '.', 'e' nor a name (NaN, Infinity).
  bool is_integer() const;
  // The number if it is a whole number in range (1, 1.0 and 1e3 are); nothing otherwise or for other types.
  std::optional<int64_t> AsInt() const;
  std::optional<double> AsDouble() const;
  // The member called `key`, or null when absent or when this is no object.
  const Json* Find(std::string_view key) const;
  // Sets or replaces a member; appends when new. CHECKs that this is an object.
  void Set(std::string key, Json value);

  // Compact text: no spaces; strings escape only what JSON requires. Non-ASCII is written raw.
  std::string Dump() const;
  // Same with a line per member, two spaces per level.
  std::string DumpPretty() const;

 private:
  Type type_ = Type::kNull;
  bool bool_ = false;
  std::string text_;  // string or number
  std::vector<Json> items_;
  std::vector<Member> members_;
};

struct JsonParseOptions {
  bool allow_nan = false;  // NaN, Infinity, -Infinity as Python's json accepts them
  int max_depth = 256;     // deeper nesting is an error (untrusted input)
};

// Parses one JSON document (nothing but white space may follow). Invalid UTF-8 is an error; an escaped lone surrogate
// becomes U+FFFD. The message names the byte offset; the caller adds the file.
Result<Json> ParseJson(std::string_view text, const JsonParseOptions& options = {});

// Appends `text` as a JSON string with its quotes: escapes only `"`, `\`, \n \r \t \b \f and other characters below
// U+0020 as \u00xx in lower-case hex (what Python's json.dumps(ensure_ascii=False) writes).
void AppendJsonString(std::string_view text, std::string* out);

}  // namespace fathom

#endif  // FATHOM_BASE_JSON_H_
