#define XXH_INLINE_ALL
#include "cache/prefix_file.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/strings.h"
#include "cache/sequence_cache.h"

namespace fathom {
namespace {

constexpr uint64_t kPrefixFileMagic = 0x31584650'4D485446;  // "FTHMPFX1"
constexpr int64_t kMaxPrefixPosition = int64_t{1} << 32;

struct FixedHead {
  uint64_t magic;
  uint64_t fingerprint;
  PrefixKey key;
  PrefixKey parent;
  int64_t position;
  int64_t payload_bytes;
  uint64_t payload_checksum;
  uint32_t kind;
  uint32_t tokens;
  // Behind the tokens: a checksum of all of the head.
};
static_assert(sizeof(FixedHead) == 80);

uint64_t ChecksumOf(std::span<const std::string_view> payload) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  for (const std::string_view part : payload) XXH3_64bits_update(&state, part.data(), part.size());
  return XXH3_64bits_digest(&state);
}

size_t HeadBytes(size_t tokens) { return sizeof(FixedHead) + tokens * sizeof(int32_t) + sizeof(uint64_t); }

}  // namespace

std::string PrefixKey::hex() const {
  return StrFormat("%016llx%016llx", static_cast<unsigned long long>(high), static_cast<unsigned long long>(low));
}

std::string EncodePrefixFileHead(const PrefixFileHead& head, std::span<const std::string_view> payload) {
  int64_t payload_bytes = 0;
  for (const std::string_view part : payload) payload_bytes += static_cast<int64_t>(part.size());
  const FixedHead fixed = {kPrefixFileMagic,
                           head.fingerprint,
                           head.key,
                           head.parent,
                           head.position,
                           payload_bytes,
                           ChecksumOf(payload),
                           static_cast<uint32_t>(head.kind),
                           static_cast<uint32_t>(head.tokens.size())};
  std::string bytes(reinterpret_cast<const char*>(&fixed), sizeof fixed);
  bytes.append(reinterpret_cast<const char*>(head.tokens.data()), head.tokens.size() * sizeof(int32_t));
  const uint64_t checksum = XXH3_64bits(bytes.data(), bytes.size());
  bytes.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  return bytes;
}

Result<PrefixFileHead> DecodePrefixFileHead(std::string_view bytes, int64_t file_bytes) {
  FixedHead fixed = {};
  if (bytes.size() < HeadBytes(0)) return DataLoss(StrCat("the file has only ", bytes.size(), " bytes"));
  std::memcpy(&fixed, bytes.data(), sizeof fixed);
  if (fixed.magic != kPrefixFileMagic) return DataLoss("the file does not begin with the mark of a kept prefix");
  const bool known = fixed.kind == static_cast<uint32_t>(PrefixFileKind::kBlock) ||
                     fixed.kind == static_cast<uint32_t>(PrefixFileKind::kPoint);
  if (!known || fixed.tokens > CacheLayout::kBlockTokens || bytes.size() < HeadBytes(fixed.tokens)) {
    return DataLoss("the file's head is damaged or cut off");
  }
  const size_t head_bytes = HeadBytes(fixed.tokens);
  uint64_t checksum = 0;
  std::memcpy(&checksum, bytes.data() + head_bytes - sizeof checksum, sizeof checksum);
  if (checksum != XXH3_64bits(bytes.data(), head_bytes - sizeof checksum)) {
    return DataLoss("the file's head has a wrong checksum");
  }
  if (fixed.position < 0 || fixed.position > kMaxPrefixPosition || fixed.payload_bytes < 0 ||
      fixed.payload_bytes != file_bytes - static_cast<int64_t>(head_bytes)) {
    return DataLoss(
        StrCat("the file should hold ", fixed.payload_bytes, " bytes behind its head and has ", file_bytes, " in all"));
  }
  PrefixFileHead head;
  head.kind = static_cast<PrefixFileKind>(fixed.kind);
  head.fingerprint = fixed.fingerprint;
  head.key = fixed.key;
  head.parent = fixed.parent;
  head.position = fixed.position;
  head.payload_bytes = fixed.payload_bytes;
  head.tokens.resize(fixed.tokens);
  if (!head.tokens.empty()) {
    std::memcpy(head.tokens.data(), bytes.data() + sizeof fixed, head.tokens.size() * sizeof(int32_t));
  }
  return head;
}

Status CheckPrefixPayload(std::string_view bytes, std::span<const std::string_view> payload) {
  FixedHead fixed = {};
  FATHOM_CHECK(bytes.size() >= sizeof fixed);
  std::memcpy(&fixed, bytes.data(), sizeof fixed);
  if (ChecksumOf(payload) != fixed.payload_checksum) return DataLoss("it has a wrong checksum: it was damaged");
  return {};
}

bool BeginsAsPrefixFile(std::string_view bytes) {
  uint64_t mark = 0;
  std::memcpy(&mark, bytes.data(), std::min(bytes.size(), sizeof mark));
  return mark == kPrefixFileMagic || mark == 0;
}

std::string PrefixFilePath(const std::string& directory, PrefixFileKind kind, const PrefixKey& key) {
  return StrCat(directory, kind == PrefixFileKind::kBlock ? "/block-" : "/state-", key.hex(), ".fkv");
}

}  // namespace fathom
