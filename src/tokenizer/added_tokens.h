// added_tokens.h - finds control tokens in text: the leftmost match, the longest one that starts there.
//
// The tokens are kept sorted; a match narrows the range of tokens that share the text's next bytes. The cost per byte
// of text is bounded by the longest token (kMaxAddedTokenBytes), and it is one table look-up where no token can start.
#ifndef FATHOM_TOKENIZER_ADDED_TOKENS_H_
#define FATHOM_TOKENIZER_ADDED_TOKENS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fathom {

inline constexpr size_t kMaxAddedTokenBytes = 512;

struct AddedToken {
  std::string content;  // not empty, at most kMaxAddedTokenBytes
  int32_t id = -1;
  bool special = false;  // dropped by decoding with skip_special
};

class AddedTokenMatcher {
 public:
  struct Match {
    size_t begin;
    size_t end;
    int32_t id;
  };

  AddedTokenMatcher() = default;
  // Contents must be different from each other (CHECKed).
  explicit AddedTokenMatcher(const std::vector<AddedToken>& tokens);

  // The first match that starts at or after `from`.
  std::optional<Match> FindNext(std::string_view text, size_t from) const;
  // The id of the token with exactly this text.
  std::optional<int32_t> FindExact(std::string_view content) const;

 private:
  struct Entry {
    std::string content;
    int32_t id;
  };
  struct Range {
    uint32_t begin = 0;
    uint32_t end = 0;
  };

  std::vector<Entry> entries_;                 // in byte order
  std::array<Range, 256> by_first_byte_ = {};  // of entries_
};

}  // namespace fathom

#endif  // FATHOM_TOKENIZER_ADDED_TOKENS_H_
