#include "engine/grammar/constraint.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "tokenizer/chat_dialect.h"

namespace fathom {
namespace {

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

ConstraintState::ConstraintState(Constraint constraint, const TokenTrie& trie, std::vector<int32_t> stop_tokens,
                                 ConstraintPool* pool)
    : constraint_(std::move(constraint)),
      trie_(trie),
      stop_tokens_(std::move(stop_tokens)),
      pool_(pool),
      memory_(pool != nullptr ? pool->Get(constraint_.automaton, stop_tokens_)
                              : std::make_shared<ConstraintMemory>(constraint_.automaton, stop_tokens_)) {
  int32_t ids = trie.tokenizer().vocab_size();
  for (const int32_t id : stop_tokens_) ids = std::max(ids, id + 1);
  mask_words_ = (static_cast<size_t>(ids) + 63) / 64;
  if (!constraint_.begin_after_token && constraint_.begin_after_text.empty()) Begin({});
}

// Starts with `rest`, what the last token had behind the text that starts the grammar.
void ConstraintState::Begin(std::string_view rest) {
  const Lock lock(memory_->mutex);
  const int32_t position = memory_->walker.StepText(memory_->walker.start(), rest);
  if (position == AutomatonWalker::kDead) return;
  active_ = true;
  Enter(position);
}

void ConstraintState::Enter(int32_t position) {
  position_ = position;
  finished_ = position != AutomatonWalker::kDead && memory_->walker.final(position);
}

int32_t ConstraintState::Advance(int32_t position, int32_t id) {
  if (trie_.dsml_token() == id) return memory_->walker.Step(position, kDsmlSymbol);
  if (trie_.tokenizer().is_added(id)) return AutomatonWalker::kDead;
  return memory_->walker.StepText(position, trie_.tokenizer().token_bytes(id));
}

void ConstraintState::Accept(int32_t id) {
  if (active_) {
    // A stop token ends the sequence, so it leads nowhere.
    const Lock lock(memory_->mutex);
    return Enter(Advance(position_, id));
  }
  if (constraint_.begin_after_token) {
    if (id == *constraint_.begin_after_token) Begin({});
    return;
  }
  const std::string& mark = constraint_.begin_after_text;
  tail_ += trie_.tokenizer().token_bytes(id);
  if (const size_t at = tail_.find(mark); at != std::string::npos) {
    const std::string_view tail = tail_;
    Begin(tail.substr(at + mark.size()));
    tail_.erase(0, at + mark.size());
  }
  if (tail_.size() >= mark.size()) tail_.erase(0, tail_.size() - mark.size() + 1);
}

TokenMask ConstraintState::WaitingMask() const {
  const int32_t begin = *constraint_.begin_after_token;
  TokenMask mask(std::max(mask_words_, static_cast<size_t>(begin) / 64 + 1));
  for (const int32_t id : trie_.ids()) Allow(id, &mask);
  for (const int32_t id : stop_tokens_) mask[static_cast<size_t>(id) / 64] &= ~(uint64_t{1} << (id % 64));
  Allow(begin, &mask);
  return mask;
}

void ConstraintState::LeaveMemory(std::span<int32_t> positions, Lock* lock) {
  std::shared_ptr<ConstraintMemory> next =
      pool_ != nullptr ? pool_->Replace(*memory_)
                       : std::make_shared<ConstraintMemory>(constraint_.automaton, stop_tokens_);
  // Only ever from an older memory to a younger one, so nobody waits in a circle.
  Lock next_lock(next->mutex);
  next->walker.Adopt(memory_->walker, positions);
  lock->unlock();  // before what it locks may go
  memory_ = std::move(next);
  *lock = std::move(next_lock);
}

TokenMask ConstraintState::ComputeMask(Lock* lock) {
  TokenMask mask(mask_words_);
  const std::span<const TokenTrie::Node> nodes = trie_.nodes();
  std::vector<int32_t> positions(static_cast<size_t>(trie_.max_depth()) + 1);
  positions[0] = position_;
  for (size_t at = 0; at + 1 < nodes.size();) {
    const TokenTrie::Node& node = nodes[at];
    const int32_t next = memory_->walker.Step(positions[node.depth - 1u], node.byte);
    if (next == AutomatonWalker::kDead) {
      at = static_cast<size_t>(node.end);
      continue;
    }
    positions[node.depth] = next;
    for (int32_t token = node.tokens; token < nodes[at + 1].tokens; ++token) {
      Allow(trie_.ids()[static_cast<size_t>(token)], &mask);
    }
    ++at;
    if (memory_->walker.bytes() > 2 * memory_->max_bytes) {
      LeaveMemory(std::span(positions).first(node.depth + 1u), lock);
      position_ = positions[0];
    }
  }
  AutomatonWalker& walker = memory_->walker;
  for (const int32_t id : stop_tokens_) {
    mask[static_cast<size_t>(id) / 64] &= ~(uint64_t{1} << (id % 64));
    if (walker.complete(position_)) Allow(id, &mask);
  }
  if (trie_.dsml_token() && walker.Step(position_, kDsmlSymbol) != AutomatonWalker::kDead) {
    Allow(*trie_.dsml_token(), &mask);
  }
  return mask;
}

std::span<const uint64_t> ConstraintState::AllowedTokens() {
  if (!active_) {
    if (!constraint_.begin_after_token) return {};
    if (mask_ == nullptr) mask_ = std::make_shared<const TokenMask>(WaitingMask());
    return *mask_;
  }
  Lock lock(memory_->mutex);
  if (memory_->walker.bytes() > memory_->max_bytes) LeaveMemory({&position_, 1}, &lock);
  if (const auto known = memory_->masks.find(position_); known != memory_->masks.end()) {
    mask_ = known->second;
    return *mask_;
  }
  mask_ = std::make_shared<const TokenMask>(ComputeMask(&lock));
  if (memory_->masks.size() >= ConstraintMemory::kMaxMasks) memory_->masks.clear();
  memory_->masks[position_] = mask_;
  return *mask_;
}

}  // namespace fathom
