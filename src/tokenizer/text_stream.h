// text_stream.h - token ids to text while they arrive.
//
// A token may end inside a character. Such bytes are held back (never more than three) until the next token completes
// the character or shows that it is ill-formed. All of what Push() and Flush() return, put together, is what
// Tokenizer::Decode() returns for the whole sequence.
//
//   TextStream stream(tokenizer);
//   for (int32_t id : ids) Show(stream.Push(id));
//   Show(stream.Flush());
#ifndef FATHOM_TOKENIZER_TEXT_STREAM_H_
#define FATHOM_TOKENIZER_TEXT_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "tokenizer/tokenizer.h"

namespace fathom {

class TextStream {
 public:
  // `tokenizer` must outlive the stream. With `skip_special` special tokens are dropped.
  explicit TextStream(const Tokenizer& tokenizer, bool skip_special = false)
      : tokenizer_(tokenizer), skip_special_(skip_special) {}

  // The text that is certain after this token: valid UTF-8, possibly empty.
  std::string Push(int32_t id);
  // The end: U+FFFD for bytes still held back, otherwise nothing. The stream is as new afterwards.
  std::string Flush();

  size_t held_bytes() const { return held_.size(); }

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::string held_;  // a well-formed but incomplete beginning of one character
};

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_TEXT_STREAM_H_
