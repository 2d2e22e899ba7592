// scheduler.h - who is served in the next step.
//
// Sequences wait, ordered by priority and arrival, until there is a place and memory for them; then they take part in
// steps until they are done. When memory runs out on the way, kept prefixes go first, then snapshots, then the last
// running sequence goes back to the queue: it will read its tokens again and continue with the same bits.
//
// Not thread-safe: belongs to the engine's thread.
#ifndef FATHOM_ENGINE_SCHEDULER_H_
#define FATHOM_ENGINE_SCHEDULER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cache/sequence_cache.h"
#include "engine/prefix_store.h"
#include "engine/sequence.h"

namespace fathom {

struct SchedulerOptions {
  int64_t max_sequences = 0;  // in one step; at most step_tokens
  int64_t step_tokens = 0;    // read in one step by all sequences together
  int64_t cache_bytes = 0;    // of all caches, snapshots and kept prefixes
  // Long prompts are saved every so many tokens; 0: only where a follow-up is likely to continue.
  int64_t snapshot_interval = 0;
};

// What PlanStep() has to know of a running sequence.
struct StepCandidate {
  int64_t pending = 0;    // tokens not yet read, >= 1
  int64_t max_chunk = 0;  // of those at once, >= 1
};

// Distributes `budget` >= candidates.size() tokens over the candidates, which are in order of service. Returns each
// one's share, perhaps 0. First everyone with one pending token gets it: answers keep moving. Of the rest one half goes
// to the first in order, so that long prompts finish one after the other, and one half to whoever has least to read, so
// that a short prompt does not wait for long ones.
std::vector<int64_t> PlanStep(std::span<const StepCandidate> candidates, int64_t budget);

// Bytes of a cache after `tokens`.
int64_t CacheBytes(const CacheLayout& layout, int64_t tokens);

class Scheduler {
 public:
  struct Chunk {
    Sequence* sequence = nullptr;
    int64_t tokens = 0;  // to read, >= 1
  };

  // One sequence of the longest admitted length has to fit into cache_bytes. `layout` must outlive the scheduler.
  Scheduler(const CacheLayout& layout, const SchedulerOptions& options);

  void Add(std::unique_ptr<Sequence> sequence);
  // Ends every cancelled sequence with its last event; keeps what it has read.
  void DropCancelled();
  // Ends all sequences: with an event, without keeping anything.
  void DropAll();
  // The next step: starts sequences, makes room, distributes the budget. Sequences with one token come first. Valid
  // until the next call of anything here; empty if nothing runs.
  const std::vector<Chunk>& NextStep();
  // Removes finished sequences after a step; keeps their pasts.
  void RemoveFinished();

  int64_t waiting() const { return static_cast<int64_t>(waiting_.size()); }
  int64_t running() const { return static_cast<int64_t>(running_.size()); }
  int64_t kept_prefixes() const { return store_.entries(); }
  int64_t preemptions() const { return preemptions_; }
  // Of all finished sequences together.
  const Usage& finished_usage() const { return finished_usage_; }
  // Of running sequences, their snapshots and kept prefixes.
  int64_t cache_bytes() const;

 private:
  using Queue = std::vector<std::unique_ptr<Sequence>>;

  static void Insert(std::unique_ptr<Sequence> sequence, Queue* queue);
  void Admit();
  void Start(Sequence* sequence);
  void Keep(Sequence* sequence);
  void PlanChunks();
  // Bytes of running sequences after the planned chunks.
  int64_t BytesAfterStep() const;
  // Frees memory until the planned chunks fit. False if a sequence was sent back, so that the plan is void.
  bool MakeRoom();

  const CacheLayout& layout_;
  const SchedulerOptions options_;
  Queue waiting_;
  Queue running_;
  std::vector<Chunk> chunks_;
  PrefixStore store_;
  int64_t preemptions_ = 0;
  Usage finished_usage_;
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_SCHEDULER_H_
