// prefix_cache.h - pasts worth keeping: a prompt that begins like an earlier sequence continues from it.
//
// A tree: below a root for each scope (whose prompts may meet) every node is 128 tokens with their cache block, found
// by a hash of all that comes before it and compared token by token. What several sequences begin with is there once.
// A sequence can continue only where its state is known: at points, which stand in a node with fewer than 128 further
// tokens of their own. Taking a point gives the same bits as reading its tokens: states are exact.
//
// With `replay` every node is a place to continue from, too, if enough tokens are before it: the sequence reads the
// last of them again, which gives its state there (CacheLayout::replay_tokens()). Such places need blocks alone, and
// are points without a state where a sequence ended or was continued.
//
// What is only on disk is loaded on a thread of its own: Load(), and Take() when it is there. What is kept is written
// on another; until then it stays in RAM and counts there. What finds no room among the writes is offered again.
//
// Points and blocks are in RAM, on disk, or both. RAM and disk have budgets; what goes first is the point that saves
// the fewest tokens for its bytes, counted from the nearest point before it and aged by use (greedy dual size
// frequency), in RAM those that wait to be written after all others; blocks go with the last point behind them. A point
// without a state does not go at once: it moves to the block before, so that a conversation is given up from its end.
// Not thread-safe: belongs to the engine's thread.
#ifndef FATHOM_CACHE_PREFIX_CACHE_H_
#define FATHOM_CACHE_PREFIX_CACHE_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cache/cache_report.h"
#include "cache/disk_reader.h"
#include "cache/disk_tier.h"
#include "cache/foreign_files.h"
#include "cache/prefix_file.h"
#include "cache/sequence_cache.h"

namespace fathom {

struct PrefixCacheOptions {
  std::string directory = {};  // of the disk tier; empty: RAM only
  int64_t disk_bytes = 0;
  DiskTierOptions tier = {};
  uint64_t model_fingerprint = 0;  // of config and weights: sessions of another model are not used
  bool replay = false;             // sequences may continue without a state, and are kept without one
  // How long ShrinkTo() waits for the disk rather than give up a sequence that goes on later.
  int64_t max_wait_ns = int64_t{2} * 1'000'000'000;
  // Called on the reading thread before every file: tests make a disk slow with it.
  std::function<void()> before_read = {};
};

struct PrefixCacheStats {
  int64_t queries = 0;
  int64_t query_tokens = 0;
  int64_t hit_tokens = 0;
  int64_t replayed_tokens = 0;  // of those
  int64_t points = 0;
  int64_t ram_bytes = 0;
  int64_t waiting_bytes = 0;  // of those, to be written
  int64_t disk_bytes = 0;
  int64_t disk_reads = 0;  // files
  int64_t disk_writes = 0;
  int64_t dropped_writes = 0;  // points that had to leave RAM before they were written
  int64_t ram_evictions = 0;   // points
  int64_t disk_evictions = 0;
  int64_t damaged = 0;  // files that could not be used
};

class PrefixCache {
  struct Point;

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
  // A point on its way from disk to RAM. Its bytes count from the beginning, and it stays as long as this lives; when
  // the last one is gone, what is not there yet is given up. The cache must outlive it.
  class Loading {
   public:
    ~Loading();
    Loading(const Loading&) = delete;
    Loading& operator=(const Loading&) = delete;

    bool done() const;  // as of the last Poll()
    bool failed() const;

   private:
    friend class PrefixCache;
    Loading(PrefixCache* cache, Point* point);
    PrefixCache* const cache_;
    Point* const point_;
  };

  // Begins to load the furthest position from which `prompt` can continue, leaving at least its last token to be read.
  // Null if Take() finds it in RAM, or there is none. What fails is no longer there for the next call: a damaged file
  // is removed, one that the system could not read is left for later.
  std::unique_ptr<Loading> Load(std::string_view scope, std::span<const int32_t> prompt);
  // The furthest of those in RAM. `loaded`: what was loaded for this prompt, if anything.
  Match Take(std::string_view scope, std::span<const int32_t> prompt, const Loading* loaded = nullptr);
  // Both, waiting in between.
  Match Find(std::string_view scope, std::span<const int32_t> prompt);
  // Takes in what was loaded and written meanwhile.
  void Poll();
  // Called on another thread when Poll() has something to do.
  void SetListener(const std::function<void()>& listener);

  // Keeps points of a sequence whose cache has read `tokens`: the snapshots, which it has saved at or before its
  // position, and with `replay` its last full block. Blocks are shared with it; those that are here already take the
  // place of its own. `resumes`: it goes on from the last snapshot later.
  void Add(std::string_view scope, std::span<const int32_t> tokens, SequenceCache* cache,
           std::vector<SequenceCache::Snapshot> snapshots, bool resumes = false);
  // How many blocks that other sequences use the one of `prompt` would share with them if it began now.
  int64_t BlocksInUse(std::string_view scope, std::span<const int32_t> prompt);

