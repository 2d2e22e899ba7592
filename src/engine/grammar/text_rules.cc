#include "engine/grammar/text_rules.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/utf8.h"
#include "tokenizer/python_json.h"

namespace fathom {
namespace {

constexpr char32_t kLastCodePoint = 0x10FFFF;
constexpr char32_t kFullwidthBar = 0xFF5C;
constexpr char32_t kLastAscii = 0x7F;
constexpr std::string_view kEscapedBar = "\\uff5c";
constexpr int kFractionDigits = 16;
// Whole numbers up to here are doubles.
constexpr int64_t kMaxExactWhole = int64_t{1} << 53;

const CodePoints& AllCharacters() {
  static const CodePoints kAll = {{0, 0xD7FF}, {0xE000, kLastCodePoint}};
  return kAll;
}

std::string Utf8(char32_t code_point) {
  std::string out;
  AppendUtf8(code_point, &out);
  return out;
}

// `c` as it stands in a JSON string: itself or an escape.
std::string InJson(char32_t c) {
  if (c == kFullwidthBar) return std::string(kEscapedBar);
  std::string quoted;
  AppendJsonString(Utf8(c), &quoted);
  return quoted.substr(1, quoted.size() - 2);
}

std::string WithEscapedBars(std::string_view json) {
  std::string out;
  for (const std::string bar = Utf8(kFullwidthBar); !json.empty();) {
    const size_t size = std::min(json.find(bar), json.size());
    out.append(json.substr(0, size));
    json.remove_prefix(size);
    if (json.empty()) break;
    out.append(kEscapedBar);
    json.remove_prefix(bar.size());
  }
  return out;
}

// Who reads a number may round it to a double, and then it must still be apart from the bound that it may not reach.
// The whole number next to a bound from 0:
int64_t WholeAbove(int64_t bound) {
  if (bound < kMaxExactWhole) return bound + 1;
  return static_cast<int64_t>(std::nextafter(static_cast<double>(bound), HUGE_VAL));
}
int64_t WholeBelow(int64_t bound) {
  if (bound <= kMaxExactWhole) return bound - 1;
  return static_cast<int64_t>(std::nextafter(static_cast<double>(bound), 0.0));
}
// Digits behind the point with which all numbers from `whole` to the next are apart, also from these two: 15 digits
// are always told apart.
int ExactFractionDigits(int64_t whole) {
  return 15 - (whole == 0 ? 0 : static_cast<int>(std::to_string(whole).size()));
}

}  // namespace

TextRules::TextRules(AutomatonBuilder* builder, JsonPlace place)
    : builder_(*builder),
      in_tool_call_(place == JsonPlace::kToolCall),
      escaped_(in_tool_call_ ? CodePoints{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}, {kFullwidthBar, kFullwidthBar}}
                             : CodePoints{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}) {}

CodePoints Normalized(CodePoints set) {
  std::sort(set.begin(), set.end());
  CodePoints out;
  for (const auto& [low, high] : set) {
    if (low > high) continue;
    if (!out.empty() && low <= out.back().second + 1) {
      out.back().second = std::max(out.back().second, high);
    } else {
      out.emplace_back(low, high);
    }
  }
  return out;
}

CodePoints Complement(const CodePoints& set) {
  CodePoints out;
  char32_t next = 0;
  for (const auto& [low, high] : set) {
    if (low > next) out.emplace_back(next, low - 1);
    next = high + 1;
  }
  if (next <= kLastCodePoint) out.emplace_back(next, kLastCodePoint);
  return out;
}

CodePoints Intersection(const CodePoints& a, const CodePoints& b) {
  CodePoints out;
  for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const char32_t low = std::max(a[i].first, b[j].first);
    const char32_t high = std::min(a[i].second, b[j].second);
    if (low <= high) out.emplace_back(low, high);
    (a[i].second < b[j].second ? i : j) += 1;
  }
  return out;
}

