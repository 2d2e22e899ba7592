// authenticator.h - who sent a request, and whether they may do what they ask for.
//
// Keys come as "Authorization: Bearer KEY" or "x-api-key: KEY"; the former wins. As long as there is no key file, every
// request is allowed, with any key or none. Thread-safe.
#ifndef FATHOM_SERVER_AUTHENTICATOR_H_
#define FATHOM_SERVER_AUTHENTICATOR_H_

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <variant>

#include "base/result.h"
#include "server/api/api_error.h"
#include "server/api/chat_request.h"
#include "server/api/router.h"
#include "server/http/http.h"
#include "server/key_store.h"
#include "server/usage_limits.h"

namespace fathom {

class Authenticator {
 public:
  // `file` may be empty: no keys ever. If `must_exist` is false, keys are asked for as soon as the file appears.
  static Result<std::unique_ptr<Authenticator>> Open(std::string file, bool must_exist);

  // Whether requests need a key.
  bool required() const { return keys() != nullptr; }
  size_t key_count() const;
  // The name of a key's id, for logs; empty if it is unknown.
  std::string NameOf(std::string_view key_id) const;

  // Reads the file again if it was changed, or in any case. If that fails, or the file is gone, the old keys stay.
  Status ReloadIfChanged();
  Status Reload();

  // The caller, or 401 or 403. Counts nothing: for requests of which the rest is still to come. `now` is for tests.
  std::variant<Caller, ApiError> Identify(const HttpRequest& request, Scope scope,
                                          const UsageLimits::Now& now = {}) const;
  // The same, or 429. Limits of use count for Scope::kInference only.
  std::variant<Caller, ApiError> Check(const HttpRequest& request, Scope scope, const UsageLimits::Now& now = {});
  UsageLimits& limits() { return limits_; }

 private:
  struct FileState {
    int64_t inode = 0, size = 0, modified_ns = 0;
    bool operator==(const FileState&) const = default;
  };
  explicit Authenticator(std::string file);
  FileState StateOfFile() const;
  std::shared_ptr<const KeyStore> keys() const;

  const std::string file_;
  UsageLimits limits_;
  mutable std::mutex mutex_;
  std::shared_ptr<const KeyStore> keys_;  // null: everybody may do everything
  FileState read_state_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_AUTHENTICATOR_H_
