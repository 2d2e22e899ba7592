#include "cache/sequence_cache.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace fathom {
namespace {

CacheLayout SmallLayout() {
  return {KvRowLayout{RowFormat::kQuantized, 128, 64}, IndexRowLayout{RowFormat::kQuantized, 64}, 16, {0, 4, 128}};
}

TEST(CacheLayout, FlashNeedsAtMost3600BytesPerTokenOfContext) {
  std::vector<int64_t> ratios = {0, 0};
  for (int i = 0; i < 20; ++i) ratios.insert(ratios.end(), {4, 128});
  ratios.push_back(4);
  const CacheLayout flash({RowFormat::kQuantized, 512, 64}, {RowFormat::kQuantized, 128}, 128, ratios);
  EXPECT_EQ(flash.layers(), 43);
  EXPECT_LE(flash.block_bytes(), 3600 * CacheLayout::kBlockTokens);
  EXPECT_EQ(flash.kv().bytes(), 584);
  EXPECT_EQ(flash.index().bytes(), 68);
}

TEST(CacheLayout, WindowOnlyModelsNeedNoBlocks) {
  const CacheLayout layout({RowFormat::kF32, 8, 2}, {RowFormat::kF32, 0}, 4, {0, 0});
  SequenceCache cache(layout);
  cache.PrepareAppend(1000);
  cache.Advance(1000);
  EXPECT_EQ(cache.bytes(), layout.state_bytes());
  Result<SequenceCache> copy = SequenceCache::Deserialize(layout, cache.Serialize());
  ASSERT_TRUE(copy.ok()) << copy.status().message();
  EXPECT_EQ(copy->position(), 1000);
}

TEST(SequenceCache, EmptyCompressorScoresAreMinusInfinity) {
  const CacheLayout layout = SmallLayout();
  SequenceCache cache(layout);
  for (const CompressorState& state : {cache.compressor(1), cache.compressor(2), cache.index_compressor(1)}) {
    for (int64_t i = 0; i < state.slots * state.width; ++i) {
      EXPECT_EQ(state.kv[i], 0);
      EXPECT_EQ(state.score[i], -INFINITY);
    }
  }
}

TEST(SequenceCache, NegativePositionsAreThePreviousBlocksSlots) {
  const CacheLayout layout = SmallLayout();
  SequenceCache cache(layout);
  const CompressorState state = cache.compressor(1);
  EXPECT_EQ(state.kv_row(-1), state.kv_row(7));
  EXPECT_EQ(state.kv_row(-4), state.kv_row(4));
}

TEST(SequenceCache, ForkSharesFullBlocksAndCopiesTheOneItWritesTo) {
  const CacheLayout layout = SmallLayout();
  SequenceCache cache(layout);
  cache.PrepareAppend(200);
  std::memset(cache.mutable_compressed_row(1, 49), 7, 8);  // positions 196..199, in the second block
  cache.Advance(200);
  SequenceCache fork = cache.Fork();
  EXPECT_EQ(fork.compressed_row(1, 0), cache.compressed_row(1, 0));
  fork.PrepareAppend(4);
  EXPECT_EQ(fork.compressed_row(1, 0), cache.compressed_row(1, 0)) << "the first block stays shared";
  EXPECT_NE(fork.compressed_row(1, 49), cache.compressed_row(1, 49)) << "the second is copied";
  EXPECT_EQ(fork.compressed_row(1, 49)[3], 7);
}

TEST(SequenceCache, RestoreDropsBlocksBehindTheSnapshot) {
  const CacheLayout layout = SmallLayout();
  SequenceCache cache(layout);
  cache.PrepareAppend(100);
  cache.Advance(100);
  const SequenceCache::Snapshot snapshot = cache.Save();
  const int64_t bytes = cache.bytes();
  cache.PrepareAppend(1000);
  cache.Advance(1000);
  EXPECT_GT(cache.bytes(), bytes);
  cache.Restore(snapshot);
  EXPECT_EQ(cache.position(), 100);
  EXPECT_EQ(cache.bytes(), bytes);
}

// Every cut and every flipped byte of a saved sequence is refused with a sentence.
TEST(SequenceCache, DamagedBytesAreRefused) {
  const CacheLayout layout = SmallLayout();
  SequenceCache cache(layout);
  cache.FillSynthetic(300, 1);
  const std::string bytes = cache.Serialize();
  ASSERT_TRUE(SequenceCache::Deserialize(layout, bytes).ok());
  for (size_t length = 0; length < bytes.size(); length += 997) {
    EXPECT_FALSE(SequenceCache::Deserialize(layout, std::string_view(bytes).substr(0, length)).ok()) << length;
  }
  for (size_t at = 0; at < bytes.size(); at += at < 64 ? 1 : 1009) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
    const Result<SequenceCache> result = SequenceCache::Deserialize(layout, damaged);
    ASSERT_FALSE(result.ok()) << at;
    EXPECT_FALSE(result.status().message().empty());
  }
  EXPECT_FALSE(SequenceCache::Deserialize(layout, bytes + "x").ok());
}

TEST(SequenceCache, AnotherModelsBytesAreRefused) {
  const CacheLayout layout = SmallLayout();
  const CacheLayout other({RowFormat::kQuantized, 128, 64}, {RowFormat::kQuantized, 64}, 16, {0, 4, 4});
  SequenceCache cache(layout);
  cache.FillSynthetic(10, 1);
  const Result<SequenceCache> result = SequenceCache::Deserialize(other, cache.Serialize());
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.status().message(), "saved sequence belongs to another model or cache format");
}

TEST(KvRow, RoundTripKeepsQuantisedValues) {
  for (const RowFormat format : {RowFormat::kQuantized, RowFormat::kQuantizedF32, RowFormat::kF32}) {
    const KvRowLayout layout = {format, 192, 64};
    std::vector<float> row(192);
    for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(std::sin(static_cast<double>(i) * 0.7) * 3);
    std::vector<uint8_t> stored(static_cast<size_t>(layout.bytes()));
    std::vector<float> once(192);
    std::vector<float> twice(192);
    EncodeKvRow(layout, row.data(), stored.data());
    DecodeKvRow(layout, stored.data(), once.data());
    EncodeKvRow(layout, once.data(), stored.data());
    DecodeKvRow(layout, stored.data(), twice.data());
    EXPECT_EQ(once, twice);
    // Half a step: E4M3 keeps 3 mantissa bits (BF16 7) of values up to the block's largest.
    for (size_t i = 0; i < row.size(); ++i) EXPECT_NEAR(once[i], row[i], format == RowFormat::kF32 ? 0 : 3.0 / 16);
  }
}

}  // namespace
}  // namespace fathom
