#include "server/key_store.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/file.h"
#include "base/sha256.h"
#include "base/strings.h"
#include "base/utf8.h"

namespace fathom {
namespace {

constexpr std::string_view kPrefix = "fk-";
constexpr size_t kIdDigits = 8;
constexpr size_t kSaltBytes = 16;
constexpr size_t kSecretBytes = 32;  // 256 bits
constexpr size_t kMaxNameBytes = 100;
constexpr uint64_t kMaxKeyFileBytes = 16 << 20;
constexpr int64_t kMaxLimit = int64_t{1} << 53;  // what every JSON reader holds exactly

std::string Hex(std::span<const uint8_t> bytes) {
  std::string text;
  for (const uint8_t byte : bytes) text += StrFormat("%02x", byte);
  return text;
}

Result<std::string> RandomHex(size_t bytes) {
  std::vector<uint8_t> random(bytes);
  if (RAND_bytes(random.data(), static_cast<int>(bytes)) != 1) {
    return IoError("the system has no random bytes for a key");
  }
  return Hex(random);
}

std::string HashOf(std::string_view salt, std::string_view key) {
  Sha256 hash;
  for (const std::string_view part : {salt, key}) {
    hash.Update({reinterpret_cast<const uint8_t*>(part.data()), part.size()});
  }
  return hash.HexDigest();
}

bool IsHex(std::string_view text, size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

Status CheckName(std::string_view name) {
  const bool printable =
      std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f; });
  if (!name.empty() && name.size() <= kMaxNameBytes && printable && IsValidUtf8(name)) return {};
  return InvalidArgument(StrCat("a key's name is '", Printable(name, 40), "'; accepted are 1 to ", kMaxNameBytes,
                                " bytes of UTF-8 without control characters"));
}

Status CheckLimits(const ApiKey& key) {
  const auto check = [&](const char* what, int64_t value, int64_t low, int64_t high) -> Status {
    if (value >= low && value <= high) return {};
    return InvalidArgument(StrCat("key '", key.name, "': ", what, " is ", value, "; accepted is ", low, " to ", high));
  };
  FATHOM_RETURN_IF_ERROR(check("tokens_per_day", key.tokens_per_day, 0, kMaxLimit));
  FATHOM_RETURN_IF_ERROR(check("requests_per_minute", key.requests_per_minute, 0, 1'000'000));
  return check("priority", key.priority, -kMaxKeyPriority, kMaxKeyPriority);
}

// Reads one entry of the file, member by member; `where` begins messages.
class EntryReader {
 public:
  EntryReader(const Json& entry, std::string where) : entry_(entry), where_(std::move(where)) {}

  Result<ApiKey> Read() {
    if (!entry_.is_object()) return DataLoss(StrCat(where_, " is no object"));
    ApiKey key;
    FATHOM_ASSIGN_OR_RETURN(key.id, Text("id"));
    FATHOM_ASSIGN_OR_RETURN(key.name, Text("name"));
    FATHOM_ASSIGN_OR_RETURN(key.salt, Text("salt"));
    FATHOM_ASSIGN_OR_RETURN(key.sha256, Text("sha256"));
    if (!IsHex(key.id, kIdDigits) || !IsHex(key.salt, 2 * kSaltBytes) || !IsHex(key.sha256, 64)) {
      return DataLoss(StrCat(where_, ": id, salt and sha256 are not ", kIdDigits, ", ", 2 * kSaltBytes,
                             " and 64 hexadecimal digits"));
    }
    FATHOM_ASSIGN_OR_RETURN(const std::string scopes, Text("scopes"));
    const Result<KeyScopes> parsed = ParseScopes(scopes);
    if (!parsed.ok()) return DataLoss(StrCat(where_, ": ", parsed.status().message()));
    key.scopes = *parsed;
    FATHOM_ASSIGN_OR_RETURN(key.tokens_per_day, Number("tokens_per_day"));
    FATHOM_ASSIGN_OR_RETURN(key.requests_per_minute, Number("requests_per_minute"));
    FATHOM_ASSIGN_OR_RETURN(const int64_t priority, Number("priority"));
    key.priority = static_cast<int32_t>(std::clamp<int64_t>(priority, INT32_MIN, INT32_MAX));
    FATHOM_ASSIGN_OR_RETURN(const std::optional<UtcTime> created, Time("created"));
    key.created = created.value_or(UtcTime{});
    FATHOM_ASSIGN_OR_RETURN(key.expires, Time("expires"));
    for (const Status& status : {CheckName(key.name), CheckLimits(key)}) {
      if (!status.ok()) return DataLoss(StrCat(where_, ": ", status.message()));
    }
    return key;
  }

