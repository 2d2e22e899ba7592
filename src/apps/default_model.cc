// The model when none is named, and the tiny made-up one of last resort.
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

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

// Seen from the program's folder: in an installation, and in the repository, whose program is in build/release/bin.
constexpr const char* kNanoBesideProgram[] = {"../share/fathom/models/nano", "../../../models/nano"};

constexpr const char* kPlaceholderNote =
    "fathom: the shipped model was not found (FATHOM_HOME names the folder that holds models/nano), and --model names "
    "no other: this tiny random model shows the program working; its words mean nothing\n";

bool HasModel(const std::string& directory) { return FileExists(directory + "/config.json"); }

std::optional<std::string> FindNano() {
  if (const char* home = std::getenv("FATHOM_HOME"); home != nullptr && *home != '\0') {
    std::string nano = StrCat(home, "/models/nano");
    return HasModel(nano) ? std::optional(std::move(nano)) : std::nullopt;
  }
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return std::nullopt;
  for (const char* relative : kNanoBesideProgram) {
    std::string nano = (program.parent_path() / relative).lexically_normal().string();
    if (HasModel(nano)) return nano;
  }
  return std::nullopt;
}

Status WritePlaceholder(const std::string& directory) {
  SynthOptions options;
  FATHOM_ASSIGN_OR_RETURN(options.config, SyntheticShape("tiny"));
  FATHOM_ASSIGN_OR_RETURN(options.extra_files, SyntheticTokenizerFiles(options.config.model.vocab_size));
  options.threads = GetCpuFeatures().cores;
  Progress progress("writing a tiny random model", SyntheticBytes(options), Progress::Unit::kBytes);
  Status status = WriteSyntheticCheckpoint(directory, options, &progress);
  // Another process may have written the same in the meantime.
  if (!status.ok() && HasModel(directory)) return {};
  return status;
}

}  // namespace

Result<DefaultModel> FindDefaultModel() {
  if (const char* named = std::getenv("FATHOM_MODEL"); named != nullptr && *named != '\0') return DefaultModel{named};
  if (std::optional<std::string> nano = FindNano()) return DefaultModel{std::move(*nano)};
  FATHOM_ASSIGN_OR_RETURN(const std::string cache, UserDirectory(UserDirectoryKind::kCache));
  DefaultModel model = {cache + "/synthetic-tiny", true};
  if (!HasModel(model.directory)) FATHOM_RETURN_IF_ERROR(WritePlaceholder(model.directory));
  WriteStderr(kPlaceholderNote);
  return model;
}

}  // namespace fathom
