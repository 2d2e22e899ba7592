// Any JSON as a schema: byte 0 seeds the walks, the rest is the schema. It compiles or is refused with a sentence; if
// it compiles, walks at random through what it allows are never stuck and write documents that a checker of its own
// finds valid.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "engine/grammar/automaton_walker.h"
#include "engine/grammar/json_schema.h"
#include "tests/engine/grammar/random_walk.h"
#include "tests/engine/grammar/schema_checker.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fathom;
  if (size < 1) return 0;
  const Result<Json> schema = ParseJson({reinterpret_cast<const char*>(data) + 1, size - 1});
  if (!schema.ok()) return 0;
  const Result<ByteAutomaton> automaton = CompileJsonSchema(*schema, "schema");
  if (!automaton.ok()) {
    FATHOM_CHECK(!automaton.status().message().empty());
    FATHOM_CHECK(automaton.status().message().find('\n') == std::string::npos);
    return 0;
  }
  AutomatonWalker walker(*automaton);
  std::mt19937 random(data[0]);
  bool stuck = false;
  for (int walk = 0; walk < 4; ++walk) {
    const std::optional<std::string> text = RandomWalk(walker, random, 300, &stuck);
    FATHOM_CHECK(!stuck);
    if (!text) continue;
    const Result<Json> value = ParseJson(*text);
    FATHOM_CHECK(value.ok());
    FATHOM_CHECK(SchemaChecker(*schema).Valid(*schema, *value));
  }
  return 0;
}
