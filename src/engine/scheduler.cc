#include "engine/scheduler.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <utility>

#include "base/check.h"

namespace fathom {
namespace {

// Prefixes shorter than this are read again sooner than kept.
constexpr int64_t kMinPrefixTokens = 64;
// Waiting sequences for which files are loaded.
constexpr size_t kPrefetched = 2;

}  // namespace

int64_t CacheBytes(const CacheLayout& layout, int64_t tokens) {
  return layout.state_bytes() + layout.BlocksFor(tokens) * layout.block_bytes();
}

Scheduler::Scheduler(const CacheLayout& layout, std::unique_ptr<PrefixCache> prefixes, const SchedulerOptions& options)
    : layout_(layout),
      options_(options),
      pacer_(options.step_seconds, options.min_prefill_tokens, options.step_tokens),
      prefixes_(std::move(prefixes)) {
  FATHOM_CHECK(options_.max_sequences >= 1 && options_.max_sequences <= options_.step_tokens);
}

void Scheduler::Insert(std::unique_ptr<Sequence> sequence, Queue* queue) {
  const auto place = std::upper_bound(queue->begin(), queue->end(), sequence,
                                      [](const auto& a, const auto& b) { return a->Before(*b); });
  queue->insert(place, std::move(sequence));
}

void Scheduler::Add(std::unique_ptr<Sequence> sequence) {
  shares_.Enter(sequence->request().user);
  Insert(std::move(sequence), &waiting_);
}

void Scheduler::DropEnded(SteadyTime now) {
  for (Queue* queue : {&waiting_, &running_}) {
    for (const auto& sequence : *queue) {
      if (sequence->cancelled()) sequence->Finish(FinishReason::kCancelled);
      sequence->CheckDeadline(now);
    }
  }
  RemoveFinished();
}

void Scheduler::CancelBefore(uint64_t number) {
  for (Queue* queue : {&running_, &waiting_}) {
    for (const auto& sequence : *queue) {
      if (sequence->number() < number) sequence->Finish(FinishReason::kCancelled);
    }
  }
  RemoveFinished();
}

void Scheduler::DropAll() {
  for (Queue* queue : {&running_, &waiting_}) {
    for (const auto& sequence : *queue) sequence->Finish(FinishReason::kCancelled);
    MoveEnded(queue);
  }
  loading_.clear();
}

void Scheduler::RemoveFinished() {
  chunks_.clear();
  for (Queue* queue : {&waiting_, &running_}) {
    for (const auto& sequence : *queue) {
      if (sequence->started()) Keep(sequence.get(), sequence->finished());
    }
    MoveEnded(queue);
  }
  prefixes_->ShrinkTo(std::max(int64_t{0}, BytesForBlocks()));
}

void Scheduler::MoveEnded(Queue* queue) {
  for (auto& sequence : *queue) {
    if (!sequence->finished()) continue;
    loading_.erase(sequence.get());
    Account(*sequence);
    sequence->Stop();
    ended_.push_back(std::move(sequence));
  }
  std::erase(*queue, nullptr);
}

void Scheduler::TellEnds() {
  for (const auto& sequence : std::exchange(ended_, {})) sequence->TellEnd();
}

void Scheduler::Keep(Sequence* sequence, bool end) {
  std::vector<SequenceCache::Snapshot> snapshots = sequence->TakeSnapshots();
  SequenceCache& cache = sequence->cache();
  if (cache.replaying() || !sequence->worth_keeping()) return;
  // One that is sent back will go on for certain: its state is kept under any policy.
  const bool recompute = options_.state_policy == StatePolicy::kRecompute;
  const bool save = end && !(recompute && sequence->finished());
  if (save && cache.position() >= kMinPrefixTokens) snapshots.push_back(cache.SaveLast());
  if (snapshots.empty() && !BlocksDue(*sequence, end)) return;
  const bool resumes = end && !sequence->finished();
  prefixes_->Add(sequence->request().cache_scope, sequence->read_tokens(), &cache, std::move(snapshots), resumes);
  sequence->set_kept_tokens(cache.position());
}

bool Scheduler::BlocksDue(const Sequence& sequence, bool end) const {
  if (options_.state_policy != StatePolicy::kRecompute) return false;
  constexpr int64_t kBlock = CacheLayout::kBlockTokens;
  const int64_t full = static_cast<int64_t>(sequence.read_tokens().size()) / kBlock * kBlock;
  const int64_t kept = sequence.kept_tokens();
  const int64_t prompt = sequence.usage().prompt_tokens / kBlock * kBlock;
  const bool prompt_read = kept < prompt && full >= prompt;
  const bool far = options_.snapshot_interval > 0 && full - kept >= options_.snapshot_interval;
  return full > kept && (end || prompt_read || far);
}

void Scheduler::Account(const Sequence& finished) {
  finished_usage_.prompt_tokens += finished.usage().prompt_tokens;
  finished_usage_.cached_tokens += finished.usage().cached_tokens;
  finished_usage_.replayed_tokens += finished.usage().replayed_tokens;
  finished_usage_.completion_tokens += finished.usage().completion_tokens;
  shares_.Leave(finished.request().user);
  constexpr double kWeight = 0.1;  // about the last ten
  const double seconds = finished.service_seconds();
  if (seconds <= 0) return;
  mean_service_seconds_ += (mean_service_seconds_ == 0 ? 1 : kWeight) * (seconds - mean_service_seconds_);
}

std::vector<AdmissionCandidate> Scheduler::Candidates(const Queue& queue) const {
  std::vector<AdmissionCandidate> candidates;
  for (const auto& sequence : queue) {
    const UserShares::Share& share = shares_.Of(sequence->request().user);
    const auto tokens = static_cast<int64_t>(sequence->tokens().size());
    const bool running = &queue == &running_;
    // What it needs to read all it has, and a waiting one to begin its answer.
    int64_t bytes = CacheBytes(layout_, running ? tokens : tokens + 1);
    if (sequence->started()) {
      const SequenceCache& cache = sequence->cache();
      const auto used = static_cast<int64_t>(cache.blocks().size());
      bytes -= (used - cache.own_blocks()) * layout_.block_bytes();  // see BytesToShareOut()
    }
    candidates.push_back(
        {sequence->request().priority, share.number, share.served, sequence->number(), bytes, running});
  }
  return candidates;
}

void Scheduler::Admit() {
  chunks_.clear();
  StartLoaded();
  if (waiting_.empty()) return;
  std::vector<AdmissionCandidate> candidates = Candidates(running_);
  const size_t first_waiting = candidates.size();
  std::ranges::copy(Candidates(waiting_), std::back_inserter(candidates));
  AdmissionPlan plan = PlanAdmission(std::move(candidates));
  // Taken out by index first: putting back in moves the others.
  std::ranges::sort(plan.start, std::greater<>());
  std::ranges::sort(plan.stop, std::greater<>());
  Queue starting;
  for (const size_t index : plan.start) {
    const auto place = waiting_.begin() + static_cast<ptrdiff_t>(index - first_waiting);
    starting.push_back(std::move(*place));
    waiting_.erase(place);
  }
  for (const size_t index : plan.stop) Preempt(index);
  for (auto& sequence : starting) {
    Start(sequence.get());
    Insert(std::move(sequence), &running_);
    // At once: what all of them need together would otherwise be taken beside all that is kept.
    prefixes_->ShrinkTo(std::max(int64_t{0}, BytesForBlocks()));
  }
}

int64_t Scheduler::BytesToShareOut() const {
  int64_t shared = layout_.used_blocks();
  for (const auto& sequence : running_) {
    if (sequence->started()) shared -= sequence->cache().own_blocks();
  }
  return options_.cache_bytes - prefixes_->stuck_bytes() - shared * layout_.block_bytes();
}

AdmissionPlan Scheduler::PlanAdmission(std::vector<AdmissionCandidate> candidates) const {
  const size_t first_waiting = candidates.size() - waiting_.size();
  const int64_t bytes = BytesToShareOut();
  std::vector<size_t> order;
  std::set<size_t> looked_up;
  while (true) {
    AdmissionPlan plan = fathom::PlanAdmission(candidates, options_.max_sequences, bytes);
    if (plan.start.size() == waiting_.size() && plan.stop.empty()) return plan;
    if (order.empty()) order = ServiceOrder(candidates);
    // One that waits, or takes others' places, for want of memory may need less of it: what it has in common with
    // those that run. That is looked up only here, since it takes as long as hashing a prompt.
    const auto short_of_memory = [&](size_t index) {
      const bool starts = std::ranges::find(plan.start, index) != plan.start.end();
      return index >= first_waiting && !looked_up.contains(index) && (!starts || !plan.stop.empty());
    };
    const auto found = std::ranges::find_if(order, short_of_memory);
    const size_t places = running_.size() + plan.start.size() - plan.stop.size();
    if (found == order.end() || (plan.stop.empty() && places >= static_cast<size_t>(options_.max_sequences))) {
      return plan;
    }
    looked_up.insert(*found);
    const Sequence& sequence = *waiting_[*found - first_waiting];
    if (!sequence.request().use_prefix_cache) return plan;
    const int64_t shared = prefixes_->BlocksInUse(sequence.request().cache_scope, sequence.lookup_tokens());
    if (shared == 0) return plan;
    candidates[*found].bytes -= shared * layout_.block_bytes();
  }
}

void Scheduler::Preempt(size_t index) {
  std::unique_ptr<Sequence> sequence = std::move(running_[index]);
  running_.erase(running_.begin() + static_cast<ptrdiff_t>(index));
  if (sequence->started()) {
    Keep(sequence.get(), /*end=*/true);
    sequence->Stop();
    ++preemptions_;
  }
  loading_.erase(sequence.get());
  Insert(std::move(sequence), &waiting_);
}

void Scheduler::Start(Sequence* sequence) {
  const GenerateRequest& request = sequence->request();
  if (!request.use_prefix_cache) return sequence->Start(SequenceCache(layout_), {}, {});
  Loading& loading = loading_[sequence];
  if (loading == nullptr || loading->failed())
    loading = prefixes_->Load(request.cache_scope, sequence->lookup_tokens());
  if (loading != nullptr && !loading->done()) return;
  PrefixCache::Match match = prefixes_->Take(request.cache_scope, sequence->lookup_tokens(), loading.get());
  loading_.erase(sequence);
  SequenceCache cache = match.cache ? std::move(*match.cache) : SequenceCache(layout_);
  sequence->Start(std::move(cache), match.report, SnapshotPositions(*sequence, match.report));
}

void Scheduler::StartLoaded() {
  prefixes_->Poll();
  for (const auto& sequence : running_) {
    const auto loading = loading_.find(sequence.get());
    if (loading != loading_.end() && loading->second->done()) Start(sequence.get());
  }
}

void Scheduler::Prefetch() {
  if (waiting_.empty() || !prefixes_->on_disk()) return;
  int64_t bytes = 0;
  for (const AdmissionCandidate& candidate : Candidates(running_)) bytes += candidate.bytes;
  const std::vector<AdmissionCandidate> waiting = Candidates(waiting_);
  const std::vector<size_t> order = ServiceOrder(waiting);
  for (const size_t index : std::span(order).first(std::min(order.size(), kPrefetched))) {
    const Sequence& sequence = *waiting_[index];
    bytes += waiting[index].bytes;
    if (bytes > options_.cache_bytes) return;
    const GenerateRequest& request = sequence.request();
    const auto [entry, added] = loading_.try_emplace(&sequence);
    const bool again = entry->second != nullptr && entry->second->failed();
    if (!request.use_prefix_cache || !(added || again)) continue;
    entry->second = prefixes_->Load(request.cache_scope, sequence.lookup_tokens());
  }
}

bool Scheduler::DropPrefetched() {
  bool any = false;
  for (const auto& sequence : waiting_) {
    const auto loading = loading_.find(sequence.get());
    if (loading == loading_.end() || loading->second == nullptr) continue;
    loading->second.reset();
    any = true;
  }
  return any;
}

std::vector<int64_t> Scheduler::SnapshotPositions(const Sequence& sequence, const CacheReport& report) const {
  const bool recompute = options_.state_policy == StatePolicy::kRecompute;
  if (recompute && !sequence.request().shares_prompt) return {};
  // The last token of a chat prompt opens or closes the thinking part, and the next turn's prompt may have the other
  // one in its place: save before it. Where a prompt agrees with an earlier one for a while, others will too.
  const auto prompt_tokens = static_cast<int64_t>(sequence.request().prompt.size());
  std::vector<int64_t> positions = {prompt_tokens - 1};
  if (!recompute && report.common >= report.hit + kMinPrefixTokens) positions.push_back(report.common);
  int64_t interval = options_.state_policy == StatePolicy::kPeriodic ? options_.snapshot_interval : 0;
  if (options_.state_policy == StatePolicy::kFull) interval = CacheLayout::kBlockTokens;
  for (int64_t at = interval; interval > 0 && at < prompt_tokens; at += interval) positions.push_back(at);
  std::erase_if(positions, [&](int64_t position) { return position < kMinPrefixTokens || position >= prompt_tokens; });
  std::ranges::sort(positions);
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  return positions;
}

void Scheduler::PlanChunks() {
  chunks_.clear();
  started_.clear();
  candidates_.clear();
  int64_t answers = 0;
  for (const auto& sequence : running_) {
    if (!sequence->started()) continue;
    const GenerateRequest& request = sequence->request();
    started_.push_back(sequence.get());
    candidates_.push_back(
        {sequence->pending(), sequence->max_chunk(), request.priority, shares_.Of(request.user).served});
    answers += static_cast<int64_t>(sequence->pending() == 1);
  }
  prefill_allowed_ = options_.step_tokens - answers;
  if (answers > 0) prefill_allowed_ = std::min(prefill_allowed_, pacer_.budget());
  PlanStep(candidates_, answers + prefill_allowed_, 2 * options_.step_tokens, &step_shares_);
  for (const bool single : {true, false}) {
    for (size_t index = 0; index < started_.size(); ++index) {
      const int64_t tokens = step_shares_[index];
      if (tokens > 0 && (tokens == 1) == single) chunks_.push_back({started_[index], tokens});
    }
  }
}

void Scheduler::DidStep(double seconds) {
  int64_t prefill = 0;
  for (const Chunk& chunk : chunks_) {
    shares_.Charge(chunk.sequence->request().user, chunk.tokens);
    if (chunk.tokens > 1) prefill += chunk.tokens;
  }
  pacer_.DidStep(prefill, prefill_allowed_, seconds);
}

int64_t Scheduler::BytesForBlocks() const {
  int64_t bytes = options_.cache_bytes;
  for (const auto& sequence : running_) {
    if (sequence->started()) bytes -= layout_.state_bytes();
  }
  for (const Chunk& chunk : chunks_) {
    bytes -= chunk.sequence->cache().BlocksToMake(chunk.tokens) * layout_.block_bytes();
  }
  return bytes;
}

bool Scheduler::MakeRoom() {
  const int64_t bytes = BytesForBlocks();
  // Otherwise running sequences alone need more, and nothing is won by giving up what is kept.
  const bool may_fit = layout_.used_blocks() * layout_.block_bytes() <= bytes;
  if (may_fit || running() <= 1) prefixes_->ShrinkTo(std::max(int64_t{0}, bytes));
  if (prefixes_->held_bytes() <= bytes) return true;
  if (DropPrefetched()) return MakeRoom();
  // What is being loaded for those that run does not go by itself.
  if (running() <= 1) return true;
  Preempt(ServiceOrder(Candidates(running_)).back());
  return false;
}

const std::vector<Scheduler::Chunk>& Scheduler::NextStep() {
  Admit();
  Prefetch();
  do {
    PlanChunks();
  } while (!MakeRoom());
  return chunks_;
}

int64_t Scheduler::cache_bytes() const {
  int64_t bytes = prefixes_->held_bytes();
  for (const auto& sequence : running_) bytes += sequence->started() ? layout_.state_bytes() : 0;
  return bytes;
}

int64_t Scheduler::loading() const {
  return std::ranges::count_if(running_, [](const auto& sequence) { return !sequence->started(); });
}

std::optional<SteadyTime> Scheduler::next_deadline() const {
  std::optional<SteadyTime> next;
  ForEach([&](const Sequence& sequence) {
    const std::optional<SteadyTime>& deadline = sequence.request().deadline;
    if (deadline && (!next || *deadline < *next)) next = deadline;
  });
  return next;
}

}  // namespace fathom
