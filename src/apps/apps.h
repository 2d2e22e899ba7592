// apps.h - the subcommands of the program. Each is one file here; main.cc only picks.
#ifndef FATHOM_APPS_APPS_H_
#define FATHOM_APPS_APPS_H_

#include <span>

namespace fathom {

struct Command {
  const char* name;
  const char* summary;  // one line for `fathom --help`
  // argv[0] is the command's name. Returns the process's exit code.
  int (*main)(int argc, char** argv);
};

// All subcommands in the order of the help text (commands.cc).
std::span<const Command> Commands();

}  // namespace fathom

#endif  // FATHOM_APPS_APPS_H_
