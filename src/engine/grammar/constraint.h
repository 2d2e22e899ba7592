// constraint.h - a grammar applied to tokens: which of the vocabulary may come next.
//
//   const TokenTrie trie(tokenizer);                       // once for a tokenizer
//   ConstraintState state(request.constraint, trie, stop_tokens);
//   state.AllowedTokens();                                 // bits, or empty: no limit at present
//   state.Accept(id);
//
// Tokens are tried by their bytes: the vocabulary is a trie that is walked along with the automaton. Control tokens are
// never allowed inside, except the one of tool markup where the grammar has kDsmlSymbol. A stop token may come only
// where the text is complete. What is allowed is a function of the constraint and the tokens accepted so far.
#ifndef FATHOM_ENGINE_GRAMMAR_CONSTRAINT_H_
#define FATHOM_ENGINE_GRAMMAR_CONSTRAINT_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/grammar/byte_automaton.h"
#include "engine/grammar/constraint_pool.h"
#include "tokenizer/tokenizer.h"

namespace fathom {

// When a grammar begins to count: at once, unless one of the two is given.
struct Constraint {
  std::shared_ptr<const ByteAutomaton> automaton;  // null: no constraint
  // After this token (</think>). Until then only text and that token may come: the answer can't end before.
  std::optional<int32_t> begin_after_token = std::nullopt;
  // After this text, if it ever comes; until then everything is allowed.
  std::string begin_after_text = {};
};

class TokenTrie {
 public:
  explicit TokenTrie(const Tokenizer& tokenizer);

  struct Node {
    uint8_t byte = 0;
    uint16_t depth = 0;  // 1 for first bytes
    int32_t end = 0;     // the node behind this one's descendants
    int32_t tokens = 0;  // where its ids begin in ids(); they end where the next node's begin
  };
  // In the order of a depth-first walk; the last one ends the list of ids.
  std::span<const Node> nodes() const { return nodes_; }
  std::span<const int32_t> ids() const { return ids_; }
  uint16_t max_depth() const { return max_depth_; }
  const Tokenizer& tokenizer() const { return tokenizer_; }
  std::optional<int32_t> dsml_token() const { return dsml_token_; }

 private:
  const Tokenizer& tokenizer_;
  std::vector<Node> nodes_;
  std::vector<int32_t> ids_;
  uint16_t max_depth_ = 0;
  std::optional<int32_t> dsml_token_;
};

inline bool MaskHas(std::span<const uint64_t> mask, int32_t id) {
  const size_t word = static_cast<size_t>(id) / 64;
  return word < mask.size() && (mask[word] >> (static_cast<size_t>(id) % 64) & 1) != 0;
}

class ConstraintState {
 public:
  // `constraint.automaton` is there; `trie` must outlive the state, and so must `pool`, which is for this trie alone.
  // States of one pool may be used from different threads. Null: nothing is shared.
  ConstraintState(Constraint constraint, const TokenTrie& trie, std::vector<int32_t> stop_tokens,
                  ConstraintPool* pool = nullptr);

  // Ids past its end may not come. Valid until the next call of either; empty if every token may come.
  std::span<const uint64_t> AllowedTokens();
  // `id` is allowed.
  void Accept(int32_t id);
  // The text is complete and nothing can follow.
  bool finished() const { return finished_; }

 private:
  using Lock = std::unique_lock<std::mutex>;

  // What needs the memory holds its lock.
  int32_t Advance(int32_t position, int32_t id);
  void Begin(std::string_view rest);
  void Enter(int32_t position);
  TokenMask WaitingMask() const;
  TokenMask ComputeMask(Lock* lock);
  // Goes on with another memory, which is locked then, and takes `positions` along.
  void LeaveMemory(std::span<int32_t> positions, Lock* lock);

  const Constraint constraint_;
  const TokenTrie& trie_;
  const std::vector<int32_t> stop_tokens_;
  ConstraintPool* const pool_;
  std::shared_ptr<ConstraintMemory> memory_;
  size_t mask_words_ = 0;
  bool active_ = false;
  bool finished_ = false;
  int32_t position_ = AutomatonWalker::kDead;
  std::string tail_;                       // of the text before begin_after_text
  std::shared_ptr<const TokenMask> mask_;  // of the last AllowedTokens()
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_GRAMMAR_CONSTRAINT_H_
