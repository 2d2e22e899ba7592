#include "server/audit_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/log.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr mode_t kMode = 0640;

int OpenForAppending(const std::string& path) {
  if (path == "-") return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  return open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kMode);
}

Status CannotOpen(const std::string& path) {
  return IoError(StrCat("cannot open the audit log ", path, ": ", std::strerror(errno)));
}

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<AuditLog>> AuditLog::Open(const std::string& path) {
  std::unique_ptr<AuditLog> log(new AuditLog(path));
  log->fd_ = OpenForAppending(path);
  if (log->fd_ < 0) return CannotOpen(path);
  return log;
}

AuditLog::~AuditLog() {
  if (fd_ >= 0) close(fd_);
}

void AuditLog::Write(const Json& line) {
  const std::string text = line.Dump() + "\n";
  const std::lock_guard lock(mutex_);
  if (WriteAll(fd_, text)) {
    failing_ = false;
    return;
  }
  ++lost_;
  if (!failing_)
    Log(LogLevel::kError, "the audit log cannot be written", {{"file", path_}, {"error", strerror(errno)}});
  failing_ = true;
}

Status AuditLog::Reopen() {
  const int fd = OpenForAppending(path_);
  if (fd < 0) return CannotOpen(path_);
  const std::lock_guard lock(mutex_);
  close(fd_);
  fd_ = fd;
  return {};
}

int64_t AuditLog::lost_lines() const {
  const std::lock_guard lock(mutex_);
  return lost_;
}

}  // namespace fathom
