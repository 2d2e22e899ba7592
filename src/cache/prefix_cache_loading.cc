// How points come from disk into RAM while the engine goes on.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "cache/prefix_cache.h"

namespace fathom {
namespace {

void LogUnusable(const DiskReader::Loaded& loaded, bool removed) {
  const char* what = loaded.kind == PrefixFileKind::kBlock ? "block" : "state";
  Log(LogLevel::kWarning,
      removed ? "removed a file of kept prefixes that cannot be used"
              : "a file of kept prefixes cannot be read now; it stays, and is tried again later",
      {{"kind", what}, {"key", loaded.key.hex()}, {"because", loaded.status.message()}});
}

}  // namespace

PrefixCache::Loading::Loading(PrefixCache* cache, Point* point) : cache_(cache), point_(point) {
  ++point_->pins;
  cache_->Unorder(point_);
}

PrefixCache::Loading::~Loading() {
  if (--point_->pins > 0) return;
  if (point_->load != nullptr) cache_->EndLoad(point_);
  cache_->InOrder(point_);
  cache_->Prune(point_);
}

bool PrefixCache::Loading::done() const { return point_->load == nullptr; }

bool PrefixCache::Loading::failed() const { return done() && !point_->in_ram(); }

std::unique_ptr<PrefixCache::Loading> PrefixCache::Load(std::string_view scope, std::span<const int32_t> prompt) {
  if (disk_ == nullptr) return nullptr;
  Poll();
  while (true) {
    const Candidates candidates = CandidatesFor(scope, prompt);
    Point* point = candidates.points.empty() ? nullptr : candidates.points.front();
    Node* const place = candidates.place;
    if (place != nullptr && place->position - replay_tokens_ > (point != nullptr ? BeginOf(*point) : 0)) {
      point = place != candidates.ram_place ? MakePlace(place) : nullptr;
    }
    if (point == nullptr || point->in_ram()) return nullptr;
    std::unique_ptr<Loading> loading(new Loading(this, point));
    // What several wait for is loaded once.
    if (point->load != nullptr || BeginLoad(point)) return loading;
    DropFromDisk(point);  // and with `loading` it is gone
  }
}

PrefixCache::Match PrefixCache::Find(std::string_view scope, std::span<const int32_t> prompt) {
  while (const std::unique_ptr<Loading> loading = Load(scope, prompt)) {
    while (!loading->done()) {
      reader_->Wait();
      Poll();
    }
    if (!loading->failed()) return Take(scope, prompt, loading.get());
  }
  return Take(scope, prompt);
}

void PrefixCache::Poll() {
  if (disk_ == nullptr) return;
  TakeLoaded();
  TakeWritten();
  OfferUnwritten();
}

void PrefixCache::SetListener(const std::function<void()>& listener) {
  if (disk_ == nullptr) return;
  reader_->SetListener(listener);
  disk_->SetListener(listener);
}

PrefixFileHead PrefixCache::HeadOf(const Node& node) const {
  return {PrefixFileKind::kBlock, fingerprint_, node.key, node.parent->key, node.position, node.tokens, 0};
}

PrefixFileHead PrefixCache::HeadOf(const Point& point) const {
  return {PrefixFileKind::kPoint, fingerprint_, point.key, point.node->key, PositionOf(point), point.tail, 0};
}

bool PrefixCache::BeginLoad(Point* point) {
  const std::vector<Node*> chain = layout_.block_bytes() > 0 ? Chain(point->node) : std::vector<Node*>();
  const auto nowhere = [](const Node* node) {
    return node->block == nullptr && node->read == 0 && node->on_disk != OnDisk::kYes;
  };
  const bool state_is_nowhere = !point->stateless && point->on_disk != OnDisk::kYes;
  if (state_is_nowhere || std::ranges::any_of(chain, nowhere)) return false;
  stats_.ram_bytes += PointBytes(*point);
  CountRam(point->node, 1);
  point->load = std::make_unique<PointLoad>();
  PointLoad& load = *point->load;
  const bool tail = !point->tail.empty() && layout_.block_bytes() > 0;
  if (!point->stateless) load.read = reader_->Read({HeadOf(*point), true, tail});
  for (Node* node : chain) {
    if (node->block != nullptr) continue;
    if (node->read == 0) {
      stats_.ram_bytes += layout_.block_bytes();
      node->read = reader_->Read({HeadOf(*node), false, true});
    }
    load.missing.push_back(node);
  }
  std::ranges::reverse(load.missing);
  loading_.push_back(point);
  AdvanceLoad(point);
  return true;
}

void PrefixCache::AdvanceLoad(Point* point) {
  PointLoad& load = *point->load;
  while (!load.missing.empty() && load.missing.back()->block != nullptr) load.missing.pop_back();
  const bool block_failed = !load.missing.empty() && load.missing.back()->read == 0;
  const bool state_failed = !point->stateless && load.state == nullptr && load.read == 0;
  if (block_failed || state_failed) {
    const Node* const block = block_failed ? load.missing.back() : nullptr;
    const bool lost = block_failed ? block->on_disk != OnDisk::kYes : point->unreadable_until == Time();
    // Without a state, what comes before the block is as good as ever.
    Node* const before = block_failed ? block->parent : nullptr;
    if (lost && point->stateless && before != nullptr && IsPlace(*before)) MakePlace(before);
    EndLoad(point);
    if (lost) DropFromDisk(point);
  } else if (load.missing.empty() && (point->stateless || load.state != nullptr)) {
    point->state = std::move(load.state);
    point->blocks_in_ram = point->stateless;
    point->tail_block = std::move(load.tail_block);
    point->loaded = true;
    point->load.reset();
    std::erase(loading_, point);
  }
}

void PrefixCache::EndLoad(Point* point) {
  if (point->load->read != 0) CancelRead(point->load->read, PointBytes(*point));
  point->load.reset();
  std::erase(loading_, point);
  stats_.ram_bytes -= PointBytes(*point);
  CountRam(point->node, -1);
}

void PrefixCache::CancelRead(uint64_t read, int64_t bytes) {
  if (reader_->Cancel(read)) return;
  begun_reads_[read] = bytes;
  CountStuck(bytes);
}

void PrefixCache::CountStuck(int64_t change) {
  stuck_bytes_ += change;
  stats_.ram_bytes += change;
}

void PrefixCache::TakeLoaded() {
  for (const DiskReader::Loaded& loaded : reader_->TakeLoaded()) {
    ++stats_.disk_reads;
    reader_stands_ = false;
    if (const auto begun = begun_reads_.extract(loaded.number)) CountStuck(-begun.mapped());
    loaded.kind == PrefixFileKind::kBlock ? TakeBlock(loaded) : TakeState(loaded);
  }
  const std::vector<Point*> points = loading_;  // also without files: Add() may have brought what was missing
  for (Point* point : points) AdvanceLoad(point);
}

PrefixCache::Time PrefixCache::FailedRead(const DiskReader::Loaded& loaded) {
  const bool lost = loaded.status.code() != ErrorCode::kIo;
  LogUnusable(loaded, lost);
  if (!lost) return std::chrono::steady_clock::now() + std::chrono::nanoseconds(options_.tier.retry_ns);
  ++stats_.damaged;
  return {};
}

void PrefixCache::TakeBlock(const DiskReader::Loaded& loaded) {
  const auto found = nodes_by_key_.find(loaded.key);
  if (found == nodes_by_key_.end() || found->second->read != loaded.number) return;  // no longer wanted
  Node* const node = found->second;
  node->read = 0;
  node->block = loaded.block;
  if (loaded.status.ok()) return;
  stats_.ram_bytes -= layout_.block_bytes();
  node->unreadable_until = FailedRead(loaded);
  if (node->unreadable_until == Time() && node->on_disk != OnDisk::kNo) RemoveBlockFile(node);
}

void PrefixCache::TakeState(const DiskReader::Loaded& loaded) {
  const auto found = points_by_key_.find(loaded.key);
  if (found == points_by_key_.end()) return;
  PointLoad* const load = found->second->load.get();
  if (load == nullptr || load->read != loaded.number) return;  // no longer wanted
  load->read = 0;
  load->state = loaded.state;
  load->tail_block = loaded.block;
  if (!loaded.status.ok()) found->second->unreadable_until = FailedRead(loaded);
}

}  // namespace fathom
