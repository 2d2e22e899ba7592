// tokenizer.h - text to token ids and back: byte-level BPE with control tokens, as in DeepSeek's tokenizer.json.
//
// Control ("added") tokens are matched in raw text first: the leftmost match, the longest one there. Text between them
// is cut into pieces (pretokenizer.h) and merged (bpe.h). Nothing is ever added: a prompt starts with the BOS token
// only if its text does.
//
// Text that a user wrote may contain the spelling of a control token. Two ways to treat it:
//   compatible (AddedTokens::kMatch)   it becomes the control token, as in the official encoder
//   protected  (AddedTokens::kIgnore)  it stays text; a prompt is a list of TextSpans that says which parts are markup
// Both give the same ids when no control token's spelling begins or ends in user text.
//
// Input that is not valid UTF-8 is repaired first, with U+FFFD for every maximal ill-formed subpart.
// Immutable and thread-safe once loaded.
//
//   FATHOM_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, Tokenizer::Load("model/tokenizer.json"));
//   std::vector<int32_t> ids = tokenizer->Encode("Hello", AddedTokens::kIgnore);
#ifndef FATHOM_TOKENIZER_TOKENIZER_H_
#define FATHOM_TOKENIZER_TOKENIZER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "tokenizer/added_tokens.h"
#include "tokenizer/bpe.h"
#include "tokenizer/tokenizer_json.h"

namespace fathom {

enum class AddedTokens { kMatch, kIgnore };

// A part of a prompt: written by the template (control tokens count) or by somebody else (they don't).
struct TextSpan {
  std::string_view text;
  bool markup = false;
};

class Tokenizer {
 public:
  // Reads tokenizer.json. Every defect is one sentence naming the file and the field.
  static Result<std::unique_ptr<Tokenizer>> Load(const std::string& path);
  static Result<std::unique_ptr<Tokenizer>> FromJson(std::string_view json, const std::string& name_for_errors);

  // `text` under 4 GiB (CHECKed).
  std::vector<int32_t> Encode(std::string_view text, AddedTokens mode) const;

  // The spans as one text in which control tokens are recognised only where they lie in markup entirely. Span borders
  // are no piece borders: without control spellings at or in user text the ids are those of
  // Encode(all spans joined, kMatch).
  std::vector<int32_t> EncodeSpans(std::span<const TextSpan> spans) const;

  // One more than the largest id. Ids in between may have no token; they decode to nothing.
  int32_t vocab_size() const { return static_cast<int32_t>(tables_.token_bytes.size()); }
  // The bytes an id stands for, not always valid UTF-8 by themselves; empty for holes and ids out of range.
  std::string_view token_bytes(int32_t id) const;
  // Of a control token, by its exact text: FindAddedToken("</think>").
  std::optional<int32_t> FindAddedToken(std::string_view text) const { return matcher_.FindExact(text); }
  // Control tokens, special or not. Encoding with kIgnore never yields one.
  bool is_added(int32_t id) const { return KindOf(id) != Kind::kText; }
  // Those that decoding with skip_special drops (of the control tokens, some).
  bool is_special(int32_t id) const { return KindOf(id) == Kind::kSpecial; }

  // The text of the tokens' bytes put together; what is not valid UTF-8 in them becomes U+FFFD as in the input.
  std::string Decode(std::span<const int32_t> ids, bool skip_special) const;

 private:
  enum class Kind : uint8_t { kText, kAdded, kSpecial };

  explicit Tokenizer(TokenizerTables tables);
  Kind KindOf(int32_t id) const;
  void EncodeText(std::string_view text, std::vector<int32_t>* ids) const;

  TokenizerTables tables_;
  std::vector<Kind> kinds_;  // [id]
  AddedTokenMatcher matcher_;
  Bpe bpe_;
};

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_TOKENIZER_H_
