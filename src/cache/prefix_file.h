// prefix_file.h - one block or one state of the prefix cache as a file. docs/formats.md describes the bytes.
//
// Bytes are untrusted: whatever a file holds, reading it gives the record that was written or an error.
#ifndef FATHOM_CACHE_PREFIX_FILE_H_
#define FATHOM_CACHE_PREFIX_FILE_H_

#include <compare>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fathom {

// A hash of everything that a prefix consists of: model, layout, scope, tokens.
struct PrefixKey {
  uint64_t high = 0;
  uint64_t low = 0;
  auto operator<=>(const PrefixKey&) const = default;  // NOLINT(modernize-use-nullptr): there is none
  // 32 hexadecimal digits.
  std::string hex() const;
};

enum class PrefixFileKind : uint32_t { kBlock = 1, kPoint = 2 };

// What is known of a file without reading its payload.
struct PrefixFileHead {
  PrefixFileKind kind = PrefixFileKind::kBlock;
  uint64_t fingerprint = 0;          // of model and cache layout; other files are foreign
  PrefixKey key;                     // of this block or point
  PrefixKey parent;                  // of the block before it; for a point, of the block it stands in
  int64_t position = 0;              // tokens from the start to its end
  std::vector<int32_t> tokens = {};  // of the block, or of the point behind its parent
  int64_t payload_bytes = 0;
};

// Everything before the payload.
std::string EncodePrefixFileHead(const PrefixFileHead& head, std::span<const std::string_view> payload);

// Reads the head of a file of `file_bytes` bytes from its first ones; kMaxPrefixHeadBytes of them are enough.
inline constexpr size_t kMaxPrefixHeadBytes = 1024;
Result<PrefixFileHead> DecodePrefixFileHead(std::string_view bytes, int64_t file_bytes);

// Whether `payload` has the checksum of the head at the beginning of `bytes`, which was decoded without an error.
Status CheckPrefixPayload(std::string_view bytes, std::span<const std::string_view> payload);

// Whether the first bytes of a file are those of a kept prefix, or what is left of them after a power cut: zeros or
// none.
bool BeginsAsPrefixFile(std::string_view bytes);

// Where the file lies.
std::string PrefixFilePath(const std::string& directory, PrefixFileKind kind, const PrefixKey& key);

}  // namespace fathom

#endif  // FATHOM_CACHE_PREFIX_FILE_H_
