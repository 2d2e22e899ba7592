#include "cache/state_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <set>

#include "base/check.h"

namespace fathom {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kMaxHugePages = 8;  // of a slab, unless one state is larger

// Slots of one size in whole huge pages.
struct Slab {
  uint8_t* memory = nullptr;
  size_t slot_bytes = 0;
  size_t slots = 0;
  std::vector<uint8_t*> free;
};

// As few huge pages as hold states with the least left over.
Slab ShapeOfSlab(size_t slot_bytes) {
  const size_t least = (slot_bytes + kHugePage - 1) / kHugePage;
  Slab best;
  double best_use = 0;
  for (size_t pages = least; pages <= std::max(least, kMaxHugePages); ++pages) {
    const size_t slots = pages * kHugePage / slot_bytes;
    const double use = static_cast<double>(slots * slot_bytes) / static_cast<double>(pages * kHugePage);
    constexpr double kWorthAPage = 0.05;
    if (use < best_use + kWorthAPage) continue;
    best_use = use;
    best.slots = slots;
  }
  best.slot_bytes = slot_bytes;
  return best;
}

class StateMemory {
 public:
  void* Take(size_t bytes) {
    const size_t slot_bytes = (bytes + 63) / 64 * 64;
    const std::lock_guard lock(mutex_);
    std::set<Slab*>& open = open_[slot_bytes];
    Slab* const slab = open.empty() ? AddSlab(slot_bytes) : *open.begin();
    uint8_t* const slot = slab->free.back();  // the one used last: it may still be in a cache
    slab->free.pop_back();
    if (slab->free.empty()) open.erase(slab);
    unused_bytes_ -= slot_bytes;
    return slot;
  }

  void GiveBack(void* memory) {
    const std::lock_guard lock(mutex_);
    auto* const slot = static_cast<uint8_t*>(memory);
    auto found = slabs_.upper_bound(slot);
    FATHOM_CHECK(found != slabs_.begin());
    Slab& slab = (--found)->second;
    slab.free.push_back(slot);
    unused_bytes_ += slab.slot_bytes;
    open_[slab.slot_bytes].insert(&slab);
    const size_t all = slab.slots * slab.slot_bytes;
    if (slab.free.size() < slab.slots || unused_bytes_ <= kMaxUnusedStateBytes) return;
    open_[slab.slot_bytes].erase(&slab);
    unused_bytes_ -= all;
    std::free(slab.memory);
    slabs_.erase(found);
  }

  size_t unused_bytes() {
    const std::lock_guard lock(mutex_);
    return unused_bytes_;
  }

 private:
  Slab* AddSlab(size_t slot_bytes) {
    Slab slab = ShapeOfSlab(slot_bytes);
    const size_t bytes = (slab.slots * slot_bytes + kHugePage - 1) / kHugePage * kHugePage;
    slab.memory = static_cast<uint8_t*>(std::aligned_alloc(kHugePage, bytes));
    if (slab.memory == nullptr) throw std::bad_alloc();
    ::madvise(slab.memory, bytes, MADV_HUGEPAGE);  // a wish
    for (size_t slot = slab.slots; slot-- > 0;) slab.free.push_back(slab.memory + slot * slot_bytes);
    unused_bytes_ += slab.slots * slot_bytes;
    Slab* const added = &(slabs_[slab.memory] = std::move(slab));
    open_[slot_bytes].insert(added);
    return added;
  }

  std::mutex mutex_;
  std::map<uint8_t*, Slab> slabs_;          // by address
  std::map<size_t, std::set<Slab*>> open_;  // by the size of their slots: those with free ones
  size_t unused_bytes_ = 0;
};

// Never destroyed: states of static objects may outlive it.
StateMemory& Memory() {
  static auto* const kMemory = new StateMemory;
  return *kMemory;
}

}  // namespace

void* TakeStateMemory(size_t bytes) { return Memory().Take(bytes); }
void GiveBackStateMemory(void* memory) noexcept { Memory().GiveBack(memory); }
size_t UnusedStateBytes() { return Memory().unused_bytes(); }

}  // namespace fathom
