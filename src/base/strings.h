// strings.h - small text helpers. g++ 12 has no <format>.
#ifndef FATHOM_BASE_STRINGS_H_
#define FATHOM_BASE_STRINGS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace fathom {

namespace internal {
inline void AppendPiece(std::string* out, std::string_view piece) { out->append(piece); }
inline void AppendPiece(std::string* out, char piece) { out->push_back(piece); }
template <typename Number>
requires std::is_arithmetic_v<Number>
void AppendPiece(std::string* out, Number piece) { out->append(std::to_string(piece)); }
}  // namespace internal

// Concatenates strings, characters and numbers: StrCat("tensor ", name, " has ", n, " rows").
template <typename... Pieces>
std::string StrCat(const Pieces&... pieces) {
  std::string out;
  (internal::AppendPiece(&out, pieces), ...);
  return out;
}

// printf into a string. For numbers with a precision.
std::string StrFormat(const char* format, ...) __attribute__((format(printf, 1, 2)));

// "1.23 GB": powers of 1000, three significant digits.
std::string HumanBytes(uint64_t bytes);

// Text safe to show on a terminal or in an error: control characters as \xNN, cut after `max_bytes` with "...".
std::string Printable(std::string_view text, size_t max_bytes = 80);

// Without the spaces and tabs at both ends.
std::string_view TrimSpaces(std::string_view text);

// Whether two texts are the same but for the case of ASCII letters.
bool EqualsIgnoringCase(std::string_view a, std::string_view b);

}  // namespace fathom

#endif  // FATHOM_BASE_STRINGS_H_
