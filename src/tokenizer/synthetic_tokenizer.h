// synthetic_tokenizer.h - a tokenizer.json for made-up models: a byte-level BPE that encodes any text, decodes every id
// to something, and has DeepSeek-V4's control tokens by name.
//
//   ids 0, 1, 2       begin of sentence, end of sentence, pad
//   ids 3 .. 258      the 256 single bytes
//   then              pairs of lower-case letters (with or without a space before), pairs of those, in a fixed order
//   control tokens    from 129,280 ids on: at V4's own ids 128000 .. 129279. Below: 47 of them (V4's 128800 .. 128846:
//                     roles, thinking, tools, DSML, tasks) as the last ids.
#ifndef FATHOM_TOKENIZER_SYNTHETIC_TOKENIZER_H_
#define FATHOM_TOKENIZER_SYNTHETIC_TOKENIZER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace fathom {

inline constexpr int64_t kMinSyntheticVocab = 3 + 256 + 47;
// All pairs of pairs are used up soon after.
inline constexpr int64_t kMaxSyntheticVocab = 400'000;

// The text of tokenizer.json; an error unless kMinSyntheticVocab <= vocab_size <= kMaxSyntheticVocab.
Result<std::string> SyntheticTokenizerJson(int64_t vocab_size);

// tokenizer_config.json as all V4 releases have it.
std::string SyntheticTokenizerConfigJson();

// Both, as file names and texts: what SynthOptions::extra_files wants.
Result<std::vector<std::pair<std::string, std::string>>> SyntheticTokenizerFiles(int64_t vocab_size);

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_SYNTHETIC_TOKENIZER_H_
