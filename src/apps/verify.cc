#include "apps/verify.h"

#include <cstdio>
#include <string_view>

#include "apps/apps.h"
#include "base/strings.h"
#include "base/term.h"

namespace fathom {

namespace {

constexpr Command kKinds[] = {
    {"golden", "arrays recorded by the reference implementation", VerifyGoldenMain},
    {"tokenizer", "vectors of text and token ids", VerifyTokenizerMain},
    {"encoding", "chats as prompts, and answers as messages", VerifyEncodingMain},
};

int PrintUsage(std::FILE* out) {
  std::fprintf(out, "Usage: fathom verify KIND [options]\n\nKinds of reference data:\n");
  for (const Command& kind : kKinds) std::fprintf(out, "  %-10s %s\n", kind.name, kind.summary);
  std::fprintf(out, "\n`fathom verify KIND --help` explains a kind.\n");
  return out == stdout ? 0 : 2;
}

}  // namespace

int VerifyMain(int argc, char** argv) {
  if (argc < 2) return PrintUsage(stderr);
  const std::string_view name = argv[1];
  if (name == "--help" || name == "-h" || name == "help") return PrintUsage(stdout);
  for (const Command& kind : kKinds) {
    if (name == kind.name) return kind.main(argc - 1, argv + 1);
  }
  WriteStderr(StrCat("fathom verify: unknown kind '", Printable(name), "'; `fathom verify --help` lists the kinds.\n"));
  return 2;
}

}  // namespace fathom
