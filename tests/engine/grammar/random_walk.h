// random_walk.h - a text that an automaton accepts, chosen byte by byte.
#ifndef FATHOM_TESTS_ENGINE_GRAMMAR_RANDOM_WALK_H_
#define FATHOM_TESTS_ENGINE_GRAMMAR_RANDOM_WALK_H_

#include <optional>
#include <random>
#include <string>
#include <vector>

#include "engine/grammar/automaton_walker.h"
#include "tokenizer/chat_dialect.h"

namespace fathom {

// Nothing if the text is not complete within `max_bytes`; `*stuck` if nothing could follow what was not complete.
inline std::optional<std::string> RandomWalk(AutomatonWalker& walker, std::mt19937& random, size_t max_bytes,
                                             bool* stuck) {
  std::string text;
  int32_t at = walker.start();
  while (text.size() < max_bytes) {
    std::vector<int> next;
    std::vector<int> closing;  // what tends to end things, so that walks do
    for (int symbol = 0; symbol < kSymbols; ++symbol) {
      if (walker.Step(at, symbol) == AutomatonWalker::kDead) continue;
      next.push_back(symbol);
      if (symbol == '"' || symbol == '}' || symbol == ']' || symbol == '<' || symbol == '/') closing.push_back(symbol);
    }
    const bool complete = walker.complete(at);
    if (next.empty() && !complete) *stuck = true;
    if (complete && (next.empty() || random() % 3 == 0)) return text;
    if (next.empty()) return std::nullopt;
    const std::vector<int>& from = !closing.empty() && random() % 4 == 0 ? closing : next;
    const int symbol = from[random() % from.size()];
    at = walker.Step(at, symbol);
    if (symbol == kDsmlSymbol) {
      text += kDsmlText;
    } else {
      text += static_cast<char>(symbol);
    }
  }
  return std::nullopt;
}

}  // namespace fathom

#endif  // FATHOM_TESTS_ENGINE_GRAMMAR_RANDOM_WALK_H_
