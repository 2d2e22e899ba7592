#include "engine/grammar/regex.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "base/utf8.h"

namespace fathom {
namespace {

constexpr int kMaxCount = 10000;
constexpr int kUnlimited = -1;

const CodePoints& Digits() {
  static const CodePoints kSet = {{'0', '9'}};
  return kSet;
}
const CodePoints& WordCharacters() {
  static const CodePoints kSet = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  return kSet;
}
const CodePoints& Spaces() {
  static const CodePoints kSet = {{'\t', '\r'},     {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                                  {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                                  {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  return kSet;
}

// Alternatives of sequences of pieces.
struct Piece;
using Sequence = std::vector<Piece>;
struct Piece {
  CodePoints set;                    // unless a group
  std::vector<Sequence> group = {};  // alternatives
  bool is_group = false;
  int least = 1;
  int most = 1;  // or kUnlimited
};

class Parser {
 public:
  explicit Parser(std::u32string pattern) : pattern_(std::move(pattern)) {}

  Result<std::vector<Sequence>> Parse() {
    FATHOM_ASSIGN_OR_RETURN(std::vector<Sequence> alternatives, ParseAlternatives(0));
    if (at_ < pattern_.size()) return Error("')' has no '('");
    return alternatives;
  }

 private:
  Status Error(std::string_view what) const { return InvalidArgument(StrCat(what, " at character ", at_ + 1)); }
  bool AtEnd() const { return at_ >= pattern_.size(); }
  bool Take(char32_t c) {
    if (AtEnd() || pattern_[at_] != c) return false;
    ++at_;
    return true;
  }

  Result<std::vector<Sequence>> ParseAlternatives(int depth) {
    if (depth > kMaxPatternDepth) return Error("groups are nested too deep");
    std::vector<Sequence> alternatives(1);
    while (!AtEnd() && pattern_[at_] != ')') {
      if (Take('|')) {
        alternatives.emplace_back();
        continue;
      }
      FATHOM_ASSIGN_OR_RETURN(Piece piece, ParsePiece(depth));
      FATHOM_RETURN_IF_ERROR(ParseQuantifier(&piece));
      alternatives.back().push_back(std::move(piece));
    }
    return alternatives;
  }

  Result<Piece> ParsePiece(int depth) {
    Piece piece;
    if (Take('(')) {
      if (Take('?') && !Take(':')) return Error("look-around, named groups and flags are not supported");
      FATHOM_ASSIGN_OR_RETURN(piece.group, ParseAlternatives(depth + 1));
      piece.is_group = true;
      if (!Take(')')) return Error("')' is missing");
      return piece;
    }
    if (Take('[')) {
      FATHOM_ASSIGN_OR_RETURN(piece.set, ParseClass());
      return piece;
    }
    if (Take('.')) {
      piece.set = Complement({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}});
      return piece;
    }
    if (Take('\\')) {
      FATHOM_ASSIGN_OR_RETURN(piece.set, ParseEscape(false));
      return piece;
    }
    const char32_t c = pattern_[at_];
    if (c == '^' || c == '$') return Error("'^' and '$' are supported only at the ends of the whole pattern");
    if (c == '*' || c == '+' || c == '?' || c == '{' || c == '}' || c == ']')
      return Error("a quantifier or bracket alone");
    ++at_;
    piece.set = {{c, c}};
    return piece;
  }

  Status ParseQuantifier(Piece* piece) {
    if (Take('*')) {
      piece->least = 0;
      piece->most = kUnlimited;
    } else if (Take('+')) {
      piece->most = kUnlimited;
    } else if (Take('?')) {
      piece->least = 0;
    } else if (Take('{')) {
      const std::optional<int> least = ParseCount();
      if (!least) return Error("a number is expected");
      piece->least = piece->most = *least;
      if (Take(',')) piece->most = ParseCount().value_or(kUnlimited);
      if (!Take('}')) return Error("'}' is missing, or the count is too large");
      if (piece->most != kUnlimited && piece->most < piece->least) return Error("the counts are in the wrong order");
    } else {
      return {};
    }
    if (!AtEnd() && (pattern_[at_] == '?' || pattern_[at_] == '+' || pattern_[at_] == '*' || pattern_[at_] == '{')) {
      return Error("a quantifier after a quantifier is not supported");
    }
    return {};
  }

  std::optional<int> ParseCount() {
    std::optional<int> count;
    while (!AtEnd() && pattern_[at_] >= '0' && pattern_[at_] <= '9' && count.value_or(0) <= kMaxCount) {
      count = count.value_or(0) * 10 + static_cast<int>(pattern_[at_++] - '0');
    }
    return count;
  }

  Result<CodePoints> ParseClass() {
    const bool negated = Take('^');
    CodePoints set;
    while (!Take(']')) {
      if (AtEnd()) return Error("']' is missing");
      FATHOM_ASSIGN_OR_RETURN(const CodePoints first, ParseClassMember());
      const bool range = at_ + 1 < pattern_.size() && pattern_[at_] == '-' && pattern_[at_ + 1] != ']';
      if (!range) {
        set.insert(set.end(), first.begin(), first.end());
        continue;
      }
      ++at_;
      FATHOM_ASSIGN_OR_RETURN(const CodePoints last, ParseClassMember());
      const auto single = [](const CodePoints& member) {
        return member.size() == 1 && member[0].first == member[0].second;
      };
      if (!single(first) || !single(last) || first[0].first > last[0].first) return Error("this is no range");
      set.emplace_back(first[0].first, last[0].first);
    }
    set = Normalized(std::move(set));
    return negated ? Complement(set) : set;
  }

  Result<CodePoints> ParseClassMember() {
    if (AtEnd()) return Error("']' is missing");
    if (Take('\\')) return ParseEscape(true);
    const char32_t c = pattern_[at_++];
    return CodePoints{{c, c}};
  }

  Result<CodePoints> ParseEscape(bool in_class) {
    if (AtEnd()) return Error("a character is missing after '\\'");
    const char32_t c = pattern_[at_++];
    const auto one = [](char32_t character) { return CodePoints{{character, character}}; };
    switch (c) {
      case 'd':
        return Digits();
      case 'D':
        return Complement(Digits());
      case 'w':
        return WordCharacters();
      case 'W':
        return Complement(WordCharacters());
      case 's':
        return Spaces();
      case 'S':
        return Complement(Spaces());
      case 't':
        return one('\t');
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case '0':
        return one(0);
      case 'x':
        return ParseHex(2);
      case 'u':
        return ParseHex(4);
      default:
        break;
    }
    if (c == 'b' && in_class) return one('\b');
    const bool letter_or_digit = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    if (letter_or_digit) return Error("this escape is not supported");
    return one(c);
  }

  Result<CodePoints> ParseHex(int digits) {
    char32_t value = 0;
    for (int digit = 0; digit < digits; ++digit) {
      constexpr std::u32string_view kHex = U"0123456789abcdef";
      const char32_t c = AtEnd()                                        ? U' '
                         : pattern_[at_] >= 'A' && pattern_[at_] <= 'F' ? pattern_[at_] + 32
                                                                        : pattern_[at_];
      const size_t place = kHex.find(c);
      if (place == std::u32string_view::npos) return Error("a hexadecimal digit is expected");
      value = value * 16 + static_cast<char32_t>(place);
      ++at_;
    }
    return CodePoints{{value, value}};
  }

  const std::u32string pattern_;
  size_t at_ = 0;
};

class Emitter {
 public:
  Emitter(StringSpelling spelling, TextRules* rules, AutomatonBuilder* builder)
      : spelling_(spelling), rules_(*rules), builder_(*builder) {}

  void Add(const std::vector<Sequence>& alternatives, int32_t from, int32_t to) {
    for (const Sequence& sequence : alternatives) {
      int32_t state = from;
      for (const Piece& piece : sequence) {
        const int32_t next = builder_.AddState();
        AddRepeated(piece, state, next);
        state = next;
      }
      builder_.AddEpsilon(state, to);
    }
  }

 private:
  void AddOnce(const Piece& piece, int32_t from, int32_t to) {
    if (piece.is_group) return Add(piece.group, from, to);
    rules_.AddCharacter(from, piece.set, spelling_, to);
  }

  void AddRepeated(const Piece& piece, int32_t from, int32_t to) {
    int32_t state = from;
    for (int count = 0; piece.most == kUnlimited ? count < piece.least : count < piece.most; ++count) {
      if (builder_.full()) return;
      if (count >= piece.least) builder_.AddEpsilon(state, to);
      const int32_t next = builder_.AddState();
      AddOnce(piece, state, next);
      state = next;
    }
    if (piece.most == kUnlimited) {
      // A state of its own: a loop at `state` could be entered from what is before it.
      const int32_t loop = builder_.AddState();
      builder_.AddEpsilon(state, loop);
      AddOnce(piece, loop, loop);
      state = loop;
    }
    builder_.AddEpsilon(state, to);
  }

  const StringSpelling spelling_;
  TextRules& rules_;
  AutomatonBuilder& builder_;
};

// Whether the alternatives are not all between the anchors: ^a|b$ means (^a)|(b$).
bool HasTopLevelBar(std::u32string_view pattern) {
  int depth = 0;
  bool in_class = false;
  for (size_t at = 0; at < pattern.size(); ++at) {
    const char32_t c = pattern[at];
    if (c == '\\') {
      ++at;
    } else if (in_class) {
      in_class = c != ']';
    } else if (c == '[') {
      in_class = true;
    } else if (c == '(' || c == ')') {
      depth += c == '(' ? 1 : -1;
    } else if (c == '|' && depth == 0) {
      return true;
    }
  }
  return false;
}

// An odd number of backslashes before the last character makes it a literal.
bool EndsWithAnchor(std::u32string_view pattern) {
  if (!pattern.ends_with('$')) return false;
  size_t backslashes = 0;
  while (backslashes + 1 < pattern.size() && pattern[pattern.size() - 2 - backslashes] == '\\') ++backslashes;
  return backslashes % 2 == 0;
}

}  // namespace

Status AddPattern(std::string_view pattern, StringSpelling spelling, TextRules* rules, AutomatonBuilder* builder,
                  int32_t from, int32_t to) {
  if (pattern.size() > kMaxPatternBytes) {
    return InvalidArgument(StrCat("the pattern has ", pattern.size(), " bytes; accepted are ", kMaxPatternBytes));
  }
  std::u32string text;
  for (std::string_view rest = pattern; !rest.empty();) {
    const Utf8Char character = ReadUtf8(rest);
    text.push_back(character.code_point);
    rest.remove_prefix(character.size);
  }
  const bool starts = text.starts_with('^');
  const bool ends = EndsWithAnchor(text);
  if ((starts || ends) && HasTopLevelBar(text)) {
    return InvalidArgument("'^' or '$' beside '|' without a group is not supported; write ^(a|b)$");
  }
  if (starts) text.erase(0, 1);
  if (ends) text.pop_back();
  FATHOM_ASSIGN_OR_RETURN(const std::vector<Sequence> alternatives, Parser(std::move(text)).Parse());
  const int32_t first = builder->AddState();
  const int32_t last = builder->AddState();
  if (starts) {
    builder->AddEpsilon(from, first);
  } else {
    rules->AddCharacters(from, 0, std::nullopt, spelling, first);
  }
  Emitter(spelling, rules, builder).Add(alternatives, first, last);
  if (ends) {
    builder->AddEpsilon(last, to);
  } else {
    rules->AddCharacters(last, 0, std::nullopt, spelling, to);
  }
  return {};
}

}  // namespace fathom
