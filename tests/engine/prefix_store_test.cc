#include "engine/prefix_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace fathom {
namespace {

// One window layer and one compressed layer, small rows.
CacheLayout TestLayout() {
  return {{.format = RowFormat::kF32, .dim = 8, .rope_dim = 4}, {.format = RowFormat::kF32, .dim = 8}, 16, {0, 128}};
}

class PrefixStoreTest : public testing::Test {
 protected:
  // Stands in for the model: every token leaves a mark in its window row.
  static void Read(std::span<const int32_t> tokens, SequenceCache* cache) {
    for (const int32_t token : tokens) {
      cache->PrepareAppend(1);
      *reinterpret_cast<float*>(cache->ring_row(0, cache->position())) = static_cast<float>(token);
      cache->Advance(1);
    }
  }

  // A sequence that has read `tokens` and was saved at `positions`.
  KeptSequence Sequence(const std::vector<int32_t>& tokens, const std::vector<int64_t>& positions = {}) {
    KeptSequence kept{tokens, SequenceCache(layout_), {}};
    for (size_t at = 0; at < tokens.size(); ++at) {
      if (std::ranges::find(positions, static_cast<int64_t>(at)) != positions.end()) {
        kept.snapshots.push_back(kept.cache.Save());
      }
      Read(std::span(tokens).subspan(at, 1), &kept.cache);
    }
    return kept;
  }

  static std::vector<int32_t> Range(int32_t first, int32_t count) {
    std::vector<int32_t> tokens(static_cast<size_t>(count));
    std::iota(tokens.begin(), tokens.end(), first);
    return tokens;
  }

  // Where `prompt` would continue, after checking that the cache there is as if it had read the prompt itself.
  int64_t HitPosition(const std::vector<int32_t>& prompt) {
    const PrefixStore::Match match = store_.Find(prompt);
    if (!match.hit) return 0;
    const int64_t position = match.hit->cache.position();
    EXPECT_LT(position, static_cast<int64_t>(prompt.size()));
    SequenceCache fresh(layout_);
    Read(std::span(prompt).first(static_cast<size_t>(position)), &fresh);
    EXPECT_EQ(fresh.Serialize(), match.hit->cache.Serialize());
    return position;
  }

  const CacheLayout layout_ = TestLayout();
  PrefixStore store_;
};

TEST_F(PrefixStoreTest, EmptyStoreKnowsNothing) {
  const PrefixStore::Match match = store_.Find(Range(0, 10));
  EXPECT_FALSE(match.hit);
  EXPECT_EQ(match.common, 0);
}

TEST_F(PrefixStoreTest, AFollowUpContinuesFromTheEnd) {
  store_.Add(Sequence(Range(0, 200)));
  EXPECT_EQ(HitPosition(Range(0, 300)), 200);
  EXPECT_EQ(HitPosition(Range(0, 201)), 200);
}

TEST_F(PrefixStoreTest, TheLastTokenIsAlwaysLeftToRead) {
  store_.Add(Sequence(Range(0, 200), {150}));
  EXPECT_EQ(HitPosition(Range(0, 200)), 150);
  EXPECT_EQ(HitPosition(Range(0, 151)), 150);
  EXPECT_EQ(HitPosition(Range(0, 150)), 0);
}

TEST_F(PrefixStoreTest, ADivergingPromptContinuesFromTheLastSnapshotBefore) {
  store_.Add(Sequence(Range(0, 300), {20, 100, 250}));
  std::vector<int32_t> prompt = Range(0, 400);
  prompt[180] = -1;
  EXPECT_EQ(HitPosition(prompt), 100);
  EXPECT_EQ(store_.Find(prompt).common, 180);
  prompt[5] = -1;
  EXPECT_EQ(HitPosition(prompt), 0);
  EXPECT_EQ(store_.Find(prompt).common, 5);
}

TEST_F(PrefixStoreTest, TheFurthestOfSeveralEntriesWins) {
  std::vector<int32_t> other = Range(0, 300);
  other[100] = -1;
  store_.Add(Sequence(other, {90}));
  store_.Add(Sequence(Range(0, 300), {50, 220}));
  EXPECT_EQ(HitPosition(Range(0, 230)), 220);
  EXPECT_EQ(store_.entries(), 2);
}

TEST_F(PrefixStoreTest, AnExtensionReplacesWhatItExtendsAndInheritsSnapshots) {
  store_.Add(Sequence(Range(0, 100), {40}));
  store_.Add(Sequence(Range(0, 250), {200}));
  EXPECT_EQ(store_.entries(), 1);
  std::vector<int32_t> prompt = Range(0, 100);
  prompt[60] = -1;
  EXPECT_EQ(HitPosition(prompt), 40);
  EXPECT_EQ(HitPosition(Range(0, 220)), 200);
}

TEST_F(PrefixStoreTest, ABeginningOfAnEntryAddsItsEndAsASnapshot) {
  store_.Add(Sequence(Range(0, 250), {200}));
  store_.Add(Sequence(Range(0, 100), {40}));
  EXPECT_EQ(store_.entries(), 1);
  std::vector<int32_t> prompt = Range(0, 150);
  EXPECT_EQ(HitPosition(prompt), 100);
  prompt[60] = -1;
  EXPECT_EQ(HitPosition(prompt), 40);
  EXPECT_EQ(HitPosition(Range(0, 300)), 250);
}

TEST_F(PrefixStoreTest, AHitDoesNotChangeTheEntry) {
  store_.Add(Sequence(Range(0, 200), {130}));
  PrefixStore::Match match = store_.Find(Range(0, 150));
  ASSERT_TRUE(match.hit);
  Read(Range(1000, 300), &match.hit->cache);
  EXPECT_EQ(HitPosition(Range(0, 150)), 130);
  EXPECT_EQ(HitPosition(Range(0, 300)), 200);
}

TEST_F(PrefixStoreTest, ShrinkingForgetsWhatWasUnusedForLongest) {
  for (const int32_t first : {0, 1000, 2000}) store_.Add(Sequence(Range(first, 200)));
  const int64_t all = store_.bytes();
  EXPECT_EQ(HitPosition(Range(0, 300)), 200);  // used again
  store_.ShrinkTo(all - 1);
  EXPECT_EQ(store_.entries(), 2);
  EXPECT_EQ(HitPosition(Range(1000, 300)), 0);
  EXPECT_EQ(HitPosition(Range(0, 300)), 200);
  store_.ShrinkTo(0);
  EXPECT_EQ(store_.entries(), 0);
  EXPECT_EQ(store_.bytes(), 0);
}

}  // namespace
}  // namespace fathom
