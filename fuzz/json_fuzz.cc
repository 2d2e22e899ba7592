// Any bytes: parsing must not crash, and what was accepted must be written as text that parses to the same text again.
#include <cstdlib>
#include <string_view>

#include "base/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  fathom::JsonParseOptions options;
  options.allow_nan = size % 2 == 1;
  const fathom::Result<fathom::Json> json = fathom::ParseJson(text, options);
  if (!json.ok()) return 0;
  const std::string once = json->Dump();
  const fathom::Result<fathom::Json> again = fathom::ParseJson(once, options);
  if (!again.ok() || again->Dump() != once) std::abort();
  const fathom::Result<fathom::Json> pretty = fathom::ParseJson(json->DumpPretty(), options);
  if (!pretty.ok() || pretty->Dump() != once) std::abort();
  if (json->AsInt().has_value() && !json->AsDouble().has_value()) std::abort();
  return 0;
}
