#include "apps/flags.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/strings.h"
#include "base/term.h"

namespace fathom {

std::optional<int> ParseFlags(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::string help = app.help();
    if (!help.ends_with('\n')) help += '\n';
    std::fwrite(help.data(), 1, help.size(), stdout);
    return 0;
  } catch (const CLI::ParseError& error) {
    WriteStderr(StrCat(app.get_name(), ": ", error.what(), "; `", app.get_name(), " --help` explains the options.\n"));
    return 2;
  }
  return std::nullopt;
}

int Fail(const Status& status) {
  WriteStderr(StrCat("fathom: ", status.message(), "\n"));
  return status.exit_code();
}

Result<std::string> ReadStdin(size_t max_bytes) {
  std::string text;
  char buffer[65536];
  while (true) {
    const size_t size = std::fread(buffer, 1, sizeof buffer, stdin);
    if (size == 0) break;
    text.append(buffer, size);
    if (text.size() > max_bytes) {
      return InvalidArgument(StrCat("standard input is longer than ", max_bytes, " bytes, the most that is accepted"));
    }
  }
  if (std::ferror(stdin) != 0) return IoError(StrCat("cannot read standard input: ", std::strerror(errno)));
  return text;
}

}  // namespace fathom
