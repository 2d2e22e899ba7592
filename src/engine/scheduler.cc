#include "engine/scheduler.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace fathom {
namespace {

// Prefixes shorter than this are read again sooner than kept.
constexpr int64_t kMinPrefixTokens = 64;

}  // namespace

std::vector<int64_t> PlanStep(std::span<const StepCandidate> candidates, int64_t budget) {
  FATHOM_CHECK(static_cast<int64_t>(candidates.size()) <= budget);
  std::vector<int64_t> shares(candidates.size(), 0);
  for (size_t index = 0; index < candidates.size(); ++index) {
    if (candidates[index].pending != 1) continue;
    shares[index] = 1;
    --budget;
  }
  // Gives up to `limit` tokens to candidates in the given order and returns what is left of it.
  const auto give = [&](std::span<const size_t> order, int64_t limit) {
    for (const size_t index : order) {
      const int64_t more = std::min(limit, candidates[index].max_chunk - shares[index]);
      shares[index] += more;
      limit -= more;
    }
    return limit;
  };
  std::vector<size_t> in_order(candidates.size());
  std::iota(in_order.begin(), in_order.end(), size_t{0});
  std::vector<size_t> shortest_first = in_order;
  std::stable_sort(shortest_first.begin(), shortest_first.end(),
                   [&](size_t a, size_t b) { return candidates[a].pending < candidates[b].pending; });
  const int64_t half = budget / 2;
  const int64_t left = give(in_order, budget - half);
  give(in_order, give(shortest_first, half + left));
  return shares;
}

int64_t CacheBytes(const CacheLayout& layout, int64_t tokens) {
  return layout.state_bytes() + layout.BlocksFor(tokens) * layout.block_bytes();
}

Scheduler::Scheduler(const CacheLayout& layout, const SchedulerOptions& options) : layout_(layout), options_(options) {
  FATHOM_CHECK(options_.max_sequences >= 1 && options_.max_sequences <= options_.step_tokens);
}

void Scheduler::Insert(std::unique_ptr<Sequence> sequence, Queue* queue) {
  const auto place = std::upper_bound(queue->begin(), queue->end(), sequence,
                                      [](const auto& a, const auto& b) { return a->Before(*b); });
  queue->insert(place, std::move(sequence));
}

void Scheduler::Add(std::unique_ptr<Sequence> sequence) { Insert(std::move(sequence), &waiting_); }

void Scheduler::DropCancelled() {
  for (Queue* queue : {&waiting_, &running_}) {
    for (const auto& sequence : *queue) {
      if (sequence->cancelled()) sequence->Finish(FinishReason::kCancelled);
    }
  }
  RemoveFinished();
}

void Scheduler::DropAll() {
  for (Queue* queue : {&running_, &waiting_}) {
    for (const auto& sequence : *queue) sequence->Finish(FinishReason::kCancelled);
    queue->clear();
  }
}

void Scheduler::RemoveFinished() {
  chunks_.clear();
  for (Queue* queue : {&waiting_, &running_}) {
    for (const auto& sequence : *queue) {
      if (!sequence->finished()) continue;
      finished_usage_.prompt_tokens += sequence->usage().prompt_tokens;
      finished_usage_.cached_tokens += sequence->usage().cached_tokens;
      finished_usage_.completion_tokens += sequence->usage().completion_tokens;
      if (sequence->started()) Keep(sequence.get());
    }
    std::erase_if(*queue, [](const auto& sequence) { return sequence->finished(); });
  }
  store_.ShrinkTo(std::max(int64_t{0}, options_.cache_bytes - BytesAfterStep()));
}

void Scheduler::Keep(Sequence* sequence) {
  if (!sequence->worth_keeping() || sequence->cache().position() < kMinPrefixTokens) return;
  store_.Add(sequence->TakeKept());
}

