// What caches take is counted as it is: what several sequences share, once.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "tests/engine/engine_fixture.h"

namespace fathom {
namespace {

class CacheMemoryTest : public EngineTest, public testing::WithParamInterface<StatePolicy> {};

TEST_P(CacheMemoryTest, SequencesWithOneLongBeginningRunTogetherWhereTheirCachesWouldNotFit) {
  constexpr int64_t kCount = 6;
  constexpr int64_t kBeginning = 1024;
  Start();
  const CacheLayout layout = model_->cache_layout();
  std::vector<GenerateRequest> requests;
  std::vector<std::vector<int32_t>> expected;
  for (int32_t n = 0; n < kCount; ++n) {
    std::vector<int32_t> prompt = Prompt(kBeginning, 3);
    const std::vector<int32_t> own = Prompt(20, 50 + n);
    prompt.insert(prompt.end(), own.begin(), own.end());
    requests.push_back(Request(std::move(prompt), 40));
    GenerateRequest alone = requests.back();
    alone.use_prefix_cache = false;
    expected.push_back(Run(alone).ids);
  }
  // Every one's state and that from which they go on, two blocks each of their own, and the beginning.
  const int64_t limit = (kCount + 1) * (layout.state_bytes() + 2 * layout.block_bytes()) + 9 * layout.block_bytes();
  ASSERT_GT(kCount * CacheBytes(layout, kBeginning + 60), limit);
  Start({.cache_bytes = limit, .state_policy = GetParam(), .snapshot_interval = 256});
  Run(Request(Prompt(kBeginning + 10, 3), 1));

  std::atomic<int64_t> most_running{0};
  std::atomic<int64_t> most_bytes{0};
  std::vector<EventQueue> queues(kCount);
  EventQueue starter;
  const auto watching = [&](EventQueue& queue) {
    return [&, inner = queue.handler()](const Event& event) {
      const EngineStats stats = engine_->stats();
      most_running = std::max(most_running.load(), stats.running);
      most_bytes = std::max(most_bytes.load(), stats.cache_bytes);
      return inner(event);
    };
  };
  const auto handler = [&, inner = starter.handler()](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event)) {
      for (size_t n = 0; n < requests.size(); ++n) {
        EXPECT_TRUE(engine_->Submit(requests[n], watching(queues[n])).ok());
      }
    }
    return inner(event);
  };
  ASSERT_TRUE(engine_->Submit(Request(Prompt(5), 1), handler).ok());
  Collect(starter);
  for (size_t n = 0; n < queues.size(); ++n) {
    const Answer answer = Collect(queues[n]);
    EXPECT_EQ(answer.ids, expected[n]) << n;
    EXPECT_EQ(answer.finished.cache.hit, kBeginning);
  }
  EXPECT_EQ(most_running, kCount);
  EXPECT_LE(most_bytes, limit);
  EXPECT_EQ(engine_->stats().preemptions, 0);
  engine_.reset();  // before what its handlers refer to
}

TEST_P(CacheMemoryTest, WhenAllHaveEndedOnlyWhatIsKeptIsCounted) {
  Start({.state_policy = GetParam(), .snapshot_interval = 256});
  Run(Request(Prompt(900), 5));
  Run(Request(Prompt(700), 5));
  const EngineStats stats = engine_->stats();
  EXPECT_EQ(stats.cache_bytes, stats.prefixes.ram_bytes);
  EXPECT_EQ(model_->cache_layout().used_blocks(), 0);
  EXPECT_EQ(model_->cache_layout().unkept_blocks(), 0);
}

INSTANTIATE_TEST_SUITE_P(Policies, CacheMemoryTest, testing::Values(StatePolicy::kPeriodic, StatePolicy::kRecompute),
                         [](const auto& param) {
                           return param.param == StatePolicy::kPeriodic ? "Periodic" : "Recompute";
                         });

}  // namespace
}  // namespace fathom
