// sequence_cache.h - what one sequence remembers (section 8 of the reference README).
//
//   state   fixed size: per layer the ring of W window rows and the compressors' unfinished blocks
//   blocks  grow with the context: compressed rows and indexer rows, in blocks of 128 tokens that hold the rows of all
//           layers. Blocks are reference-counted: forks share them and copy a block only when they write into it.
//
// A sequence can be forked (same past, different future), saved to a Snapshot and rolled back to it, and serialised to
// bytes and back. All of them are exact: what follows has the same bits. So has what follows a replay: with the blocks
// of its past alone a sequence begins a little earlier, without a state, and reads those tokens again.
//
// Not thread-safe; different sequences may be used from different threads.
#ifndef FATHOM_CACHE_SEQUENCE_CACHE_H_
#define FATHOM_CACHE_SEQUENCE_CACHE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cache/state_memory.h"
#include "kernels/kv_row.h"

namespace fathom {

// Unfinished rows of one compressor (section 7.5): `slots` rows of kv and of score (position bias added), `width`
// floats each. Ratio 128: 128 slots, slot = p mod 128. Ratio 4: 8 slots; slot p mod 8, so the previous block's rows are
// the other four. Before a sequence's first block the previous rows hold kv 0 and score -inf.
struct CompressorState {
  float* kv = nullptr;
  float* score = nullptr;
  int64_t slots = 0;
  int64_t width = 0;

  // Rows of `position`; of negative ones too, which the first block of ratio 4 asks for.
  float* kv_row(int64_t position) const { return kv + Slot(position) * width; }
  float* score_row(int64_t position) const { return score + Slot(position) * width; }
  int64_t Slot(int64_t position) const { return (position % slots + slots) % slots; }
};

// Where everything lies; the same for all sequences of a model.
class CacheLayout {
 public:
  static constexpr int64_t kBlockTokens = 128;

  // `ratios`: one per layer (0, 4 or 128).
  CacheLayout(KvRowLayout kv, IndexRowLayout index, int64_t window, std::vector<int64_t> ratios);

  const KvRowLayout& kv() const { return kv_; }
  const IndexRowLayout& index() const { return index_; }
  int64_t window() const { return window_; }
  int64_t layers() const { return static_cast<int64_t>(ratios_.size()); }
  int64_t ratio(int64_t layer) const { return ratios_[static_cast<size_t>(layer)]; }
  // Bytes of the fixed part of a sequence, and of one block of 128 tokens.
  int64_t state_bytes() const { return state_bytes_; }
  int64_t block_bytes() const { return block_bytes_; }
  // How many tokens before a position a sequence has to read, having the blocks up to there and nothing else, to have
  // the same state there, byte for byte, as if it had read all. Begun at B, layer l has its exact input from position
  // B + l (W - 1) on: embeddings are exact at once, and a layer's output takes its inputs of W positions (itself and
  // W - 1 window rows before) and rows of blocks, which are exact. What a state holds of a layer follows from its
  // inputs at the last W positions (the ring) and the last 128 or 8 (slots of the compressors).
  int64_t replay_tokens() const { return replay_tokens_; }
  // Blocks of this layout and its copies that sequences use, and those among them that are not kept: each counted once.
  int64_t used_blocks() const { return counts_->used.load(std::memory_order_relaxed); }
  int64_t unkept_blocks() const { return counts_->unkept.load(std::memory_order_relaxed); }
  // Blocks that a context of `tokens` needs; none when no layer compresses.
  int64_t BlocksFor(int64_t tokens) const { return block_bytes_ == 0 ? 0 : (tokens + kBlockTokens - 1) / kBlockTokens; }
  // Identifies formats and sizes; states of another fingerprint cannot be read.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  friend class SequenceCache;
  friend class CacheBlock;
  struct Counts {
    std::atomic<int64_t> used{0};
    std::atomic<int64_t> unkept{0};
  };
  struct Layer {
    int64_t ring = 0;        // offsets into the state
    int64_t compressor = 0;  // kv rows, then score rows
    int64_t index_compressor = 0;
    int64_t compressed = 0;  // offsets into a block
    int64_t index_rows = 0;
  };

