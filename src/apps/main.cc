#include <cstdio>
#include <new>
#include <string_view>

#include "apps/apps.h"
#include "apps/flags.h"
#include "base/file.h"
#include "base/signals.h"
#include "base/term.h"

namespace {

int Usage(std::FILE* out) {
  std::fprintf(out, "Usage: fathom COMMAND [options]\n\nCommands:\n");
  for (const fathom::Command& command : fathom::Commands()) {
    std::fprintf(out, "  %-10s %s\n", command.name, command.summary);
  }
  std::fprintf(out, "\n`fathom COMMAND --help` explains a command. The launcher ./fathom has two more:\n");
  std::fprintf(out, "  %-10s %s\n", "train", "train a model, with a program of its own");
  std::fprintf(out, "  %-10s %s\n", "test", "build and run the tests");
  return out == stdout ? 0 : 2;
}

int Run(int argc, char** argv) {
  if (argc < 2) return Usage(stderr);
  const std::string_view name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") return Usage(stdout);
  if (name == "--version") {
    std::printf("fathom 0.1.0\n");
    return 0;
  }
  fathom::InstallMappingFaultHandler(fathom::MappedFileNameAt);
  for (const fathom::Command& command : fathom::Commands()) {
    if (name == command.name) return command.main(argc - 1, argv + 1);
  }
  std::fprintf(stderr, "fathom: unknown command '%s'; `fathom --help` lists the commands.\n", argv[1]);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  fathom::KeepStandardStreams();
  fathom::IgnoreFileSizeSignal();
  int exit_code = 0;
  try {
    exit_code = Run(argc, argv);
  } catch (const std::bad_alloc&) {
    return fathom::Fail(fathom::ResourceExhausted("out of memory"));
  }
  if (exit_code > 1) return exit_code;  // it has said why
  const fathom::Status printed = fathom::FlushStdout();
  return printed.ok() ? exit_code : fathom::Fail(printed);
}
