// stop_matcher.h - finds stop sequences in text that arrives in pieces.
//
// The sequence that is complete first wins; of several that end at the same byte, the longest. Text that could still
// become a sequence is held back, so what has left the matcher never contains one. Not thread-safe.
#ifndef FATHOM_TOKENIZER_STOP_MATCHER_H_
#define FATHOM_TOKENIZER_STOP_MATCHER_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fathom {

class StopMatcher {
 public:
  StopMatcher() = default;  // matches nothing
  // Empty sequences are ignored. Holds back less than the longest sequence's bytes.
  explicit StopMatcher(const std::vector<std::string>& sequences);

  // Takes the next text and appends what is decided to *out. Returns true when a sequence was completed; neither it nor
  // anything after it is appended, and further calls do nothing.
  bool Push(std::string_view text, std::string* out);
  // Appends what was held back: no sequence continues over this point.
  void Flush(std::string* out);

  bool matched() const { return matched_; }
  // The sequence that matched; empty before.
  const std::string& sequence() const { return sequence_; }

 private:
  struct Sequence {
    std::string text;
    std::vector<size_t> fallback;  // fallback[n]: longest proper border of the first n bytes
    size_t length = 0;             // bytes matched at the end of the text so far
  };

  std::vector<Sequence> sequences_;
  std::string held_;
  std::string sequence_;
  bool matched_ = false;
};

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_STOP_MATCHER_H_
