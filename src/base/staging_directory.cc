#include "base/staging_directory.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/strings.h"

namespace fathom {
namespace {

Status MakeUnique(const std::string& beginning, std::string* path) {
  std::string name = beginning + "-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    return IoError(StrCat(name, ": cannot create this directory: ", std::strerror(errno)));
  }
  *path = name;
  return {};
}

Status Rename(const std::string& from, const std::string& to) {
  if (std::rename(from.c_str(), to.c_str()) == 0) return {};
  return IoError(StrCat(to, ": cannot move ", from, " here: ", std::strerror(errno)));
}

void RemoveAll(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

// For file systems that cannot exchange two names: for a moment nothing has the name.
Status ReplaceByRenames(const std::string& staged, const std::string& final_path) {
  std::string aside;
  FATHOM_RETURN_IF_ERROR(MakeUnique(final_path + ".replaced", &aside));
  const std::string old = aside + "/old";
  Status status = Rename(final_path, old);
  if (status.ok()) {
    status = Rename(staged, final_path);
    if (!status.ok() && std::rename(old.c_str(), final_path.c_str()) != 0) return status;  // it stays aside
  }
  RemoveAll(aside);
  return status;
}

}  // namespace

StagingDirectory::~StagingDirectory() {
  if (!path_.empty()) RemoveAll(path_);
}

Status StagingDirectory::Make(const std::string& final_path) {
  FATHOM_RETURN_IF_ERROR(MakeUnique(final_path + ".partial", &path_));
  ::chmod(path_.c_str(), 0755);
  return {};
}

Status StagingDirectory::MoveTo(const std::string& final_path) {
  FATHOM_RETURN_IF_ERROR(Rename(path_, final_path));
  path_.clear();
  return {};
}

Status StagingDirectory::Replace(const std::string& final_path) {
  struct stat info = {};
  if (::lstat(final_path.c_str(), &info) != 0 && errno == ENOENT) return MoveTo(final_path);
  if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, final_path.c_str(), RENAME_EXCHANGE) == 0) {
    RemoveAll(path_);  // what was there
  } else if (errno == EINVAL || errno == ENOSYS) {
    FATHOM_RETURN_IF_ERROR(ReplaceByRenames(path_, final_path));
  } else {
    return IoError(StrCat(final_path, ": cannot move ", path_, " here: ", std::strerror(errno)));
  }
  path_.clear();
  return {};
}

}  // namespace fathom
