#include "engine/grammar/automaton_walker.h"

#include <algorithm>
#include <utility>

namespace fathom {
namespace {

// Edges followed from one position to the next. Depth is bounded, so the first stacks are found long before.
constexpr size_t kMaxClosure = 1 << 16;

uint64_t HashOf(std::span<const int32_t> stacks, bool complete) {
  uint64_t hash = complete ? 0x9e3779b97f4a7c15u : 0;
  for (const int32_t node : stacks) hash = (hash ^ static_cast<uint64_t>(node)) * 0x100000001b3u + (hash >> 29);
  return hash;
}

}  // namespace

AutomatonWalker::AutomatonWalker(const ByteAutomaton& automaton) : automaton_(automaton) {
  positions_.push_back(std::make_unique<Position>());  // kDead, from where everything leads to kDead
}

int32_t AutomatonWalker::start() {
  if (start_ == kUnknown) start_ = Close({Intern(automaton_.start(), -1)});
  return start_;
}

int32_t AutomatonWalker::StepText(int32_t position, std::string_view text) {
  for (const char byte : text) position = Step(position, static_cast<uint8_t>(byte));
  return position;
}

int32_t AutomatonWalker::Intern(int32_t state, int32_t parent) {
  const uint64_t key = static_cast<uint64_t>(state) << 32 | static_cast<uint32_t>(parent);
  const auto [place, added] = node_numbers_.try_emplace(key, static_cast<int32_t>(nodes_.size()));
  if (added) {
    nodes_.push_back({state, parent, parent < 0 ? 0 : nodes_[static_cast<size_t>(parent)].depth + 1});
    // Vectors grow by half or all of their size; an entry of a map is a block with a pointer, and a bucket.
    bytes_ += 2 * sizeof(Node) + sizeof(decltype(node_numbers_)::value_type) + 4 * sizeof(void*);
  }
  return place->second;
}

int32_t AutomatonWalker::InternPosition(std::vector<int32_t> stacks, bool complete) {
  if (stacks.empty() && !complete) return kDead;
  const uint64_t hash = HashOf(stacks, complete);
  const auto [begin, end] = position_numbers_.equal_range(hash);
  for (auto known = begin; known != end; ++known) {
    const Position& position = *positions_[static_cast<size_t>(known->second)];
    if (position.complete == complete && position.stacks == stacks) return known->second;
  }
  const auto number = static_cast<int32_t>(positions_.size());
  auto position = std::make_unique<Position>();
  position->stacks = std::move(stacks);
  position->complete = complete;
  position->next.fill(position->stacks.empty() ? kDead : kUnknown);
  bytes_ += sizeof(Position) + position->stacks.capacity() * sizeof(int32_t) +
            sizeof(decltype(position_numbers_)::value_type) + 6 * sizeof(void*);
  positions_.push_back(std::move(position));
  position_numbers_.emplace(hash, number);
  return number;
}

int32_t AutomatonWalker::ComputeStep(int32_t position, int symbol) {
  std::vector<int32_t> reached;
  // By index: interning a node moves nodes_.
  const std::vector<int32_t>& stacks = positions_[static_cast<size_t>(position)]->stacks;
  for (const int32_t number : stacks) {
    const Node node = nodes_[static_cast<size_t>(number)];
    for (const ByteAutomaton::Edge& edge : automaton_.edges(node.state)) {
      if (edge.low < 0 || symbol < edge.low || symbol > edge.high) continue;
      if (node.depth + automaton_.need(edge.to) > ByteAutomaton::kMaxDepth) continue;
      if (reached.size() < kMaxClosure) reached.push_back(Intern(edge.to, node.parent));
    }
  }
  const int32_t next = reached.empty() ? kDead : Close(std::move(reached));
  positions_[static_cast<size_t>(position)]->next[static_cast<size_t>(symbol)] = next;
  return next;
}

void AutomatonWalker::Expand(int32_t number, std::vector<int32_t>* pending) {
  const Node node = nodes_[static_cast<size_t>(number)];
  const std::span<const ByteAutomaton::Edge> edges = automaton_.edges(node.state);
  // Backwards: `pending` is a stack, and the first edge is to be followed first.
  for (size_t at = edges.size(); at-- > 0;) {
    const ByteAutomaton::Edge& edge = edges[at];
    if (edge.low >= 0 || node.depth + automaton_.need(edge.to) > ByteAutomaton::kMaxDepth) continue;
    if (edge.low == ByteAutomaton::kEpsilon) {
      pending->push_back(Intern(edge.to, node.parent));
    } else if (node.depth + 1 + automaton_.need(edge.rule_start) <= ByteAutomaton::kMaxDepth) {
      pending->push_back(Intern(edge.rule_start, Intern(edge.to, node.parent)));
    }
  }
  if (automaton_.is_end(node.state) && node.parent >= 0) pending->push_back(node.parent);
}

int32_t AutomatonWalker::Close(std::vector<int32_t> pending) {
  std::reverse(pending.begin(), pending.end());
  std::unordered_set<int32_t> seen;
  std::vector<int32_t> stacks;
  bool complete = false;
  size_t followed = 0;
  while (!pending.empty() && followed < kMaxClosure && stacks.size() < kMaxStacks) {
    const int32_t number = pending.back();
    pending.pop_back();
    if (!seen.insert(number).second) continue;
    const Node node = nodes_[static_cast<size_t>(number)];
    complete |= automaton_.is_end(node.state) && node.parent < 0;
    const auto edges = automaton_.edges(node.state);
    const auto reads = [&](const ByteAutomaton::Edge& edge) {
      return edge.low >= 0 && node.depth + automaton_.need(edge.to) <= ByteAutomaton::kMaxDepth;
    };
    if (std::ranges::any_of(edges, reads)) stacks.push_back(number);
    const size_t before = pending.size();
    Expand(number, &pending);
    followed += pending.size() - before + 1;
  }
  return InternPosition(std::move(stacks), complete);
}

void AutomatonWalker::Adopt(const AutomatonWalker& other, std::span<int32_t> positions) {
  for (int32_t& number : positions) {
    if (number == kDead) continue;
    const Position& position = *other.positions_[static_cast<size_t>(number)];
    std::vector<int32_t> stacks;
    for (const int32_t top : position.stacks) {
      std::vector<int32_t> states;
      for (int32_t node = top; node >= 0; node = other.nodes_[static_cast<size_t>(node)].parent) {
        states.push_back(other.nodes_[static_cast<size_t>(node)].state);
      }
      int32_t copy = -1;
      for (size_t at = states.size(); at-- > 0;) copy = Intern(states[at], copy);
      stacks.push_back(copy);
    }
    number = InternPosition(std::move(stacks), position.complete);
  }
}

}  // namespace fathom