// Cuts a range until all its characters have the same number of bytes and every byte position takes a full range.
void TextRules::AddUtf8Range(int32_t from, char32_t low, char32_t high, int32_t to) {
  for (const char32_t last : {char32_t{0x7F}, char32_t{0x7FF}, char32_t{0xFFFF}}) {
    if (low > last || high <= last) continue;
    AddUtf8Range(from, low, last, to);
    return AddUtf8Range(from, last + 1, high, to);
  }
  const std::string first = Utf8(low);
  for (size_t bytes = 1; bytes < first.size(); ++bytes) {
    const char32_t mask = (char32_t{1} << (6 * bytes)) - 1;
    if ((low & ~mask) == (high & ~mask)) continue;
    if ((low & mask) != 0) {
      AddUtf8Range(from, low, low | mask, to);
      return AddUtf8Range(from, (low | mask) + 1, high, to);
    }
    if ((high & mask) != mask) {
      AddUtf8Range(from, low, (high & ~mask) - 1, to);
      return AddUtf8Range(from, high & ~mask, high, to);
    }
  }
  const std::string last = Utf8(high);
  int32_t state = from;
  for (size_t at = 0; at < first.size(); ++at) {
    const int32_t next = at + 1 == first.size() ? to : builder_.AddState();
    builder_.AddRange(state, static_cast<uint8_t>(first[at]), static_cast<uint8_t>(last[at]), next);
    state = next;
  }
}

void TextRules::AddUtf8(int32_t from, const CodePoints& set, int32_t to) {
  for (const auto& [low, high] : Intersection(set, {{0, kLastAscii}})) {
    builder_.AddRange(from, static_cast<int>(low), static_cast<int>(high), to);
  }
  const CodePoints beyond = Intersection(Intersection(set, AllCharacters()), {{kLastAscii + 1, kLastCodePoint}});
  if (beyond.empty()) return;
  const auto [place, added] = beyond_ascii_.try_emplace(beyond);
  if (added) {
    place->second = builder_.AddRule();
    for (const auto& [low, high] : beyond) AddUtf8Range(place->second.start, low, high, place->second.end);
  }
  builder_.AddCall(from, place->second, to);
}

void TextRules::AddCharacter(int32_t from, const CodePoints& set, StringSpelling spelling, int32_t to) {
  if (spelling == StringSpelling::kRaw) {
    return AddUtf8(from, Intersection(set, Complement({{kFullwidthBar, kFullwidthBar}})), to);
  }
  AddUtf8(from, Intersection(set, Complement(escaped_)), to);
  std::vector<std::string> spellings;
  for (const auto& [low, high] : Intersection(set, escaped_)) {
    for (char32_t c = low; c <= high; ++c) spellings.push_back(InJson(c));
  }
  const std::vector<std::string_view> views(spellings.begin(), spellings.end());
  builder_.AddTexts(from, views, to);
}

// Any escape of one character; surrogates only in pairs.
void TextRules::AddEscape(int32_t from, int32_t to) {
  const auto hex = [&](int32_t state, std::string_view first, int32_t next) {
    for (const char digit : first) builder_.AddSymbol(state, digit, next);
  };
  const auto any_hex = [&](int32_t state, int32_t next) { hex(state, "0123456789abcdefABCDEF", next); };
  const int32_t escape = builder_.AddState();
  builder_.AddSymbol(from, '\\', escape);
  for (const char c : std::string_view("\"\\/bfnrt")) builder_.AddSymbol(escape, c, to);
  const int32_t digits = builder_.AddState();
  const int32_t second = builder_.AddState();
  const int32_t third = builder_.AddState();
  const int32_t fourth = builder_.AddState();
  builder_.AddSymbol(escape, 'u', digits);
  hex(digits, "0123456789abcefABCEF", second);
  any_hex(second, third);
  any_hex(third, fourth);
  any_hex(fourth, to);
  const int32_t after_d = builder_.AddState();
  hex(digits, "dD", after_d);
  hex(after_d, "01234567", third);
  int32_t state = builder_.AddState();
  hex(after_d, "89abAB", state);
  // The rest of the high surrogate and the whole low one.
  for (const std::string_view set :
       {"0123456789abcdefABCDEF", "0123456789abcdefABCDEF", "\\", "u", "dD", "cdefCDEF", "0123456789abcdefABCDEF"}) {
    const int32_t next = builder_.AddState();
    hex(state, set, next);
    state = next;
  }
  any_hex(state, to);
}

AutomatonBuilder::Rule TextRules::AnyCharacter(StringSpelling spelling) {
  const bool json = spelling == StringSpelling::kJson;
  std::optional<AutomatonBuilder::Rule>& rule = json ? any_json_character_ : any_raw_character_;
  if (!rule) {
    rule = builder_.AddRule();
    const CodePoints plain = json ? Complement(escaped_) : AllCharacters();
    AddCharacter(rule->start, plain, spelling, rule->end);
    if (json) AddEscape(rule->start, rule->end);
  }
  return *rule;
}

