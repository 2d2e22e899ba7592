#include "server/authenticator.h"

#include <sys/stat.h>

#include <optional>
#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace fathom {
namespace {

// Beside "keys.json": "keys.json.usage".
std::string UsageFile(const std::string& key_file) { return key_file.empty() ? "" : key_file + ".usage"; }

// The key that a request carries; empty if it has none.
std::string_view KeyOf(const HttpRequest& request) {
  if (const std::string* header = request.FindHeader("authorization")) {
    const std::string_view value = TrimSpaces(*header);
    const size_t space = value.find(' ');
    if (space != std::string_view::npos && EqualsIgnoringCase(value.substr(0, space), "bearer")) {
      return TrimSpaces(value.substr(space));
    }
  }
  const std::string* header = request.FindHeader("x-api-key");
  return header == nullptr ? std::string_view() : TrimSpaces(*header);
}

bool Allows(const KeyScopes& scopes, Scope scope) {
  switch (scope) {
    case Scope::kNone:
      return true;
    case Scope::kInference:
      return scopes.inference;
    case Scope::kMetrics:
      return scopes.metrics;
    case Scope::kAdmin:
      return scopes.admin;
  }
  return false;
}

const char* ScopeName(Scope scope) {
  return scope == Scope::kAdmin ? "admin" : scope == Scope::kMetrics ? "metrics" : "inference";
}

// The entry of the request's key, or why it does not open `scope`.
std::variant<const ApiKey*, ApiError> FindKey(const KeyStore& store, const HttpRequest& request, Scope scope,
                                              const UsageLimits::Now& now) {
  const std::string_view text = KeyOf(request);
  if (text.empty()) {
    return ApiError{ApiErrorKind::kAuthentication,
                    "this server needs an API key; send it as 'Authorization: Bearer KEY' or 'x-api-key: KEY'"};
  }
  const ApiKey* key = store.Find(text);
  if (key == nullptr) return ApiError{ApiErrorKind::kAuthentication, "the API key is not known to this server"};
  if (key->expires && now.calendar >= *key->expires) {
    return ApiError{ApiErrorKind::kAuthentication,
                    StrCat("the API key '", key->name, "' expired at ", FormatUtc(*key->expires))};
  }
  if (Allows(key->scopes, scope)) return key;
  return ApiError{ApiErrorKind::kPermission, StrCat("the API key '", key->name, "' has the scopes ",
                                                    ScopesText(key->scopes), "; this needs ", ScopeName(scope))};
}

// `key` null: nobody in particular.
Caller CallerOf(const HttpRequest& request, const ApiKey* key) {
  Caller caller;
  caller.request_id = request.id;
  if (key == nullptr) return caller;
  caller.key_id = key->id;
  caller.priority = key->priority;
  return caller;
}

}  // namespace

Authenticator::Authenticator(std::string file) : file_(std::move(file)), limits_(UsageFile(file_)) {}

Result<std::unique_ptr<Authenticator>> Authenticator::Open(std::string file, bool must_exist) {
  std::unique_ptr<Authenticator> authenticator(new Authenticator(std::move(file)));
  if (authenticator->file_.empty()) return authenticator;
  const Status status = authenticator->Reload();
  if (!status.ok() && (must_exist || status.code() != ErrorCode::kNotFound)) {
    if (status.code() != ErrorCode::kNotFound) return status;
    return NotFound(StrCat(status.message(), "; `fathom serve keys add NAME --keys FILE` makes it"));
  }
  const Status usage = authenticator->limits_.Load({});
  if (!usage.ok()) Log(LogLevel::kWarning, "token counts of today are lost", {{"error", usage.message()}});
  return authenticator;
}

Authenticator::FileState Authenticator::StateOfFile() const {
  struct stat info = {};
  if (file_.empty() || stat(file_.c_str(), &info) != 0) return {};
  constexpr int64_t kNanoseconds = 1'000'000'000;
  return {static_cast<int64_t>(info.st_ino), info.st_size, info.st_mtim.tv_sec * kNanoseconds + info.st_mtim.tv_nsec};
}

std::shared_ptr<const KeyStore> Authenticator::keys() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

size_t Authenticator::key_count() const {
  const std::shared_ptr<const KeyStore> store = keys();
  return store == nullptr ? 0 : store->keys().size();
}

std::string Authenticator::NameOf(std::string_view key_id) const {
  const std::shared_ptr<const KeyStore> store = keys();
  if (store == nullptr) return "";
  for (const ApiKey& key : store->keys()) {
    if (key.id == key_id) return key.name;
  }
  return "";
}

Status Authenticator::ReloadIfChanged() {
  const FileState state = StateOfFile();
  {
    const std::lock_guard lock(mutex_);
    if (state == read_state_) return {};
    if (state == FileState{}) {
      read_state_ = state;
      return NotFound(StrCat(file_, " is gone; the keys it had stay valid until a restart"));
    }
  }
  return Reload();
}

Status Authenticator::Reload() {
  if (file_.empty()) return {};
  const FileState state = StateOfFile();
  Result<KeyStore> store = KeyStore::Read(file_);
  const std::lock_guard lock(mutex_);
  read_state_ = state;  // a file that is wrong is reported once
  if (!store.ok()) return store.status();
  keys_ = std::make_shared<const KeyStore>(std::move(*store));
  return {};
}

std::variant<Caller, ApiError> Authenticator::Identify(const HttpRequest& request, Scope scope,
                                                       const UsageLimits::Now& now) const {
  const std::shared_ptr<const KeyStore> store = keys();
  if (store == nullptr || scope == Scope::kNone) return CallerOf(request, nullptr);
  const std::variant<const ApiKey*, ApiError> found = FindKey(*store, request, scope, now);
  if (const ApiError* error = std::get_if<ApiError>(&found)) return *error;
  return CallerOf(request, std::get<const ApiKey*>(found));
}

std::variant<Caller, ApiError> Authenticator::Check(const HttpRequest& request, Scope scope,
                                                    const UsageLimits::Now& now) {
  const std::shared_ptr<const KeyStore> store = keys();
  if (store == nullptr || scope == Scope::kNone) return CallerOf(request, nullptr);
  const std::variant<const ApiKey*, ApiError> found = FindKey(*store, request, scope, now);
  if (const ApiError* error = std::get_if<ApiError>(&found)) return *error;
  const ApiKey& key = *std::get<const ApiKey*>(found);
  if (scope == Scope::kInference) {
    if (const std::optional<UsageLimits::Refusal> refusal = limits_.Admit(key, now)) {
      return ApiError{ApiErrorKind::kRateLimited, refusal->message, {}, refusal->retry_after_s};
    }
  }
  return CallerOf(request, &key);
}

}  // namespace fathom
