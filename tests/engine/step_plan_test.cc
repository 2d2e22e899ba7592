#include "engine/step_plan.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/engine_stats.h"

namespace fathom {
namespace {

using Shares = std::vector<int64_t>;

Shares Plan(const std::vector<StepCandidate>& candidates, int64_t budget) {
  Shares shares = {7, 7, 7};  // of an earlier step
  PlanStep(candidates, budget, 1024, &shares);
  return shares;
}

StepCandidate Waiting(int64_t pending) { return {pending, pending}; }

TEST(PlanStep, AloneASequenceGetsTheWholeBudget) {
  EXPECT_EQ(Plan(std::vector{Waiting(1000)}, 512), Shares({512}));
  EXPECT_EQ(Plan(std::vector{Waiting(100)}, 512), Shares({100}));
  EXPECT_EQ(Plan(std::vector{Waiting(1000)}, 1), Shares({1}));
}

TEST(PlanStep, AnswersComeBeforePrompts) {
  EXPECT_EQ(Plan(std::vector{Waiting(1000), Waiting(1), Waiting(1)}, 4), Shares({2, 1, 1}));
  EXPECT_EQ(Plan(std::vector{Waiting(1000), Waiting(1), Waiting(1)}, 3), Shares({1, 1, 1}));
  EXPECT_EQ(Plan(std::vector{Waiting(9), Waiting(1), Waiting(1)}, 2 + 1), Shares({1, 1, 1}));
}

TEST(PlanStep, LongPromptsFinishOneAfterTheOther) {
  // Equal lengths: both halves go to the first.
  EXPECT_EQ(Plan(std::vector{Waiting(5000), Waiting(5000)}, 512), Shares({512, 0}));
}

TEST(PlanStep, AShortPromptDoesNotWaitForLongOnes) {
  std::vector<StepCandidate> candidates(8, Waiting(10000));
  candidates.push_back(Waiting(200));
  const Shares shares = Plan(candidates, 512);
  EXPECT_EQ(shares.back(), 200);
  EXPECT_EQ(shares.front(), 312);  // its half and what the short one left
  EXPECT_EQ(std::accumulate(shares.begin(), shares.end(), int64_t{0}), 512);
}

TEST(PlanStep, RespectsChunkLimitsAndUsesTheBudgetFully) {
  EXPECT_EQ(Plan(std::vector{StepCandidate{1000, 64, 0, 0}, Waiting(1000)}, 512), Shares({64, 448}));
  EXPECT_EQ(Plan(std::vector{StepCandidate{1000, 64, 0, 0}, StepCandidate{900, 10, 0, 0}}, 512), Shares({64, 10}));
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
      candidates.push_back({pending, 1 + next(pending), static_cast<int32_t>(next(3)), next(4000)});
    }
    const int64_t budget = count + next(600);
    const Shares shares = Plan(candidates, budget);
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

TEST(PlanStep, HigherPrioritiesTakeWhatTheyCanUse) {
  const StepCandidate low = {1000, 1000, 0, 0};
  const StepCandidate high = {300, 300, 5, 100000};
  EXPECT_EQ(Plan(std::vector{low, high}, 512), Shares({212, 300}));
  EXPECT_EQ(Plan(std::vector{low, high}, 200), Shares({0, 200}));
  // One token of an answer is not taken from anybody.
  EXPECT_EQ(Plan(std::vector{StepCandidate{1, 1, 0, 0}, high}, 200), Shares({1, 199}));
}

TEST(PlanStep, UsersOfOnePriorityGetTheSameInTheLongRun) {
  // One user sends short prompts without end, two others have one long one each.
  std::vector<int64_t> served(3, 0);
  for (int step = 0; step < 3000; ++step) {
    std::vector<StepCandidate> candidates;
    for (size_t n = 0; n < 10; ++n) candidates.push_back({50, 50, 0, served[0]});
    candidates.push_back({1000000, 1000000, 0, served[1]});
    candidates.push_back({2000000, 2000000, 0, served[2]});
    const Shares shares = Plan(candidates, 128);
    for (size_t n = 0; n < shares.size(); ++n) served[n < 10 ? 0 : n - 9] += shares[n];
  }
  for (const int64_t tokens : served) EXPECT_NEAR(static_cast<double>(tokens), 3000 * 128 / 3, 1024 + 128);
}

TEST(PlanStep, AShortPromptOfAUserWithALongOneDoesNotWaitEither) {
  // Eight users read long prompts for a while; then each of them in turn has a short one, too.
  std::vector<StepCandidate> candidates;
  for (int64_t n = 0; n < 8; ++n) candidates.push_back({4000 + 500 * n, 4000 + 500 * n, 0, 0});
  for (int step = 0; step < 40; ++step) {
    const Shares shares = Plan(candidates, 512);
    for (size_t n = 0; n < shares.size(); ++n) {
      candidates[n].pending -= shares[n];
      candidates[n].max_chunk -= shares[n];
      candidates[n].served += shares[n];
      std::vector<StepCandidate> with_short = candidates;
      with_short.push_back({100, 100, 0, candidates[n].served});
      EXPECT_EQ(Plan(with_short, 512).back(), 100) << step << " " << n;
    }
  }
}

using Indices = std::vector<size_t>;

AdmissionCandidate Place(int64_t user, uint64_t number, bool running = false) {
  return {.priority = 0, .user = user, .served = 0, .number = number, .bytes = 10, .running = running};
}

TEST(PlanAdmission, InOrderOfArrivalWhileThereIsRoom) {
  const std::vector<AdmissionCandidate> candidates = {Place(0, 2), Place(0, 1), Place(0, 3)};
  EXPECT_EQ(PlanAdmission(candidates, 8, 1000).start, Indices({1, 0, 2}));
  EXPECT_EQ(PlanAdmission(candidates, 2, 1000).start, Indices({1, 0}));
  EXPECT_EQ(PlanAdmission(candidates, 8, 29).start, Indices({1, 0}));
  EXPECT_EQ(PlanAdmission(candidates, 8, 1).start, Indices({1}));  // one always fits
}

TEST(PlanAdmission, UsersTakeTurns) {
  std::vector<AdmissionCandidate> candidates;
  for (uint64_t n = 0; n < 50; ++n) candidates.push_back(Place(0, n));
  candidates.push_back(Place(1, 50));
  candidates.push_back(Place(1, 51));
  EXPECT_EQ(PlanAdmission(candidates, 4, 1000).start, Indices({0, 50, 1, 51}));
  // With one place it is the turn of who was served least.
  for (size_t n = 0; n < 50; ++n) candidates[n].served = 100;
  EXPECT_EQ(PlanAdmission(candidates, 1, 1000).start, Indices({50}));
}

TEST(PlanAdmission, WhoHasNoPlaceGetsOneOfWhoHasMany) {
  std::vector<AdmissionCandidate> candidates = {Place(0, 0, true), Place(0, 1, true), Place(0, 2), Place(1, 3)};
  AdmissionPlan plan = PlanAdmission(candidates, 2, 1000);
  EXPECT_EQ(plan.stop, Indices({1}));
  EXPECT_EQ(plan.start, Indices({3}));
  // And that is stable.
  candidates[1].running = false;
  candidates[3].running = true;
  plan = PlanAdmission(candidates, 2, 1000);
  EXPECT_TRUE(plan.stop.empty() && plan.start.empty());
}

TEST(PlanAdmission, HigherPriorityTakesThePlace) {
  std::vector<AdmissionCandidate> candidates = {Place(0, 0, true), Place(1, 1, true), Place(0, 2)};
  candidates[2].priority = 1;
  const AdmissionPlan plan = PlanAdmission(candidates, 2, 1000);
  EXPECT_EQ(plan.stop, Indices({1}));
  EXPECT_EQ(plan.start, Indices({2}));
}

TEST(PlanAdmission, NobodyIsStoppedInVain) {
  // The one that waits needs more than stopping those behind it would give; those behind it wait, too.
  std::vector<AdmissionCandidate> candidates = {Place(0, 0, true), Place(0, 1, true), Place(1, 2), Place(2, 3)};
  candidates[2].bytes = 25;
  const AdmissionPlan plan = PlanAdmission(candidates, 8, 30);
  EXPECT_TRUE(plan.stop.empty() && plan.start.empty());
  EXPECT_EQ(PlanAdmission(candidates, 8, 35).stop, Indices({1}));
}

TEST(UserShares, WhoComesBeginsLevelWithTheLeastServed) {
  UserShares shares;
  shares.Enter("a");
  shares.Charge("a", 100);
  shares.Enter("b");
  EXPECT_EQ(shares.Of("b").served, 100);
  shares.Charge("b", 50);
  shares.Enter("a");
  shares.Leave("a");
  EXPECT_EQ(shares.Of("a").served, 100);
  shares.Leave("a");
  shares.Enter("a");  // forgotten
  EXPECT_EQ(shares.Of("a").served, 150);
  EXPECT_NE(shares.Of("a").number, shares.Of("b").number);
}

TEST(PrefillPacer, FindsTheBudgetThatTakesTheTime) {
  PrefillPacer pacer(0.5, 64, 512);
  EXPECT_EQ(pacer.budget(), 64);
  // A step costs 100 ms and 2 ms a token: 200 tokens in half a second.
  for (int step = 0; step < 30; ++step) {
    pacer.DidStep(pacer.budget(), pacer.budget(), 0.1 + 0.002 * static_cast<double>(pacer.budget()));
  }
  EXPECT_NEAR(static_cast<double>(pacer.budget()), 200, 2);
}

TEST(PrefillPacer, StaysWithinItsLimits) {
  PrefillPacer pacer(0.5, 64, 512);
  for (int step = 0; step < 10; ++step) pacer.DidStep(512, 512, 0.001);
  EXPECT_EQ(pacer.budget(), 512);
  pacer.DidStep(512, 512, 100);
  EXPECT_EQ(pacer.budget(), 256);
  for (int step = 0; step < 10; ++step) pacer.DidStep(512, 512, 100);
  EXPECT_EQ(pacer.budget(), 64);
  pacer.DidStep(10, 64, 0.001);  // says nothing about 64
  pacer.DidStep(0, 64, 0.001);
  EXPECT_EQ(pacer.budget(), 64);
  EXPECT_EQ(PrefillPacer(0, 64, 512).budget(), 512);
  EXPECT_EQ(PrefillPacer(0.5, 64, 16).budget(), 16);
}

TEST(EstimateWaitSeconds, IsTheRoundsThatAreAhead) {
  EXPECT_EQ(EstimateWaitSeconds(1, 8, 4), 0.5);
  EXPECT_EQ(EstimateWaitSeconds(16, 8, 4), 8);
  EXPECT_EQ(EstimateWaitSeconds(3, 0, 2), 6);
}

}  // namespace
}  // namespace fathom
