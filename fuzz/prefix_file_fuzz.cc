// Any file among kept prefixes: reading must not crash, and what is accepted lies inside the file, is of bounded size
// and is what writing it again gives.
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "cache/prefix_file.h"
#include "cache/sequence_cache.h"

namespace {

// Behind the fixed part of a head; its last field is the number of tokens.
constexpr size_t kFixedBytes = 80;

// Rights the head's checksum, so that changed heads get as far as the checks behind it.
std::string WithRightChecksum(std::string file) {
  uint32_t tokens = 0;
  if (file.size() < kFixedBytes) return file;
  std::memcpy(&tokens, file.data() + kFixedBytes - sizeof tokens, sizeof tokens);
  const size_t end = kFixedBytes + size_t{tokens} * sizeof(int32_t);
  if (end + sizeof(uint64_t) > file.size()) return file;
  const uint64_t checksum = XXH3_64bits(file.data(), end);
  std::memcpy(file.data() + end, &checksum, sizeof checksum);
  return file;
}

void Check(std::string_view file) {
  const auto head =
      fathom::DecodePrefixFileHead(file.substr(0, fathom::kMaxPrefixHeadBytes), static_cast<int64_t>(file.size()));
  if (!head.ok()) {
    if (head.status().message().empty()) std::abort();
    return;
  }
  if (head->tokens.size() > fathom::CacheLayout::kBlockTokens || head->position < 0) std::abort();
  if (head->payload_bytes < 0 || head->payload_bytes > static_cast<int64_t>(file.size())) std::abort();
  const std::string_view payload = file.substr(file.size() - static_cast<size_t>(head->payload_bytes));
  const std::string_view parts[] = {payload};
  if (!fathom::CheckPrefixPayload(file, parts).ok()) return;
  if (fathom::EncodePrefixFileHead(*head, parts) + std::string(payload) != file) std::abort();
}

}  // namespace

// The first byte says whether the head's checksum is righted.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string file(reinterpret_cast<const char*>(data) + 1, size - 1);
  Check((data[0] & 1) != 0 ? WithRightChecksum(file) : file);
  return 0;
}
