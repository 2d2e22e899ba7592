// http_target.h - the target of a request line: path and query.
#ifndef FATHOM_SERVER_HTTP_HTTP_TARGET_H_
#define FATHOM_SERVER_HTTP_HTTP_TARGET_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fathom {

// "/v1/models?x=1" or "http://host/v1/models?x=1" to the decoded path and the raw query; "*" (OPTIONS) is a path, too.
// An error for anything else, for bad percent escapes, for NUL and for a path that is not UTF-8.
Status SplitTarget(std::string_view target, std::string* path, std::string* query);

// Percent escapes decoded, and '+' as a space if `plus`; nothing if an escape is broken.
std::optional<std::string> PercentDecode(std::string_view text, bool plus);

}  // namespace fathom

#endif  // FATHOM_SERVER_HTTP_HTTP_TARGET_H_
