#include "engine/scheduler.h"

#include <gtest/gtest.h>

#include <numeric>

namespace fathom {
namespace {

using Shares = std::vector<int64_t>;

StepCandidate Waiting(int64_t pending) { return {pending, pending}; }

TEST(PlanStep, AloneASequenceGetsTheWholeBudget) {
  EXPECT_EQ(PlanStep(std::vector{Waiting(1000)}, 512), Shares({512}));
  EXPECT_EQ(PlanStep(std::vector{Waiting(100)}, 512), Shares({100}));
  EXPECT_EQ(PlanStep(std::vector{Waiting(1000)}, 1), Shares({1}));
}

TEST(PlanStep, AnswersComeBeforePrompts) {
  EXPECT_EQ(PlanStep(std::vector{Waiting(1000), Waiting(1), Waiting(1)}, 4), Shares({2, 1, 1}));
  EXPECT_EQ(PlanStep(std::vector{Waiting(1000), Waiting(1), Waiting(1)}, 3), Shares({1, 1, 1}));
  EXPECT_EQ(PlanStep(std::vector{Waiting(9), Waiting(1), Waiting(1)}, 2 + 1), Shares({1, 1, 1}));
}

TEST(PlanStep, LongPromptsFinishOneAfterTheOther) {
  // Equal lengths: both halves go to the first.
  EXPECT_EQ(PlanStep(std::vector{Waiting(5000), Waiting(5000)}, 512), Shares({512, 0}));
}

TEST(PlanStep, AShortPromptDoesNotWaitForLongOnes) {
  std::vector<StepCandidate> candidates(8, Waiting(10000));
  candidates.push_back(Waiting(200));
  const Shares shares = PlanStep(candidates, 512);
  EXPECT_EQ(shares.back(), 200);
  EXPECT_EQ(shares.front(), 312);  // its half and what the short one left
  EXPECT_EQ(std::accumulate(shares.begin(), shares.end(), int64_t{0}), 512);
}

TEST(PlanStep, RespectsChunkLimitsAndUsesTheBudgetFully) {
  EXPECT_EQ(PlanStep(std::vector{StepCandidate{1000, 64}, Waiting(1000)}, 512), Shares({64, 448}));
  EXPECT_EQ(PlanStep(std::vector{StepCandidate{1000, 64}, StepCandidate{900, 10}}, 512), Shares({64, 10}));
}

TEST(PlanStep, NeverExceedsBudgetOrLimits) {
  uint64_t state = 12345;
  const auto next = [&](int64_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<int64_t>((state >> 33) % static_cast<uint64_t>(bound));
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<StepCandidate> candidates;
    const int64_t count = 1 + next(12);
    for (int64_t n = 0; n < count; ++n) {
      const int64_t pending = 1 + next(next(2) == 0 ? 3 : 2000);
      candidates.push_back({pending, 1 + next(pending)});
    }
    const int64_t budget = count + next(600);
    const Shares shares = PlanStep(candidates, budget);
    int64_t total = 0;
    int64_t wanted = 0;
    for (size_t n = 0; n < shares.size(); ++n) {
      ASSERT_GE(shares[n], candidates[n].pending == 1 ? 1 : 0);
      ASSERT_LE(shares[n], candidates[n].max_chunk);
      total += shares[n];
      wanted += candidates[n].max_chunk;
    }
    ASSERT_EQ(total, std::min(budget, wanted));
  }
}

}  // namespace
}  // namespace fathom
