// The same bits whatever the threads, the chunks, the neighbours in the batch, the instruction set or the cache's
// history.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/support/tiny_model.h"

namespace fathom {
namespace {

using testing::Hash;
using testing::OpenGoldenOrNano;
using testing::RandomTokens;
using testing::TinyModel;

constexpr int64_t kTokens = 300;  // past block ends of both ratios, two windows and ring wrap-around

// Every test runs on presets that between them have every layer kind, wide heads and hash routing, and on a model with
// enough heads to share out those of one token.
class Determinism : public ::testing::TestWithParam<const char*>, protected testing::TestTokens {
 protected:
  void SetUp() override {
    checkpoint_ = OpenGoldenOrNano(GetParam());
    ASSERT_NE(checkpoint_, nullptr);
    tokens_ = RandomTokens(kTokens, checkpoint_->config().vocab_size, 7);
    SelectKernels("auto");
    TinyModel tiny(*checkpoint_, 1);
    SequenceCache cache(tiny.model().cache_layout());
    whole_ = tiny.Append(tokens_, &cache);
    for (const float logit : whole_) ASSERT_TRUE(std::isfinite(logit));
  }
  void TearDown() override { SelectKernels("auto"); }

  // The rows of `whole_` from token `begin` on.
  std::vector<float> WholeFrom(int64_t begin) const {
    return {whole_.begin() + begin * checkpoint_->config().vocab_size, whole_.end()};
  }

