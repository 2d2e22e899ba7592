// tokenizer_json.h - reads tokenizer.json, an untrusted file, into tables.
//
// One structure is accepted: byte-level BPE with the split patterns of pretokenizer.h, no normalizer, no dropout, no
// unknown token, no prefixes and suffixes. Anything that would change ids and isn't implemented is an error, never
// ignored. Vocabularies of any size up to kMaxTokens are accepted, also with holes.
#ifndef FATHOM_TOKENIZER_TOKENIZER_JSON_H_
#define FATHOM_TOKENIZER_TOKENIZER_JSON_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"

namespace fathom {

// DeepSeek-V4's file has 6.4 MB; parsing takes up to some 50 times the file's size in memory.
inline constexpr uint64_t kMaxTokenizerFileBytes = 64u << 20;
inline constexpr int32_t kMaxTokens = 1 << 20;

struct TokenizerTables {
  std::vector<std::string> token_bytes;  // [id]; empty for ids that have no token
  std::array<int32_t, 256> byte_ids;     // the token of each single byte
  std::vector<Bpe::Merge> merges;        // in rank order; no result is an added token
  std::vector<AddedToken> added;
};

// Each defect is one sentence that begins with `name` (the file's path) and the field.
Result<TokenizerTables> ParseTokenizerJson(std::string_view json, const std::string& name);

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_TOKENIZER_JSON_H_
