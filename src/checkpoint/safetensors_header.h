// safetensors_header.h - the JSON header alone, without a file behind it: what SafetensorsFile parses and what the
// fuzzer feeds. Read event by event (RapidJSON SAX), because V4-Flash has 69,187 entries and a tree of them costs most
// of the time that opening takes.
#ifndef FATHOM_CHECKPOINT_SAFETENSORS_HEADER_H_
#define FATHOM_CHECKPOINT_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "checkpoint/safetensors.h"

namespace fathom {

struct SafetensorsEntry {
  TensorInfo info;     // bytes not set
  uint64_t begin = 0;  // data_offsets, relative to the end of the header
  uint64_t end = 0;
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the order of the header
  std::vector<std::pair<std::string, std::string>> metadata;
};

// Checks every entry by itself (fields present, whole numbers, size = product of the shape x element size) and against
// the others (unique names, no overlap) and that all end within `data_bytes`. Messages have no file name in front.
Result<SafetensorsHeader> ParseSafetensorsHeader(std::string_view json, uint64_t data_bytes);

}  // namespace fathom

#endif  // FATHOM_CHECKPOINT_SAFETENSORS_HEADER_H_
