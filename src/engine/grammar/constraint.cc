#include "engine/grammar/constraint.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tokenizer/chat_dialect.h"

namespace fathom {
namespace {

// About 20 MB of positions and 8 MB of masks (129k tokens) at most for one sequence.
constexpr size_t kMaxPositions = 1 << 14;
constexpr size_t kMaxMasks = 512;

void Allow(int32_t id, TokenMask* mask) { (*mask)[static_cast<size_t>(id) / 64] |= uint64_t{1} << (id % 64); }

}  // namespace

TokenTrie::TokenTrie(const Tokenizer& tokenizer)
    : tokenizer_(tokenizer), dsml_token_(tokenizer.FindAddedToken(kDsmlText)) {
  std::vector<std::pair<std::string_view, int32_t>> tokens;
  constexpr size_t kMaxBytes = 4096;  // a longer token is left out
  for (int32_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string_view bytes = tokenizer.token_bytes(id);
    if (!tokenizer.is_added(id) && !bytes.empty() && bytes.size() <= kMaxBytes) tokens.emplace_back(bytes, id);
  }
  std::sort(tokens.begin(), tokens.end());
  std::vector<size_t> path;  // the node of every byte of `previous`
  std::string_view previous;
  const auto close = [&](size_t depth) {
    for (; path.size() > depth; path.pop_back()) nodes_[path.back()].end = static_cast<int32_t>(nodes_.size());
  };
  for (const auto& [bytes, id] : tokens) {
    const auto [mine, theirs] = std::ranges::mismatch(bytes, previous);
    const auto shared = static_cast<size_t>(mine - bytes.begin());
    close(shared);
    for (size_t at = shared; at < bytes.size(); ++at) {
      path.push_back(nodes_.size());
      nodes_.push_back(
          {static_cast<uint8_t>(bytes[at]), static_cast<uint16_t>(at + 1), 0, static_cast<int32_t>(ids_.size())});
    }
    max_depth_ = std::max(max_depth_, static_cast<uint16_t>(bytes.size()));
    ids_.push_back(id);
    previous = bytes;
  }
  close(0);
  nodes_.push_back({0, 0, 0, static_cast<int32_t>(ids_.size())});
}

ConstraintState::ConstraintState(Constraint constraint, const TokenTrie& trie, std::vector<int32_t> stop_tokens)
    : constraint_(std::move(constraint)),
      trie_(trie),
      stop_tokens_(std::move(stop_tokens)),
      walker_(*constraint_.automaton) {
  int32_t ids = std::max(trie.tokenizer().vocab_size(), constraint_.begin_after_token.value_or(0) + 1);
  for (const int32_t id : stop_tokens_) ids = std::max(ids, id + 1);
  mask_words_ = (static_cast<size_t>(ids) + 63) / 64;
  if (!constraint_.begin_after_token && constraint_.begin_after_text.empty()) Begin({});
}

// Starts with `rest`, what the last token had behind the text that starts the grammar.
void ConstraintState::Begin(std::string_view rest) {
  const int32_t position = walker_.StepText(walker_.start(), rest);
  if (position == AutomatonWalker::kDead) return;
  position_ = position;
  active_ = true;
}

int32_t ConstraintState::Advance(int32_t position, int32_t id) {
  if (trie_.dsml_token() == id) return walker_.Step(position, kDsmlSymbol);
  if (trie_.tokenizer().is_added(id)) return AutomatonWalker::kDead;
  return walker_.StepText(position, trie_.tokenizer().token_bytes(id));
}

void ConstraintState::Accept(int32_t id) {
  if (active_) {
    // A stop token ends the sequence, so it leads nowhere.
    position_ = Advance(position_, id);
    return;
  }
  if (constraint_.begin_after_token) {
    if (id == *constraint_.begin_after_token) Begin({});
    return;
  }
  const std::string& mark = constraint_.begin_after_text;
  tail_ += trie_.tokenizer().token_bytes(id);
  if (const size_t at = tail_.find(mark); at != std::string::npos) {
    Begin(std::string_view(tail_).substr(at + mark.size()));
    tail_.erase(0, at + mark.size());
  }
  if (tail_.size() >= mark.size()) tail_.erase(0, tail_.size() - mark.size() + 1);
}

TokenMask ConstraintState::WaitingMask() const {
  TokenMask mask(mask_words_);
  for (const int32_t id : trie_.ids()) Allow(id, &mask);
  for (const int32_t id : stop_tokens_) mask[static_cast<size_t>(id) / 64] &= ~(uint64_t{1} << (id % 64));
  Allow(*constraint_.begin_after_token, &mask);
  return mask;
}

void ConstraintState::LimitMemory() {
  if (walker_.size() > kMaxPositions) {
    walker_.Forget({&position_, 1});
    masks_.clear();
  }
  if (masks_.size() > kMaxMasks) masks_.clear();
}

TokenMask ConstraintState::ComputeMask() {
  TokenMask mask(mask_words_);
  const std::span<const TokenTrie::Node> nodes = trie_.nodes();
  std::vector<int32_t> positions(static_cast<size_t>(trie_.max_depth()) + 1);
  positions[0] = position_;
  for (size_t at = 0; at + 1 < nodes.size();) {
    const TokenTrie::Node& node = nodes[at];
    const int32_t next = walker_.Step(positions[node.depth - 1u], node.byte);
    if (next == AutomatonWalker::kDead) {
      at = static_cast<size_t>(node.end);
      continue;
    }
    positions[node.depth] = next;
    for (int32_t token = node.tokens; token < nodes[at + 1].tokens; ++token) {
      Allow(trie_.ids()[static_cast<size_t>(token)], &mask);
    }
    ++at;
    if (walker_.size() > 2 * kMaxPositions) {
      walker_.Forget(positions);
      position_ = positions[0];
      masks_.clear();
    }
  }
  for (const int32_t id : stop_tokens_) {
    mask[static_cast<size_t>(id) / 64] &= ~(uint64_t{1} << (id % 64));
    if (walker_.complete(position_)) Allow(id, &mask);
  }
  if (trie_.dsml_token() && walker_.Step(position_, kDsmlSymbol) != AutomatonWalker::kDead) {
    Allow(*trie_.dsml_token(), &mask);
  }
  return mask;
}

std::span<const uint64_t> ConstraintState::AllowedTokens() {
  if (!active_) {
    if (!constraint_.begin_after_token) return {};
    if (waiting_mask_.empty()) waiting_mask_ = WaitingMask();
    return waiting_mask_;
  }
  LimitMemory();
  const auto known = masks_.find(position_);
  if (known != masks_.end()) return known->second;
  TokenMask mask = ComputeMask();
  return masks_[position_] = std::move(mask);
}

}  // namespace fathom