 private:
  Result<std::string> Text(const char* name) {
    const Json* member = entry_.Find(name);
    if (member != nullptr && member->is_string()) return member->string();
    return DataLoss(StrCat(where_, ": ", name, " is ", member == nullptr ? "missing" : "no string"));
  }
  Result<int64_t> Number(const char* name) {
    const Json* member = entry_.Find(name);
    if (member == nullptr) return int64_t{0};
    const std::optional<int64_t> number = member->AsInt();
    if (number) return *number;
    return DataLoss(StrCat(where_, ": ", name, " is ", Printable(member->Dump(), 40), ", no whole number"));
  }
  Result<std::optional<UtcTime>> Time(const char* name) {
    const Json* member = entry_.Find(name);
    if (member == nullptr || member->is_null()) return std::optional<UtcTime>();
    const Result<UtcTime> time = member->is_string() ? ParseUtc(member->string()) : ParseUtc(member->Dump());
    if (!time.ok()) return DataLoss(StrCat(where_, ": ", name, ": ", time.status().message()));
    return std::optional<UtcTime>(*time);
  }

  const Json& entry_;
  const std::string where_;
};

Json EntryJson(const ApiKey& key) {
  return Json::Object({{"id", Json::String(key.id)},
                       {"name", Json::String(key.name)},
                       {"salt", Json::String(key.salt)},
                       {"sha256", Json::String(key.sha256)},
                       {"scopes", Json::String(ScopesText(key.scopes))},
                       {"tokens_per_day", Json::Int(key.tokens_per_day)},
                       {"requests_per_minute", Json::Int(key.requests_per_minute)},
                       {"priority", Json::Int(key.priority)},
                       {"created", Json::String(FormatUtc(key.created))},
                       {"expires", key.expires ? Json::String(FormatUtc(*key.expires)) : Json()}});
}

}  // namespace

Result<KeyScopes> ParseScopes(std::string_view text) {
  KeyScopes scopes = {.inference = false};
  std::string_view rest = text;
  while (true) {
    const size_t comma = rest.find(',');
    const std::string_view name = rest.substr(0, comma);
    if (name == "inference") {
      scopes.inference = true;
    } else if (name == "metrics") {
      scopes.metrics = true;
    } else if (name == "admin") {
      scopes.admin = true;
    } else {
      return InvalidArgument(StrCat("a scope is '", Printable(name, 40), "' in '", Printable(text, 60),
                                    "'; accepted are inference, metrics and admin, separated by commas"));
    }
    if (comma == std::string_view::npos) return scopes;
    rest.remove_prefix(comma + 1);
  }
}

std::string ScopesText(const KeyScopes& scopes) {
  std::string text;
  for (const auto& [on, name] :
       {std::pair{scopes.inference, "inference"}, {scopes.metrics, "metrics"}, {scopes.admin, "admin"}}) {
    if (on) text += StrCat(text.empty() ? "" : ",", name);
  }
  return text;
}

