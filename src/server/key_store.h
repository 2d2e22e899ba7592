// key_store.h - the API keys of a server: names, rights and limits, in a JSON file that holds no key itself.
//
//   FATHOM_ASSIGN_OR_RETURN(KeyStore store, KeyStore::Read(path));
//   FATHOM_ASSIGN_OR_RETURN(std::string secret, store.Add({.name = "laptop"}));  // "fk-...", shown once
//   FATHOM_RETURN_IF_ERROR(store.Write(path));
//   const ApiKey* key = store.Find(secret);
//
// A key is "fk-", 8 hexadecimal digits that name its entry, "-" and 256 random bits. The file keeps a salt and
// SHA-256(salt + key): enough, since nobody can guess 256 bits. Not thread-safe: readers share a const store.
#ifndef FATHOM_SERVER_KEY_STORE_H_
#define FATHOM_SERVER_KEY_STORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "server/utc_time.h"

namespace fathom {

struct KeyScopes {
  bool inference = true;
  bool metrics = false;
  bool admin = false;
};
// "inference,metrics,admin" in any order, at least one.
Result<KeyScopes> ParseScopes(std::string_view text);
std::string ScopesText(const KeyScopes& scopes);

struct ApiKey {
  std::string id = {};    // 8 hexadecimal digits
  std::string name = {};  // unique; for people and logs
  KeyScopes scopes = {};
  int64_t tokens_per_day = 0;       // prompt and answer, days in UTC; 0: no limit
  int64_t requests_per_minute = 0;  // 0: no limit
  int32_t priority = 0;             // of its requests; larger is served first
  std::optional<UtcTime> expires = {};
  UtcTime created = {};
  std::string salt = {};    // hexadecimal
  std::string sha256 = {};  // of salt and key
};

inline constexpr size_t kMaxKeys = 10000;
inline constexpr int32_t kMaxKeyPriority = 1000;

class KeyStore {
 public:
  KeyStore() = default;
  // An error names the file and the entry. An absent file is kNotFound.
  static Result<KeyStore> Read(const std::string& path);

  // Makes a key for the entry, whose id, salt, sha256 and created are filled in. Returns the key.
  Result<std::string> Add(ApiKey entry);
  Status Remove(std::string_view name);
  // Atomically, for the owner's eyes only (mode 0600).
  Status Write(const std::string& path) const;

  const std::vector<ApiKey>& keys() const { return keys_; }
  // The entry of a key as a client sent it; null if there is none. Says nothing about expiry. The time it takes does
  // not depend on how much of a key is right.
  const ApiKey* Find(std::string_view key) const;

 private:
  std::vector<ApiKey> keys_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_KEY_STORE_H_
