// Kept prefixes without states: every block is a place to continue from.
#include <fstream>

#include "tests/cache/prefix_fixture.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

class PrefixReplayTest : public PrefixFixture {
 protected:
  void Open(PrefixCacheOptions options = {}) {
    options.replay = true;
    OpenAs(options);
  }
  void OpenAs(const PrefixCacheOptions& options) { PrefixFixture::Open(options); }

  // Stands in for a model whose layers look at one token: the rows of a position are that token.
  void Read(std::span<const int32_t> tokens, SequenceCache* cache) const override {
    for (const int32_t token : tokens) {
      const int64_t position = cache->position();
      cache->PrepareAppend(1);
      const auto value = static_cast<float>(token);
      for (int64_t layer = 0; layer < layout_.layers(); ++layer) {
        *reinterpret_cast<float*>(cache->ring_row(layer, position)) = value;
        const int64_t ratio = layout_.ratio(layer);
        if (ratio == 0) continue;
        *cache->compressor(layer).kv_row(position) = value;
        *cache->compressor(layer).score_row(position) = value;
        if ((position + 1) % ratio != 0 || position < cache->sealed()) continue;
        *reinterpret_cast<float*>(cache->mutable_compressed_row(layer, position / ratio)) = value;
      }
      cache->Advance(1);
    }
  }
  SequenceCache Keep(const Tokens& tokens, std::string_view scope = "") {
    SequenceCache sequence(layout_);
    Read(tokens, &sequence);
    cache_->Add(scope, tokens, &sequence, {});
    return sequence;
  }
};

TEST_F(PrefixReplayTest, TheReplayReachesFromTheLastLayerToTheFirst) {
  EXPECT_EQ(layout_.replay_tokens(), 2 * 15 + 128);
  EXPECT_EQ(CacheLayout({}, {}, 128, std::vector<int64_t>(43, 4)).replay_tokens(), 42 * 127 + 128);
  EXPECT_EQ(CacheLayout({}, {}, 128, {0}).replay_tokens(), 128);
}

TEST_F(PrefixReplayTest, APromptContinuesBehindTheLastFullBlockThatAgrees) {
  Open();
  Keep(Range(0, 1000));
  EXPECT_EQ(cache_->bytes(), 7 * block_) << "full blocks and nothing else";
  EXPECT_EQ(Hit(Range(0, 700) + Range(9000, 50)), 640);
  EXPECT_EQ(report_.replayed, layout_.replay_tokens());
  EXPECT_EQ(report_.common, 700);
  EXPECT_EQ(report_.miss, CacheMiss::kDiverged);
  EXPECT_EQ(report_.source, CacheSource::kRam);
  EXPECT_EQ(Hit(Range(0, 640) + Range(9000, 50)), 640);
  EXPECT_EQ(Hit(Range(0, 640)), 512) << "the last token has to be read";
  EXPECT_EQ(report_.miss, CacheMiss::kNothing);
  EXPECT_EQ(Hit(Range(0, 1000)), 896);
  EXPECT_EQ(report_.common, 896) << "of a block that is not full nothing is kept";
  EXPECT_EQ(report_.miss, CacheMiss::kDiverged);
  EXPECT_EQ(Hit(Range(0, 260) + Range(9000, 50)), 256);
  EXPECT_EQ(cache_->stats().replayed_tokens, 5 * layout_.replay_tokens());
}

TEST_F(PrefixReplayTest, WhatIsNotLongerThanTheReplayIsReadFromTheStart) {
  Open();
  Keep(Range(0, 1000));
  EXPECT_EQ(Hit(Range(0, 200) + Range(9000, 50)), 0);
  EXPECT_EQ(report_.miss, CacheMiss::kReplay);
  EXPECT_EQ(report_.common, 200);
  EXPECT_EQ(report_.replayed, 0);
  Keep(Range(50000, 200));
  EXPECT_EQ(cache_->bytes(), 7 * block_) << "too short to be of use";
  EXPECT_EQ(Hit(Range(50000, 300)), 0);
  EXPECT_EQ(report_.miss, CacheMiss::kNoEntry);
  EXPECT_EQ(Hit(Range(0, 1100), "another"), 0);
}

