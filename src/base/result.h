// result.h - errors as values.
//
// A `Status` is success or one sentence for the user; a `Result<T>` is a value or such a sentence. They are for faults
// of somebody else (a file, a flag, a request): say what was found, what is accepted and where. Our own faults are
// CHECKs (check.h). No exceptions cross a library border.
//
//   Result<File> file = OpenFile(path);
//   if (!file.ok()) return file.status();
//   Use(*file);
#ifndef FATHOM_BASE_RESULT_H_
#define FATHOM_BASE_RESULT_H_

#include <optional>
#include <string>
#include <utility>

#include "base/check.h"

namespace fathom {

// What kind of fault it was; decides the exit code and, in the server, the HTTP status.
enum class ErrorCode {
  kInvalidArgument,  // a flag, field or file has a value that is not accepted (exit 2)
  kNotFound,         // a file, tensor or name is missing (exit 2)
  kDataLoss,         // a file is truncated, corrupt or malformed (exit 2)
  kResource,         // memory, disk, context or queue is exhausted (exit 3)
  kDeadline,         // the time that was set for it is over (exit 3)
  kCancelled,        // the user or client stopped it (exit 130)
  kIo,               // the operating system refused (exit 3)
};

class [[nodiscard]] Status {
 public:
  Status() = default;  // success
  Status(ErrorCode code, std::string message) : code_(code), message_(std::move(message)), ok_(false) {}

  bool ok() const { return ok_; }
  ErrorCode code() const { return code_; }
  // One sentence without a final newline; empty on success.
  const std::string& message() const { return message_; }
  // Process exit code for this status: 0, 2, 3 or 130.
  int exit_code() const {
    if (ok_) return 0;
    switch (code_) {
      case ErrorCode::kCancelled:
        return 130;
      case ErrorCode::kResource:
      case ErrorCode::kDeadline:
      case ErrorCode::kIo:
        return 3;
      default:
        return 2;
    }
  }

 private:
  ErrorCode code_ = ErrorCode::kInvalidArgument;
  std::string message_;
  bool ok_ = true;
};

inline Status InvalidArgument(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }
inline Status NotFound(std::string message) { return {ErrorCode::kNotFound, std::move(message)}; }
inline Status DataLoss(std::string message) { return {ErrorCode::kDataLoss, std::move(message)}; }
inline Status ResourceExhausted(std::string message) { return {ErrorCode::kResource, std::move(message)}; }
inline Status DeadlineExceeded(std::string message) { return {ErrorCode::kDeadline, std::move(message)}; }
inline Status Cancelled(std::string message) { return {ErrorCode::kCancelled, std::move(message)}; }
inline Status IoError(std::string message) { return {ErrorCode::kIo, std::move(message)}; }

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  // NOLINTNEXTLINE(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) { FATHOM_CHECK(!status_.ok()); }

  bool ok() const { return value_.has_value(); }
  const Status& status() const { return status_; }
  // The value; CHECKs ok().
  T& value() {
    FATHOM_CHECK(ok());
    return *value_;
  }
  const T& value() const {
    FATHOM_CHECK(ok());
    return *value_;
  }
  T& operator*() { return value(); }
  const T& operator*() const { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::optional<T> value_;
  Status status_;
};

// Returns the Status of `expr` from the enclosing function unless it is ok.
#define FATHOM_RETURN_IF_ERROR(expr)               \
  do {                                             \
    ::fathom::Status fathom_status = (expr);       \
    if (!fathom_status.ok()) return fathom_status; \
  } while (false)

#define FATHOM_CONCAT_INNER(a, b) a##b
#define FATHOM_CONCAT(a, b) FATHOM_CONCAT_INNER(a, b)
// FATHOM_ASSIGN_OR_RETURN(auto x, MakeX());
#define FATHOM_ASSIGN_OR_RETURN(lhs, expr) \
  FATHOM_ASSIGN_OR_RETURN_IMPL(FATHOM_CONCAT(fathom_result_, __LINE__), lhs, expr)
#define FATHOM_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                                 \
  if (!tmp.ok()) return tmp.status();                \
  lhs = std::move(*tmp)

}  // namespace fathom

#endif  // FATHOM_BASE_RESULT_H_
