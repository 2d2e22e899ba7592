// A sequence of which there are only the blocks reads its last tokens again: from there on it is the undisturbed one to
// the last bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "tests/support/tiny_model.h"

namespace fathom {
namespace {

using testing::Hash;
using testing::OpenGoldenOrNano;
using testing::RandomTokens;
using testing::TinyModel;

constexpr int64_t kBlock = CacheLayout::kBlockTokens;

// Presets that between them have every layer kind, windows of 16 to 128 and hash routing; and a trained model.
class Replay : public ::testing::TestWithParam<const char*>, protected testing::TestTokens {
 protected:
  void SetUp() override {
    checkpoint_ = OpenGoldenOrNano(GetParam());
    ASSERT_NE(checkpoint_, nullptr);
    Read({});
  }

  // The undisturbed sequence: its state at place_, its blocks, and the logits behind.
  void Read(ModelOptions options) {
    tiny_ = std::make_unique<TinyModel>(*checkpoint_, 2, options, 4096);
    const CacheLayout& layout = tiny_->model().cache_layout();
    // Two blocks beyond where a replay starts, so that it has a past.
    place_ = (layout.replay_tokens() + 3 * kBlock - 1) / kBlock * kBlock;
    begin_ = place_ - layout.replay_tokens();
    tokens_ = RandomTokens(place_ + 150, checkpoint_->config().vocab_size, 7);
    SequenceCache cache(layout);
    tiny_->Append(Slice(0, place_), &cache);
    state_ = cache.Save().state;
    blocks_ = cache.blocks();
    block_bytes_ = BytesOfBlocks();
    after_ = Hash(tiny_->Append(Slice(place_, place_ + 150), &cache));
  }

  std::vector<std::string> BytesOfBlocks() const {
    std::vector<std::string> bytes;
    for (const auto& block : blocks_) {
      bytes.emplace_back(reinterpret_cast<const char*>(block->bytes.get()),
                         static_cast<size_t>(tiny_->model().cache_layout().block_bytes()));
    }
    return bytes;
  }

  SequenceCache Start(int64_t begin) const {
    return SequenceCache::Replay(tiny_->model().cache_layout(), begin, place_, blocks_);
  }
  void AppendInChunks(int64_t chunk, SequenceCache* cache) { ReadTo(place_, chunk, tiny_.get(), cache); }

  std::unique_ptr<Checkpoint> checkpoint_;
  std::unique_ptr<TinyModel> tiny_;
  int64_t place_ = 0;
  int64_t begin_ = 0;
  StateBytes state_;
  BlockTable::Blocks blocks_;
  std::vector<std::string> block_bytes_;
  uint64_t after_ = 0;
};

TEST_P(Replay, TheStateHasTheSameBytesAndTheRestTheSameBits) {
  for (const int64_t chunk : {1024, 97, 30}) {
    SequenceCache cache = Start(begin_);
    EXPECT_TRUE(cache.replaying());
    AppendInChunks(chunk, &cache);
    EXPECT_FALSE(cache.replaying());
    EXPECT_TRUE(cache.Save().state == state_) << "chunks of " << chunk;
    EXPECT_EQ(BytesOfBlocks(), block_bytes_);
    EXPECT_EQ(cache.blocks(), blocks_) << "they are still shared";
    EXPECT_EQ(Hash(tiny_->Append(Slice(place_, place_ + 150), &cache)), after_);
    EXPECT_EQ(BytesOfBlocks(), block_bytes_);
  }
}

TEST_P(Replay, AStepMayGoOnBehindThePlace) {
  SequenceCache cache = Start(begin_);
  const std::vector<float> logits = tiny_->Append(Slice(begin_, place_ + 150), &cache);
  const auto behind = logits.begin() + (place_ - begin_) * checkpoint_->config().vocab_size;
  EXPECT_EQ(Hash({behind, logits.end()}), after_);
  EXPECT_EQ(BytesOfBlocks(), block_bytes_);
}

TEST_P(Replay, MayStartEarlier) {
  for (const int64_t begin : {int64_t{0}, begin_ - 1, begin_ - 100}) {
    SequenceCache cache = Start(begin);
    AppendInChunks(500, &cache);
    EXPECT_TRUE(cache.Save().state == state_) << begin;
  }
}

TEST_P(Replay, InABatchWithAnUndisturbedSequenceAndAnotherReplay) {
  SequenceCache ours = Start(begin_);
  SequenceCache earlier = Start(begin_ - 40);
  SequenceCache whole(tiny_->model().cache_layout());
  while (ours.replaying()) {
    const int64_t count = std::min<int64_t>(110, place_ - ours.position());
    std::vector<int32_t> tokens;
    std::vector<Segment> segments;
    for (SequenceCache* cache : {&whole, &ours, &earlier}) {
      const std::span<const int32_t> next = Slice(cache->position(), cache->position() + count);
      tokens.insert(tokens.end(), next.begin(), next.end());
      segments.push_back({cache, count});
    }
    tiny_->Step({tokens, segments});
  }
  EXPECT_TRUE(ours.Save().state == state_);
  AppendInChunks(100, &earlier);
  EXPECT_TRUE(earlier.Save().state == state_);
  AppendInChunks(100, &whole);
  EXPECT_TRUE(whole.Save().state == state_);
}

// With rows that are kept as they are computed, one token less shows: replay_tokens() is what is needed.
TEST_P(Replay, OneTokenLessIsTooLittle) {
  Read({.precision = Precision::kExact});
  SequenceCache exact = Start(begin_);
  AppendInChunks(1024, &exact);
  EXPECT_TRUE(exact.Save().state == state_);
  // What a single token does to the state can be rounded away where weights are trained.
  const int64_t missing = std::string_view(GetParam()) == "nano" ? 32 : 1;
  SequenceCache late = Start(begin_ + missing);
  AppendInChunks(1024, &late);
  EXPECT_FALSE(late.Save().state == state_);
}

TEST_P(Replay, AForkInTheMiddleGoesOnAlike) {
  SequenceCache cache = Start(begin_);
  tiny_->Append(Slice(begin_, place_ - 50), &cache);
  SequenceCache fork = cache.Fork();
  AppendInChunks(20, &fork);
  EXPECT_TRUE(fork.Save().state == state_);
  EXPECT_EQ(fork.blocks(), blocks_);
}

INSTANTIATE_TEST_SUITE_P(Presets, Replay,
                         ::testing::Values("tiny-full", "tiny-csa", "tiny-hca", "tiny-hash", "tiny-wide", "tiny-swa",
                                           "nano"),
                         [](const auto& param) {
                           std::string name = param.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace fathom