  // Bytes of all that is here or on its way between RAM and disk, and of the blocks that sequences use beside it, each
  // counted once.
  int64_t held_bytes() const { return stats_.ram_bytes + layout_.unkept_blocks() * layout_.block_bytes(); }
  // Frees RAM until at most `bytes` are held. What waits to be written goes last, and what a sequence goes on from only
  // if the disk does not take it in time.
  void ShrinkTo(int64_t bytes);
  // Of held_bytes(), of files that are being written and read for nobody any more; and how much that may be.
  int64_t stuck_bytes() const { return stuck_bytes_; }
  static int64_t MaxStuckBytes(const CacheLayout& layout) {
    constexpr int64_t kTokenBytes = CacheLayout::kBlockTokens * static_cast<int64_t>(sizeof(int32_t));
    return 2 * (layout.state_bytes() + layout.block_bytes() + kTokenBytes);
  }
  // Waits until all that is to be on disk is there.
  void Flush();

  bool on_disk() const { return disk_ != nullptr; }
  int64_t bytes() const { return stats_.ram_bytes; }
  int64_t points() const { return stats_.points; }
  PrefixCacheStats stats() const;

 private:
  // A point that is kUnwritten found no room among the writes, but what was queued of its blocks stays. What is
  // kUnwritten or kWriting is in RAM; only what had to leave when its write had begun is held by begun_writes_.
  enum class OnDisk : uint8_t { kNo, kUnwritten, kWriting, kYes };
  using Time = std::chrono::steady_clock::time_point;
  struct Node;
  struct PointLoad {
    uint64_t read = 0;  // of its file; 0: it is over
    std::shared_ptr<const StateBytes> state;
    std::shared_ptr<CacheBlock> tail_block;
    std::vector<Node*> missing;  // blocks to come, the first one last
  };
  struct Point {
    Node* node = nullptr;  // the full blocks before it end here
    PrefixKey key;
    std::vector<int32_t> tail;                // tokens behind them, fewer than 128
    std::shared_ptr<const StateBytes> state;  // null: not in RAM
    KeptBlock tail_block;                     // null: not in RAM, no tail, or no block needed
    bool stateless = false;                   // its node's blocks are all there is to it: it has no tail and no file
    bool blocks_in_ram = false;               // of one that is stateless
    std::unique_ptr<PointLoad> load;          // while it is loaded: counted, but not in RAM yet
    bool loaded = false;                      // and not yet taken by anybody
    int64_t pins = 0;                         // by Loading; not in the orders of eviction meanwhile
    bool resumes = false;                     // a sequence goes on from here later
    OnDisk on_disk = OnDisk::kNo;
    uint64_t write = 0;  // of its file, while that is kWriting
    int64_t file_bytes = 0;
    Time unreadable_until;  // its file could not be read, for a reason that may pass
    int64_t uses = 0;
    double value = 0;     // in the orders of eviction
    int64_t changed = 0;  // when; of equal values the older goes first