  KvRowLayout kv_;
  IndexRowLayout index_;
  int64_t window_;
  std::vector<int64_t> ratios_;
  std::vector<Layer> layers_;
  int64_t state_bytes_ = 0;
  int64_t block_bytes_ = 0;
  int64_t replay_tokens_ = 0;
  uint64_t fingerprint_ = 0;
  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
};

// The compressed and indexer rows of 128 tokens, all layers. Rows before a sequence's position never change.
class CacheBlock {
 public:
  explicit CacheBlock(const CacheLayout& layout);
  CacheBlock(const CacheBlock&) = delete;
  CacheBlock& operator=(const CacheBlock&) = delete;

  const std::unique_ptr<uint8_t[]> bytes;  // CacheLayout::block_bytes(), zeros at first

  // How many sequences use it.
  int32_t users() const { return users_.load(std::memory_order_relaxed); }

 private:
  friend class BlockTable;
  friend class KeptBlock;
  void CountUser(int32_t change);
  void CountKeeper(int32_t change);

  std::atomic<int32_t> users_{0};
  std::atomic<int32_t> keepers_{0};
  const std::shared_ptr<CacheLayout::Counts> counts_;
};

// A block that is kept, or none.
class KeptBlock {
 public:
  KeptBlock() = default;
  KeptBlock(const KeptBlock&) = delete;
  KeptBlock& operator=(const KeptBlock&) = delete;
  ~KeptBlock() { reset(); }
  KeptBlock& operator=(std::shared_ptr<CacheBlock> block);
  void reset() { *this = std::shared_ptr<CacheBlock>(); }
  const std::shared_ptr<CacheBlock>& get() const { return block_; }
  CacheBlock* operator->() const { return block_.get(); }
  bool operator==(std::nullptr_t) const { return block_ == nullptr; }

 private:
  std::shared_ptr<CacheBlock> block_;
};

// The blocks of one sequence, which it is a user of.
class BlockTable {
 public:
  using Blocks = std::vector<std::shared_ptr<CacheBlock>>;

  BlockTable() = default;
  explicit BlockTable(Blocks blocks);
  BlockTable(const BlockTable& other) : BlockTable(other.blocks_) {}
  BlockTable(BlockTable&& other) noexcept : blocks_(std::exchange(other.blocks_, {})) {}
  BlockTable& operator=(BlockTable other) noexcept;
  ~BlockTable() { Shrink(0); }

  const Blocks& blocks() const { return blocks_; }
  size_t size() const { return blocks_.size(); }
  const std::shared_ptr<CacheBlock>& operator[](size_t index) const { return blocks_[index]; }
  void Push(std::shared_ptr<CacheBlock> block);
  void Replace(size_t index, std::shared_ptr<CacheBlock> block);
  // Drops all but the first `count`.
  void Shrink(size_t count);

 private:
  Blocks blocks_;
};

class SequenceCache {
 public:
  // The state at one position; blocks are not copied because their rows before that position never change.
  struct Snapshot {
    int64_t position = 0;
    StateBytes state;
  };

  // An empty sequence. `layout` must outlive it.
  explicit SequenceCache(const CacheLayout& layout);
  SequenceCache(SequenceCache&&) noexcept = default;
  SequenceCache& operator=(SequenceCache&&) noexcept = default;

  const CacheLayout& layout() const { return *layout_; }
  // Tokens consumed so far.
  int64_t position() const { return position_; }

  // A second sequence with the same past.
  SequenceCache Fork() const;
  Snapshot Save() const;
  // The same for a sequence that ends here: gives its state away. Of the sequence only position() and blocks() are
  // left.
  Snapshot SaveLast();
  // Back to `snapshot`, which must have been saved by this sequence or an ancestor, at or before the current position.
  void Restore(const Snapshot& snapshot);
  // Forgets everything.
  void Reset();

