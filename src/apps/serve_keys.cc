#include "apps/serve_keys.h"

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "apps/flags.h"
#include "apps/user_directories.h"
#include "base/file.h"
#include "base/strings.h"
#include "base/term.h"
#include "server/key_store.h"

namespace fathom {
namespace {

struct KeysFlags {
  std::string file;
  std::string name;
  std::string scopes = "inference";
  std::string expires;
  ApiKey limits;
};

Result<std::string> KeyFile(const KeysFlags& flags) {
  if (!flags.file.empty()) return flags.file;
  const char* named = std::getenv("FATHOM_SERVE_KEYS");
  if (named != nullptr && *named != '\0') return std::string(named);
  return DefaultKeyFile();
}

// The keys of a file that need not be there yet.
Result<KeyStore> ReadOrBegin(const std::string& file) {
  Result<KeyStore> store = KeyStore::Read(file);
  if (!store.ok() && store.status().code() == ErrorCode::kNotFound) return KeyStore();
  return store;
}

Status Add(const KeysFlags& flags) {
  ApiKey entry = flags.limits;
  entry.name = flags.name;
  FATHOM_ASSIGN_OR_RETURN(entry.scopes, ParseScopes(flags.scopes));
  if (!flags.expires.empty()) {
    FATHOM_ASSIGN_OR_RETURN(entry.expires, ParseUtc(flags.expires));
  }
  FATHOM_ASSIGN_OR_RETURN(const std::string file, KeyFile(flags));
  FATHOM_ASSIGN_OR_RETURN(const DirectoryLock lock, DirectoryLock::Of(file));  // two at once would lose a key
  FATHOM_ASSIGN_OR_RETURN(KeyStore store, ReadOrBegin(file));
  FATHOM_ASSIGN_OR_RETURN(const std::string key, store.Add(std::move(entry)));
  FATHOM_RETURN_IF_ERROR(store.Write(file));
  std::printf("%s\n", key.c_str());
  WriteStderr(StrCat("fathom serve keys: '", flags.name, "' is in ", file,
                     "; the key above is shown this once only. A running server takes it within a second.\n"));
  return {};
}

Status List(const KeysFlags& flags) {
  FATHOM_ASSIGN_OR_RETURN(const std::string file, KeyFile(flags));
  FATHOM_ASSIGN_OR_RETURN(const KeyStore store, KeyStore::Read(file));
  const auto limit = [](int64_t value) { return value == 0 ? std::string("-") : std::to_string(value); };
  std::printf("%-8s  %-20s  %-23s  %12s  %10s  %8s  %-20s  %s\n", "id", "name", "scopes", "tokens/day", "requests/m",
              "priority", "created", "expires");
  for (const ApiKey& key : store.keys()) {
    std::printf("%-8s  %-20s  %-23s  %12s  %10s  %8d  %-20s  %s\n", key.id.c_str(), key.name.c_str(),
                ScopesText(key.scopes).c_str(), limit(key.tokens_per_day).c_str(),
                limit(key.requests_per_minute).c_str(), key.priority, FormatUtc(key.created).c_str(),
                key.expires ? FormatUtc(*key.expires).c_str() : "never");
  }
  return {};
}

Status Remove(const KeysFlags& flags) {
  FATHOM_ASSIGN_OR_RETURN(const std::string file, KeyFile(flags));
  FATHOM_ASSIGN_OR_RETURN(const DirectoryLock lock, DirectoryLock::Of(file));
  FATHOM_ASSIGN_OR_RETURN(KeyStore store, KeyStore::Read(file));
  FATHOM_RETURN_IF_ERROR(store.Remove(flags.name));
  FATHOM_RETURN_IF_ERROR(store.Write(file));
  WriteStderr(StrCat("fathom serve keys: '", flags.name, "' is removed from ", file, "\n"));
  return {};
}

}  // namespace

Result<std::string> DefaultKeyFile() {
  FATHOM_ASSIGN_OR_RETURN(const std::string directory, UserDirectory(UserDirectoryKind::kState));
  return directory + "/keys.json";
}

int ServeKeysMain(int argc, char** argv) {
  KeysFlags flags;
  CLI::App app("API keys of `fathom serve`. Keys are shown once, when they are made; the file holds only their hashes.",
               "fathom serve keys");
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--keys", flags.file,
                 "The file (default: $FATHOM_SERVE_KEYS, or keys.json in the user's state directory)")
      ->type_name("FILE");
  CLI::App* add = app.add_subcommand("add", "Make a key and print it");
  add->add_option("name", flags.name, "Whose it is, for lists and logs")->required();
  add->add_option("--scope", flags.scopes, "inference, metrics, admin; several with commas")->type_name("LIST");
  CLI::Option* tokens = add->add_option("--tokens-per-day", flags.limits.tokens_per_day,
                                        "Prompt and answer together (0: no limit, the default)");
  CLI::Option* requests =
      add->add_option("--requests-per-minute", flags.limits.requests_per_minute, "0: no limit, the default");
  CLI::Option* priority = add->add_option("--priority", flags.limits.priority, "Larger is served first (default: 0)");
  AcceptWhole(tokens->type_name("N"), 0);
  AcceptWhole(requests->type_name("N"), 0);
  AcceptWhole(priority->type_name("N"), INT32_MIN, INT32_MAX);
  add->add_option("--expires", flags.expires, "2027-06-30 or 2027-06-30T12:00:00Z (default: never)")->type_name("DATE");
  CLI::App* list = app.add_subcommand("list", "Show the keys' names, rights and limits");
  CLI::App* remove = app.add_subcommand("remove", "Make a key worthless");
  remove->add_option("name", flags.name, "Its name")->required();
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  const Status status = add->parsed() ? Add(flags) : list->parsed() ? List(flags) : Remove(flags);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace fathom
