// automaton_walker.h - where a text may stand in a ByteAutomaton, computed as needed and remembered.
//
// A position is the set of all stacks of states that the text so far can have led to, under one small number. Only
// stacks that can be finished are kept, so every position can be continued or is complete. Of very many stacks the
// first kMaxStacks are kept: what is accepted stays right, though some continuations may be missing. One step adds at
// most about 30 MB.
//
//   AutomatonWalker walker(automaton);
//   int32_t at = walker.Step(walker.start(), 'x');  // kDead: not allowed
//
// Results are a function of the automaton and the text. Not thread-safe; `automaton` must outlive it.
#ifndef FATHOM_ENGINE_GRAMMAR_AUTOMATON_WALKER_H_
#define FATHOM_ENGINE_GRAMMAR_AUTOMATON_WALKER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/grammar/byte_automaton.h"

namespace fathom {

class AutomatonWalker {
 public:
  static constexpr int32_t kDead = 0;
  static constexpr size_t kMaxStacks = 1024;

  explicit AutomatonWalker(const ByteAutomaton& automaton);

  int32_t start();
  // The position after one more symbol.
  int32_t Step(int32_t position, int symbol) {
    const int32_t next = positions_[static_cast<size_t>(position)]->next[static_cast<size_t>(symbol)];
    return next != kUnknown ? next : ComputeStep(position, symbol);
  }
  int32_t StepText(int32_t position, std::string_view text);
  // The text may end here.
  bool complete(int32_t position) const { return positions_[static_cast<size_t>(position)]->complete; }
  // Nothing may follow.
  bool final(int32_t position) const { return positions_[static_cast<size_t>(position)]->stacks.empty(); }

  // Memory held, about. A position takes 1.2 KB, and where the text so far is ambiguous up to 100 KB more.
  size_t bytes() const { return bytes_; }
  // Takes over positions of a walker of the same automaton: their numbers become those they have here.
  void Adopt(const AutomatonWalker& other, std::span<int32_t> positions);

 private:
  static constexpr int32_t kUnknown = -1;

  // The top of a stack and what is below: the states to return to. Equal stacks have equal numbers.
  struct Node {
    int32_t state = 0;
    int32_t parent = -1;
    int depth = 0;
  };
  struct Position {
    // Nodes with edges that read a symbol, in the order found: the order is a function of the text, numbers are not.
    std::vector<int32_t> stacks;
    bool complete = false;
    std::array<int32_t, kSymbols> next{};
  };

  int32_t Intern(int32_t state, int32_t parent);
  int32_t InternPosition(std::vector<int32_t> stacks, bool complete);
  int32_t ComputeStep(int32_t position, int symbol);
  // The position of what `pending` reach without reading.
  int32_t Close(std::vector<int32_t> pending);
  void Expand(int32_t number, std::vector<int32_t>* pending);

  const ByteAutomaton& automaton_;
  size_t bytes_ = 0;
  std::vector<Node> nodes_;
  std::unordered_map<uint64_t, int32_t> node_numbers_;
  std::vector<std::unique_ptr<Position>> positions_;
  std::unordered_multimap<uint64_t, int32_t> position_numbers_;  // by hash
  int32_t start_ = kUnknown;
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_GRAMMAR_AUTOMATON_WALKER_H_
