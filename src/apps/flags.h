// flags.h - what all commands share around their flags: exit codes and how an error is said.
#ifndef FATHOM_APPS_FLAGS_H_
#define FATHOM_APPS_FLAGS_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace CLI {  // NOLINT(readability-identifier-naming): theirs
class App;
class Option;
}  // namespace CLI

namespace fathom {

// Parses the arguments. Nothing means go on; otherwise the exit code: 0 after --help, 2 after saying what is wrong. A
// switch may be given true, false, on, off, yes, no, 1 or 0; other options need a value that is not empty, but for
// texts such as a prompt.
std::optional<int> ParseFlags(CLI::App& app, int argc, char** argv);

// The option's value is a whole number from `least` to `most`, in plain digits. By itself CLI11 takes -5 for 2^64 - 5
// where the number has no sign, 010 for 8, and what is too large for the largest number there is.
void AcceptWhole(CLI::Option* option, int64_t least,
                 uint64_t most = static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));

// The option's value is a number from `least` to `most`, in decimal digits. By itself CLI11 takes "nan" for one of any
// range, and hexadecimal digits.
void AcceptNumber(CLI::Option* option, double least, double most);

// The error in terms of a flag: where its message begins with `field`, as the engine names it, that becomes `flag`,
// which is by default --field with dashes.
Status WithFlag(const Status& status, std::string_view field, std::string flag = {});

// Says the error on stderr and returns its exit code. Also for errors after the flags.
int Fail(const Status& status);

// A flag that names a file to write.
struct OutputFlag {
  std::string_view flag;  // "--json"
  std::string path;       // empty: not given
};
// Before the work whose results they are for: whether these files can be written (CheckOutputFile), and no two of them
// are one regular file, which the second would replace.
Status CheckOutputFiles(const std::vector<OutputFlag>& files);

// At the end: whether everything that was printed has arrived.
Status FlushStdout();

// All of standard input; an error beyond `max_bytes`.
Result<std::string> ReadStdin(size_t max_bytes);

}  // namespace fathom

#endif  // FATHOM_APPS_FLAGS_H_
