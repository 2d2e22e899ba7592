// constraint_pool.h - what answers under the same grammar share: positions and the masks computed for them.
//
// A mask is a function of the automaton, the position and the stop tokens, and takes long to compute; a server's
// requests often have one schema. Shared or not, an answer is allowed the same tokens.
#ifndef FATHOM_ENGINE_GRAMMAR_CONSTRAINT_POOL_H_
#define FATHOM_ENGINE_GRAMMAR_CONSTRAINT_POOL_H_

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "engine/grammar/automaton_walker.h"
#include "engine/grammar/byte_automaton.h"

namespace fathom {

using TokenMask = std::vector<uint64_t>;  // bit id % 64 of word id / 64

struct ConstraintMemory {
  // What the walker may hold before answers go on with an empty one; while a mask is computed twice that.
  static constexpr size_t kMaxBytes = size_t{20} << 20;
  static constexpr size_t kMaxMasks = 512;  // 8 MB with 129k tokens

  ConstraintMemory(std::shared_ptr<const ByteAutomaton> automaton_in, std::vector<int32_t> stop_tokens_in,
                   size_t max_bytes_in = kMaxBytes)
      : automaton(std::move(automaton_in)),
        stop_tokens(std::move(stop_tokens_in)),
        max_bytes(max_bytes_in),
        walker(*automaton) {}

  const std::shared_ptr<const ByteAutomaton> automaton;
  const std::vector<int32_t> stop_tokens;
  const size_t max_bytes;

  std::mutex mutex;  // for what follows
  AutomatonWalker walker;
  std::unordered_map<int32_t, std::shared_ptr<const TokenMask>> masks;  // by position
};

// Thread-safe. Holds the memories used last, so that a schema that comes again and again is not worked out anew.
class ConstraintPool {
 public:
  explicit ConstraintPool(size_t max_bytes = ConstraintMemory::kMaxBytes) : max_bytes_(max_bytes) {}

  // The memory of all states with this automaton (this object, not an equal one) and these stop tokens.
  std::shared_ptr<ConstraintMemory> Get(std::shared_ptr<const ByteAutomaton> automaton,
                                        std::vector<int32_t> stop_tokens);
  // What to go on with when `full` holds too much: an empty one, or the one that another state got for it.
  // Whoever leaves `full` takes its position along; with the last it is freed.
  std::shared_ptr<ConstraintMemory> Replace(const ConstraintMemory& full);

 private:
  std::shared_ptr<ConstraintMemory> GetLocked(std::shared_ptr<const ByteAutomaton> automaton,
                                              std::vector<int32_t> stop_tokens);

  const size_t max_bytes_;
  std::mutex mutex_;
  std::list<std::shared_ptr<ConstraintMemory>> memories_;  // latest used first
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_GRAMMAR_CONSTRAINT_POOL_H_
