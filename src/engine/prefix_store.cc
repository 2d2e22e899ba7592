#include "engine/prefix_store.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/check.h"

namespace fathom {
namespace {

int64_t CommonLength(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

// Adds those of `from` at positions that `to` lacks.
void MergeSnapshots(std::vector<SequenceCache::Snapshot> from, std::vector<SequenceCache::Snapshot>* to) {
  const auto earlier = [](const auto& a, const auto& b) { return a.position < b.position; };
  for (SequenceCache::Snapshot& snapshot : from) {
    const auto place = std::lower_bound(to->begin(), to->end(), snapshot, earlier);
    if (place == to->end() || place->position != snapshot.position) to->insert(place, std::move(snapshot));
  }
}

}  // namespace

int64_t KeptSequence::bytes() const {
  int64_t total = cache.bytes() + static_cast<int64_t>(tokens.size() * sizeof(int32_t));
  for (const SequenceCache::Snapshot& snapshot : snapshots) total += static_cast<int64_t>(snapshot.state.size());
  return total;
}

PrefixStore::Match PrefixStore::Find(std::span<const int32_t> prompt) {
  Match match;
  auto best = entries_.end();
  const SequenceCache::Snapshot* best_snapshot = nullptr;  // null: the entry's end
  int64_t best_position = 0;
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    const int64_t common = CommonLength(prompt, entry->tokens);
    match.common = std::max(match.common, common);
    const int64_t usable = std::min(common, static_cast<int64_t>(prompt.size()) - 1);
    const auto consider = [&](int64_t position, const SequenceCache::Snapshot* snapshot) {
      if (position > usable || position <= best_position) return;
      best = entry;
      best_snapshot = snapshot;
      best_position = position;
    };
    for (const SequenceCache::Snapshot& snapshot : entry->snapshots) consider(snapshot.position, &snapshot);
    consider(entry->cache.position(), nullptr);
  }
  if (best == entries_.end()) return match;
  Hit hit{best->cache.Fork(), {}};
  if (best_snapshot != nullptr) hit.cache.Restore(*best_snapshot);
  for (const SequenceCache::Snapshot& snapshot : best->snapshots) {
    if (snapshot.position < best_position) hit.snapshots.push_back(snapshot);
  }
  match.hit = std::move(hit);
  entries_.splice(entries_.begin(), entries_, best);
  return match;
}

void PrefixStore::Add(KeptSequence sequence) {
  FATHOM_CHECK(static_cast<int64_t>(sequence.tokens.size()) == sequence.cache.position());
  const auto length = static_cast<int64_t>(sequence.tokens.size());
  for (auto entry = entries_.begin(); entry != entries_.end();) {
    const auto entry_length = static_cast<int64_t>(entry->tokens.size());
    const int64_t common = CommonLength(sequence.tokens, entry->tokens);
    if (common == entry_length) {  // the new sequence goes on from this entry
      bytes_ -= entry->bytes();
      MergeSnapshots(std::move(entry->snapshots), &sequence.snapshots);
      entry = entries_.erase(entry);
    } else if (common == length) {
      bytes_ -= entry->bytes();
      MergeSnapshots({sequence.cache.Save()}, &sequence.snapshots);
      MergeSnapshots(std::move(sequence.snapshots), &entry->snapshots);
      bytes_ += entry->bytes();
      entries_.splice(entries_.begin(), entries_, entry);
      return;
    } else {
      ++entry;
    }
  }
  bytes_ += sequence.bytes();
  entries_.push_front(std::move(sequence));
}

void PrefixStore::ShrinkTo(int64_t bytes) {
  while (bytes_ > bytes && !entries_.empty()) {
    bytes_ -= entries_.back().bytes();
    entries_.pop_back();
  }
}

}  // namespace fathom
