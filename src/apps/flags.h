// flags.h - what all commands share around their flags: exit codes and how an error is said.
#ifndef FATHOM_APPS_FLAGS_H_
#define FATHOM_APPS_FLAGS_H_

#include <optional>
#include <string>

#include "base/result.h"

namespace CLI {  // NOLINT(readability-identifier-naming): theirs
class App;
}

namespace fathom {

// Parses the arguments. Nothing means go on; otherwise the exit code: 0 after --help, 2 after saying what is wrong.
std::optional<int> ParseFlags(CLI::App& app, int argc, char** argv);

// Says the error on stderr and returns its exit code. Also for errors after the flags.
int Fail(const Status& status);

// All of standard input; an error beyond `max_bytes`.
Result<std::string> ReadStdin(size_t max_bytes);

}  // namespace fathom

#endif  // FATHOM_APPS_FLAGS_H_
