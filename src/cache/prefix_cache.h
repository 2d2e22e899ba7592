// prefix_cache.h - pasts worth keeping: a prompt that begins like an earlier sequence continues from it.
//
// A tree: below a root for each scope (whose prompts may meet) every node is 128 tokens with their cache block, found
// by a hash of all that comes before it and compared token by token. What several sequences begin with is there once.
// A sequence can continue only where its state is known: at points, which stand in a node with fewer than 128 further
// tokens of their own. Taking a point gives the same bits as reading its tokens: states are exact.
//
// Points and blocks are in RAM, on disk, or both. RAM and disk have budgets; what goes first is the point that saves
// the fewest tokens for its bytes, counted from the nearest point before it and aged by use (greedy dual size
// frequency); blocks go with the last point behind them. Not thread-safe: belongs to the engine's thread.
#ifndef FATHOM_CACHE_PREFIX_CACHE_H_
#define FATHOM_CACHE_PREFIX_CACHE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cache/cache_report.h"
#include "cache/disk_tier.h"
#include "cache/prefix_file.h"
#include "cache/sequence_cache.h"

namespace fathom {

struct PrefixCacheOptions {
  std::string directory = {};  // of the disk tier; empty: RAM only
  int64_t disk_bytes = 0;
  uint64_t model_fingerprint = 0;  // of config and weights: sessions of another model are not used
};

struct PrefixCacheStats {
  int64_t queries = 0;
  int64_t query_tokens = 0;
  int64_t hit_tokens = 0;
  int64_t points = 0;
  int64_t ram_bytes = 0;
  int64_t disk_bytes = 0;
  int64_t disk_reads = 0;  // files
  int64_t disk_writes = 0;
  int64_t ram_evictions = 0;  // points
  int64_t disk_evictions = 0;
  int64_t damaged = 0;  // files that could not be used
};

class PrefixCache {
 public:
  // `layout` must outlive the cache. With a directory, what earlier processes kept there is found again.
  static Result<std::unique_ptr<PrefixCache>> Open(const CacheLayout& layout, const PrefixCacheOptions& options);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;
  PrefixCache& operator=(const PrefixCache&) = delete;

  struct Match {
    std::optional<SequenceCache> cache;  // at report.hit; nothing if that is 0
    CacheReport report;
  };
  // The furthest position from which `prompt` can continue, leaving at least its last token to be read.
  Match Find(std::string_view scope, std::span<const int32_t> prompt);

  // Keeps points of a sequence whose cache has read `tokens`: the snapshots, which it has saved at or before its
  // position. Their blocks are shared with it.
  void Add(std::string_view scope, std::span<const int32_t> tokens, const SequenceCache& cache,
           std::vector<SequenceCache::Snapshot> snapshots);

  // Frees RAM until at most `bytes` are held.
  void ShrinkTo(int64_t bytes);
  // Waits until all that is to be on disk is there.
  void Flush();

  int64_t bytes() const { return stats_.ram_bytes; }
  int64_t points() const { return stats_.points; }
  const PrefixCacheStats& stats() const { return stats_; }

 private:
  enum class OnDisk : uint8_t { kNo, kWriting, kYes };
  struct Node;
  struct Point {
    Node* node = nullptr;  // the full blocks before it end here
    PrefixKey key;
    std::vector<int32_t> tail;                // tokens behind them, fewer than 128
    std::shared_ptr<const StateBytes> state;  // null: not in RAM
    std::shared_ptr<CacheBlock> tail_block;   // null: not in RAM, no tail, or no block needed
    OnDisk on_disk = OnDisk::kNo;
    int64_t file_bytes = 0;
    int64_t uses = 0;
    double value = 0;     // in the orders of eviction
    int64_t changed = 0;  // when; of equal values the older goes first

    bool in_ram() const { return state != nullptr; }
  };
  struct Node {
    Node* parent = nullptr;
    PrefixKey key;
    int64_t position = 0;  // tokens up to its end; 0: a root
    std::vector<int32_t> tokens;
    std::shared_ptr<CacheBlock> block;  // null: not in RAM, a root, or a layout without blocks
    OnDisk on_disk = OnDisk::kNo;
    int64_t file_bytes = 0;
    int64_t ram_points = 0;  // at and below it
    int64_t disk_points = 0;
    std::map<PrefixKey, std::unique_ptr<Node>> children;
    std::vector<std::unique_ptr<Point>> points;
  };
  struct Earlier {
    bool operator()(const Point* a, const Point* b) const {
      return std::pair(a->value, a->changed) < std::pair(b->value, b->changed);
    }
  };
  using Order = std::set<Point*, Earlier>;

  PrefixCache(const CacheLayout& layout, const PrefixCacheOptions& options);
  Status OpenDisk();

  PrefixKey RootKey(std::string_view scope) const;
  static PrefixKey KeyOf(const PrefixKey& parent, std::span<const int32_t> tokens, bool point);
  Node* Root(const PrefixKey& key);
  Node* Child(Node* node, std::span<const int32_t> tokens) const;
  Node* MakeChild(Node* node, std::span<const int32_t> tokens);
  Point* FindPoint(Node* node, std::span<const int32_t> tail) const;
  int64_t PositionOf(const Point& point) const;
  // Tokens that `rest`, the prompt behind `node`, has in common with what stands there.
  int64_t CommonBehind(const Node& node, std::span<const int32_t> rest) const;

  void AddPoint(Node* node, std::span<const int32_t> tail, const SequenceCache& cache,
                SequenceCache::Snapshot snapshot);
  // The sequence at a point, read from disk where it is not in RAM; nothing if that failed.
  std::optional<SequenceCache> Take(Point* point, CacheSource* source);
  bool HeadIs(std::string_view file, const PrefixKey& key, const PrefixKey& parent,
              std::span<const int32_t> tokens) const;
  bool LoadBlock(Node* node);
  bool LoadState(Point* point);
  void Persist(Point* point);
  void TakeWritten();

  void SetValue(Point* point);
  void Unorder(Point* point);
  void DropFromRam(Point* point);
  void DropFromDisk(Point* point);
  // Removes the point and the nodes that are of no use any more, unless something of it is left.
  void Prune(Point* point);
  void CountRam(Node* node, int64_t change);
  void CountDisk(Node* node, int64_t change);
  void EvictFromDisk();
  int64_t PointBytes(const Point& point) const;

  const CacheLayout& layout_;
  const PrefixCacheOptions options_;
  const uint64_t fingerprint_;  // of model and layout
  std::map<PrefixKey, std::unique_ptr<Node>> roots_;
  std::map<PrefixKey, Node*> nodes_by_key_;
  std::map<PrefixKey, Point*> points_by_key_;
  Order ram_order_;
  Order disk_order_;
  double age_ = 0;       // value of what was evicted last
  int64_t changes_ = 0;  // of values
  std::unique_ptr<DiskTier> disk_;
  PrefixCacheStats stats_;
};

}  // namespace fathom

#endif  // FATHOM_CACHE_PREFIX_CACHE_H_
