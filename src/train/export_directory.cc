#include "train/export_directory.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "base/file.h"
#include "base/strings.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

// What an export holds, and what `--golden` adds or, killed, leaves.
constexpr std::array<std::string_view, 9> kExportedFiles = {
    "config.json",        "generation_config.json", "golden.json",
    "golden.safetensors", "golden.safetensors.tmp", kModelShard,
    kModelIndex,          "tokenizer_config.json",  "tokenizer.json"};

constexpr const char* kWayOut = "; name another directory for the model, or move it away";

// A directory can be made in the nearest one above it that exists.
Status CheckParent(const fs::path& target) {
  std::error_code error;
  fs::path parent = target;
  do {
    parent = parent.has_parent_path() ? parent.parent_path() : fs::path(".");
  } while (!fs::exists(parent, error) && parent != ".");
  if (!fs::is_directory(parent, error)) {
    return InvalidArgument(StrCat("cannot create ", target.string(), ": ", parent.string(), " is no directory"));
  }
  if (::access(parent.c_str(), W_OK | X_OK) == 0) return {};
  return IoError(StrCat("cannot create ", target.string(), ": ", parent.string(), ": ", std::strerror(errno)));
}

// An empty directory, or one with a model and nothing else.
Status CheckReplaceable(const std::string& target) {
  std::error_code error;
  if (!fs::is_directory(target, error)) return InvalidArgument(StrCat(target, " is no directory", kWayOut));
  bool empty = true;
  for (fs::directory_iterator entry(target, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    empty = false;
    std::error_code ignored;
    if (std::find(kExportedFiles.begin(), kExportedFiles.end(), name) == kExportedFiles.end() ||
        !entry->is_regular_file(ignored)) {
      return InvalidArgument(StrCat(target, " holds ", Printable(name), ", which is no part of an export", kWayOut));
    }
  }
  if (error) return IoError(StrCat("cannot list ", target, ": ", error.message()));
  if (empty || FileExists(StrCat(target, "/", kModelIndex))) return {};
  return InvalidArgument(StrCat(target, " is not empty and holds no ", kModelIndex, kWayOut));
}

}  // namespace

Result<std::string> ExportTarget(const std::string& directory) {
  std::string target = directory;
  while (target.size() > 1 && target.back() == '/') target.pop_back();
  const std::string name = fs::path(target).filename().string();
  if (name.empty() || name == "." || name == "..") {
    return InvalidArgument(StrCat("\"", Printable(directory), "\" does not end with the name of a model's directory"));
  }
  FATHOM_RETURN_IF_ERROR(CheckParent(target));
  std::error_code error;
  if (fs::symlink_status(target, error).type() != fs::file_type::not_found) {
    FATHOM_RETURN_IF_ERROR(CheckReplaceable(target));
  }
  return target;
}

Status CheckWritableDirectory(const std::string& directory) {
  std::error_code error;
  if (!fs::exists(directory, error)) return CheckParent(directory);
  if (!fs::is_directory(directory, error)) return InvalidArgument(StrCat(directory, " is no directory"));
  if (::access(directory.c_str(), W_OK | X_OK) == 0) return {};
  return IoError(StrCat("cannot write into ", directory, ": ", std::strerror(errno)));
}

}  // namespace fathom
