// pretokenizer.h - cuts text into the pieces inside which BPE merges.
//
// The rules are three regular expressions, each applied to every piece that the one before left, where matches and the
// stretches between matches both become pieces:
//
//   1  \p{N}{1,3}
//   2  [U+4E00-U+9FA5 U+3040-U+30FF]+
//   3  [ASCII punctuation][A-Za-z]+ | [^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+ |  ?[\p{P}\p{S}]+[\r\n]* | \s*[\r\n]+ |
//      \s+(?!\S) | \s+            (ordered: the first alternative that matches wins)
//
// They are written out by hand here: one pass, time linear in the text for any input.
//
//   PieceScanner scanner(text);
//   std::string_view piece;
//   while (scanner.Next(&piece)) ...
#ifndef FATHOM_TOKENIZER_PRETOKENIZER_H_
#define FATHOM_TOKENIZER_PRETOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fathom {

// The patterns as tokenizer.json writes them; a file with others needs another pretokenizer and is refused.
extern const std::string_view kSplitPatterns[3];

// Walks over `text`, which must be valid UTF-8 and outlive the scanner. The pieces are views into it, none is empty,
// and together they are the text.
class PieceScanner {
 public:
  explicit PieceScanner(std::string_view text) : text_(text) {}

  // False at the end of the text.
  bool Next(std::string_view* piece);

 private:
  // What stands at a byte offset. `traits` is 0 at the end of the segment: the text's end, or where pattern 1 or 2
  // cuts.
  struct Char {
    uint8_t traits;
    uint8_t size;
  };

  Char ReadAny(size_t at) const;
  Char ReadInSegment(size_t at) const;
  // End of the longest run from `at`, inside the segment, of characters with one of `traits`.
  size_t SkipRun(size_t at, uint8_t traits) const;
  // Pattern 3 at `at`: the end of its match, or `at` if it does not match there. `first` is the character at `at`.
  size_t MatchThird(size_t at, Char first) const;
  size_t MatchSpace(size_t at) const;

  std::string_view text_;
  size_t at_ = 0;
  bool in_kana_or_han_ = false;  // the segment is a match of pattern 2
};

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_PRETOKENIZER_H_
