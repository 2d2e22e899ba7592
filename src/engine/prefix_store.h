// prefix_store.h - pasts worth keeping: a prompt that begins like an earlier sequence continues from it.
//
// An entry is the tokens of a sequence, its cache, and snapshots at some positions on the way. A prompt can start from
// any of those positions, or from the entry's end, up to where its tokens agree. The result has the same bits as
// reading the prompt from its first token: snapshots are exact, and reading does not depend on how it is cut.
//
// Entries share blocks with the sequences that came from them. Not thread-safe: belongs to the engine's thread.
#ifndef FATHOM_ENGINE_PREFIX_STORE_H_
#define FATHOM_ENGINE_PREFIX_STORE_H_

#include <cstdint>
#include <list>
#include <optional>
#include <span>
#include <vector>

#include "cache/sequence_cache.h"

namespace fathom {

// What a finished sequence leaves behind.
struct KeptSequence {
  std::vector<int32_t> tokens;  // those the cache has consumed: cache.position() of them
  SequenceCache cache;
  std::vector<SequenceCache::Snapshot> snapshots;  // ascending positions, none at or after the end

  int64_t bytes() const;
};

class PrefixStore {
 public:
  struct Hit {
    SequenceCache cache;                             // at the position to continue from
    std::vector<SequenceCache::Snapshot> snapshots;  // those before it
  };
  struct Match {
    std::optional<Hit> hit;
    // How many tokens agree with some entry, at least the hit's position. A snapshot there would have been of use.
    int64_t common = 0;
  };

  // The furthest position from which `prompt` can continue, leaving at least its last token to be read.
  Match Find(std::span<const int32_t> prompt);

  // Keeps a sequence. An entry that it extends is replaced, with its snapshots kept; if it is the beginning of an
  // entry, only its snapshots are added there.
  void Add(KeptSequence sequence);

  // Forgets the entries unused for longest until at most `bytes` are held.
  void ShrinkTo(int64_t bytes);

  int64_t bytes() const { return bytes_; }
  int64_t entries() const { return static_cast<int64_t>(entries_.size()); }

 private:
  std::list<KeptSequence> entries_;  // latest used first
  int64_t bytes_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_PREFIX_STORE_H_
