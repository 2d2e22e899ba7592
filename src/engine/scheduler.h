// scheduler.h - who is served in the next step.
//
// Sequences wait until there is a place and memory for them; then they take part in steps until they are done. Who is
// first, and whose prompts are read, is decided by step_plan.h before every step: a sequence can lose its place to one
// of higher priority, or of a user who has none. When memory runs out on the way, kept prefixes go first, then
// the last sequence in the order of service goes back to the queue. A sequence that went back continues
// from what the prefix cache still has of it, in RAM or on disk, or reads its tokens again: with the same bits, and
// nothing is sampled twice.
//
// What is on disk is loaded while others go on: until it is there a sequence has a place and takes no part in steps.
// For those that wait for a place it is loaded before, if there is memory.
//
// Not thread-safe: belongs to the engine's thread.
#ifndef FATHOM_ENGINE_SCHEDULER_H_
#define FATHOM_ENGINE_SCHEDULER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "cache/prefix_cache.h"
#include "cache/sequence_cache.h"
#include "engine/sequence.h"
#include "engine/step_plan.h"

namespace fathom {

// Where the state of a prompt is kept beside its last tokens and the places where prompts were seen to part. A later
// prompt that leaves it elsewhere reads again from the last kept state before (V4 report: the trade-off between the
// bytes of states and the tokens to be read again).
enum class StatePolicy : uint8_t {
  kFull,      // after every block of 128 tokens
  kPeriodic,  // every snapshot_interval tokens
  // Nowhere: blocks alone are kept, and a hit reads CacheLayout::replay_tokens() again. Only sequences that are sent
  // back and GenerateRequest::shares_prompt have a state kept for those that go on from it.
  kRecompute,
};

struct SchedulerOptions {
  int64_t max_sequences = 0;  // in one step; at most step_tokens
  int64_t step_tokens = 0;    // read in one step by all sequences together
  int64_t cache_bytes = 0;    // of all caches and kept prefixes
  StatePolicy state_policy = StatePolicy::kPeriodic;
  // In tokens: of kPeriodic, 0: at the ends alone; and how often kRecompute hands over the blocks of a long prompt.
  int64_t snapshot_interval = 0;
  // While answers are generated a step reads so many prompt tokens that it takes about this long, but at least
  // min_prefill_tokens; 0: no such limit.
  double step_seconds = 0;
  int64_t min_prefill_tokens = 64;
};

// Bytes of a cache after `tokens`.
int64_t CacheBytes(const CacheLayout& layout, int64_t tokens);

class Scheduler {
 public:
  struct Chunk {
    Sequence* sequence = nullptr;
    int64_t tokens = 0;  // to read, >= 1
  };

  // One sequence of the longest admitted length has to fit into cache_bytes. `layout` must outlive the scheduler.
  Scheduler(const CacheLayout& layout, std::unique_ptr<PrefixCache> prefixes, const SchedulerOptions& options);

  void Add(std::unique_ptr<Sequence> sequence);
  // Ends every sequence that was cancelled or is past its deadline; keeps what it has read.
  void DropEnded(SteadyTime now);
  // Ends all sequences of numbers below `number`; keeps what they have read.
  void CancelBefore(uint64_t number);
  // The same without keeping anything.
  void DropAll();
  // The next step: starts sequences, makes room, distributes the budget. Sequences with one token come first. Valid
  // until the next call of anything here. Empty if nothing runs, or all that do wait for the disk: then there is
  // nothing to do until OnLoaded()'s listener was called, a sequence comes or is cancelled, or next_deadline().
  const std::vector<Chunk>& NextStep();
  // `listener` is called on another thread when something was loaded, or all was written.
  void OnLoaded(const std::function<void()>& listener) { prefixes_->SetListener(listener); }
  std::optional<SteadyTime> next_deadline() const;
  // To be called after the chunks of NextStep() were read, which took `seconds`.
  void DidStep(double seconds);
  // Removes finished sequences after a step; keeps their pasts.
  void RemoveFinished();
  // Sends the last events of the sequences that are no longer here. Everything that tells of them has to be up to date.
  void TellEnds();
  bool has_ends() const { return !ended_.empty(); }