void Scheduler::Admit() {
  chunks_.clear();
  int64_t reserved = 0;  // what the running ones need to read all they have
  for (const auto& sequence : running_) {
    reserved += CacheBytes(layout_, static_cast<int64_t>(sequence->tokens().size())) + sequence->snapshot_bytes();
  }
  while (!waiting_.empty() && running() < options_.max_sequences) {
    const int64_t bytes = CacheBytes(layout_, static_cast<int64_t>(waiting_.front()->tokens().size()) + 1);
    if (!running_.empty() && reserved + bytes > options_.cache_bytes) return;
    reserved += bytes;
    std::unique_ptr<Sequence> sequence = std::move(waiting_.front());
    waiting_.erase(waiting_.begin());
    Start(sequence.get());
    Insert(std::move(sequence), &running_);
  }
}

void Scheduler::Start(Sequence* sequence) {
  if (!sequence->request().use_prefix_cache) return sequence->Start(SequenceCache(layout_), {}, {});
  PrefixStore::Match match = store_.Find(sequence->lookup_tokens());
  const int64_t hit_position = match.hit ? match.hit->cache.position() : 0;

  // The last token of a chat prompt opens or closes the thinking part, and the next turn's prompt may have the other
  // one in its place: save before it. Where a prompt agrees with an earlier one for a while, others will too.
  const auto prompt_tokens = static_cast<int64_t>(sequence->request().prompt.size());
  std::vector<int64_t> positions = {prompt_tokens - 1};
  if (match.common >= hit_position + kMinPrefixTokens) positions.push_back(match.common);
  if (options_.snapshot_interval > 0) {
    for (int64_t at = options_.snapshot_interval; at < prompt_tokens; at += options_.snapshot_interval) {
      positions.push_back(at);
    }
  }
  std::erase_if(positions, [&](int64_t position) { return position < kMinPrefixTokens || position >= prompt_tokens; });
  std::sort(positions.begin(), positions.end());
  positions.erase(std::unique(positions.begin(), positions.end()), positions.end());
  if (match.hit) {
    sequence->Start(std::move(match.hit->cache), std::move(match.hit->snapshots), std::move(positions));
  } else {
    sequence->Start(SequenceCache(layout_), {}, std::move(positions));
  }
}

void Scheduler::PlanChunks() {
  chunks_.clear();
  std::vector<StepCandidate> candidates;
  for (const auto& sequence : running_) candidates.push_back({sequence->pending(), sequence->max_chunk()});
  const std::vector<int64_t> shares = PlanStep(candidates, options_.step_tokens);
  for (size_t index = 0; index < shares.size(); ++index) {
    if (shares[index] > 0) chunks_.push_back({running_[index].get(), shares[index]});
  }
  std::stable_partition(chunks_.begin(), chunks_.end(), [](const Chunk& chunk) { return chunk.tokens == 1; });
}

int64_t Scheduler::BytesAfterStep() const {
  int64_t bytes = 0;
  for (const auto& sequence : running_) {
    bytes += CacheBytes(layout_, sequence->cache().position()) + sequence->snapshot_bytes();
  }
  for (const Chunk& chunk : chunks_) {
    const int64_t position = chunk.sequence->cache().position();
    bytes += CacheBytes(layout_, position + chunk.tokens) - CacheBytes(layout_, position);
  }
  return bytes;
}

bool Scheduler::MakeRoom() {
  if (BytesAfterStep() <= options_.cache_bytes) {
    store_.ShrinkTo(options_.cache_bytes - BytesAfterStep());
    return true;
  }
  store_.ShrinkTo(0);
  for (const auto& sequence : running_) sequence->DropSnapshots();
  if (BytesAfterStep() <= options_.cache_bytes || running() == 1) return true;
  std::unique_ptr<Sequence> last = std::move(running_.back());
  running_.pop_back();
  last->Stop();
  ++preemptions_;
  Insert(std::move(last), &waiting_);
  return false;
}

const std::vector<Scheduler::Chunk>& Scheduler::NextStep() {
  Admit();
  do {
    PlanChunks();
  } while (!MakeRoom());
  return chunks_;
}

int64_t Scheduler::cache_bytes() const {
  int64_t bytes = store_.bytes();
  for (const auto& sequence : running_) bytes += sequence->cache().bytes() + sequence->snapshot_bytes();
  return bytes;
}

}  // namespace fathom
