// The model when none is named, and the tiny made-up one of last resort.
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "apps/model_options.h"
#include "apps/user_directories.h"
#include "base/cpu_features.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/strings.h"
#include "base/term.h"
#include "checkpoint/synth.h"
#include "tokenizer/synthetic_tokenizer.h"

namespace fathom {
namespace {

constexpr const char* kPlaceholderNote =
    "fathom: the shipped model was not found (FATHOM_HOME names the folder that holds models/nano), and --model names "
    "no "
    "other: this tiny random model shows the program working; its words mean nothing\n";

Status WritePlaceholder(const std::string& directory) {
  SynthOptions options;
  FATHOM_ASSIGN_OR_RETURN(options.config, SyntheticShape("tiny"));
  FATHOM_ASSIGN_OR_RETURN(options.extra_files, SyntheticTokenizerFiles(options.config.model.vocab_size));
  options.threads = GetCpuFeatures().cores;
  Progress progress("writing a tiny random model", SyntheticBytes(options), Progress::Unit::kBytes);
  Status status = WriteSyntheticCheckpoint(directory, options, &progress);
  // Another process may have written the same in the meantime.
  if (!status.ok() && FileExists(directory + "/config.json")) return {};
  return status;
}

}  // namespace

Result<DefaultModel> FindDefaultModel() {
  if (const char* named = std::getenv("FATHOM_MODEL"); named != nullptr && *named != '\0') return DefaultModel{named};
  if (const char* home = std::getenv("FATHOM_HOME"); home != nullptr && *home != '\0') {
    const std::string nano = StrCat(home, "/models/nano");
    if (FileExists(nano + "/config.json")) return DefaultModel{nano};
  }
  FATHOM_ASSIGN_OR_RETURN(const std::string cache, UserDirectory(UserDirectoryKind::kCache));
  DefaultModel model = {cache + "/synthetic-tiny", true};
  if (!FileExists(model.directory + "/config.json")) FATHOM_RETURN_IF_ERROR(WritePlaceholder(model.directory));
  WriteStderr(kPlaceholderNote);
  return model;
}

}  // namespace fathom