  // The whole sequence as bytes with a checksum, and back. Bytes are untrusted: a defect is an error, never a crash.
  std::string Serialize() const;
  static Result<SequenceCache> Deserialize(const CacheLayout& layout, std::string_view bytes);

  // Its blocks, BlocksFor(position()) of them, to be shared; and a sequence of such blocks and a state. There are as
  // many blocks as `position` needs, and they were written by sequences with the same tokens up to there.
  const BlockTable::Blocks& blocks() const { return blocks_.blocks(); }
  static SequenceCache FromParts(const CacheLayout& layout, int64_t position, StateBytes state,
                                 BlockTable::Blocks blocks);
  static std::shared_ptr<CacheBlock> MakeBlock(const CacheLayout& layout);
  // Takes `block`, of the same bytes, in the place of its own number `index`, which is full.
  void ShareBlock(int64_t index, std::shared_ptr<CacheBlock> block);
  // The last blocks that no other sequence uses.
  int64_t own_blocks() const;
  // Blocks that PrepareAppend(tokens) will make.
  int64_t BlocksToMake(int64_t tokens) const;

  // A sequence that is to continue at `position`, a multiple of 128, of whose past there are the blocks only. It starts
  // at `begin`, replay_tokens() before or earlier, and is of use when it has read up to `position` again: until then it
  // can't be saved. The rows of its blocks are not written then: its own would be inexact at first.
  static SequenceCache Replay(const CacheLayout& layout, int64_t begin, int64_t position, BlockTable::Blocks blocks);
  bool replaying() const { return position_ < sealed_; }
  // Rows of positions before this are there and stay as they are.
  int64_t sealed() const { return sealed_; }
  // Window rows of positions before this do not exist.
  int64_t begin() const { return begin_; }

  // Makes an empty sequence look as if `tokens` tokens had been read: every stored row holds plausible random values.
  // For benchmarks and tests of long contexts, which would take hours to fill truthfully.
  void FillSynthetic(int64_t tokens, uint64_t seed);

  // Bytes this sequence keeps alive (shared blocks counted in full).
  int64_t bytes() const;

  // ---- for the model's layers ---------------------------------------------------------------------------------------

  // The window row of `position`.
  uint8_t* ring_row(int64_t layer, int64_t position);
  CompressorState compressor(int64_t layer);        // layers with a ratio
  CompressorState index_compressor(int64_t layer);  // ratio 4

  // Compressed row `row` of a layer (covering positions row * ratio ...); readable once written.
  const uint8_t* compressed_row(int64_t layer, int64_t row) const;
  const uint8_t* index_row(int64_t layer, int64_t row) const;
  // The same for writing. PrepareAppend() must have covered the row's last position.
  uint8_t* mutable_compressed_row(int64_t layer, int64_t row);
  uint8_t* mutable_index_row(int64_t layer, int64_t row);
  // Makes blocks for positions [position(), position() + tokens) exist and belong to this sequence alone.
  void PrepareAppend(int64_t tokens);
  // Moves position() on, after every layer has written its part.
  void Advance(int64_t tokens) { position_ += tokens; }

 private:
  SequenceCache(const CacheLayout& layout, int64_t position, StateBytes state, BlockTable blocks);
  std::shared_ptr<CacheBlock> NewBlock() const { return MakeBlock(*layout_); }
  const uint8_t* BlockRow(int64_t offset, int64_t rows_per_block, int64_t row_bytes, int64_t row) const;

  const CacheLayout* layout_;
  int64_t position_ = 0;
  int64_t begin_ = 0;
  int64_t sealed_ = 0;
  StateBytes state_;
  BlockTable blocks_;
};

}  // namespace fathom

#endif  // FATHOM_CACHE_SEQUENCE_CACHE_H_
