// sequence_cache.h - what one sequence remembers (section 8 of the reference README).
//
//   state   fixed size: per layer the ring of W window rows and the compressors' unfinished blocks
//   blocks  grow with the context: compressed rows and indexer rows, in blocks of 128 tokens that hold the rows of all
//           layers. Blocks are reference-counted: forks share them and copy a block only when they write into it.
//
// A sequence can be forked (same past, different future), saved to a Snapshot and rolled back to it, and serialised to
// bytes and back. All of them are exact: what follows has the same bits.
//
// Not thread-safe; different sequences may be used from different threads.
#ifndef FATHOM_CACHE_SEQUENCE_CACHE_H_
#define FATHOM_CACHE_SEQUENCE_CACHE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
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
  // Blocks that a context of `tokens` needs; none when no layer compresses.
  int64_t BlocksFor(int64_t tokens) const { return block_bytes_ == 0 ? 0 : (tokens + kBlockTokens - 1) / kBlockTokens; }
  // Identifies formats and sizes; states of another fingerprint cannot be read.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  friend class SequenceCache;
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
  uint64_t fingerprint_ = 0;
};

// The compressed and indexer rows of 128 tokens, all layers. Rows before a sequence's position never change.
struct CacheBlock {
  std::unique_ptr<uint8_t[]> bytes;  // CacheLayout::block_bytes()
};

class SequenceCache {
 public:
  // The state at one position; blocks are not copied because their rows before that position never change.
  struct Snapshot {
    int64_t position = 0;
    std::vector<uint8_t> state;
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
  // Back to `snapshot`, which must have been saved by this sequence or an ancestor, at or before the current position.
  void Restore(const Snapshot& snapshot);
  // Forgets everything.
  void Reset();

  // The whole sequence as bytes with a checksum, and back. Bytes are untrusted: a defect is an error, never a crash.
  std::string Serialize() const;
  static Result<SequenceCache> Deserialize(const CacheLayout& layout, std::string_view bytes);

  // Its blocks, BlocksFor(position()) of them, to be shared; and a sequence of such blocks and a state. There are as
  // many blocks as `position` needs, and they were written by sequences with the same tokens up to there.
  const std::vector<std::shared_ptr<CacheBlock>>& blocks() const { return blocks_; }
  static SequenceCache FromParts(const CacheLayout& layout, int64_t position, std::vector<uint8_t> state,
                                 std::vector<std::shared_ptr<CacheBlock>> blocks);
  static std::shared_ptr<CacheBlock> MakeBlock(const CacheLayout& layout);

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
  std::shared_ptr<CacheBlock> NewBlock() const { return MakeBlock(*layout_); }
  const uint8_t* BlockRow(int64_t offset, int64_t rows_per_block, int64_t row_bytes, int64_t row) const;

  const CacheLayout* layout_;
  int64_t position_ = 0;
  std::vector<uint8_t> state_;
  std::vector<std::shared_ptr<CacheBlock>> blocks_;
};

}  // namespace fathom

#endif  // FATHOM_CACHE_SEQUENCE_CACHE_H_