TEST_F(PrefixReplayTest, WhatSequencesShareIsThereOnceAndCountsOnce) {
  Open();
  SequenceCache first = Keep(Range(0, 1024) + Range(5000, 128));
  EXPECT_EQ(cache_->held_bytes(), 9 * block_) << "not once more for the sequence";
  // Has read all by itself and takes over what is there.
  SequenceCache second(layout_);
  const Tokens tokens = Range(0, 1024) + Range(6000, 200);
  Read(tokens, &second);
  EXPECT_EQ(cache_->held_bytes(), 19 * block_);
  cache_->Add("", tokens, &second, {});
  EXPECT_EQ(cache_->bytes(), 10 * block_);
  EXPECT_EQ(cache_->held_bytes(), 11 * block_) << "the half-full one is its own";
  EXPECT_EQ(second.own_blocks(), 2);
  EXPECT_EQ(layout_.used_blocks(), 11);
  EXPECT_EQ(cache_->BlocksInUse("", Range(0, 1024) + Range(7000, 10)), 8);
  const auto third = cache_->Find("", Range(0, 1024) + Range(7000, 10));
  EXPECT_EQ(third.cache->own_blocks(), 0);
  EXPECT_EQ(cache_->held_bytes(), 11 * block_);
}

TEST_F(PrefixReplayTest, BlocksThatASequenceUsesAreNotGivenUp) {
  Open();
  {
    const SequenceCache sequence = Keep(Range(0, 1024));
    Keep(Range(5000, 1024));
    cache_->ShrinkTo(0);
    EXPECT_EQ(cache_->held_bytes(), 8 * block_);
    EXPECT_EQ(Hit(Range(0, 1100)), 1024);
    EXPECT_EQ(Hit(Range(5000, 1100)), 0);
  }
  cache_->ShrinkTo(0);
  EXPECT_EQ(cache_->held_bytes(), 0);
  EXPECT_EQ(cache_->points(), 0);
  EXPECT_EQ(layout_.used_blocks(), 0);
  EXPECT_EQ(layout_.unkept_blocks(), 0);
}

TEST_F(PrefixReplayTest, AConversationIsGivenUpFromItsEnd) {
  Open();
  Keep(Range(0, 1024));
  for (int64_t blocks = 7; blocks * 128 > layout_.replay_tokens(); --blocks) {
    cache_->ShrinkTo(cache_->bytes() - 1);
    EXPECT_EQ(cache_->bytes(), blocks * block_);
    // Not by Hit(): what is used is worth more.
    EXPECT_EQ(cache_->points(), 1);
  }
  EXPECT_EQ(Hit(Range(0, 1100)), 256);
  cache_->ShrinkTo(cache_->bytes() - 1);
  EXPECT_EQ(cache_->bytes(), 0) << "what is left is not worth a replay";
  EXPECT_EQ(cache_->points(), 0);
}

TEST_F(PrefixReplayTest, TheLessUsedConversationGoesFirst) {
  Open();
  Keep(Range(0, 1024));
  Keep(Range(5000, 1024));
  for (int uses = 0; uses < 3; ++uses) EXPECT_EQ(Hit(Range(0, 1100)), 1024);
  cache_->ShrinkTo(10 * block_);
  EXPECT_EQ(Hit(Range(0, 1100)), 1024);
  EXPECT_EQ(Hit(Range(5000, 1100)), 256);
  // What both begin with stays as long as one of them does.
  Keep(Range(0, 512) + Range(8000, 512));
  cache_->ShrinkTo(5 * block_);
  EXPECT_GE(Hit(Range(0, 1100)), 256);
  while (cache_->points() > 0) {
    cache_->ShrinkTo(cache_->bytes() - 1);
    for (const auto& prompt : {Range(0, 1100), Range(0, 512) + Range(8000, 600), Range(5000, 1100)}) Hit(prompt);
  }
  EXPECT_EQ(cache_->bytes(), 0);
}

TEST_F(PrefixReplayTest, ARestartFindsBlocksWithoutStates) {
  Open(OnDisk());
  Keep(Range(0, 1000), "a");
  Keep(Range(0, 512) + Range(9000, 300), "a");
  cache_->Flush();
  EXPECT_EQ(Files().size(), 9u) << "blocks alone, shared ones once";
  const int64_t bytes = cache_->stats().disk_bytes;
  Open(OnDisk());
  EXPECT_EQ(cache_->bytes(), 0);
  EXPECT_EQ(cache_->stats().disk_bytes, bytes);
  EXPECT_EQ(cache_->stats().damaged, 0);
  EXPECT_EQ(Hit(Range(0, 700) + Range(1, 50), "a"), 640);
  EXPECT_EQ(report_.source, CacheSource::kDisk);
  EXPECT_EQ(cache_->stats().disk_reads, 5) << "only what is needed";
  EXPECT_EQ(Hit(Range(0, 700) + Range(1, 50), "a"), 640);
  EXPECT_EQ(report_.source, CacheSource::kRam);
  EXPECT_EQ(Hit(Range(0, 1000), "a"), 896);
  EXPECT_EQ(report_.source, CacheSource::kDisk);
  EXPECT_EQ(Hit(Range(0, 512) + Range(9000, 400), "a"), 768);
  EXPECT_EQ(Files().size(), 9u);
}

