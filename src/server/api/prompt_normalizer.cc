#include "server/api/prompt_normalizer.h"

#include <algorithm>
#include <array>
#include <string>

#include "base/strings.h"

namespace fathom {

namespace {

constexpr std::string_view kBillingHeader = "x-anthropic-billing-header:";
constexpr size_t kMaxDateLineBytes = 200;

// Lower-case words and numbers of a line; what stands between two of them counts by whether it has a ':' '-' or '/'.
struct Word {
  std::string text;
  char before = ' ';  // the byte directly before it
  bool number = false;
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
bool IsLetter(char c) { return Lower(c) >= 'a' && Lower(c) <= 'z'; }

std::string LowerCase(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), Lower);
  return out;
}

// "2026-11-25T14:03:59Z" is 2026, 11, 25, t, 14, 03, 59, z. Apostrophes are letters: "today's".
std::vector<Word> WordsOf(std::string_view line) {
  std::vector<Word> words;
  const auto letter = [](char c) { return IsLetter(c) || c == '\''; };
  for (size_t at = 0; at < line.size();) {
    const bool number = IsDigit(line[at]);
    if (!number && !letter(line[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < line.size() && (number ? IsDigit(line[end]) : letter(line[end]))) ++end;
    words.push_back({LowerCase(line.substr(at, end - at)), at > 0 ? line[at - 1] : ' ', number});
    at = end;
  }
  return words;
}

bool NamesTime(const std::vector<Word>& words) {
  static constexpr std::array<std::string_view, 7> kNames = {"date",  "datetime", "time", "timestamp",
                                                             "today", "today's",  "now"};
  return std::any_of(words.begin(), words.end(), [](const Word& word) {
    return std::find(kNames.begin(), kNames.end(), word.text) != kNames.end();
  });
}

bool IsMonth(const Word& word) {
  static constexpr std::array<std::string_view, 12> kMonths = {"january",   "february", "march",    "april",
                                                               "may",       "june",     "july",     "august",
                                                               "september", "october",  "november", "december"};
  constexpr size_t kShort = 3;
  return std::any_of(kMonths.begin(), kMonths.end(), [&](std::string_view month) {
    return word.text == month || word.text == month.substr(0, kShort) || (word.text == "sept" && month == "september");
  });
}

bool IsYear(const Word& word) {
  return word.number && word.text.size() == 4 && (word.text.starts_with("19") || word.text.starts_with("20"));
}
bool IsDay(const Word& word) { return word.number && word.text.size() <= 2; }
bool Follows(const Word& word, char separator) { return word.before == separator; }

bool GivesTime(const std::vector<Word>& words) {
  for (size_t i = 0; i + 2 < words.size(); ++i) {
    const Word& a = words[i];
    const Word& b = words[i + 1];
    const Word& c = words[i + 2];
    for (const char separator : {'-', '/', '.'}) {
      const bool joined = Follows(b, separator) && Follows(c, separator);
      if (joined && IsDay(b) && ((IsYear(a) && IsDay(c)) || (IsDay(a) && IsYear(c)))) return true;
    }
    if (IsDay(a) && IsDay(b) && IsDay(c) && Follows(b, ':') && Follows(c, ':')) return true;
    if (IsMonth(a) && IsDay(b) && IsYear(c)) return true;
    if (IsDay(a) && IsMonth(b) && IsYear(c)) return true;
    // "25th of November 2026", "November 25th, 2026", "Wed Nov 25 14:03:59 2026" has its time.
    if (i + 3 < words.size() && IsYear(words[i + 3])) {
      if (IsMonth(a) && IsDay(b) && !c.number) return true;
      if (IsDay(a) && !b.number && IsMonth(c)) return true;
    }
  }
  return false;
}

// Splits `text` into lines, gives each to `keep` and puts those that it keeps together again.
template <typename Keep>
std::string FilterLines(std::string_view text, const Keep& keep) {
  std::string out;
  bool first = true;
  bool removed = false;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    if (!keep(line)) {
      removed = true;
      continue;
    }
    if (!first) out += '\n';
    first = false;
    out += line;
  }
  return removed ? out : std::string(text);
}

bool IsHeaderLine(std::string_view line) {
  return line.size() >= kBillingHeader.size() && LowerCase(line.substr(0, kBillingHeader.size())) == kBillingHeader;
}

ChatMessage* FindUser(DateLines place, std::vector<ChatMessage>* messages) {
  const auto is_user = [](const ChatMessage& message) { return message.role == "user"; };
  if (place == DateLines::kFirstUser) {
    const auto found = std::find_if(messages->begin(), messages->end(), is_user);
    return found == messages->end() ? nullptr : &*found;
  }
  const auto found = std::find_if(messages->rbegin(), messages->rend(), is_user);
  return found == messages->rend() ? nullptr : &*found;
}

}  // namespace

Result<PromptNormalization> ParsePromptNormalization(std::string_view name) {
  if (name == "off") return PromptNormalization{};
  if (name == "headers") return PromptNormalization{true, DateLines::kKeep};
  if (name == "first-user") return PromptNormalization{true, DateLines::kFirstUser};
  if (name == "last-user") return PromptNormalization{true, DateLines::kLastUser};
  if (name == "drop") return PromptNormalization{true, DateLines::kDrop};
  return InvalidArgument(StrCat("the normalisation of prompts is \"", Printable(name),
                                "\"; accepted are off, headers, first-user, last-user and drop"));
}

bool IsDateLine(std::string_view line) {
  if (line.size() > kMaxDateLineBytes) return false;
  const std::vector<Word> words = WordsOf(line);
  return NamesTime(words) && GivesTime(words);
}

void NormalizePrompt(const PromptNormalization& normalization, std::vector<ChatMessage>* messages) {
  if (!normalization.remove_headers && normalization.dates == DateLines::kKeep) return;
  const bool moves = normalization.dates == DateLines::kFirstUser || normalization.dates == DateLines::kLastUser;
  ChatMessage* const user = moves ? FindUser(normalization.dates, messages) : nullptr;
  const bool takes_dates = normalization.dates == DateLines::kDrop || user != nullptr;
  std::string moved;
  for (ChatMessage& message : *messages) {
    if (message.role != "system" && message.role != "developer") break;
    message.content = FilterLines(message.content, [&](std::string_view line) {
      if (normalization.remove_headers && IsHeaderLine(line)) return false;
      if (!takes_dates || !IsDateLine(line)) return true;
      moved += StrCat(moved.empty() ? "" : "\n", line);
      return false;
    });
  }
  if (user != nullptr && !moved.empty()) user->content += StrCat(user->content.empty() ? "" : "\n\n", moved);
}

}  // namespace fathom
