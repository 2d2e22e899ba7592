#include "tokenizer/pretokenizer.h"

#include <array>

#include "base/utf8.h"
#include "tokenizer/unicode_classes.h"

namespace fathom {

const std::string_view kSplitPatterns[3] = {
    R"(\p{N}{1,3})",
    "[一-龥぀-ゟ゠-ヿ]+",
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|)"
    "[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+",
};

namespace {

// Traits of a character, as bits so that a set of classes is one test. Each character has exactly one of kWord,
// kNumber, kMarkup, kSpace, kOther; kNewline and kAsciiLetter come on top.
constexpr uint8_t kWord = 1;      // \p{L} or \p{M}
constexpr uint8_t kNumber = 2;    // \p{N}
constexpr uint8_t kMarkup = 4;    // \p{P} or \p{S}
constexpr uint8_t kSpace = 8;     // \s
constexpr uint8_t kOther = 16;    // none of these
constexpr uint8_t kNewline = 32;  // CR or LF
constexpr uint8_t kAsciiLetter = 64;
constexpr uint8_t kKanaOrHan = 128;  // in the set of pattern 2

uint8_t TraitsOf(char32_t code_point) {
  // Indexed by CharClass.
  static constexpr uint8_t kByClass[] = {kOther, kWord, kWord, kNumber, kMarkup, kMarkup, kSpace};
  const bool kana_or_han =
      (code_point >= 0x4E00 && code_point <= 0x9FA5) || (code_point >= 0x3040 && code_point <= 0x30FF);
  const uint8_t traits = kByClass[static_cast<unsigned>(ClassOf(code_point))];
  return static_cast<uint8_t>(traits | (kana_or_han ? kKanaOrHan : 0));
}

std::array<uint8_t, 128> MakeAsciiTraits() {
  std::array<uint8_t, 128> traits;
  for (unsigned c = 0; c < 128; ++c) {
    traits[c] = TraitsOf(c);
    if ((traits[c] & kWord) != 0) traits[c] |= kAsciiLetter;
    if (c == '\r' || c == '\n') traits[c] |= kNewline;
  }
  return traits;
}

const std::array<uint8_t, 128> kAsciiTraits = MakeAsciiTraits();

}  // namespace

PieceScanner::Char PieceScanner::ReadAny(size_t at) const {
  if (at >= text_.size()) return {0, 0};
  const auto byte = static_cast<uint8_t>(text_[at]);
  if (byte < 0x80) return {kAsciiTraits[byte], 1};
  const Utf8Char read = ReadUtf8(text_.substr(at));
  return {TraitsOf(read.code_point), read.size};
}

PieceScanner::Char PieceScanner::ReadInSegment(size_t at) const {
  const Char read = ReadAny(at);
  const bool outside = (read.traits & kNumber) != 0 || ((read.traits & kKanaOrHan) != 0) != in_kana_or_han_;
  return outside ? Char{0, 0} : read;
}

size_t PieceScanner::SkipRun(size_t at, uint8_t traits) const {
  for (Char next = ReadInSegment(at); (next.traits & traits) != 0; next = ReadInSegment(at)) at += next.size;
  return at;
}

size_t PieceScanner::MatchSpace(size_t at) const {
  size_t end = at;           // of the run of white space
  size_t after_newline = 0;  // behind the run's last CR or LF
  size_t last = at;          // where the run's last character starts
  Char next = ReadInSegment(at);
  while ((next.traits & kSpace) != 0) {
    last = end;
    end += next.size;
    if ((next.traits & kNewline) != 0) after_newline = end;
    next = ReadInSegment(end);
  }
  if (after_newline != 0) return after_newline;
  // \s+(?!\S) gives the last character back when something follows, unless it is the only one.
  const bool something_follows = next.traits != 0;
  return something_follows && last != at ? last : end;
}

size_t PieceScanner::MatchThird(size_t at, Char first) const {
  const Char second = ReadInSegment(at + first.size);
  const bool ascii = first.size == 1;
  if (ascii && (first.traits & kMarkup) != 0 && (second.traits & kAsciiLetter) != 0) {
    return SkipRun(at + 1, kAsciiLetter);
  }
  if ((first.traits & kWord) != 0) return SkipRun(at, kWord);
  const bool may_lead = (first.traits & (kMarkup | kNewline)) == 0;
  if (may_lead && (second.traits & kWord) != 0) return SkipRun(at + first.size, kWord);
  if ((first.traits & kMarkup) != 0 || (text_[at] == ' ' && (second.traits & kMarkup) != 0)) {
    return SkipRun(SkipRun(at + first.size, kMarkup), kNewline);
  }
  if ((first.traits & kSpace) != 0) return MatchSpace(at);
  return at;
}

bool PieceScanner::Next(std::string_view* piece) {
  if (at_ >= text_.size()) return false;
  const size_t start = at_;
  Char next = ReadAny(at_);
  if ((next.traits & kNumber) != 0) {
    for (int digits = 0; digits < 3 && (next.traits & kNumber) != 0; ++digits) {
      at_ += next.size;
      next = ReadAny(at_);
    }
  } else {
    in_kana_or_han_ = (next.traits & kKanaOrHan) != 0;
    at_ = MatchThird(start, next);
    if (at_ == start) {
      // Unmatched characters up to the next match are one piece.
      do {
        at_ += next.size;
        next = ReadInSegment(at_);
      } while (next.traits != 0 && MatchThird(at_, next) == at_);
    }
  }
  *piece = text_.substr(start, at_ - start);
  return true;
}

}  // namespace fathom
