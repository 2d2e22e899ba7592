#define XXH_INLINE_ALL
#include "cache/sequence_cache.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "numeric/formats.h"

namespace fathom {
namespace {

// Offsets stay multiples of 64 so that vector loads of states and rows do not straddle cache lines more than needed.
int64_t Align(int64_t bytes) { return (bytes + 63) / 64 * 64; }

int64_t StateSlots(int64_t ratio) { return ratio == 4 ? 8 : ratio; }
int64_t StateWidth(int64_t ratio, int64_t row_dim) { return ratio == 4 ? 2 * row_dim : row_dim; }
// kv rows and score rows.
int64_t CompressorBytes(int64_t ratio, int64_t row_dim) {
  return 2 * StateSlots(ratio) * StateWidth(ratio, row_dim) * static_cast<int64_t>(sizeof(float));
}

constexpr uint64_t kMagic = 0x31514553'4D485446;  // "FTHMSEQ1"

// Far above any context, small enough that products with block sizes stay in 64 bits.
constexpr int64_t kMaxPosition = int64_t{1} << 32;

struct SerializedHeader {
  uint64_t magic;
  uint64_t fingerprint;
  int64_t position;
  int64_t state_bytes;
  int64_t block_bytes;
  int64_t blocks;
};

}  // namespace

CacheLayout::CacheLayout(KvRowLayout kv, IndexRowLayout index, int64_t window, std::vector<int64_t> ratios)
    : kv_(kv), index_(index), window_(window), ratios_(std::move(ratios)) {
  for (const int64_t ratio : ratios_) {
    Layer layer;
    layer.ring = state_bytes_;
    state_bytes_ += Align(window_ * kv_.bytes());
    if (ratio != 0) {
      layer.compressor = state_bytes_;
      state_bytes_ += Align(CompressorBytes(ratio, kv_.dim));
      layer.compressed = block_bytes_;
      block_bytes_ += Align(kBlockTokens / ratio * kv_.bytes());
    }
    if (ratio == 4) {
      layer.index_compressor = state_bytes_;
      state_bytes_ += Align(CompressorBytes(ratio, index_.dim));
      layer.index_rows = block_bytes_;
      block_bytes_ += Align(kBlockTokens / ratio * index_.bytes());
    }
    const int64_t inexact = static_cast<int64_t>(layers_.size()) * (window_ - 1);
    replay_tokens_ = std::max(replay_tokens_, inexact + std::max(window_, ratio == 0 ? 0 : StateSlots(ratio)));
    layers_.push_back(layer);
  }
  std::vector<int64_t> identity = {
      static_cast<int64_t>(kv_.format), kv_.dim, kv_.rope_dim, index_.dim, window_, kBlockTokens};
  identity.insert(identity.end(), ratios_.begin(), ratios_.end());
  fingerprint_ = XXH3_64bits(identity.data(), identity.size() * sizeof(int64_t));
}

CacheBlock::CacheBlock(const CacheLayout& layout)
    : bytes(std::make_unique<uint8_t[]>(static_cast<size_t>(layout.block_bytes()))), counts_(layout.counts_) {}

void CacheBlock::CountUser(int32_t change) {
  const int32_t before = users_.fetch_add(change, std::memory_order_relaxed);
  if ((before > 0) == (before + change > 0)) return;
  counts_->used.fetch_add(change, std::memory_order_relaxed);
  if (keepers_.load(std::memory_order_relaxed) == 0) counts_->unkept.fetch_add(change, std::memory_order_relaxed);
}

void CacheBlock::CountKeeper(int32_t change) {
  const int32_t before = keepers_.fetch_add(change, std::memory_order_relaxed);
  if ((before > 0) == (before + change > 0)) return;
  if (users() > 0) counts_->unkept.fetch_sub(change, std::memory_order_relaxed);
}

KeptBlock& KeptBlock::operator=(std::shared_ptr<CacheBlock> block) {
  if (block != nullptr) block->CountKeeper(1);
  if (block_ != nullptr) block_->CountKeeper(-1);
  block_ = std::move(block);
  return *this;
}

BlockTable::BlockTable(Blocks blocks) : blocks_(std::move(blocks)) {
  for (const auto& block : blocks_) block->CountUser(1);
}

BlockTable& BlockTable::operator=(BlockTable other) noexcept {
  blocks_.swap(other.blocks_);
  return *this;
}

void BlockTable::Push(std::shared_ptr<CacheBlock> block) {
  block->CountUser(1);
  blocks_.push_back(std::move(block));
}

void BlockTable::Replace(size_t index, std::shared_ptr<CacheBlock> block) {
  block->CountUser(1);
  blocks_[index]->CountUser(-1);
  blocks_[index] = std::move(block);
}

void BlockTable::Shrink(size_t count) {
  while (blocks_.size() > count) {
    blocks_.back()->CountUser(-1);
    blocks_.pop_back();
  }
}

SequenceCache::SequenceCache(const CacheLayout& layout) : layout_(&layout) { Reset(); }

SequenceCache::SequenceCache(const CacheLayout& layout, int64_t position, StateBytes state, BlockTable blocks)
    : layout_(&layout), position_(position), state_(std::move(state)), blocks_(std::move(blocks)) {}

void SequenceCache::Reset() {
  position_ = 0;
  begin_ = 0;
  sealed_ = 0;
  blocks_.Shrink(0);
  state_.assign(static_cast<size_t>(layout_->state_bytes()), 0);
  const auto clear_scores = [](const CompressorState& state) {
    std::fill_n(state.score, state.slots * state.width, -std::numeric_limits<float>::infinity());
  };
  for (int64_t layer = 0; layer < layout_->layers(); ++layer) {
    if (layout_->ratio(layer) != 0) clear_scores(compressor(layer));
    if (layout_->ratio(layer) == 4) clear_scores(index_compressor(layer));
  }
}

SequenceCache SequenceCache::Fork() const {
  SequenceCache fork(*layout_, position_, state_, blocks_);
  fork.begin_ = begin_;
  fork.sealed_ = sealed_;
  return fork;
}

SequenceCache::Snapshot SequenceCache::Save() const {
  FATHOM_CHECK(!replaying());
  return {position_, state_};
}

SequenceCache::Snapshot SequenceCache::SaveLast() {
  FATHOM_CHECK(!replaying());
  return {position_, std::move(state_)};
}

void SequenceCache::Restore(const Snapshot& snapshot) {
  FATHOM_CHECK(snapshot.position <= position_ && snapshot.position >= sealed_);
  FATHOM_CHECK(static_cast<int64_t>(snapshot.state.size()) == layout_->state_bytes());
  position_ = snapshot.position;
  state_ = snapshot.state;
  blocks_.Shrink(static_cast<size_t>(layout_->BlocksFor(position_)));
}

std::string SequenceCache::Serialize() const {
  FATHOM_CHECK(!replaying());
  const SerializedHeader header = {kMagic,
                                   layout_->fingerprint(),
                                   position_,
                                   layout_->state_bytes(),
                                   layout_->block_bytes(),
                                   static_cast<int64_t>(blocks_.size())};
  std::string bytes;
  bytes.reserve(sizeof header + state_.size() + blocks_.size() * static_cast<size_t>(layout_->block_bytes()) + 8);
  bytes.append(reinterpret_cast<const char*>(&header), sizeof header);
  bytes.append(reinterpret_cast<const char*>(state_.data()), state_.size());
  for (const auto& block : blocks_.blocks()) {
    bytes.append(reinterpret_cast<const char*>(block->bytes.get()), static_cast<size_t>(layout_->block_bytes()));
  }
  const uint64_t checksum = XXH3_64bits(bytes.data(), bytes.size());
  bytes.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  return bytes;
}

Result<SequenceCache> SequenceCache::Deserialize(const CacheLayout& layout, std::string_view bytes) {
  SerializedHeader header = {};
  if (bytes.size() < sizeof header + sizeof(uint64_t)) {
    return DataLoss(StrCat("saved sequence has ", bytes.size(), " bytes; at least ", sizeof header + sizeof(uint64_t),
                           " are needed"));
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kMagic) return DataLoss("saved sequence does not begin with the mark of a Fathom sequence");
  if (header.fingerprint != layout.fingerprint() || header.state_bytes != layout.state_bytes() ||
      header.block_bytes != layout.block_bytes()) {
    return InvalidArgument("saved sequence belongs to another model or cache format");
  }
  const std::string_view body = bytes.substr(0, bytes.size() - sizeof(uint64_t));
  if (LoadUnaligned<uint64_t>(bytes.data() + body.size()) != XXH3_64bits(body.data(), body.size())) {
    return DataLoss("saved sequence has a wrong checksum: it was damaged or cut off");
  }
  const int64_t rest = static_cast<int64_t>(body.size()) - static_cast<int64_t>(sizeof header) - header.state_bytes;
  const bool counts_fit = header.position >= 0 && header.position <= kMaxPosition && rest >= 0 &&
                          header.blocks == layout.BlocksFor(header.position) &&
                          rest == header.blocks * header.block_bytes;
  if (!counts_fit) {
    return DataLoss(StrCat("saved sequence says ", header.position, " tokens in ", header.blocks, " blocks, which its ",
                           bytes.size(), " bytes do not hold"));
  }
  const char* at = body.data() + sizeof header;
  const auto* state = reinterpret_cast<const uint8_t*>(at);
  SequenceCache cache(layout, header.position, StateBytes(state, state + header.state_bytes), {});
  at += header.state_bytes;
  for (int64_t i = 0; i < header.blocks; ++i) {
    std::shared_ptr<CacheBlock> block = cache.NewBlock();
    std::memcpy(block->bytes.get(), at, static_cast<size_t>(header.block_bytes));
    cache.blocks_.Push(std::move(block));
    at += header.block_bytes;
  }
  return cache;
}

void SequenceCache::FillSynthetic(int64_t tokens, uint64_t seed) {
  FATHOM_CHECK(position_ == 0);
  PrepareAppend(tokens);
  uint64_t bits = seed;
  // splitmix64, mapped to about [-1.7, 1.7] with unit variance.
  const auto next = [&bits] {
    bits += 0x9E3779B97F4A7C15;
    uint64_t z = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return (static_cast<float>((z ^ (z >> 31)) >> 40) * 0x1p-23f - 1.0f) * 1.732f;
  };
  // Encoding millions of rows would take minutes: a few hundred distinct ones are enough for realistic scores.
  constexpr int64_t kDistinct = 256;
  const KvRowLayout& kv = layout_->kv_;
  const IndexRowLayout& index = layout_->index_;
  std::vector<uint8_t> kv_rows(static_cast<size_t>(kDistinct * kv.bytes()));
  std::vector<uint8_t> index_rows(static_cast<size_t>(kDistinct * index.bytes()));
  std::vector<float> row(static_cast<size_t>(std::max(kv.dim, index.dim)));
  for (int64_t i = 0; i < kDistinct; ++i) {
    std::generate(row.begin(), row.end(), next);
    EncodeKvRow(kv, row.data(), kv_rows.data() + i * kv.bytes());
    EncodeIndexRow(index, row.data(), index_rows.data() + i * index.bytes());
  }
  const auto pick = [&next](const std::vector<uint8_t>& rows, int64_t row_bytes) {
    return rows.data() + static_cast<int64_t>(std::fabs(next()) * 100) % kDistinct * row_bytes;
  };
  for (int64_t layer = 0; layer < layout_->layers(); ++layer) {
    for (int64_t slot = 0; slot < layout_->window_; ++slot) {
      std::memcpy(ring_row(layer, slot), pick(kv_rows, kv.bytes()), static_cast<size_t>(kv.bytes()));
    }
    const int64_t ratio = layout_->ratio(layer);
    if (ratio == 0) continue;
    for (int64_t i = 0; i < tokens / ratio; ++i) {
      std::memcpy(mutable_compressed_row(layer, i), pick(kv_rows, kv.bytes()), static_cast<size_t>(kv.bytes()));
      if (ratio == 4)
        std::memcpy(mutable_index_row(layer, i), pick(index_rows, index.bytes()), static_cast<size_t>(index.bytes()));
    }
    const auto fill = [&next](const CompressorState& state) {
      std::generate_n(state.kv, state.slots * state.width, next);
      std::generate_n(state.score, state.slots * state.width, next);
    };
    fill(compressor(layer));
    if (ratio == 4) fill(index_compressor(layer));
  }
  position_ = tokens;
}

int64_t SequenceCache::bytes() const {
  return static_cast<int64_t>(state_.size()) + static_cast<int64_t>(blocks_.size()) * layout_->block_bytes();
}

uint8_t* SequenceCache::ring_row(int64_t layer, int64_t position) {
  const int64_t slot = position % layout_->window_;
  return state_.data() + layout_->layers_[static_cast<size_t>(layer)].ring + slot * layout_->kv_.bytes();
}

CompressorState SequenceCache::compressor(int64_t layer) {
  const int64_t ratio = layout_->ratio(layer);
  FATHOM_DCHECK(ratio != 0);
  CompressorState state;
  state.slots = StateSlots(ratio);
  state.width = StateWidth(ratio, layout_->kv_.dim);
  state.kv = reinterpret_cast<float*>(state_.data() + layout_->layers_[static_cast<size_t>(layer)].compressor);
  state.score = state.kv + state.slots * state.width;
  return state;
}

CompressorState SequenceCache::index_compressor(int64_t layer) {
  const int64_t ratio = layout_->ratio(layer);
  FATHOM_DCHECK(ratio == 4);
  CompressorState state;
  state.slots = StateSlots(ratio);
  state.width = StateWidth(ratio, layout_->index_.dim);
  state.kv = reinterpret_cast<float*>(state_.data() + layout_->layers_[static_cast<size_t>(layer)].index_compressor);
  state.score = state.kv + state.slots * state.width;
  return state;
}

std::shared_ptr<CacheBlock> SequenceCache::MakeBlock(const CacheLayout& layout) {
  return std::make_shared<CacheBlock>(layout);
}

SequenceCache SequenceCache::FromParts(const CacheLayout& layout, int64_t position, StateBytes state,
                                       BlockTable::Blocks blocks) {
  FATHOM_CHECK(static_cast<int64_t>(state.size()) == layout.state_bytes());
  FATHOM_CHECK(static_cast<int64_t>(blocks.size()) == layout.BlocksFor(position));
  return {layout, position, std::move(state), BlockTable(std::move(blocks))};
}

SequenceCache SequenceCache::Replay(const CacheLayout& layout, int64_t begin, int64_t position,
                                    BlockTable::Blocks blocks) {
  FATHOM_CHECK(position % CacheLayout::kBlockTokens == 0 && begin >= 0 && begin <= position);
  FATHOM_CHECK(static_cast<int64_t>(blocks.size()) == layout.BlocksFor(position));
  SequenceCache cache(layout);
  cache.begin_ = begin;
  cache.position_ = begin;
  cache.sealed_ = position;
  cache.blocks_ = BlockTable(std::move(blocks));
  return cache;
}

void SequenceCache::ShareBlock(int64_t index, std::shared_ptr<CacheBlock> block) {
  FATHOM_DCHECK((index + 1) * CacheLayout::kBlockTokens <= std::max(position_, sealed_));
  if (blocks_[static_cast<size_t>(index)] != block) blocks_.Replace(static_cast<size_t>(index), std::move(block));
}

int64_t SequenceCache::own_blocks() const {
  // Who uses a block uses those before it.
  const BlockTable::Blocks& blocks = blocks_.blocks();
  return blocks.end() - std::ranges::partition_point(blocks, [](const auto& block) { return block->users() > 1; });
}

const uint8_t* SequenceCache::BlockRow(int64_t offset, int64_t rows_per_block, int64_t row_bytes, int64_t row) const {
  const auto block = static_cast<size_t>(row / rows_per_block);
  FATHOM_DCHECK(block < blocks_.size());
  return blocks_[block]->bytes.get() + offset + row % rows_per_block * row_bytes;
}

const uint8_t* SequenceCache::compressed_row(int64_t layer, int64_t row) const {
  return BlockRow(layout_->layers_[static_cast<size_t>(layer)].compressed,
                  CacheLayout::kBlockTokens / layout_->ratio(layer), layout_->kv_.bytes(), row);
}

const uint8_t* SequenceCache::index_row(int64_t layer, int64_t row) const {
  return BlockRow(layout_->layers_[static_cast<size_t>(layer)].index_rows, CacheLayout::kBlockTokens / 4,
                  layout_->index_.bytes(), row);
}

uint8_t* SequenceCache::mutable_compressed_row(int64_t layer, int64_t row) {
  FATHOM_DCHECK(row * layout_->ratio(layer) >= sealed_);
  return const_cast<uint8_t*>(compressed_row(layer, row));
}

uint8_t* SequenceCache::mutable_index_row(int64_t layer, int64_t row) {
  FATHOM_DCHECK(row * 4 >= sealed_);
  return const_cast<uint8_t*>(index_row(layer, row));
}

int64_t SequenceCache::BlocksToMake(int64_t tokens) const {
  const auto have = static_cast<int64_t>(blocks_.size());
  const int64_t first = std::max(position_, sealed_) / CacheLayout::kBlockTokens;
  // What is there and shared is copied: at most the last block.
  int64_t copies = 0;
  if (tokens > 0 && position_ + tokens > sealed_) {
    for (int64_t index = first; index < have; ++index) {
      copies += static_cast<int64_t>(blocks_[static_cast<size_t>(index)].use_count() > 1);
    }
  }
  return copies + std::max(int64_t{0}, layout_->BlocksFor(position_ + tokens) - have);
}

void SequenceCache::PrepareAppend(int64_t tokens) {
  if (tokens <= 0 || position_ + tokens <= sealed_ || layout_->block_bytes() == 0) return;
  const int64_t first = std::max(position_, sealed_) / CacheLayout::kBlockTokens;
  const int64_t last = (position_ + tokens - 1) / CacheLayout::kBlockTokens;
  for (int64_t index = first; index <= last; ++index) {
    if (index == static_cast<int64_t>(blocks_.size())) {
      blocks_.Push(NewBlock());
      continue;
    }
    // A fork shares this block, partly filled: write into a copy.
    const std::shared_ptr<CacheBlock>& block = blocks_[static_cast<size_t>(index)];
    if (block.use_count() == 1) continue;
    std::shared_ptr<CacheBlock> copy = NewBlock();
    std::memcpy(copy->bytes.get(), block->bytes.get(), static_cast<size_t>(layout_->block_bytes()));
    blocks_.Replace(static_cast<size_t>(index), std::move(copy));
  }
}

}  // namespace fathom