void TextRules::AddCharacters(int32_t from, int64_t least, std::optional<int64_t> most, StringSpelling spelling,
                              int32_t to) {
  const AutomatonBuilder::Rule any = AnyCharacter(spelling);
  int32_t state = from;
  for (int64_t count = 0; !most || count < *most; ++count) {
    if (builder_.full()) return;
    if (count >= least) builder_.AddEpsilon(state, to);
    const int32_t next = builder_.AddState();
    if (!most && count >= least) {
      builder_.AddEpsilon(state, next);
      builder_.AddCall(next, any, next);
      builder_.AddEpsilon(next, to);
      return;
    }
    builder_.AddCall(state, any, next);
    state = next;
  }
  if (!most || *most >= least) builder_.AddEpsilon(state, to);
}

void TextRules::AddOtherKey(int32_t from, std::span<const std::string> names, const CodePoints& set, int32_t to) {
  struct Beginning {
    int32_t state = 0;
    bool name = false;
    std::map<char32_t, size_t> next;
  };
  std::vector<Beginning> beginnings(1);
  beginnings[0].state = builder_.AddState();
  builder_.AddSymbol(from, '"', beginnings[0].state);
  for (const std::string_view name : names) {
    size_t at = 0;
    for (std::string_view rest = name; !rest.empty();) {
      const Utf8Char character = ReadUtf8(rest);
      rest.remove_prefix(character.size);
      const auto [place, added] = beginnings[at].next.try_emplace(character.code_point, beginnings.size());
      at = place->second;
      if (added) beginnings.push_back({builder_.AddState(), false, {}});
    }
    beginnings[at].name = true;
  }
  const int32_t other = builder_.AddState();
  const CodePoints plain = Intersection(set, Complement(escaped_));
  AddUtf8(other, plain, other);
  builder_.AddSymbol(other, '"', to);
  for (const Beginning& beginning : beginnings) {
    if (!beginning.name) builder_.AddSymbol(beginning.state, '"', to);
    CodePoints known;
    for (const auto& [character, next] : beginning.next) {
      known.emplace_back(character, character);
      AddUtf8(beginning.state, Intersection(plain, {{character, character}}), beginnings[next].state);
    }
    AddUtf8(beginning.state, Intersection(plain, Complement(Normalized(known))), other);
  }
}

void TextRules::AddParameterText(int32_t from, int32_t to) {
  // By how much of the mark the text ends with. '<' is in it only once, so what fails starts over at 0 or 1.
  constexpr std::u32string_view kMark = U"</｜DSML｜";
  std::vector<int32_t> states;
  for (size_t at = 0; at < kMark.size(); ++at) states.push_back(builder_.AddState());
  builder_.AddEpsilon(from, states[0]);
  for (size_t at = 0; at < kMark.size(); ++at) {
    const char32_t expected = kMark[at];
    AddUtf8(states[at], Complement(Normalized({{'<', '<'}, {expected, expected}})), states[0]);
    if (expected != '<') AddUtf8(states[at], {{'<', '<'}}, states[1]);
    if (at + 1 < kMark.size()) AddUtf8(states[at], {{expected, expected}}, states[at + 1]);
    builder_.AddEpsilon(states[at], to);
  }
}

void TextRules::AddSeparator(int32_t from, char separator, int32_t to) {
  const int32_t space = builder_.AddState();
  builder_.AddSymbol(from, separator, space);
  builder_.AddSymbol(space, ' ', to);
  builder_.AddEpsilon(space, to);
}

// Non-negative `low` to `high`, without leading zeros.
void TextRules::AddDigitRange(int32_t from, int64_t low, int64_t high, int32_t to) {
  for (size_t digits = std::to_string(low).size(); low <= high && digits <= std::to_string(high).size(); ++digits) {
    std::string least(digits, '0');
    if (digits > 1) least[0] = '1';
    std::string most(digits, '9');
    if (digits == std::to_string(low).size()) least = std::to_string(low);
    if (digits == std::to_string(high).size()) most = std::to_string(high);
    // States by whether the digits so far are those of `least` (1) and of `most` (2).
    std::array<int32_t, 4> states = {-1, -1, -1, from};
    for (size_t at = 0; at < digits; ++at) {
      std::array<int32_t, 4> next = {-1, -1, -1, -1};
      for (size_t tight = 0; tight < 4; ++tight) {
        if (states[tight] < 0) continue;
        const char first = (tight & 1) != 0 ? least[at] : '0';
        const char last = (tight & 2) != 0 ? most[at] : '9';
        for (char digit = first; digit <= last; ++digit) {
          const size_t still =
              ((tight & 1) != 0 && digit == least[at] ? 1u : 0u) | ((tight & 2) != 0 && digit == most[at] ? 2u : 0u);
          if (next[still] < 0) next[still] = at + 1 == digits ? to : builder_.AddState();
          builder_.AddSymbol(states[tight], digit, next[still]);
        }
      }
      states = next;
    }
  }
}

