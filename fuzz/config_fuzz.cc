// Any config.json: reading must not crash, and what was accepted keeps its numbers when it is written and read again.
#include <cstdlib>
#include <string_view>

#include "checkpoint/config_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const fathom::Result<fathom::CheckpointConfig> config = fathom::ParseConfigJson(text, "config.json");
  if (!config.ok()) {
    if (!config.status().message().starts_with("config.json: ") || config.status().exit_code() != 2) std::abort();
    return 0;
  }
  if (!config->model.Validate().ok()) std::abort();
  const std::string once = fathom::ConfigToJson(*config).Dump();
  const fathom::Result<fathom::CheckpointConfig> again = fathom::ParseConfigJson(once, "config.json");
  if (!again.ok() || fathom::ConfigToJson(*again).Dump() != once) std::abort();
  fathom::ModelName(*config);
  return 0;
}