    bool in_ram() const { return stateless ? blocks_in_ram : state != nullptr; }
  };
  struct Node {
    Node* parent = nullptr;
    PrefixKey key;
    int64_t position = 0;  // tokens up to its end; 0: a root
    std::vector<int32_t> tokens;
    KeptBlock block;    // null: not in RAM, a root, or a layout without blocks
    uint64_t read = 0;  // while its file is read: counted, but not in RAM yet
    OnDisk on_disk = OnDisk::kNo;
    uint64_t write = 0;  // of its file, while that is kWriting
    int64_t file_bytes = 0;
    Time unreadable_until;
    int64_t ram_points = 0;  // at and below it, in RAM or being loaded
    int64_t disk_points = 0;
    std::map<PrefixKey, std::unique_ptr<Node>> children;
    std::vector<std::unique_ptr<Point>> points;
  };
  struct Earlier {
    bool operator()(const Point* a, const Point* b) const {
      return std::tuple(a->value, a->changed, a) < std::tuple(b->value, b->changed, b);
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

  Point* MakePoint(Node* node, std::span<const int32_t> tail);
  void AddPoint(Node* node, std::span<const int32_t> tail, const SequenceCache& cache, SequenceCache::Snapshot snapshot,
                bool resumes);
  // The points from which `prompt` can continue, the farthest first, and how far it agrees with anything.
  struct Candidates {
    std::vector<Point*> points;
    Node* place = nullptr;      // the farthest without a state, if any
    Node* ram_place = nullptr;  // and that all of which is in RAM
    int64_t common = 0;
  };
  Candidates CandidatesFor(std::string_view scope, std::span<const int32_t> prompt);
  // Blocks from the root to a node.
  std::vector<Node*> Chain(Node* node) const;
  // The sequence at a point in RAM.
  SequenceCache Continue(Point* point);
  CacheMiss WhyNotMore(const CacheReport& report, int64_t usable) const;

  // Where a sequence that continues at a point begins to read.
  int64_t BeginOf(const Point& point) const { return PositionOf(point) - (point.stateless ? replay_tokens_ : 0); }
  bool IsPlace(const Node& node) const { return replay_tokens_ > 0 && node.position > replay_tokens_; }
  // The child behind `node` with the block of `cache`.
  Node* Extend(Node* node, std::span<const int32_t> tokens, SequenceCache* cache);
  // Whether its block and all before it are on disk.
  static bool IsOnDisk(const Node* node);
  // The point without a state in `node`, or null.
  Point* FindPlace(Node* node) const;
  // The same, made if need be, as it is: in RAM or on disk if all blocks up to there are.
  Point* MakePlace(Node* node);
  void AddPlace(Node* node);
  // Moves what a point without a state holds in RAM or on disk to the block before. False if it is to be dropped.
  bool ShortenInRam(Point* point);
  bool ShortenOnDisk(Point* point);
  // Makes points of the ends of chains that no state stands behind.
  void FindPlacesOnDisk(std::span<const DiskTier::Found> files);
  void DropBlockFromRam(Node* node);
  void DropBlockFromDisk(Node* node);
  void RemoveBlockFile(Node* node);

  // False if something of it is nowhere to be had.
  bool BeginLoad(Point* point);
  void AdvanceLoad(Point* point);
  void EndLoad(Point* point);
  void TakeLoaded();
  // Counts and logs a read that failed. The time until which the file is left alone; none if it is lost.
  Time FailedRead(const DiskReader::Loaded& loaded);
  void TakeBlock(const DiskReader::Loaded& loaded);
  void TakeState(const DiskReader::Loaded& loaded);
  // A read of so many bytes that nobody waits for any more.
  void CancelRead(uint64_t read, int64_t bytes);
  void CountStuck(int64_t change);
  PrefixFileHead HeadOf(const Node& node) const;
  PrefixFileHead HeadOf(const Point& point) const;

  // Has a point in RAM written: queues what of it is not on disk, if there is room.
  void Persist(Point* point);
  OnDisk QueueWrites(Point* point);
  // The same for points that found no room before, the most valuable first.
  void OfferUnwritten();
  // How many files were written.
  int64_t TakeWritten();
  void BlockWritten(const DiskTier::Written& written);
  void StateWritten(const DiskTier::Written& written);
  // False if it was not written, nor all blocks before it; then the point may be gone.
  bool EndWrite(Point* point, bool written);
  // Takes a write back; if it has begun, what is written counts until it is over.
  bool CancelWrite(Node* node);
  bool CancelWrite(Point* point);
  void HoldBegun(uint64_t write, const KeptBlock& block, std::shared_ptr<const StateBytes> state, int64_t bytes);

  void SetValue(Point* point);
  // Into the orders of eviction, and out of them.
  void InOrder(Point* point);
  void Unorder(Point* point);
  void DropFromRam(Point* point);
  void DropFromDisk(Point* point);
  // Takes from RAM the point of least value that is not kWriting; or that is, of those from which no sequence goes on,
  // or of all. False if there is none.
  bool EvictOne();
  bool EvictWriting(bool all);
  void Evict(Point* point);
  // Whether it frees anything to evict it.
  bool Frees(const Point& point) const { return !point.stateless || point.node->block->users() == 0; }
  // Waits for the disk if that may free something. False if nothing was written or read until `deadline`.
  bool AwaitDisk(std::chrono::steady_clock::time_point deadline);
  // Removes the point and the nodes that are of no use any more, unless something of it is left.
  void Prune(Point* point);
  void CountRam(Node* node, int64_t change);
  void CountDisk(Node* node, int64_t change);
  void EvictFromDisk();
  int64_t PointBytes(const Point& point) const;

  const CacheLayout& layout_;
  const PrefixCacheOptions options_;
  const uint64_t fingerprint_;   // of model and layout
  const int64_t replay_tokens_;  // 0: states are needed
  std::map<PrefixKey, std::unique_ptr<Node>> roots_;
  std::map<PrefixKey, Node*> nodes_by_key_;
  std::map<PrefixKey, Point*> points_by_key_;
  Order ram_order_;      // in RAM and not kWriting
  Order writing_order_;  // in RAM and kWriting
  Order unwritten_order_;
  Order disk_order_;
  double age_ = 0;       // value of what was evicted last
  int64_t changes_ = 0;  // of values
  std::vector<Point*> loading_;
  struct BegunWrite {
    KeptBlock block;
    std::shared_ptr<const StateBytes> state;
    int64_t bytes = 0;
  };
  std::map<uint64_t, BegunWrite> begun_writes_;  // of what is no longer wanted in RAM
  std::map<uint64_t, int64_t> begun_reads_;      // the same: their bytes
  int64_t stuck_bytes_ = 0;                      // of both
  // Waiting for it was in vain, and nothing came since.
  bool writer_stands_ = false;
  bool reader_stands_ = false;
  ForeignFiles foreign_;
  std::unique_ptr<DiskTier> disk_;
  std::unique_ptr<DiskReader> reader_;
  PrefixCacheStats stats_;
};

}  // namespace fathom

#endif  // FATHOM_CACHE_PREFIX_CACHE_H_