Result<KeyStore> KeyStore::Read(const std::string& path) {
  FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxKeyFileBytes));
  const Result<Json> json = ParseJson(text);
  if (!json.ok()) return DataLoss(StrCat(path, ": ", json.status().message()));
  const Json* entries = json->Find("keys");
  if (entries == nullptr || !entries->is_array()) return DataLoss(StrCat(path, ": has no list 'keys'"));
  if (entries->items().size() > kMaxKeys) {
    return DataLoss(StrCat(path, ": holds ", entries->items().size(), " keys; accepted are at most ", kMaxKeys));
  }
  KeyStore store;
  for (size_t at = 0; at < entries->items().size(); ++at) {
    EntryReader reader(entries->items()[at], StrCat(path, ": keys[", at, "]"));
    FATHOM_ASSIGN_OR_RETURN(ApiKey key, reader.Read());
    for (const ApiKey& other : store.keys_) {
      if (other.id == key.id || other.name == key.name) {
        return DataLoss(StrCat(path, ": keys[", at, "] has the name or id of an earlier entry"));
      }
    }
    store.keys_.push_back(std::move(key));
  }
  return store;
}

Result<std::string> KeyStore::Add(ApiKey entry) {
  FATHOM_RETURN_IF_ERROR(CheckName(entry.name));
  FATHOM_RETURN_IF_ERROR(CheckLimits(entry));
  if (keys_.size() >= kMaxKeys) return ResourceExhausted(StrCat("there are ", kMaxKeys, " keys already, the most"));
  const auto taken = [&](const auto& same) { return std::any_of(keys_.begin(), keys_.end(), same); };
  if (taken([&](const ApiKey& key) { return key.name == entry.name; })) {
    return InvalidArgument(StrCat("there is already a key named '", entry.name, "'; remove it or choose another name"));
  }
  do {
    FATHOM_ASSIGN_OR_RETURN(entry.id, RandomHex(kIdDigits / 2));
  } while (taken([&](const ApiKey& key) { return key.id == entry.id; }));
  FATHOM_ASSIGN_OR_RETURN(const std::string secret, RandomHex(kSecretBytes));
  FATHOM_ASSIGN_OR_RETURN(entry.salt, RandomHex(kSaltBytes));
  const std::string key = StrCat(kPrefix, entry.id, "-", secret);
  entry.sha256 = HashOf(entry.salt, key);
  entry.created = std::chrono::system_clock::now();
  keys_.push_back(std::move(entry));
  return key;
}

Status KeyStore::Remove(std::string_view name) {
  const auto same = [&](const ApiKey& key) { return key.name == name; };
  if (std::erase_if(keys_, same) > 0) return {};
  return NotFound(StrCat("there is no key named '", Printable(name, 40), "'; `keys list` shows the names"));
}

Status KeyStore::Write(const std::string& path) const {
  std::vector<Json> entries;
  for (const ApiKey& key : keys_) entries.push_back(EntryJson(key));
  const Json json = Json::Object({{"version", Json::Int(1)}, {"keys", Json::Array(std::move(entries))}});
  return WriteFileAtomically(path, json.DumpPretty() + "\n", 0600);
}

const ApiKey* KeyStore::Find(std::string_view key) const {
  // An unknown id is hashed and compared like a known one.
  static const ApiKey kNobody = {.salt = std::string(2 * kSaltBytes, '0'), .sha256 = std::string(64, '0')};
  const ApiKey* candidate = &kNobody;
  if (key.starts_with(kPrefix) && key.size() > kPrefix.size() + kIdDigits) {
    const std::string_view id = key.substr(kPrefix.size(), kIdDigits);
    for (const ApiKey& entry : keys_) {
      if (entry.id == id) candidate = &entry;
    }
  }
  const std::string hash = HashOf(candidate->salt, key);
  const bool same =
      hash.size() == candidate->sha256.size() && CRYPTO_memcmp(hash.data(), candidate->sha256.data(), hash.size()) == 0;
  return same && candidate != &kNobody ? candidate : nullptr;
}

}  // namespace fathom