void TextRules::AddInteger(int32_t from, const NumberBounds& bounds, int32_t to) {
  if (!bounds.low && !bounds.high) {
    if (!integer_) {
      integer_ = builder_.AddRule();
      AddInteger(integer_->start, {-kMaxGrammarInteger, kMaxGrammarInteger}, integer_->end);
    }
    return builder_.AddCall(from, *integer_, to);
  }
  const int64_t low =
      std::max(bounds.low.value_or(-kMaxGrammarInteger) + (bounds.low_open ? 1 : 0), -kMaxGrammarInteger);
  const int64_t high =
      std::min(bounds.high.value_or(kMaxGrammarInteger) - (bounds.high_open ? 1 : 0), kMaxGrammarInteger);
  if (low > high) return;
  if (high >= 0) AddDigitRange(from, std::max<int64_t>(low, 0), high, to);
  if (low >= 0) return;
  const int32_t minus = builder_.AddState();
  builder_.AddSymbol(from, '-', minus);
  AddDigitRange(minus, std::max<int64_t>(-high, 1), -low, to);
}

// "." and 1 to `digits` digits; `zero`: they may all be 0.
void TextRules::AddFraction(int32_t from, int digits, bool zero, int32_t to) {
  int32_t zeros = builder_.AddState();
  int32_t others = builder_.AddState();
  builder_.AddSymbol(from, '.', zeros);
  for (int digit = 0; digit < digits; ++digit) {
    const int32_t next_zeros = builder_.AddState();
    const int32_t next_others = builder_.AddState();
    builder_.AddSymbol(zeros, '0', next_zeros);
    builder_.AddRange(zeros, '1', '9', next_others);
    builder_.AddRange(others, '0', '9', next_others);
    builder_.AddEpsilon(next_others, to);
    if (zero) builder_.AddEpsilon(next_zeros, to);
    zeros = next_zeros;
    others = next_others;
  }
}

// Non-negative numbers of a range with both bounds.
void TextRules::AddRealRange(int32_t from, const NumberBounds& bounds, int32_t to) {
  const int64_t low = *bounds.low;
  const int64_t high = *bounds.high;
  if (low > high) return;
  const int64_t first = bounds.low_open ? WholeAbove(low) : low;
  const int64_t last = bounds.high_open ? WholeBelow(high) : high;
  if (first <= last) AddDigitRange(from, first, last, to);
  const auto with_fraction = [&](int64_t least, int64_t most, int digits, bool zero) {
    if (least > most || digits < 1) return;
    const int32_t point = builder_.AddState();
    AddDigitRange(from, least, most, point);
    AddFraction(point, digits, zero, to);
  };
  with_fraction(first, last - 1, kFractionDigits, true);
  if (bounds.high_open && first <= last) with_fraction(last, last, ExactFractionDigits(last), true);
  if (bounds.low_open && low < high) with_fraction(low, low, ExactFractionDigits(low), false);
}

void TextRules::AddExponentNumber(int32_t from, int32_t to) {
  const int32_t digits = builder_.AddState();
  const int32_t whole = builder_.AddState();
  const int32_t mantissa = builder_.AddState();
  const int32_t exponent = builder_.AddState();
  const int32_t sign = builder_.AddState();
  const int32_t last = builder_.AddState();
  builder_.AddSymbol(from, '-', digits);
  builder_.AddEpsilon(from, digits);
  AddDigitRange(digits, 0, kMaxGrammarInteger, whole);
  builder_.AddEpsilon(whole, mantissa);
  AddFraction(whole, kFractionDigits, true, mantissa);
  builder_.AddEpsilon(mantissa, to);
  builder_.AddSymbol(mantissa, 'e', exponent);
  builder_.AddSymbol(mantissa, 'E', exponent);
  builder_.AddEpsilon(exponent, sign);
  builder_.AddSymbol(exponent, '+', sign);
  builder_.AddSymbol(exponent, '-', sign);
  // Two digits: no double overflows.
  builder_.AddRange(sign, '0', '9', last);
  builder_.AddRange(last, '0', '9', to);
  builder_.AddEpsilon(last, to);
}

