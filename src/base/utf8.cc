#include "base/utf8.h"

#include <cstring>

#include "base/check.h"

namespace fathom {

namespace {

// Number of leading ASCII bytes, eight at a time.
size_t AsciiPrefix(std::string_view bytes) {
  size_t at = 0;
  for (; at + 8 <= bytes.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, bytes.data() + at, sizeof word);
    if ((word & 0x8080808080808080u) != 0) break;
  }
  while (at < bytes.size() && static_cast<uint8_t>(bytes[at]) < 0x80) ++at;
  return at;
}

// Offset of the first character that is not valid, or bytes.size().
size_t ValidPrefix(std::string_view bytes) {
  size_t at = 0;
  while (true) {
    at += AsciiPrefix(bytes.substr(at));
    if (at == bytes.size()) return at;
    const Utf8Char next = ReadUtf8(bytes.substr(at));
    if (next.kind != Utf8Char::Kind::kValid) return at;
    at += next.size;
  }
}

}  // namespace

Utf8Char ReadUtf8(std::string_view bytes) {
  using Kind = Utf8Char::Kind;
  FATHOM_CHECK(!bytes.empty());
  const auto lead = static_cast<uint8_t>(bytes[0]);
  if (lead < 0x80) return {lead, 1, Kind::kValid};
  if (lead < 0xC2 || lead > 0xF4) return {kReplacementCharacter, 1, Kind::kInvalid};

  // Table 3-7 of the Unicode standard: only the second byte has ranges narrower than 80..BF.
  const unsigned size = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  unsigned low = 0x80;
  unsigned high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  char32_t code_point = lead & (0xFFu >> (size + 1));
  for (unsigned at = 1; at < size; ++at) {
    const auto consumed = static_cast<uint8_t>(at);
    if (at == bytes.size()) return {kReplacementCharacter, consumed, Kind::kIncomplete};
    const auto byte = static_cast<uint8_t>(bytes[at]);
    if (byte < low || byte > high) return {kReplacementCharacter, consumed, Kind::kInvalid};
    code_point = code_point << 6 | (byte & 0x3Fu);
    low = 0x80;
    high = 0xBF;
  }
  return {code_point, static_cast<uint8_t>(size), Kind::kValid};
}

bool IsValidUtf8(std::string_view bytes) { return ValidPrefix(bytes) == bytes.size(); }

std::string RepairUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (true) {
    const size_t valid = ValidPrefix(bytes);
    out.append(bytes.substr(0, valid));
    bytes.remove_prefix(valid);
    if (bytes.empty()) return out;
    out.append(kReplacementUtf8);
    bytes.remove_prefix(ReadUtf8(bytes).size);
  }
}

void AppendUtf8(char32_t code_point, std::string* out) {
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000)) code_point = kReplacementCharacter;
  const auto put = [out](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
  } else if (code_point < 0x800) {
    put(0xC0 | code_point >> 6);
    put(0x80 | (code_point & 0x3F));
  } else if (code_point < 0x10000) {
    put(0xE0 | code_point >> 12);
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  } else {
    put(0xF0 | code_point >> 18);
    put(0x80 | (code_point >> 12 & 0x3F));
    put(0x80 | (code_point >> 6 & 0x3F));
    put(0x80 | (code_point & 0x3F));
  }
}

}  // namespace fathom
