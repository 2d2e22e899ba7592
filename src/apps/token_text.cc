#include "apps/token_text.h"

#include "base/strings.h"
#include "base/utf8.h"

namespace fathom {

std::string QuoteBytes(std::string_view bytes, size_t max_bytes) {
  std::string out = "\"";
  for (size_t at = 0; at < bytes.size();) {
    if (at >= max_bytes) return out + "\"...";
    const Utf8Char next = ReadUtf8(bytes.substr(at));
    const std::string_view character = bytes.substr(at, next.size);
    const bool control = next.code_point < 0x20 || (next.code_point >= 0x7F && next.code_point < 0xA0);
    if (next.code_point == '\n') {
      out += "\\n";
    } else if (next.code_point == '"' || next.code_point == '\\') {
      out += '\\';
      out += character;
    } else if (next.kind == Utf8Char::Kind::kValid && !control) {
      out += character;
    } else {
      for (const char c : character) out += StrFormat("\\x%02X", static_cast<unsigned>(c) & 0xFFu);
    }
    at += next.size;
  }
  return out + "\"";
}

std::string HexOfBytes(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    out.push_back(kDigits[static_cast<unsigned>(c) >> 4 & 15]);
    out.push_back(kDigits[static_cast<unsigned>(c) & 15]);
  }
  return out;
}

}  // namespace fathom
