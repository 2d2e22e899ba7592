#include "tokenizer/stop_matcher.h"

#include <algorithm>

namespace fathom {

StopMatcher::StopMatcher(const std::vector<std::string>& sequences) {
  for (const std::string& text : sequences) {
    if (text.empty()) continue;
    Sequence sequence{.text = text, .fallback = std::vector<size_t>(text.size() + 1, 0)};
    size_t border = 0;
    for (size_t n = 1; n < text.size(); ++n) {
      while (border > 0 && text[n] != text[border]) border = sequence.fallback[border];
      if (text[n] == text[border]) ++border;
      sequence.fallback[n + 1] = border;
    }
    sequences_.push_back(std::move(sequence));
  }
}

bool StopMatcher::Push(std::string_view text, std::string* out) {
  if (matched_) return true;
  if (sequences_.empty()) {
    out->append(text);
    return false;
  }
  for (const char byte : text) {
    held_.push_back(byte);
    size_t longest = 0;
    const Sequence* complete = nullptr;
    for (Sequence& sequence : sequences_) {
      size_t& length = sequence.length;
      while (length > 0 && sequence.text[length] != byte) length = sequence.fallback[length];
      if (sequence.text[length] == byte) ++length;
      longest = std::max(longest, length);
      if (length == sequence.text.size() && (complete == nullptr || length > complete->length)) complete = &sequence;
    }
    const size_t kept = complete != nullptr ? complete->length : longest;
    out->append(held_, 0, held_.size() - kept);
    held_.erase(0, held_.size() - kept);
    if (complete != nullptr) {
      matched_ = true;
      sequence_ = complete->text;
      held_.clear();
      return true;
    }
  }
  return false;
}

void StopMatcher::Flush(std::string* out) {
  out->append(held_);
  held_.clear();
  for (Sequence& sequence : sequences_) sequence.length = 0;
}

}  // namespace fathom
