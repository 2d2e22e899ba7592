// tokenizer_json_writer.h - writes tokenizer.json for a list of merges, with DeepSeek-V4's control tokens by name.
//
//   ids 0, 1, 2       begin of sentence, end of sentence, pad
//   ids 3 .. 258      the 256 single bytes
//   then              the results of the merges, in their order
//   control tokens    from 129,280 ids on: at V4's own ids 128000 .. 129279. Below: 47 of them (V4's 128800 .. 128846:
//                     roles, thinking, tools, DSML, tasks) as the last ids.
#ifndef FATHOM_TOKENIZER_TOKENIZER_JSON_WRITER_H_
#define FATHOM_TOKENIZER_TOKENIZER_JSON_WRITER_H_

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "tokenizer/added_tokens.h"

namespace fathom {

inline constexpr int64_t kFirstMergedId = 3 + 256;
inline constexpr int64_t kMinVocab = kFirstMergedId + 47;

// The control tokens of a vocabulary of this size (at least kMinVocab, CHECKed), by id.
std::vector<AddedToken> ControlTokens(int64_t vocab_size);

// How many tokens of such a vocabulary are neither bytes nor control tokens.
int64_t MergedTokens(int64_t vocab_size);

// The bytes of both halves, each the result of an earlier merge or a single byte.
using BytePair = std::pair<std::string, std::string>;

// The text of tokenizer.json, for MergedTokens(vocab_size) merges with different results (CHECKed).
std::string TokenizerJson(int64_t vocab_size, std::span<const BytePair> merges);

// tokenizer_config.json as all V4 releases have it.
std::string TokenizerConfigJson();

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_TOKENIZER_JSON_WRITER_H_
