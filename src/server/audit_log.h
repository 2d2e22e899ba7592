// audit_log.h - one JSON line per request, for whoever has to know later who used the server.
//
// Lines are appended whole. Reopen() lets a rotated file go. A failure to write is reported once, and again after it
// has worked in between; it never stops the service. Thread-safe.
#ifndef FATHOM_SERVER_AUDIT_LOG_H_
#define FATHOM_SERVER_AUDIT_LOG_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "base/json.h"
#include "base/result.h"

namespace fathom {

class AuditLog {
 public:
  // Appends to `path`, which is made with mode 0640 if it is absent. "-" is standard output.
  static Result<std::unique_ptr<AuditLog>> Open(const std::string& path);
  ~AuditLog();
  AuditLog(const AuditLog&) = delete;
  AuditLog& operator=(const AuditLog&) = delete;

  void Write(const Json& line);
  // Opens the path again. If that fails, lines go to the old file.
  Status Reopen();
  int64_t lost_lines() const;

 private:
  explicit AuditLog(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  mutable std::mutex mutex_;
  int fd_ = -1;
  bool failing_ = false;
  int64_t lost_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_AUDIT_LOG_H_
