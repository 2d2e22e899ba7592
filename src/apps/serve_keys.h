// serve_keys.h - fathom serve keys add | list | remove
#ifndef FATHOM_APPS_SERVE_KEYS_H_
#define FATHOM_APPS_SERVE_KEYS_H_

#include <string>

#include "base/result.h"

namespace fathom {

int ServeKeysMain(int argc, char** argv);

// The key file when none is named: keys.json in the user's state directory.
Result<std::string> DefaultKeyFile();

}  // namespace fathom

#endif  // FATHOM_APPS_SERVE_KEYS_H_
