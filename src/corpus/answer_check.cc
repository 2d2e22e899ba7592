#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "corpus/corpus.h"

namespace fathom {
namespace {

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Whether text[at] parts thousands: a comma between a digit and exactly three more.
bool IsThousandsComma(std::string_view text, size_t at) {
  if (text[at] != ',' || at == 0 || !IsDigit(text[at - 1])) return false;
  size_t digits = 0;
  while (at + 1 + digits < text.size() && IsDigit(text[at + 1 + digits])) ++digits;
  return digits == 3;
}

std::string WithoutThousandsCommas(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (!IsThousandsComma(text, at)) out += text[at];
  }
  return out;
}

// Whether a number's text ends in its sign: a minus that does not stand after something that it subtracts from.
bool EndsInSign(std::string_view text) {
  constexpr std::string_view kMinus = "−";
  const size_t mark = text.ends_with('-') ? 1 : text.ends_with(kMinus) ? kMinus.size() : 0;
  text.remove_suffix(mark);
  const bool subtracts = text.ends_with(')') || (!text.empty() && IsDigit(text.back()));
  return mark > 0 && !subtracts;
}

// The last number as plain decimal text: "-12", "3.5"; without commas, leading zeros and zeros after the point.
std::optional<std::string> LastNumber(std::string_view text) {
  size_t end = text.size();
  while (end > 0 && !IsDigit(text[end - 1])) --end;
  if (end == 0) return std::nullopt;
  size_t begin = end - 1;
  bool point = false;
  const auto continues = [&](size_t at) {
    if (IsDigit(text[at]) || IsThousandsComma(text, at)) return true;
    const bool is_point = text[at] == '.' && !point && at > 0 && IsDigit(text[at - 1]);
    point = point || is_point;
    return is_point;
  };
  while (begin > 0 && continues(begin - 1)) --begin;
  std::string number;
  for (const char c : text.substr(begin, end - begin)) {
    if (c != ',') number += c;
  }
  if (number.find('.') != std::string::npos) {
    number.erase(number.find_last_not_of('0') + 1);
    if (number.ends_with('.')) number.pop_back();
  }
  number.erase(0, std::min(number.find_first_not_of('0'), number.size() - 1));
  if (number.starts_with('.')) number.insert(0, 1, '0');
  if (EndsInSign(text.substr(0, begin)) && number != "0") number.insert(0, 1, '-');
  return number;
}

// Whether the character that begins at `at` belongs to a word or a number: letters of the Latin script (those of two
// bytes included), digits and "_". Other scripts put words side by side.
bool IsWordFrom(std::string_view text, size_t at) {
  if (at >= text.size()) return false;
  const auto byte = static_cast<uint8_t>(text[at]);
  const bool is_latin = byte >= 0xC3 && byte <= 0xC9;
  const bool is_letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z';
  return is_latin || is_letter || IsDigit(text[at]) || text[at] == '_';
}

// The same for the one that ends before `end`.
bool IsWordUpTo(std::string_view text, size_t end) {
  if (end == 0) return false;
  const bool is_second_byte = (static_cast<uint8_t>(text[end - 1]) & 0xC0) == 0x80;
  return IsWordFrom(text, is_second_byte && end > 1 ? end - 2 : end - 1);
}

bool IsPointOrComma(char c) { return c == '.' || c == ','; }

// Whether a word or a number that begins at text[at] has a part before it: "slow" at "low", "1.450" and "-450" at
// "450".
bool GoesOnBefore(std::string_view text, size_t at) {
  if (IsWordFrom(text, at) && IsWordUpTo(text, at)) return true;
  if (at == text.size() || !IsDigit(text[at])) return false;
  const bool fraction = at >= 2 && IsPointOrComma(text[at - 1]) && IsDigit(text[at - 2]);
  return fraction || EndsInSign(text.substr(0, at));
}

// The same for one that ends before text[end]: "70" at "7", "450.75" at "450", but not "450." or "450, 451".
bool GoesOnBehind(std::string_view text, size_t end) {
  if (IsWordUpTo(text, end) && IsWordFrom(text, end)) return true;
  if (end == 0 || !IsDigit(text[end - 1])) return false;
  return end + 1 < text.size() && IsPointOrComma(text[end]) && IsDigit(text[end + 1]);
}

// Whether the text contains the words, and not as a part of a longer word or number.
bool ContainsWords(std::string_view text, std::string_view words) {
  for (size_t at = text.find(words); at != std::string_view::npos; at = text.find(words, at + 1)) {
    if (!GoesOnBefore(text, at) && !GoesOnBehind(text, at + words.size())) return true;
  }
  return false;
}

bool SameJson(const Json& a, const Json& b);

bool HasMembersOf(const Json& a, const Json& b) {
  return std::ranges::all_of(b.members(), [&](const auto& member) {
    const Json* own = a.Find(member.first);
    return own != nullptr && SameJson(*own, member.second);
  });
}

bool SameJson(const Json& a, const Json& b) {
  if (a.type() != b.type()) return false;
  switch (a.type()) {
    case Json::Type::kNull:
      return true;
    case Json::Type::kBool:
      return a.boolean() == b.boolean();
    case Json::Type::kNumber:
      return a.number_text() == b.number_text() || a.AsDouble() == b.AsDouble();
    case Json::Type::kString:
      return a.string() == b.string();
    case Json::Type::kArray:
      if (a.items().size() != b.items().size()) return false;
      for (size_t item = 0; item < a.items().size(); ++item) {
        if (!SameJson(a.items()[item], b.items()[item])) return false;
      }
      return true;
    case Json::Type::kObject:
      // Both ways: a name that stands twice in one could take the place of another.
      return a.members().size() == b.members().size() && HasMembersOf(a, b) && HasMembersOf(b, a);
  }
  return false;
}

bool SameJsonText(std::string_view answer, std::string_view expected) {
  const Result<Json> a = ParseJson(answer);
  const Result<Json> b = ParseJson(expected);
  return a.ok() && b.ok() && SameJson(*a, *b);
}

bool IsCall(const ToolCall& call, const Json& expected) {
  const Json* name = expected.Find("name");
  const Json* arguments = expected.Find("arguments");
  if (name == nullptr || !name->is_string() || arguments == nullptr) return false;
  const Result<Json> given = ParseJson(call.arguments);
  return call.name == name->string() && given.ok() && SameJson(*given, *arguments);
}

bool AreCalls(std::span<const ToolCall> calls, std::string_view expected_text) {
  const Result<Json> expected = ParseJson(expected_text);
  if (!expected.ok() || !expected->is_array()) return false;
  return std::ranges::equal(calls, expected->items(), IsCall);
}

}  // namespace

bool AnswerIsRight(const Dialogue& dialogue, const ChatMessage& answer) {
  if (dialogue.check != AnswerCheck::kToolCalls && !answer.tool_calls.empty()) return false;
  switch (dialogue.check) {
    case AnswerCheck::kExact:
      return Trimmed(answer.content) == dialogue.expected;
    case AnswerCheck::kContains:
      return ContainsWords(WithoutThousandsCommas(answer.content), WithoutThousandsCommas(dialogue.expected));
    case AnswerCheck::kNumber: {
      const std::optional<std::string> number = LastNumber(answer.content);
      return number && number == LastNumber(dialogue.expected);
    }
    case AnswerCheck::kJson:
      return SameJsonText(answer.content, dialogue.expected);
    case AnswerCheck::kToolCalls:
      return AreCalls(answer.tool_calls, dialogue.expected);
  }
  return false;
}

}  // namespace fathom
