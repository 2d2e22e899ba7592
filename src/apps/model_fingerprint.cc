#include "apps/model_fingerprint.h"

#include <algorithm>
#include <filesystem>
#include <span>
#include <string>
#include <system_error>

#include "base/file.h"
#include "base/sha256.h"
#include "base/strings.h"

namespace fathom {

Result<uint64_t> ModelFingerprint(const Checkpoint& checkpoint, const ModelOptions& options, int numerics_version) {
  constexpr size_t kSampleBytes = 1 << 20;
  constexpr uint64_t kMaxFileBytes = 1 << 30;
  Sha256 hash;
  const auto add = [&](std::span<const uint8_t> bytes) { hash.Update(bytes); };
  const std::string numerics = StrFormat("numerics %d precision %d rows %d", numerics_version,
                                         static_cast<int>(options.precision), static_cast<int>(options.row_format));
  add({reinterpret_cast<const uint8_t*>(numerics.data()), numerics.size()});
  for (const char* name : {"/config.json", "/tokenizer.json"}) {
    FATHOM_ASSIGN_OR_RETURN(const std::string text, ReadFile(checkpoint.directory() + name, kMaxFileBytes));
    add({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    const std::span<const uint8_t> bytes = shard.bytes();
    const size_t sample = std::min(bytes.size(), kSampleBytes);
    const uint64_t size = bytes.size();
    add({reinterpret_cast<const uint8_t*>(&size), sizeof size});
    add(bytes.first(sample));
    add(bytes.last(sample));
    std::error_code error;
    const int64_t changed = std::filesystem::last_write_time(shard.path(), error).time_since_epoch().count();
    if (error) return IoError(StrCat("cannot ask when ", shard.path(), " was changed: ", error.message()));
    add({reinterpret_cast<const uint8_t*>(&changed), sizeof changed});
  }
  return std::stoull(hash.HexDigest().substr(0, 16), nullptr, 16);
}

}  // namespace fathom
