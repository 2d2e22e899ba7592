// synthetic_tokenizer.h - a tokenizer.json for made-up models: a byte-level BPE that encodes any text, decodes every id
// to something, and has DeepSeek-V4's control tokens by name.
//
// The ids are in the order of tokenizer_json_writer.h; the merges make pairs of lower-case letters (with or without a
// space before) and pairs of those, in a fixed order.
#ifndef FATHOM_TOKENIZER_SYNTHETIC_TOKENIZER_H_
#define FATHOM_TOKENIZER_SYNTHETIC_TOKENIZER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "tokenizer/tokenizer_json_writer.h"

namespace fathom {

inline constexpr int64_t kMinSyntheticVocab = kMinVocab;
// All pairs of pairs are used up soon after.
inline constexpr int64_t kMaxSyntheticVocab = 400'000;

// The text of tokenizer.json; an error unless kMinSyntheticVocab <= vocab_size <= kMaxSyntheticVocab.
Result<std::string> SyntheticTokenizerJson(int64_t vocab_size);

// It and tokenizer_config.json, as file names and texts: what SynthOptions::extra_files wants.
Result<std::vector<std::pair<std::string, std::string>>> SyntheticTokenizerFiles(int64_t vocab_size);

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_SYNTHETIC_TOKENIZER_H_
