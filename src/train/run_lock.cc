#include "train/run_lock.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/file.h"
#include "base/strings.h"

namespace fathom {

Result<std::unique_ptr<RunLock>> RunLock::Take(const std::string& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return IoError(StrCat("cannot create ", directory, ": ", error.message()));
  const std::string path = directory + "/lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) return IoError(StrCat("cannot write ", path, ": ", std::strerror(errno)));
  std::unique_ptr<RunLock> lock(new RunLock(descriptor));
  if (!TryLockFile(descriptor)) {
    return ResourceExhausted(
        StrCat("another process is training in ", directory, "; wait for it or name another --run"));
  }
  return lock;
}

RunLock::~RunLock() { ::close(descriptor_); }

}  // namespace fathom
