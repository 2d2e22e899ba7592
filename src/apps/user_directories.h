// user_directories.h - where the program keeps its own files, by the XDG base directory rules.
#ifndef FATHOM_APPS_USER_DIRECTORIES_H_
#define FATHOM_APPS_USER_DIRECTORIES_H_

#include <string>

#include "base/result.h"

namespace fathom {

enum class UserDirectoryKind {
  kCache,  // $XDG_CACHE_HOME/fathom or ~/.cache/fathom: can be made again
  kState,  // $XDG_STATE_HOME/fathom or ~/.local/state/fathom: history
};

// The directory, made (readable by the user only) if it was not there. An error if it cannot be made, or if neither the
// variable nor HOME is set. A relative variable is ignored, as the rules demand.
Result<std::string> UserDirectory(UserDirectoryKind kind);

}  // namespace fathom

#endif  // FATHOM_APPS_USER_DIRECTORIES_H_
