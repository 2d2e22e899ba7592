#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "base/check.h"

namespace fathom {

AddedTokenMatcher::AddedTokenMatcher(const std::vector<AddedToken>& tokens) {
  for (const AddedToken& token : tokens) {
    FATHOM_CHECK(!token.content.empty() && token.content.size() <= kMaxAddedTokenBytes);
    entries_.push_back({token.content, token.id});
  }
  // std::string compares bytes as unsigned.
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.content < b.content; });
  for (uint32_t at = 0; at < entries_.size(); ++at) {
    FATHOM_CHECK(at == 0 || entries_[at - 1].content != entries_[at].content);
    Range& range = by_first_byte_[static_cast<uint8_t>(entries_[at].content[0])];
    if (range.end == 0) range.begin = at;
    range.end = at + 1;
  }
}

std::optional<AddedTokenMatcher::Match> AddedTokenMatcher::FindNext(std::string_view text, size_t from) const {
  for (size_t start = from; start < text.size(); ++start) {
    const Range range = by_first_byte_[static_cast<uint8_t>(text[start])];
    auto begin = entries_.begin() + range.begin;
    auto end = entries_.begin() + range.end;
    // All entries in [begin, end) agree with the text in their first `length` bytes. One of exactly that length comes
    // first in the order.
    std::optional<Match> longest;
    for (size_t length = 1; begin != end; ++length) {
      if (begin->content.size() == length) {
        longest = Match{start, start + length, begin->id};
        ++begin;
      }
      if (start + length == text.size()) break;
      const auto byte = static_cast<uint8_t>(text[start + length]);
      const auto byte_of = [length](const Entry& entry) { return static_cast<uint8_t>(entry.content[length]); };
      begin = std::partition_point(begin, end, [&](const Entry& entry) { return byte_of(entry) < byte; });
      end = std::partition_point(begin, end, [&](const Entry& entry) { return byte_of(entry) == byte; });
    }
    if (longest) return longest;
  }
  return std::nullopt;
}

std::optional<int32_t> AddedTokenMatcher::FindExact(std::string_view content) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), content,
                                   [](const Entry& entry, std::string_view text) { return entry.content < text; });
  if (at == entries_.end() || at->content != content) return std::nullopt;
  return at->id;
}

}  // namespace fathom