  int64_t waiting() const { return static_cast<int64_t>(waiting_.size()); }
  int64_t running() const { return static_cast<int64_t>(running_.size()); }
  PrefixCacheStats prefixes() const { return prefixes_->stats(); }
  int64_t preemptions() const { return preemptions_; }
  // Of prompts that may be read in a step while answers are generated.
  int64_t prefill_budget() const { return pacer_.budget(); }
  // How long a sequence has a place on average, by those that finished lately; 0: none did.
  double mean_service_seconds() const { return mean_service_seconds_; }
  // All sequences: those running, then those waiting.
  template <typename Visitor>
  void ForEach(const Visitor& visit) const {
    for (const Queue* queue : {&running_, &waiting_}) {
      for (const auto& sequence : *queue) visit(*sequence);
    }
  }
  // Running ones that wait for the disk.
  int64_t loading() const;
  // Of all finished sequences together.
  const Usage& finished_usage() const { return finished_usage_; }
  // Of running sequences and kept prefixes.
  int64_t cache_bytes() const;

 private:
  using Queue = std::vector<std::unique_ptr<Sequence>>;
  using Loading = std::unique_ptr<PrefixCache::Loading>;

  static void Insert(std::unique_ptr<Sequence> sequence, Queue* queue);
  void Admit();
  std::vector<AdmissionCandidate> Candidates(const Queue& queue) const;
  // Gives it a cache, or begins to load it.
  void Start(Sequence* sequence);
  // Starts those whose caches were loaded.
  void StartLoaded();
  // Begins to load for those that get a place next, as far as nobody needs the memory.
  void Prefetch();
  // Gives up what is loaded for waiting sequences. False if that is nothing.
  bool DropPrefetched();
  // Hands what it has saved, and where it is now if `end`, to the prefix cache.
  void Keep(Sequence* sequence, bool end);
  // Whether kRecompute keeps its blocks now.
  bool BlocksDue(const Sequence& sequence, bool end) const;
  // Where a starting sequence is to be saved.
  std::vector<int64_t> SnapshotPositions(const Sequence& sequence, const CacheReport& report) const;
  // Sends running_[index] back to the queue.
  void Preempt(size_t index);
  // Removes the finished ones of `queue`: counted, their caches freed, their last events still to be sent.
  void MoveEnded(Queue* queue);
  void Account(const Sequence& finished);
  void PlanChunks();
  // What is left for blocks, kept and used, beside the states of running sequences and what the planned chunks add.
  int64_t BytesForBlocks() const;
  // What admission may distribute: all but blocks that several running sequences use, and what the disk holds up.
  int64_t BytesToShareOut() const;
  AdmissionPlan PlanAdmission(std::vector<AdmissionCandidate> candidates) const;
  // Frees memory until the planned chunks fit. False if a sequence was sent back, so that the plan is void.
  bool MakeRoom();

  const CacheLayout& layout_;
  const SchedulerOptions options_;
  Queue waiting_;
  Queue running_;
  Queue ended_;  // in the order of their ends
  std::vector<Chunk> chunks_;
  // Those that may take part in the planned step, and the tokens of each. Members to keep their memory.
  std::vector<Sequence*> started_;
  std::vector<StepCandidate> candidates_;
  std::vector<int64_t> step_shares_;
  int64_t prefill_allowed_ = 0;  // in the planned step
  UserShares shares_;
  PrefillPacer pacer_;
  const std::unique_ptr<PrefixCache> prefixes_;
  int64_t preemptions_ = 0;
  std::map<const Sequence*, Loading> loading_;  // after prefixes_, which they refer to; null: not to be prefetched
  double mean_service_seconds_ = 0;
  Usage finished_usage_;
};

}  // namespace fathom

#endif  // FATHOM_ENGINE_SCHEDULER_H_
