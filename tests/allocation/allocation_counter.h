// allocation_counter.h - how often memory is taken by operator new, which this test program replaces by one that
// counts.
#ifndef FATHOM_TESTS_ALLOCATION_ALLOCATION_COUNTER_H_
#define FATHOM_TESTS_ALLOCATION_ALLOCATION_COUNTER_H_

#include <cstdint>

#include "cache/sequence_cache.h"

namespace fathom::testing {

// Steps that a test looks at.
inline constexpr int64_t kCountedSteps = 64;

// By all threads since the start of the program: how often, and how many bytes in all.
int64_t Allocations();
int64_t AllocatedBytes();

// Since it was made.
class AllocationCounter {
 public:
  int64_t count() const { return Allocations() - before_; }

 private:
  const int64_t before_ = Allocations();
};

// What a step that appends one token to `cache` has to take: for a block the block and its bytes, and for a list of
// blocks that is full a longer one.
inline int64_t AllocationsDue(const SequenceCache& cache) {
  const size_t blocks = cache.blocks().size();
  const bool longer = cache.layout().BlocksFor(cache.position() + 1) > static_cast<int64_t>(blocks);
  return 2 * cache.BlocksToMake(1) + static_cast<int64_t>(longer && blocks == cache.blocks().capacity());
}

}  // namespace fathom::testing

#endif  // FATHOM_TESTS_ALLOCATION_ALLOCATION_COUNTER_H_