  std::unique_ptr<Checkpoint> checkpoint_;
  std::vector<float> whole_;
};

TEST_P(Determinism, SameBitsOnOneTwoAndThreeThreads) {
  for (const int threads : {2, 3}) {
    TinyModel tiny(*checkpoint_, threads);
    SequenceCache cache(tiny.model().cache_layout());
    EXPECT_EQ(Hash(tiny.Append(tokens_, &cache)), Hash(whole_)) << threads << " threads";
  }
}

// Where a step has one token, threads share its heads and rows.
TEST_P(Determinism, SameBitsTokenByTokenOnAnyNumberOfThreads) {
  constexpr int64_t kRead = kTokens - 12;
  TinyModel first(*checkpoint_, 1);
  SequenceCache cache(first.model().cache_layout());
  first.Append(Slice(0, kRead), &cache);
  for (const int threads : {1, 2, 3, 5, 8}) {
    TinyModel tiny(*checkpoint_, threads);
    SequenceCache fork = cache.Fork();
    EXPECT_EQ(Hash(ReadTo(kTokens, 1, &tiny, &fork)), Hash(WholeFrom(kRead))) << threads << " threads";
  }
}

TEST_P(Determinism, SameBitsInChunksAndTokenByToken) {
  TinyModel tiny(*checkpoint_, 2);
  for (const int64_t chunk : {1, 7, 64, 128}) {
    SequenceCache cache(tiny.model().cache_layout());
    EXPECT_EQ(Hash(ReadTo(kTokens, chunk, &tiny, &cache)), Hash(whole_)) << "chunks of " << chunk;
  }
}

TEST_P(Determinism, SameBitsInABatchWithFiveOtherSequences) {
  TinyModel tiny(*checkpoint_, 2);
  const int64_t vocab = checkpoint_->config().vocab_size;
  // Ours advances by 50; the others by other amounts, decode steps among them, so that every step mixes both.
  const int64_t steps[6] = {1, 3, 50, 1, 17, 30};
  std::vector<SequenceCache> caches;
  std::vector<std::vector<int32_t>> texts;
  for (uint32_t i = 0; i < 6; ++i) {
    caches.emplace_back(tiny.model().cache_layout());
    texts.push_back(i == 2 ? tokens_ : RandomTokens(kTokens, vocab, 100 + i));
  }
  std::vector<float> ours;
  while (caches[2].position() < kTokens) {
    std::vector<int32_t> ids;
    std::vector<Segment> segments;
    int64_t our_first = 0;
    for (size_t i = 0; i < 6; ++i) {
      if (i == 2) our_first = static_cast<int64_t>(ids.size());
      const auto at = texts[i].begin() + caches[i].position();
      ids.insert(ids.end(), at, at + steps[i]);
      segments.push_back({&caches[i], steps[i]});
    }
    const std::vector<float> logits = tiny.Step({ids, segments});
    ours.insert(ours.end(), logits.begin() + our_first * vocab, logits.begin() + (our_first + steps[2]) * vocab);
  }
  EXPECT_EQ(Hash(ours), Hash(whole_));
}

TEST_P(Determinism, SameBitsOnEveryInstructionSet) {
  const std::vector<const KernelTable*> tables = SupportedKernels();
  ASSERT_FALSE(tables.empty());
  for (const KernelTable* table : tables) {
    ASSERT_TRUE(SelectKernels(table->name));
    TinyModel tiny(*checkpoint_, 2);
    SequenceCache cache(tiny.model().cache_layout());
    EXPECT_EQ(Hash(tiny.Append(tokens_, &cache)), Hash(whole_)) << table->name;
  }
}

TEST_P(Determinism, ForksContinueAlikeAndApart) {
  TinyModel tiny(*checkpoint_, 2);
  SequenceCache cache(tiny.model().cache_layout());
  tiny.Append(Slice(0, 149), &cache);  // in the middle of blocks of both ratios
  SequenceCache fork = cache.Fork();
  // The original goes another way first and must not disturb the fork.
  tiny.Append(RandomTokens(60, checkpoint_->config().vocab_size, 55), &cache);
  EXPECT_EQ(Hash(tiny.Append(Slice(149, kTokens), &fork)), Hash(WholeFrom(149)));
}

TEST_P(Determinism, RollbackForgetsWhatCameAfter) {
  TinyModel tiny(*checkpoint_, 2);
  SequenceCache cache(tiny.model().cache_layout());
  tiny.Append(Slice(0, 131), &cache);
  const SequenceCache::Snapshot snapshot = cache.Save();
  tiny.Append(RandomTokens(150, checkpoint_->config().vocab_size, 56), &cache);
  cache.Restore(snapshot);
  EXPECT_EQ(cache.position(), 131);
  EXPECT_EQ(Hash(tiny.Append(Slice(131, kTokens), &cache)), Hash(WholeFrom(131)));
}

TEST_P(Determinism, SerialisedStateContinuesTheSame) {
  TinyModel tiny(*checkpoint_, 2);
  SequenceCache cache(tiny.model().cache_layout());
  tiny.Append(Slice(0, 201), &cache);
  const std::string bytes = cache.Serialize();
  Result<SequenceCache> restored = SequenceCache::Deserialize(tiny.model().cache_layout(), bytes);
  ASSERT_TRUE(restored.ok()) << restored.status().message();
  EXPECT_EQ(Hash(tiny.Append(Slice(201, kTokens), &*restored)), Hash(WholeFrom(201)));
}

TEST_P(Determinism, ResetStartsAnew) {
  TinyModel tiny(*checkpoint_, 1);
  SequenceCache cache(tiny.model().cache_layout());
  tiny.Append(RandomTokens(140, checkpoint_->config().vocab_size, 57), &cache);
  cache.Reset();
  EXPECT_EQ(Hash(tiny.Append(tokens_, &cache)), Hash(whole_));
}

// The last tokens of a 1M context: indexer over 262,143 rows, ratio-128 over 8,191, rotation at a million. A truthful
// prefill would take hours, so the rows are synthetic; the ways through the last tokens must still agree.
TEST_P(Determinism, EndOfAMillionTokenContext) {
  constexpr int64_t kContext = 1 << 20;
  ModelConfig config = checkpoint_->config();
  config.max_context = kContext;
  ThreadPool pool(2);
  const Model model(config, checkpoint_->weights(), {}, pool);
  SequenceCache past(model.cache_layout());
  past.FillSynthetic(kContext - 9, 3);
  // The logits of the last tokens, read `chunk` at a time.
  const auto read = [&](int threads, int64_t chunk) {
    ThreadPool own_pool(threads);
    const Model own(config, checkpoint_->weights(), {}, own_pool);
    Workspace workspace(own, 16);
    SequenceCache cache = past.Fork();
    std::vector<float> logits;
    for (int64_t at = 0; at < 9; at += chunk) {
      const Segment segment = {&cache, chunk};
      const MatView<const float> streams = own.Forward({Slice(at, at + chunk), {&segment, 1}}, workspace);
      const size_t before = logits.size();
      logits.resize(before + static_cast<size_t>(chunk * config.vocab_size));
      own.Logits(streams, workspace, MatView<float>(logits.data() + before, chunk, config.vocab_size));
    }
    EXPECT_EQ(cache.position(), kContext);
    return logits;
  };
  const std::vector<float> at_once = read(2, 9);
  for (const float logit : at_once) ASSERT_TRUE(std::isfinite(logit));
  for (const int threads : {1, 2, 3, 5}) EXPECT_EQ(Hash(read(threads, 1)), Hash(at_once)) << threads << " threads";
  EXPECT_EQ(Hash(read(3, 3)), Hash(at_once));
}

INSTANTIATE_TEST_SUITE_P(Presets, Determinism, ::testing::Values("tiny-full", "tiny-wide", "tiny-hash", "nano"),
                         [](const auto& param) {
                           std::string name = param.param;
                           name.erase(std::remove(name.begin(), name.end(), '-'), name.end());
                           return name;
                         });

}  // namespace
}  // namespace fathom
