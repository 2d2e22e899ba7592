#include "tokenizer/bpe.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <functional>

#include "base/check.h"

namespace fathom {

namespace {

// Up to here scanning all pairs for the best one is faster than keeping a heap.
constexpr size_t kShortPiece = 48;

}  // namespace

Bpe::Bpe(const std::array<int32_t, 256>& byte_ids, std::span<const Merge> merges) : byte_ids_(byte_ids) {
  FATHOM_CHECK(merges.size() < kNoRank);
  const size_t slots = std::bit_ceil(std::max<size_t>(2 * merges.size(), 16));
  shift_ = 64 - std::countr_zero(slots);
  slots_.assign(slots, {0, kNoRank, 0});
  for (uint32_t rank = 0; rank < merges.size(); ++rank) {
    const Merge& merge = merges[rank];
    const uint64_t pair = PairOf(merge.left, merge.right);
    size_t at = FirstSlot(pair);
    while (slots_[at].rank != kNoRank) {
      FATHOM_CHECK(slots_[at].pair != pair);
      at = (at + 1) & (slots - 1);
    }
    slots_[at] = {pair, rank, merge.result};
  }

  byte_pairs_.resize(size_t{256} * 256);
  for (size_t first = 0; first < 256; ++first) {
    for (size_t second = 0; second < 256; ++second) {
      byte_pairs_[256 * first + second] = Find(byte_ids[first], byte_ids[second]);
    }
  }
}

uint64_t Bpe::PairOf(int32_t left, int32_t right) {
  return static_cast<uint64_t>(static_cast<uint32_t>(left)) << 32 | static_cast<uint32_t>(right);
}

size_t Bpe::FirstSlot(uint64_t pair) const {
  // Fibonacci hashing; the first multiplication spreads the left id over the low half.
  const uint64_t mixed = (pair ^ (pair >> 32) * 0x9E3779B97F4A7C15u) * 0xD6E8FEB86659FD93u;
  return static_cast<size_t>(mixed >> shift_);
}

Bpe::Found Bpe::Find(int32_t left, int32_t right) const {
  const uint64_t pair = PairOf(left, right);
  const size_t mask = slots_.size() - 1;
  size_t at = FirstSlot(pair);
  while (slots_[at].rank != kNoRank) {
    if (slots_[at].pair == pair) return {slots_[at].rank, slots_[at].result};
    at = (at + 1) & mask;
  }
  return {kNoRank, 0};
}

void Bpe::Encode(std::string_view piece, std::vector<int32_t>* ids) const {
  if (piece.size() <= kShortPiece) {
    EncodeShort(piece, ids);
  } else {
    EncodeLong(piece, ids);
  }
}

void Bpe::EncodeShort(std::string_view piece, std::vector<int32_t>* ids) const {
  const auto byte = [&](size_t at) { return static_cast<size_t>(static_cast<uint8_t>(piece[at])); };
  int32_t token[kShortPiece];
  Found pair[kShortPiece];  // pair[i] = what tokens i and i + 1 merge to
  size_t count = piece.size();
  for (size_t at = 0; at < count; ++at) token[at] = byte_ids_[byte(at)];
  for (size_t at = 0; at + 1 < count; ++at) pair[at] = byte_pairs_[256 * byte(at) + byte(at + 1)];

  while (count > 1) {
    size_t best = 0;
    for (size_t at = 1; at + 1 < count; ++at) {
      if (pair[at].rank < pair[best].rank) best = at;
    }
    if (pair[best].rank == kNoRank) break;
    token[best] = pair[best].result;
    --count;
    for (size_t at = best + 1; at < count; ++at) {
      token[at] = token[at + 1];
      pair[at - 1] = pair[at];
    }
    if (best + 1 < count) pair[best] = Find(token[best], token[best + 1]);
    if (best > 0) pair[best - 1] = Find(token[best - 1], token[best]);
  }
  ids->insert(ids->end(), token, token + count);
}

void Bpe::EncodeLong(std::string_view piece, std::vector<int32_t>* ids) const {
  // Tokens form a linked list over the byte positions where they start; `pair` belongs to a token and its successor.
  struct Node {
    int32_t token;
    uint32_t previous;
    uint32_t next;
    Found pair;
  };
  constexpr uint32_t kNone = 0xFFFFFFFF;
  FATHOM_CHECK(piece.size() < kNone);
  const auto size = static_cast<uint32_t>(piece.size());

  // Candidates as rank << 32 | position: the smallest is the lowest rank, then the leftmost. An entry is stale when
  // the node's pair has another rank by now.
  std::vector<Node> nodes(size);
  std::vector<uint64_t> heap;
  const auto candidate = [&](uint32_t at) { return static_cast<uint64_t>(nodes[at].pair.rank) << 32 | at; };
  for (uint32_t at = 0; at < size; ++at) {
    const auto byte = static_cast<uint8_t>(piece[at]);
    const bool last = at + 1 == size;
    const Found pair = last ? Found{kNoRank, 0} : byte_pairs_[256u * byte + static_cast<uint8_t>(piece[at + 1])];
    nodes[at] = {byte_ids_[byte], at == 0 ? kNone : at - 1, last ? kNone : at + 1, pair};
    if (pair.rank != kNoRank) heap.push_back(candidate(at));
  }
  std::make_heap(heap.begin(), heap.end(), std::greater<>());

  const auto update = [&](uint32_t at) {
    Node& node = nodes[at];
    node.pair = node.next == kNone ? Found{kNoRank, 0} : Find(node.token, nodes[node.next].token);
    if (node.pair.rank == kNoRank) return;
    heap.push_back(candidate(at));
    std::push_heap(heap.begin(), heap.end(), std::greater<>());
  };
  while (!heap.empty()) {
    const uint64_t top = heap.front();
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    heap.pop_back();
    const auto at = static_cast<uint32_t>(top);
    if (candidate(at) != top) continue;

    Node& node = nodes[at];
    Node& gone = nodes[node.next];
    node.token = node.pair.result;
    node.next = gone.next;
    gone.pair.rank = kNoRank;
    if (node.next != kNone) nodes[node.next].previous = at;
    update(at);
    if (node.previous != kNone) update(node.previous);
  }
  for (uint32_t at = 0; at != kNone; at = nodes[at].next) ids->push_back(nodes[at].token);
}

}  // namespace fathom
