#include "server/http/http_target.h"

#include "base/strings.h"
#include "base/utf8.h"

namespace fathom {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<std::string> PercentDecode(std::string_view text, bool plus) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '%') {
      if (at + 2 >= text.size()) return std::nullopt;
      const int high = HexDigit(text[at + 1]);
      const int low = HexDigit(text[at + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out.push_back(static_cast<char>(high * 16 + low));
      at += 2;
    } else {
      out.push_back(plus && text[at] == '+' ? ' ' : text[at]);
    }
  }
  return out;
}

Status SplitTarget(std::string_view target, std::string* path, std::string* query) {
  std::string_view rest = target;
  if (const size_t scheme = rest.find("://"); scheme != std::string_view::npos && !rest.starts_with('/')) {
    rest.remove_prefix(scheme + 3);
    const size_t slash = rest.find_first_of("/?");
    rest = slash == std::string_view::npos ? std::string_view("/") : rest.substr(slash);
  }
  rest = rest.substr(0, rest.find('#'));
  const size_t question = rest.find('?');
  *query = question == std::string_view::npos ? std::string() : std::string(rest.substr(question + 1));
  const std::optional<std::string> decoded = PercentDecode(rest.substr(0, question), false);
  const bool form = decoded && (decoded->starts_with('/') || *decoded == "*");
  if (!form || decoded->find('\0') != std::string::npos || !IsValidUtf8(*decoded)) {
    return InvalidArgument(StrCat("the request's target is \"", Printable(target), "\"; a path is expected"));
  }
  *path = *decoded;
  return {};
}

}  // namespace fathom
