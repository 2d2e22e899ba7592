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
  // About 20 MB of positions and 8 MB of masks (129k tokens) at most.
  static constexpr size_t kMaxPositions = 1 << 14;
  static constexpr size_t kMaxMasks = 512;

  ConstraintMemory(std::shared_ptr<const ByteAutomaton> automaton_in, std::vector<int32_t> stop_tokens_in,
                   size_t max_positions_in = kMaxPositions)
      : automaton(std::move(automaton_in)),
        stop_tokens(std::move(stop_tokens_in)),
        max_positions(max_positions_in),
        walker(*automaton) {}

  const std::shared_ptr<const ByteAutomaton> automaton;
  const std::vector<int32_t> stop_tokens;
  const size_t max_positions;

  std::mutex mutex;  // for what follows
  AutomatonWalker walker;
  std::unordered_map<int32_t, std::shared_ptr<const TokenMask>> masks;  // by position
};

// Thread-safe. Holds the memories used last, so that a schema that comes again and again is not worked out anew.
class ConstraintPool {
 public:
  explicit ConstraintPool(size_t max_positions = ConstraintMemory::kMaxPositions) : max_positions_(max_positions) {}

  // The memory of all states with this automaton (this object, not an equal one) and these stop tokens.
  std::shared_ptr<ConstraintMemory> Get(std::shared_ptr<const ByteAutomaton> automaton,
                                        std::vector<int32_t> stop_tokens);
  // What to go on with when `full` has too many positions: an empty one, or the one that another state got for it.
  // Whoever leaves `full` takes its position along; with the last it is freed.
  std::shared_ptr<ConstraintMemory> Replace(const ConstraintMemory& full);

 private:
  std::shared_ptr<ConstraintMemory> GetLocked(std::shared_ptr<const ByteAutomaton> automaton,
                                              std::vector<int32_t> stop_tokens);

  const size_t max_positions_;
  std::mutex mutex_;
  std::list<std::shared_ptr<ConstraintMemory>> memories_;  // latest used first
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_GRAMMAR_CONSTRAINT_POOL_H_
