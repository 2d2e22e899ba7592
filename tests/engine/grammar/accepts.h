// accepts.h - whether a whole text is one that an automaton accepts.
#ifndef FATHOM_TESTS_ENGINE_GRAMMAR_ACCEPTS_H_
#define FATHOM_TESTS_ENGINE_GRAMMAR_ACCEPTS_H_

#include <string>

#include "engine/grammar/automaton_walker.h"

namespace fathom {

inline bool Accepts(const ByteAutomaton& automaton, const std::string& text) {
  AutomatonWalker walker(automaton);
  return walker.complete(walker.StepText(walker.start(), text));
}

}  // namespace fathom

#endif  // FATHOM_TESTS_ENGINE_GRAMMAR_ACCEPTS_H_
