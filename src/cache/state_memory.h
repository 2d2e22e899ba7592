// state_memory.h - memory of sequences' states, in huge pages and used again.
//
// A state is hundreds of kilobytes to megabytes, so malloc would map it anew for every sequence, and the system would
// clear its pages one by one: that takes longer than all else that a sequence's beginning and end cost. States of one
// model have one size; several of them share a piece of memory (slab), which is freed when none of them is used and
// more than kMaxUnusedStateBytes are kept for later ones.
//
// Thread-safe. Throws std::bad_alloc.
#ifndef FATHOM_CACHE_STATE_MEMORY_H_
#define FATHOM_CACHE_STATE_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace fathom {

inline constexpr size_t kMaxUnusedStateBytes = size_t{64} << 20;

// `bytes` >= 1 that hold anything, aligned to 64; and back.
void* TakeStateMemory(size_t bytes);
void GiveBackStateMemory(void* memory) noexcept;
// Kept for later states.
size_t UnusedStateBytes();

template <typename T>
struct StateAllocator {
  using value_type = T;
  using is_always_equal = std::true_type;  // NOLINT(readability-identifier-naming): the standard's name

  StateAllocator() = default;
  template <typename Other>
  StateAllocator(const StateAllocator<Other>&) {}  // NOLINT(google-explicit-constructor): as the standard asks

  T* allocate(size_t count) { return static_cast<T*>(TakeStateMemory(count * sizeof(T))); }
  void deallocate(T* memory, size_t) noexcept { GiveBackStateMemory(memory); }

  friend bool operator==(const StateAllocator&, const StateAllocator&) { return true; }
};

// The fixed part of a sequence, see CacheLayout.
using StateBytes = std::vector<uint8_t, StateAllocator<uint8_t>>;

}  // namespace fathom

#endif  // FATHOM_CACHE_STATE_MEMORY_H_