TEST_F(PrefixReplayTest, WhatLeftRamComesBackFromDisk) {
  Open(OnDisk());
  Keep(Range(0, 1000));
  cache_->Flush();
  cache_->ShrinkTo(3 * block_);
  EXPECT_EQ(Hit(Range(0, 1100)), 896);
  EXPECT_EQ(report_.source, CacheSource::kDisk);
  cache_->ShrinkTo(0);
  EXPECT_EQ(cache_->held_bytes(), 0);
  EXPECT_EQ(Hit(Range(0, 700) + Range(1, 9)), 640);
  Keep(Range(0, 1300));
  cache_->Flush();
  cache_->ShrinkTo(0);
  EXPECT_EQ(Hit(Range(0, 1400)), 1280);
}

TEST_F(PrefixReplayTest, TheDiskBudgetShortensConversations) {
  const auto file = static_cast<int64_t>(layout_.block_bytes() + 80 + 512 + 8);
  Open(OnDisk(10 * file));
  Keep(Range(0, 1024));
  cache_->Flush();
  Keep(Range(5000, 1024));
  cache_->Flush();
  EXPECT_GT(cache_->stats().disk_evictions, 0);
  cache_->Flush();
  const int64_t bytes = FileBytes();
  EXPECT_EQ(bytes, cache_->stats().disk_bytes);
  EXPECT_LE(bytes, 10 * file);
  EXPECT_GE(bytes, 8 * file);
  Open(OnDisk(10 * file));
  EXPECT_EQ(cache_->stats().damaged, 0);
  EXPECT_EQ(Hit(Range(5000, 1100)) + Hit(Range(0, 1100)), bytes / file * 128);
}

TEST_F(PrefixReplayTest, AHitEndsBeforeALostOrDamagedBlock) {
  for (const bool lost : {true, false}) {
    Open(OnDisk());
    Keep(Range(0, 1024));
    cache_->Flush();
    cache_.reset();
    // The file whose head says that its block ends at token 768.
    for (const fs::path& path : Files()) {
      std::ifstream stream(path, std::ios::binary);
      std::string bytes((std::istreambuf_iterator<char>(stream)), {});
      const Result<PrefixFileHead> head = DecodePrefixFileHead(bytes, static_cast<int64_t>(bytes.size()));
      ASSERT_TRUE(head.ok());
      if (head->position != 768) continue;
      if (lost) {
        fs::remove(path);
      } else {
        bytes.back() = static_cast<char>(bytes.back() ^ 1);
        std::ofstream(path, std::ios::binary) << bytes;
      }
    }
    Open(OnDisk());
    EXPECT_EQ(Hit(Range(0, 1100)), 640) << lost;
    EXPECT_EQ(Hit(Range(0, 1100)), 640);
    EXPECT_GT(cache_->stats().damaged, 0);
    Keep(Range(0, 1024));
    cache_->Flush();
    Open(OnDisk());
    EXPECT_EQ(Hit(Range(0, 1100)), 1024) << "and is there again when it was read again";
  }
}

TEST_F(PrefixReplayTest, StatesOfAnotherPolicyAreUsedWhereTheySaveMore) {
  OpenAs(OnDisk());
  SequenceCache sequence(layout_);
  const Tokens tokens = Range(0, 1000);
  Read(tokens, &sequence);
  cache_->Add("", tokens, &sequence, {sequence.Save()});
  cache_->Flush();
  Open(OnDisk());
  EXPECT_EQ(Hit(Range(0, 1100)), 1000);
  EXPECT_EQ(report_.replayed, 0);
  EXPECT_EQ(Hit(Range(0, 999)), 896);
  EXPECT_GT(report_.replayed, 0);
  // And without replay a block that no state stands behind is of no use.
  Keep(Range(5000, 1000));
  cache_->Flush();
  OpenAs(OnDisk());
  EXPECT_EQ(Hit(Range(0, 1100)), 1000);
  EXPECT_EQ(Hit(Range(5000, 1100)), 0);
  cache_->Flush();
  EXPECT_EQ(Files().size(), 8u);
}

}  // namespace
}  // namespace fathom
