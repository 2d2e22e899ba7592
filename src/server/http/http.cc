#include "server/http/http.h"

#include <strings.h>

#include <algorithm>

#include "server/http/http_target.h"

namespace fathom {
namespace {

bool SameName(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

const std::string* HttpRequest::FindHeader(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (SameName(key, name)) return &value;
  }
  return nullptr;
}

std::string HttpRequest::QueryValue(std::string_view name) const {
  for (std::string_view rest = query; !rest.empty();) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    if (PercentDecode(pair.substr(0, equals), true) != name) continue;
    if (equals == std::string_view::npos) return {};
    return PercentDecode(pair.substr(equals + 1), true).value_or(std::string());
  }
  return {};
}

}  // namespace fathom
