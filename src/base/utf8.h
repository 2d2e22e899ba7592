// utf8.h - reading, checking and repairing UTF-8.
//
// Ill-formed bytes are handled by Unicode's "substitution of maximal subparts": every longest prefix of a sequence that
// could have become a character, or else every single byte, becomes one U+FFFD.
#ifndef FATHOM_BASE_UTF8_H_
#define FATHOM_BASE_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace fathom {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;
inline constexpr std::string_view kReplacementUtf8 = "\xEF\xBF\xBD";

// What stands at the start of some bytes.
struct Utf8Char {
  enum class Kind : uint8_t {
    kValid,
    kInvalid,     // `size` bytes form a maximal ill-formed subpart
    kIncomplete,  // the bytes end inside a character that is well-formed so far; size <= 3
  };
  char32_t code_point;  // U+FFFD unless kValid
  uint8_t size;         // bytes consumed, 1 to 4
  Kind kind;
};

// Reads the character at the start of `bytes`, which must not be empty (CHECKed).
Utf8Char ReadUtf8(std::string_view bytes);

// True if all of `bytes` is well-formed.
bool IsValidUtf8(std::string_view bytes);

// `bytes` with each maximal ill-formed subpart (also an incomplete one at the end) replaced by U+FFFD.
std::string RepairUtf8(std::string_view bytes);

// Appends a code point; surrogates and values beyond U+10FFFF become U+FFFD.
void AppendUtf8(char32_t code_point, std::string* out);

}  // namespace fathom

#endif  // FATHOM_BASE_UTF8_H_
