#include "engine/grammar/byte_automaton.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/strings.h"

namespace fathom {
namespace {

constexpr int kUnreachable = ByteAutomaton::kMaxDepth + 1;

}  // namespace

AutomatonBuilder::Rule AutomatonBuilder::AddRule() {
  const Rule rule{AddState(), AddState()};
  if (!full_) ends_[static_cast<size_t>(rule.end)] = 1;
  return rule;
}

int32_t AutomatonBuilder::AddState() {
  if (full_ || static_cast<int32_t>(ends_.size()) >= ByteAutomaton::kMaxStates) {
    full_ = true;
    return 0;
  }
  ends_.push_back(0);
  return static_cast<int32_t>(ends_.size()) - 1;
}

void AutomatonBuilder::Add(int32_t from, const ByteAutomaton::Edge& edge) {
  if (edges_.size() >= ByteAutomaton::kMaxEdges) full_ = true;
  if (!full_) edges_.push_back({from, edge});
}

void AutomatonBuilder::AddRange(int32_t from, int low, int high, int32_t to) {
  Add(from, {static_cast<int16_t>(low), static_cast<int16_t>(high), to, 0});
}

void AutomatonBuilder::AddEpsilon(int32_t from, int32_t to) { Add(from, {ByteAutomaton::kEpsilon, 0, to, 0}); }

void AutomatonBuilder::AddCall(int32_t from, Rule rule, int32_t to) {
  Add(from, {ByteAutomaton::kCall, 0, to, rule.start});
}

void AutomatonBuilder::AddText(int32_t from, std::string_view text, int32_t to) { AddTexts(from, {&text, 1}, to); }

void AutomatonBuilder::AddTexts(int32_t from, std::span<const std::string_view> texts, int32_t to) {
  std::map<std::pair<int32_t, char>, int32_t> next;
  for (const std::string_view text : texts) {
    int32_t state = from;
    for (size_t at = 0; at < text.size() && !full_; ++at) {
      const int byte = static_cast<uint8_t>(text[at]);
      if (at + 1 == text.size()) {
        AddSymbol(state, byte, to);
        continue;
      }
      const auto [place, added] = next.try_emplace({state, text[at]}, 0);
      if (added) {
        place->second = AddState();
        AddSymbol(state, byte, place->second);
      }
      state = place->second;
    }
    if (text.empty()) AddEpsilon(from, to);
  }
}

int32_t AutomatonBuilder::AddAutomaton(const ByteAutomaton& other) {
  const auto offset = static_cast<int32_t>(ends_.size());
  for (size_t state = 0; state < other.states() && !full_; ++state) {
    const int32_t copy = AddState();
    if (!full_) ends_[static_cast<size_t>(copy)] = other.is_end(static_cast<int32_t>(state)) ? 1 : 0;
  }
  for (size_t state = 0; state < other.states() && !full_; ++state) {
    for (ByteAutomaton::Edge edge : other.edges(static_cast<int32_t>(state))) {
      edge.to += offset;
      edge.rule_start += offset;
      Add(static_cast<int32_t>(state) + offset, edge);
    }
  }
  return offset + other.start();
}

Result<ByteAutomaton> EitherOf(const ByteAutomaton& first, const ByteAutomaton& second) {
  AutomatonBuilder builder;
  const AutomatonBuilder::Rule root = builder.AddRule();
  for (const ByteAutomaton* automaton : {&first, &second}) {
    const int32_t start = builder.AddAutomaton(*automaton);
    builder.AddEpsilon(root.start, start);
  }
  return builder.Finish(root);
}

Result<ByteAutomaton> AutomatonBuilder::Finish(Rule root) const {
  if (full_) {
    return InvalidArgument(StrCat("the grammar is too large: it takes more than ", ByteAutomaton::kMaxStates,
                                  " states; shorter counts (maxLength, maxItems, {m,n}) or fewer alternatives help"));
  }
  ByteAutomaton automaton;
  automaton.start_ = root.start;
  automaton.ends_ = ends_;
  const size_t states = ends_.size();
  automaton.first_edge_.assign(states + 1, 0);
  for (const BuildEdge& edge : edges_) ++automaton.first_edge_[static_cast<size_t>(edge.from) + 1];
  for (size_t state = 0; state < states; ++state) automaton.first_edge_[state + 1] += automaton.first_edge_[state];
  automaton.edges_.resize(edges_.size());
  std::vector<size_t> place = automaton.first_edge_;
  // Whose need depends on whose: callers on rules, and states on the states behind them.
  std::vector<std::vector<int32_t>> dependents(states);
  for (const auto& [from, edge] : edges_) {
    automaton.edges_[place[static_cast<size_t>(from)]++] = edge;
    dependents[static_cast<size_t>(edge.to)].push_back(from);
    if (edge.low == ByteAutomaton::kCall) dependents[static_cast<size_t>(edge.rule_start)].push_back(from);
  }
  automaton.need_.assign(states, kUnreachable);
  std::vector<int32_t> changed;
  for (size_t state = 0; state < states; ++state) {
    if (ends_[state] == 0) continue;
    automaton.need_[state] = 0;
    changed.push_back(static_cast<int32_t>(state));
  }
  while (!changed.empty()) {
    const int32_t known = changed.back();
    changed.pop_back();
    for (const int32_t state : dependents[static_cast<size_t>(known)]) {
      int need = automaton.need(state);
      for (const ByteAutomaton::Edge& edge : automaton.edges(state)) {
        const int inside = edge.low == ByteAutomaton::kCall ? automaton.need(edge.rule_start) + 1 : 0;
        need = std::min(need, std::max(inside, automaton.need(edge.to)));
      }
      if (need == automaton.need(state)) continue;
      automaton.need_[static_cast<size_t>(state)] = need;
      changed.push_back(state);
    }
  }
  if (automaton.need(root.start) > ByteAutomaton::kMaxDepth) {
    return InvalidArgument(
        StrCat("no text can satisfy it, or only one nested more than ", ByteAutomaton::kMaxDepth, " levels deep"));
  }
  return automaton;
}

}  // namespace fathom
