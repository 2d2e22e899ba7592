// Any header: parsing must not crash, and what was accepted must lie inside the file, fit its dtype and overlap
// nothing.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "checkpoint/safetensors_header.h"

// The first two bytes are the length of the data behind the header.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  uint16_t data_bytes = 0;
  if (size < sizeof data_bytes) return 0;
  std::memcpy(&data_bytes, data, sizeof data_bytes);
  const std::string_view json(reinterpret_cast<const char*>(data) + sizeof data_bytes, size - sizeof data_bytes);
  fathom::Result<fathom::SafetensorsHeader> header = fathom::ParseSafetensorsHeader(json, data_bytes);
  if (!header.ok()) {
    if (header.status().message().empty() || header.status().exit_code() != 2) std::abort();
    return 0;
  }
  auto& entries = header->entries;
  for (const fathom::SafetensorsEntry& entry : entries) {
    if (entry.begin > entry.end || entry.end > data_bytes) std::abort();
    const int64_t unit = fathom::TensorTypeBytes(entry.info.type);
    if (unit != 0 && static_cast<uint64_t>(entry.info.elements() * unit) != entry.end - entry.begin) std::abort();
    fathom::ShapeText(entry.info.shape);
  }
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.begin < b.begin; });
  uint64_t end = 0;
  for (const fathom::SafetensorsEntry& entry : entries) {
    if (entry.begin == entry.end) continue;
    if (entry.begin < end) std::abort();
    end = entry.end;
  }
  return 0;
}
