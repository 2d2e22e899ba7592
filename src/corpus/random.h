// random.h - the corpus's source of chance: the same numbers on every machine, a stream of its own per dialogue.
#ifndef FATHOM_CORPUS_RANDOM_H_
#define FATHOM_CORPUS_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/check.h"

namespace fathom {

// SplitMix64 (Steele, Lea and Flood 2014): a counter through a mixing function, so any seed is a good one.
class CorpusRandom {
 public:
  explicit CorpusRandom(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  // In [0, bound); bound > 0.
  uint64_t Below(uint64_t bound) {
    FATHOM_DCHECK(bound > 0);
    return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
  }
  // In [low, high].
  int64_t Between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(Below(static_cast<uint64_t>(high - low) + 1));
  }
  // In [0, 1).
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  bool Chance(double probability) { return Unit() < probability; }

  // One of the items (an array, vector or span; not empty).
  template <typename Items>
  const auto& Pick(const Items& items) {
    return std::data(items)[Below(std::size(items))];
  }
  template <typename Items>
  void Shuffle(Items& items) {
    for (size_t left = std::size(items); left > 1; --left) std::swap(items[left - 1], items[Below(left)]);
  }

 private:
  uint64_t state_;
};

}  // namespace fathom

#endif  // FATHOM_CORPUS_RANDOM_H_
