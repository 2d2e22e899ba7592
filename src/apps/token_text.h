// token_text.h - showing the bytes of tokens, which need not be valid UTF-8.
#ifndef FATHOM_APPS_TOKEN_TEXT_H_
#define FATHOM_APPS_TOKEN_TEXT_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace fathom {

// Between double quotes, as valid UTF-8 that is safe on a terminal: newlines as \n, other control characters and bytes
// that are not valid UTF-8 as \xNN. Cut at a character after `max_bytes` of input, with "..." behind the quote.
std::string QuoteBytes(std::string_view bytes, size_t max_bytes = std::string_view::npos);

// Two lower-case hex digits per byte.
std::string HexOfBytes(std::string_view bytes);

}  // namespace fathom

#endif  // FATHOM_APPS_TOKEN_TEXT_H_
