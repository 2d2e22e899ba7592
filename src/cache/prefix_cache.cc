#define XXH_INLINE_ALL
#include "cache/prefix_cache.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "base/log.h"

namespace fathom {
namespace {

constexpr int64_t kBlock = CacheLayout::kBlockTokens;

int64_t CommonLength(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::ranges::mismatch(a, b).in1 - a.begin();
}

}  // namespace

PrefixCache::PrefixCache(const CacheLayout& layout, const PrefixCacheOptions& options)
    : layout_(layout),
      options_(options),
      fingerprint_(layout.fingerprint() ^ options.model_fingerprint),
      replay_tokens_(options.replay && layout.block_bytes() > 0 ? layout.replay_tokens() : 0) {}

PrefixCache::~PrefixCache() = default;

Result<std::unique_ptr<PrefixCache>> PrefixCache::Open(const CacheLayout& layout, const PrefixCacheOptions& options) {
  std::unique_ptr<PrefixCache> cache(new PrefixCache(layout, options));
  if (!options.directory.empty()) FATHOM_RETURN_IF_ERROR(cache->OpenDisk());
  return cache;
}

PrefixCacheStats PrefixCache::stats() const {
  PrefixCacheStats stats = stats_;
  stats.waiting_bytes = disk_ != nullptr ? disk_->waiting_bytes() : 0;
  return stats;
}

// ---- keys and places

PrefixKey PrefixCache::RootKey(std::string_view scope) const {
  const XXH128_hash_t hash = XXH3_128bits_withSeed(scope.data(), scope.size(), fingerprint_);
  return {hash.high64, hash.low64};
}

PrefixKey PrefixCache::KeyOf(const PrefixKey& parent, std::span<const int32_t> tokens, bool point) {
  std::string bytes(reinterpret_cast<const char*>(&parent), sizeof parent);
  bytes.append(reinterpret_cast<const char*>(tokens.data()), tokens.size_bytes());
  const XXH128_hash_t hash = XXH3_128bits_withSeed(bytes.data(), bytes.size(), point ? 1 : 0);
  return {hash.high64, hash.low64};
}

PrefixCache::Node* PrefixCache::Root(const PrefixKey& key) {
  std::unique_ptr<Node>& root = roots_[key];
  if (root == nullptr) {
    root = std::make_unique<Node>();
    root->key = key;
    nodes_by_key_[key] = root.get();
  }
  return root.get();
}

PrefixCache::Node* PrefixCache::Child(Node* node, std::span<const int32_t> tokens) const {
  const auto found = node->children.find(KeyOf(node->key, tokens, false));
  if (found == node->children.end() || !std::ranges::equal(found->second->tokens, tokens)) return nullptr;
  return found->second.get();
}

PrefixCache::Node* PrefixCache::MakeChild(Node* node, std::span<const int32_t> tokens) {
  const PrefixKey key = KeyOf(node->key, tokens, false);
  std::unique_ptr<Node>& child = node->children[key];
  if (child == nullptr) {
    child = std::make_unique<Node>();
    child->parent = node;
    child->key = key;
    child->position = node->position + kBlock;
    child->tokens.assign(tokens.begin(), tokens.end());
    nodes_by_key_[key] = child.get();
  }
  // Two histories of one hash, of 2^128: what came first stays.
  return std::ranges::equal(child->tokens, tokens) ? child.get() : nullptr;
}

PrefixCache::Point* PrefixCache::FindPoint(Node* node, std::span<const int32_t> tail) const {
  for (const auto& point : node->points) {
    if (!point->stateless && std::ranges::equal(point->tail, tail)) return point.get();
  }
  return nullptr;
}

int64_t PrefixCache::PositionOf(const Point& point) const {
  return point.node->position + static_cast<int64_t>(point.tail.size());
}

int64_t PrefixCache::CommonBehind(const Node& node, std::span<const int32_t> rest) const {
  int64_t common = 0;
  for (const auto& [key, child] : node.children) common = std::max(common, CommonLength(rest, child->tokens));
  for (const auto& point : node.points) common = std::max(common, CommonLength(rest, point->tail));
  return common;
}

// ---- finding

PrefixCache::Candidates PrefixCache::CandidatesFor(std::string_view scope, std::span<const int32_t> prompt) {
  Candidates candidates;
  const auto usable = static_cast<int64_t>(prompt.size()) - 1;
  const auto root = roots_.find(RootKey(scope));
  if (root == roots_.end()) return candidates;
  const Time now = std::chrono::steady_clock::now();
  Node* node = root->second.get();
  bool there = true;  // all blocks up to `node`
  bool readable = true;
  bool in_ram = true;
  while (true) {
    readable = readable && (node->block != nullptr || node->read != 0 || node->unreadable_until <= now);
    there = there && readable &&
            (node->parent == nullptr || node->block != nullptr || node->read != 0 || node->on_disk == OnDisk::kYes);
    in_ram = in_ram && (node->parent == nullptr || node->block != nullptr);
    if (IsPlace(*node) && node->position <= usable) {
      if (there) candidates.place = node;
      if (in_ram) candidates.ram_place = node;
    }
    const auto rest = prompt.subspan(static_cast<size_t>(node->position));
    for (const auto& point : node->points) {
      const bool agrees = CommonLength(rest, point->tail) == static_cast<int64_t>(point->tail.size());
      const bool on_disk = point->on_disk == OnDisk::kYes && readable && point->unreadable_until <= now;
      const bool gone = !point->in_ram() && point->load == nullptr && !on_disk;
      if (agrees && !gone && !point->stateless && PositionOf(*point) <= usable)
        candidates.points.push_back(point.get());
    }
    Node* const child =
        static_cast<int64_t>(rest.size()) >= kBlock ? Child(node, rest.first(static_cast<size_t>(kBlock))) : nullptr;
    if (child == nullptr) {
      candidates.common = node->position + CommonBehind(*node, rest);
      break;
    }
    node = child;
  }
  std::ranges::sort(candidates.points, std::greater<>(), [&](const Point* point) { return PositionOf(*point); });
  return candidates;
}

PrefixCache::Match PrefixCache::Take(std::string_view scope, std::span<const int32_t> prompt, const Loading* loaded) {
  Match match;
  ++stats_.queries;
  stats_.query_tokens += static_cast<int64_t>(prompt.size());
  const Candidates candidates = CandidatesFor(scope, prompt);
  const auto in_ram = std::ranges::find_if(candidates.points, [](const Point* point) { return point->in_ram(); });
  Point* best = in_ram != candidates.points.end() ? *in_ram : nullptr;
  Node* const place = candidates.ram_place;
  if (place != nullptr && place->position - replay_tokens_ > (best != nullptr ? BeginOf(*best) : 0)) {
    best = MakePlace(place);
  }
  if (best != nullptr) {
    match.cache = Continue(best);
    match.report.hit = PositionOf(*best);
    match.report.replayed = match.report.hit - match.cache->position();
    // Also for one that asked a moment after the load for another had ended.
    const bool from_disk = std::exchange(best->loaded, false) || (loaded != nullptr && loaded->point_ == best);
    match.report.source = from_disk ? CacheSource::kDisk : CacheSource::kRam;
  }
  match.report.common = candidates.common;
  match.report.miss = WhyNotMore(match.report, static_cast<int64_t>(prompt.size()) - 1);
  stats_.hit_tokens += match.report.hit;
  stats_.replayed_tokens += match.report.replayed;
  return match;
}

CacheMiss PrefixCache::WhyNotMore(const CacheReport& report, int64_t usable) const {
  const int64_t agrees = std::min(report.common, usable);
  // Between two blocks there is no place, which is nothing to be told of.
  const bool all = report.hit == usable || (report.replayed > 0 && agrees < report.hit + kBlock);
  if (all && agrees == usable) return CacheMiss::kNothing;
  if (report.common == 0) return CacheMiss::kNoEntry;
  if (all || report.common == report.hit) return CacheMiss::kDiverged;
  const bool short_of_replay = replay_tokens_ > 0 && report.hit == 0 && agrees / kBlock * kBlock <= replay_tokens_;
  return short_of_replay ? CacheMiss::kReplay : CacheMiss::kNoState;
}

int64_t PrefixCache::BlocksInUse(std::string_view scope, std::span<const int32_t> prompt) {
  const Candidates candidates = CandidatesFor(scope, prompt);
  const auto in_ram = std::ranges::find_if(candidates.points, [](const Point* point) { return point->in_ram(); });
  const Node* node = candidates.ram_place;
  if (in_ram != candidates.points.end() && (node == nullptr || (*in_ram)->node->position > node->position)) {
    node = (*in_ram)->node;
  }
  int64_t blocks = 0;
  for (; node != nullptr && node->parent != nullptr; node = node->parent) {
    blocks += static_cast<int64_t>(node->block != nullptr && node->block->users() > 0);
  }
  return blocks;
}

std::vector<PrefixCache::Node*> PrefixCache::Chain(Node* node) const {
  std::vector<Node*> chain;
  for (; node->parent != nullptr; node = node->parent) chain.push_back(node);
  std::ranges::reverse(chain);
  return chain;
}

SequenceCache PrefixCache::Continue(Point* point) {
  BlockTable::Blocks blocks;
  if (layout_.block_bytes() > 0) {
    for (const Node* node : Chain(point->node)) blocks.push_back(node->block.get());
    if (!point->tail.empty()) blocks.push_back(point->tail_block.get());
  }
  ++point->uses;
  point->resumes = false;
  SetValue(point);
  if (point->stateless) {
    if (point->on_disk == OnDisk::kYes) disk_->Touch(PrefixFileKind::kBlock, point->node->key);
    return SequenceCache::Replay(layout_, BeginOf(*point), PositionOf(*point), std::move(blocks));
  }
  if (point->on_disk == OnDisk::kYes) disk_->Touch(PrefixFileKind::kPoint, point->key);
  return SequenceCache::FromParts(layout_, PositionOf(*point), *point->state, std::move(blocks));
}

// ---- keeping

PrefixCache::Node* PrefixCache::Extend(Node* node, std::span<const int32_t> tokens, SequenceCache* cache) {
  Node* const child = MakeChild(node, tokens.subspan(static_cast<size_t>(node->position), static_cast<size_t>(kBlock)));
  if (child == nullptr || layout_.block_bytes() == 0) return child;
  const int64_t index = child->position / kBlock - 1;
  if (child->block != nullptr) {
    cache->ShareBlock(index, child->block.get());
    return child;
  }
  child->block = cache->blocks()[static_cast<size_t>(index)];
  if (child->read == 0) stats_.ram_bytes += layout_.block_bytes();
  if (child->read != 0) CancelRead(std::exchange(child->read, 0), layout_.block_bytes());
  return child;
}

void PrefixCache::Add(std::string_view scope, std::span<const int32_t> tokens, SequenceCache* cache,
                      std::vector<SequenceCache::Snapshot> snapshots, bool resumes) {
  Poll();
  FATHOM_CHECK(static_cast<int64_t>(tokens.size()) == cache->position() && !cache->replaying());
  std::ranges::sort(snapshots, {}, &SequenceCache::Snapshot::position);
  Node* node = Root(RootKey(scope));
  for (SequenceCache::Snapshot& snapshot : snapshots) {
    FATHOM_CHECK(snapshot.position <= cache->position());
    while (node->position + kBlock <= snapshot.position) {
      node = Extend(node, tokens, cache);
      if (node == nullptr) return;
    }
    const auto tail =
        tokens.subspan(static_cast<size_t>(node->position), static_cast<size_t>(snapshot.position - node->position));
    const bool last = &snapshot == &snapshots.back();
    AddPoint(node, tail, *cache, std::move(snapshot), resumes && last);
  }
  if (replay_tokens_ > 0 && cache->position() / kBlock * kBlock > replay_tokens_) {
    while (node->position + kBlock <= cache->position()) {
      node = Extend(node, tokens, cache);
      if (node == nullptr) return;
    }
    AddPlace(node);
  }
  if (node->parent == nullptr && node->points.empty() && node->children.empty()) {
    nodes_by_key_.erase(node->key);
    roots_.erase(PrefixKey(node->key));
  }
  EvictFromDisk();
}

PrefixCache::Point* PrefixCache::MakePoint(Node* node, std::span<const int32_t> tail) {
  node->points.push_back(std::make_unique<Point>());
  Point* const point = node->points.back().get();
  point->node = node;
  point->key = KeyOf(node->key, tail, true);
  point->tail.assign(tail.begin(), tail.end());
  ++stats_.points;
  return point;
}

void PrefixCache::AddPoint(Node* node, std::span<const int32_t> tail, const SequenceCache& cache,
                           SequenceCache::Snapshot snapshot, bool resumes) {
  Point* point = FindPoint(node, tail);
  if (point == nullptr) {
    point = MakePoint(node, tail);
    points_by_key_[point->key] = point;
  }
  if (!point->in_ram()) {
    stats_.ram_bytes += PointBytes(*point);
    CountRam(node, 1);
    if (point->load != nullptr) EndLoad(point);  // as if it had been loaded
    point->state = std::make_shared<const StateBytes>(std::move(snapshot.state));
    if (!tail.empty() && layout_.block_bytes() > 0) {
      // A sequence that goes on writing behind the point copies it first.
      point->tail_block = cache.blocks()[static_cast<size_t>(node->position / kBlock)];
    }
  }
  point->resumes |= resumes;
  SetValue(point);
  // With replay a state is here for sequences that are about to come.
  if (replay_tokens_ == 0 || point->resumes) Persist(point);
}

}  // namespace fathom
