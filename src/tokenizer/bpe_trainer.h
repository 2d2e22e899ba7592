// bpe_trainer.h - learns the merges of a byte-level BPE from text, and writes them as tokenizer.json.
//
//   BpeTrainer trainer;
//   trainer.Add("The sea is calm. The sea is deep.");
//   FATHOM_ASSIGN_OR_RETURN(std::string json, trainer.Train(/*vocab_size=*/4096));
//
// Text is cut into pieces as in encoding (pretokenizer.h); again and again the most frequent pair of neighbours becomes
// a token, the smaller bytes on ties. The result depends on the text only as a set of counted pieces. Two rules keep
// the vocabulary useful for a small model: ASCII digits are never merged, so numbers are always seen digit by digit,
// and no token is longer than kMaxMergedBytes.
//
// The text must hold no control tokens: they are never learnt but always there. Not thread-safe.
#ifndef FATHOM_TOKENIZER_BPE_TRAINER_H_
#define FATHOM_TOKENIZER_BPE_TRAINER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"

namespace fathom {

class BpeTrainer {
 public:
  // " international" has 14 bytes, five Chinese characters have 15.
  static constexpr size_t kMaxMergedBytes = 16;

  // Counts the pieces of `text` as if it had been added `count` times; ill-formed UTF-8 is repaired as in encoding.
  void Add(std::string_view text, int64_t count = 1);

  // The vocabulary of tokenizer_json_writer.h with this many ids. An error if they are fewer than kMinVocab or more
  // than the text has pairs for.
  Result<std::string> Train(int64_t vocab_size) const;

  size_t distinct_pieces() const { return pieces_.size(); }

 private:
  struct Hash : std::hash<std::string_view> {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the library's name
  };

  // Without pieces that cannot be merged: single bytes and those with digits.
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> pieces_;
};

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_BPE_TRAINER_H_
