#include "apps/user_directories.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

Status MakeDirectories(const std::string& path) {
  size_t end = 0;
  while (end < path.size()) {
    end = std::min(path.find('/', end + 1), path.size());
    const std::string part = path.substr(0, end);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) {
      return IoError(StrCat("cannot make the directory ", part, ": ", std::strerror(errno)));
    }
  }
  return {};
}

}  // namespace

Result<std::string> UserDirectory(UserDirectoryKind kind) {
  const bool cache = kind == UserDirectoryKind::kCache;
  const char* variable = cache ? "XDG_CACHE_HOME" : "XDG_STATE_HOME";
  const char* base = std::getenv(variable);
  std::string path;
  if (base != nullptr && base[0] == '/') {
    path = StrCat(base, "/fathom");
  } else {
    const char* home = std::getenv("HOME");
    if (home == nullptr || home[0] != '/') {
      return NotFound(StrCat("no place for the program's own files: neither ", variable, " nor HOME is set"));
    }
    path = StrCat(home, cache ? "/.cache/fathom" : "/.local/state/fathom");
  }
  FATHOM_RETURN_IF_ERROR(MakeDirectories(path));
  if (!DirectoryExists(path)) return IoError(StrCat(path, " is no directory"));
  return path;
}

}  // namespace fathom
