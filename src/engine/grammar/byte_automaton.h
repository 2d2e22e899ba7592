// byte_automaton.h - what text may be generated, as a recursive automaton over bytes.
//
// A set of rules; each is a non-deterministic automaton whose edges read a symbol, nothing, or what another rule
// accepts. Symbols are the 256 bytes and kDsmlSymbol, which stands for the control token of tool markup. The depth of
// rules inside rules is at most kMaxDepth, and need() says how much depth a state takes to reach its rule's end: a walk
// (automaton_walker.h) that goes only where that much is left can always be finished.
//
//   AutomatonBuilder builder;
//   AutomatonBuilder::Rule root = builder.AddRule();
//   builder.AddText(root.start, "yes", root.end);
//   FATHOM_ASSIGN_OR_RETURN(ByteAutomaton automaton, builder.Finish(root));
//
// Immutable and thread-safe once built.
#ifndef FATHOM_ENGINE_GRAMMAR_BYTE_AUTOMATON_H_
#define FATHOM_ENGINE_GRAMMAR_BYTE_AUTOMATON_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace fathom {

inline constexpr int kDsmlSymbol = 256;
inline constexpr int kSymbols = 257;

class ByteAutomaton {
 public:
  static constexpr int kMaxDepth = 64;
  static constexpr int32_t kMaxStates = 1 << 17;
  static constexpr size_t kMaxEdges = size_t{1} << 19;

  struct Edge {
    int16_t low = 0;  // symbols low to high; kEpsilon: none is read; kCall: what the rule at `rule_start` accepts
    int16_t high = 0;
    int32_t to = 0;
    int32_t rule_start = 0;
  };
  static constexpr int16_t kEpsilon = -1;
  static constexpr int16_t kCall = -2;

  int32_t start() const { return start_; }
  size_t states() const { return ends_.size(); }
  std::span<const Edge> edges(int32_t state) const {
    const auto at = static_cast<size_t>(state);
    return std::span(edges_).subspan(first_edge_[at], first_edge_[at + 1] - first_edge_[at]);
  }
  bool is_end(int32_t state) const { return ends_[static_cast<size_t>(state)] != 0; }
  // Depth below its own that a state needs; more than kMaxDepth if its rule's end can't be reached.
  int need(int32_t state) const { return need_[static_cast<size_t>(state)]; }

 private:
  friend class AutomatonBuilder;

  int32_t start_ = 0;
  std::vector<size_t> first_edge_;  // [states + 1]
  std::vector<Edge> edges_;
  std::vector<uint8_t> ends_;
  std::vector<int> need_;
};

class AutomatonBuilder {
 public:
  struct Rule {
    int32_t start = 0;
    int32_t end = 0;
  };

  Rule AddRule();
  int32_t AddState();
  void AddRange(int32_t from, int low, int high, int32_t to);
  void AddSymbol(int32_t from, int symbol, int32_t to) { AddRange(from, symbol, symbol, to); }
  void AddEpsilon(int32_t from, int32_t to);
  void AddCall(int32_t from, Rule rule, int32_t to);
  void AddText(int32_t from, std::string_view text, int32_t to);
  // A finished automaton's states and edges as part of this one; the state it starts in. Its ends are ends.
  int32_t AddAutomaton(const ByteAutomaton& other);
  // One of `texts`, with shared beginnings as one path.
  void AddTexts(int32_t from, std::span<const std::string_view> texts, int32_t to);

  // Past the limits: nothing is added any more, and Finish() is an error. For loops to end early.
  bool full() const { return full_; }
  // An error if the automaton is too large or no text of finite length (and bounded depth) is accepted.
  Result<ByteAutomaton> Finish(Rule root) const;

 private:
  struct BuildEdge {
    int32_t from = 0;
    ByteAutomaton::Edge edge;
  };
  void Add(int32_t from, const ByteAutomaton::Edge& edge);

  std::vector<uint8_t> ends_;
  std::vector<BuildEdge> edges_;
  bool full_ = false;
};

// What either of two automata accepts. An error if both together are too large.
Result<ByteAutomaton> EitherOf(const ByteAutomaton& first, const ByteAutomaton& second);

}  // namespace fathom

#endif  // FATHOM_ENGINE_GRAMMAR_BYTE_AUTOMATON_H_