void TextRules::AddNumber(int32_t from, const NumberBounds& bounds, int32_t to) {
  if (!bounds.low && !bounds.high) {
    if (!number_) {
      number_ = builder_.AddRule();
      AddExponentNumber(number_->start, number_->end);
    }
    return builder_.AddCall(from, *number_, to);
  }
  NumberBounds range = bounds;
  range.low = std::max(bounds.low.value_or(-kMaxGrammarInteger), -kMaxGrammarInteger);
  range.high = std::min(bounds.high.value_or(kMaxGrammarInteger), kMaxGrammarInteger);
  if (*range.high >= 0) {
    NumberBounds positive = range;
    if (*range.low < 0) {
      positive.low = 0;
      positive.low_open = false;
    }
    AddRealRange(from, positive, to);
  }
  if (*range.low >= 0) return;
  const int32_t minus = builder_.AddState();
  builder_.AddSymbol(from, '-', minus);
  NumberBounds negative{-*range.high, -*range.low, range.high_open, range.low_open};
  if (*range.high > 0 || (*range.high == 0 && !range.high_open)) {
    negative.low = 0;  // -0 is 0, which is in the range
    negative.low_open = false;
  }
  AddRealRange(minus, negative, to);
}

void TextRules::AddLiterals(int32_t from, std::span<const Json> values, int32_t to) {
  std::vector<std::string> texts;
  for (const Json& value : values) {
    const std::string text = DumpPythonJson(value);
    texts.push_back(in_tool_call_ ? WithEscapedBars(text) : text);
  }
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  builder_.AddTexts(from, views, to);
}

AutomatonBuilder::Rule TextRules::String() {
  if (!string_) {
    string_ = builder_.AddRule();
    const int32_t first = builder_.AddState();
    const int32_t last = builder_.AddState();
    builder_.AddSymbol(string_->start, '"', first);
    AddCharacters(first, 0, std::nullopt, StringSpelling::kJson, last);
    builder_.AddSymbol(last, '"', string_->end);
  }
  return *string_;
}

void TextRules::AddAnyScalar(int32_t from, bool strings, int32_t to) {
  for (const char* word : {"true", "false", "null"}) builder_.AddText(from, word, to);
  AddNumber(from, {}, to);
  if (strings) builder_.AddCall(from, String(), to);
}

AutomatonBuilder::Rule TextRules::AnyValue() {
  if (!value_) {
    value_ = builder_.AddRule();
    AddAnyScalar(value_->start, true, value_->end);
    builder_.AddCall(value_->start, AnyObject(), value_->end);
    builder_.AddCall(value_->start, AnyArray(), value_->end);
  }
  return *value_;
}

AutomatonBuilder::Rule TextRules::AnyObject() {
  if (!object_) {
    object_ = builder_.AddRule();
    const auto [start, end] = *object_;
    const int32_t open = builder_.AddState();
    const int32_t member = builder_.AddState();
    const int32_t colon = builder_.AddState();
    const int32_t value = builder_.AddState();
    const int32_t after = builder_.AddState();
    builder_.AddSymbol(start, '{', open);
    builder_.AddSymbol(open, '}', end);
    builder_.AddEpsilon(open, member);
    builder_.AddCall(member, String(), colon);
    AddSeparator(colon, ':', value);
    builder_.AddCall(value, AnyValue(), after);
    AddSeparator(after, ',', member);
    builder_.AddSymbol(after, '}', end);
  }
  return *object_;
}

AutomatonBuilder::Rule TextRules::AnyArray() {
  if (!array_) {
    array_ = builder_.AddRule();
    const auto [start, end] = *array_;
    const int32_t open = builder_.AddState();
    const int32_t item = builder_.AddState();
    const int32_t after = builder_.AddState();
    builder_.AddSymbol(start, '[', open);
    builder_.AddSymbol(open, ']', end);
    builder_.AddEpsilon(open, item);
    builder_.AddCall(item, AnyValue(), after);
    AddSeparator(after, ',', item);
    builder_.AddSymbol(after, ']', end);
  }
  return *array_;
}

}  // namespace fathom
