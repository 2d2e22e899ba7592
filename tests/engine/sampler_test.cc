#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

namespace fathom {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

int32_t Choose(const SamplingParams& params, const std::vector<float>& logits, uint64_t seed = 1,
               const std::vector<int32_t>& prompt = {}, const std::vector<int32_t>& answer = {}) {
  Sampler sampler(params, seed, prompt);
  for (const int32_t id : answer) sampler.Accept(id);
  SamplerScratch scratch;
  const Result<Sample> sample = sampler.Next(logits, &scratch);
  EXPECT_TRUE(sample.ok()) << sample.status().message();
  return sample.ok() ? sample->id : -1;
}

// How often each id is drawn in `draws` answers' first tokens, seeds 0 ...
std::vector<int> Histogram(const SamplingParams& params, const std::vector<float>& logits, int draws) {
  std::vector<int> counts(logits.size(), 0);
  for (int seed = 0; seed < draws; ++seed)
    ++counts[static_cast<size_t>(Choose(params, logits, static_cast<uint64_t>(seed)))];
  return counts;
}

// Logits whose softmax at temperature 1 is `p`.
std::vector<float> LogitsOf(const std::vector<double>& p) {
  std::vector<float> logits;
  for (const double value : p) logits.push_back(static_cast<float>(std::log(value)));
  return logits;
}

// Pearson's statistic against probabilities `p` (all positive).
double ChiSquare(const std::vector<int>& counts, const std::vector<double>& p) {
  double total = 0;
  for (const int count : counts) total += count;
  double statistic = 0;
  for (size_t id = 0; id < p.size(); ++id) {
    const double expected = p[id] * total;
    statistic += (counts[id] - expected) * (counts[id] - expected) / expected;
  }
  return statistic;
}

TEST(UniformDraw, StaysInRangeAndIsUniform) {
  constexpr int kBins = 16;
  constexpr int kDraws = 160000;
  std::array<int, kBins> across_index{};
  std::array<int, kBins> across_seed{};
  for (int n = 0; n < kDraws; ++n) {
    const double by_index = UniformDraw(7, static_cast<uint64_t>(n));
    const double by_seed = UniformDraw(static_cast<uint64_t>(n), 0);
    ASSERT_GE(by_index, 0);
    ASSERT_LT(by_index, 1);
    ++across_index[static_cast<size_t>(by_index * kBins)];
    ++across_seed[static_cast<size_t>(by_seed * kBins)];
  }
  // 15 degrees of freedom: 37.7 is exceeded by chance once in 1,000 times; the seeds are fixed.
  const std::vector<double> uniform(kBins, 1.0 / kBins);
  EXPECT_LT(ChiSquare({across_index.begin(), across_index.end()}, uniform), 37.7);
  EXPECT_LT(ChiSquare({across_seed.begin(), across_seed.end()}, uniform), 37.7);
}

TEST(UniformDraw, NeighbouringSeedsAreNoShiftedCopies) {
  for (uint64_t index = 0; index < 100; ++index) {
    EXPECT_NE(UniformDraw(1, index + 1), UniformDraw(2, index));
    EXPECT_NE(UniformDraw(1, index), UniformDraw(2, index));
  }
}

TEST(Sampler, TemperatureZeroTakesTheLargestAndTheLowestIdOfEquals) {
  SamplingParams params;
  params.temperature = 0;
  EXPECT_EQ(Choose(params, {1, 5, 5, 2}), 1);
  EXPECT_EQ(Choose(params, {-3, -2, -2.5f}), 1);
  EXPECT_EQ(Choose(params, {-kInfinity, -1e30f}), 1);
}

TEST(Sampler, DrawsFromTheSoftmax) {
  const std::vector<double> p = {0.5, 0.25, 0.15, 0.07, 0.03};
  // 4 degrees of freedom: 18.5 is exceeded by chance once in 1,000 times.
  EXPECT_LT(ChiSquare(Histogram({}, LogitsOf(p), 20000), p), 18.5);
}

TEST(Sampler, TemperatureSharpensAndFlattens) {
  const std::vector<float> logits = LogitsOf({0.6, 0.3, 0.1});
  for (const double temperature : {0.5, 2.0}) {
    std::vector<double> p;
    double total = 0;
    for (const float x : logits) total += std::exp(double{x} / temperature);
    for (const float x : logits) p.push_back(std::exp(double{x} / temperature) / total);
    SamplingParams params;
    params.temperature = temperature;
    EXPECT_LT(ChiSquare(Histogram(params, logits, 20000), p), 13.8) << temperature;  // 2 degrees of freedom
  }
}

TEST(Sampler, TopKKeepsTheLowestIdsOfEquals) {
  SamplingParams params;
  params.top_k = 2;
  const std::vector<int> counts = Histogram(params, {1, 3, 2, 2, 2}, 2000);
  EXPECT_EQ(counts[0] + counts[3] + counts[4], 0);
  EXPECT_GT(counts[1], counts[2]);
  EXPECT_GT(counts[2], 0);
}

TEST(Sampler, TopPKeepsTheSmallestSetThatReachesIt) {
  SamplingParams params;
  const std::vector<float> logits = LogitsOf({0.1, 0.5, 0.25, 0.15});
  params.top_p = 0.49;
  EXPECT_EQ(Histogram(params, logits, 500)[1], 500);
  params.top_p = 0.6;
  std::vector<int> counts = Histogram(params, logits, 4000);
  EXPECT_EQ(counts[0] + counts[3], 0);
  EXPECT_LT(ChiSquare({counts[1], counts[2]}, {2.0 / 3, 1.0 / 3}), 10.8);
  params.top_p = 0.8;
  counts = Histogram(params, logits, 4000);
  EXPECT_EQ(counts[0], 0);
  EXPECT_GT(counts[3], 0);
}

TEST(Sampler, TopPAgreesWithSortingEverything) {
  for (uint64_t round = 0; round < 40; ++round) {
    std::vector<float> logits;
    for (uint64_t id = 0; id < 300; ++id) {
      // Coarse steps make ties, and a wide range weights of many magnitudes, zero included.
      logits.push_back(std::floor(static_cast<float>(UniformDraw(round, id)) * 40) * static_cast<float>(round) / 8);
    }
    SamplingParams params;
    params.top_p = 0.02 + 0.97 * UniformDraw(1000, round);
    std::vector<size_t> order(logits.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return logits[a] > logits[b]; });
    double total = 0;
    for (const float x : logits) total += std::exp(double{x} - double{logits[order[0]]});
    std::vector<bool> kept(logits.size(), false);
    double mass = 0;
    for (size_t rank = 0; mass < params.top_p * total; ++rank) {
      kept[order[rank]] = true;
      mass += std::exp(double{logits[order[rank]]} - double{logits[order[0]]});
    }
    const std::vector<int> counts = Histogram(params, logits, 3000);
    for (size_t id = 0; id < logits.size(); ++id) {
      EXPECT_TRUE(kept[id] || counts[id] == 0) << round << " " << id;
    }
    const size_t last = order[static_cast<size_t>(std::count(kept.begin(), kept.end(), true)) - 1];
    const double expected = 3000 * std::exp(double{logits[last]} - double{logits[order[0]]}) / mass;
    EXPECT_TRUE(counts[last] > 0 || expected < 12) << round;  // it would be missed less than once in 10^5 times
  }
}

TEST(Sampler, WhatTopPLeavesIsGoneThroughByAscendingId) {
  const std::vector<float> logits = {0.0f, 0.1f, 0.2f, 0.3f, 0.25f};
  std::vector<size_t> order = {3, 4, 2, 1, 0};  // the most probable first
  std::vector<double> weights;
  for (const float x : logits) weights.push_back(std::exp(double{x}));
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (const double top_p : {0.5, 0.75, 0.85, 0.999999}) {  // of three, four, five and five
    std::vector<size_t> kept;
    double mass = 0;
    for (size_t rank = 0; mass < top_p * total; ++rank) {
      kept.push_back(order[rank]);
      mass += weights[order[rank]];
    }
    std::ranges::sort(kept);
    SamplingParams params;
    params.top_p = top_p;
    for (uint64_t seed = 0; seed < 50; ++seed) {
      double sum = 0;
      const double target = UniformDraw(seed, 0) * mass;
      const auto drawn = std::ranges::find_if(kept, [&](size_t id) { return (sum += weights[id]) > target; });
      ASSERT_NE(drawn, kept.end());
      EXPECT_EQ(Choose(params, logits, seed), static_cast<int32_t>(*drawn)) << top_p << " " << seed;
    }
  }
}

TEST(Sampler, TopPCountsWhatTopKLeft) {
  // Of the two that top_k keeps, the first has 0.4 / 0.7 = 0.57: enough for 0.55, not for 0.6.
  SamplingParams params;
  params.top_k = 2;
  params.top_p = 0.55;
  const std::vector<float> logits = LogitsOf({0.4, 0.3, 0.2, 0.1});
  EXPECT_EQ(Histogram(params, logits, 500)[0], 500);
  params.top_p = 0.6;
  EXPECT_LT(Histogram(params, logits, 500)[0], 500);
}

TEST(Sampler, MinPIsRelativeToTheBest) {
  SamplingParams params;
  params.min_p = 0.4;
  const std::vector<int> counts = Histogram(params, LogitsOf({0.5, 0.21, 0.19, 0.1}), 2000);
  EXPECT_GT(counts[1], 0);
  EXPECT_EQ(counts[2] + counts[3], 0);
  params.min_p = 1;
  EXPECT_EQ(Histogram(params, LogitsOf({0.5, 0.3, 0.2}), 300)[0], 300);
}

TEST(Sampler, RepetitionPenaltyCoversPromptAndAnswer) {
  SamplingParams params;
  params.temperature = 0;
  params.repetition_penalty = 2;
  EXPECT_EQ(Choose(params, {3, 2, 1}, 1, {0}), 1);           // 3 / 2 < 2
  EXPECT_EQ(Choose(params, {3, 2, 1}, 1, {0}, {1}), 0);      // 1.5, 1, 1
  EXPECT_EQ(Choose(params, {-1, -1.5f, -4}, 1, {0}), 1);     // -1 * 2
  EXPECT_EQ(Choose(params, {-1, -2.5f, -4}, 1, {0, 0}), 0);  // once, however often it occurs
}

TEST(Sampler, PresenceAndFrequencyCountTheAnswerOnly) {
  SamplingParams params;
  params.temperature = 0;
  params.presence_penalty = 1;
  EXPECT_EQ(Choose(params, {2, 1.5f}, 1, {0, 0, 0}), 0);
  EXPECT_EQ(Choose(params, {2, 1.5f}, 1, {}, {0}), 1);
  EXPECT_EQ(Choose(params, {2, 0.5f}, 1, {}, {0, 0, 0}), 0);
  params.presence_penalty = 0;
  params.frequency_penalty = 0.5;
  EXPECT_EQ(Choose(params, {2, 0.75f}, 1, {}, {0, 0}), 0);  // 2 - 1
  EXPECT_EQ(Choose(params, {2, 0.75f}, 1, {}, {0, 0, 0}), 1);
}

TEST(Sampler, LogitBiasAddsAndForbids) {
  SamplingParams params;
  params.temperature = 0;
  params.logit_bias = {{2, 1.5f}, {2, 1.0f}};
  EXPECT_EQ(Choose(params, {3, 2, 1}), 2);
  params.logit_bias = {{0, -kInfinity}};
  EXPECT_EQ(Choose(params, {3, 2, 1}), 1);
  params.temperature = 1;
  EXPECT_EQ(Histogram(params, {30, 1, 1}, 500)[0], 0);
}

TEST(Sampler, NothingLeftIsAnError) {
  SamplingParams params;
  params.logit_bias = {{0, -kInfinity}, {1, -kInfinity}};
  Sampler sampler(params, 1, {});
  SamplerScratch scratch;
  const Result<Sample> sample = sampler.Next(std::vector<float>{1, 2}, &scratch);
  ASSERT_FALSE(sample.ok());
  EXPECT_EQ(sample.status().message(), "no token is possible: logit_bias forbids every one of them");
}

TEST(Sampler, NanAndInfiniteLogitsAreErrorsThatNameTheToken) {
  Sampler sampler({}, 1, {});
  SamplerScratch scratch;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), kInfinity}) {
    std::vector<float> logits(100, 0);
    logits[57] = bad;
    const Result<Sample> sample = sampler.Next(logits, &scratch);
    ASSERT_FALSE(sample.ok());
    EXPECT_NE(sample.status().message().find("logit of token 57"), std::string::npos) << sample.status().message();
  }
}

TEST(Sampler, ExtremeParametersStayInRange) {
  SamplingParams params;
  params.temperature = 1e-300;
  params.repetition_penalty = 1e-6;
  params.top_p = 1e-6;
  params.top_k = 1;
  params.min_p = 1;
  EXPECT_EQ(Choose(params, {1e38f, 2e38f, -3e38f}, 1, {1}), 1);
  params = {};
  params.temperature = 100;
  params.top_k = 1 << 30;
  const int32_t id = Choose(params, {3e38f, -3e38f, 0});
  EXPECT_TRUE(id >= 0 && id < 3);
}

TEST(Sampler, TheSameTokenForSeedAndPlaceWhateverWasAskedBefore) {
  const std::vector<float> logits(1000, 0.0f);
  Sampler once({}, 42, {});
  Sampler again({}, 42, {});
  SamplerScratch scratch;
  SamplerScratch other_scratch;
  for (int place = 0; place < 20; ++place) {
    EXPECT_TRUE(again.Next(std::vector<float>(10, 1.0f), &other_scratch).ok());
    const int32_t first = once.Next(logits, &scratch)->id;
    EXPECT_EQ(again.Next(logits, &other_scratch)->id, first);
    once.Accept(first);
    again.Accept(first);
  }
}

TEST(ComputeLogprobs, EqualTheLogSoftmaxOfTheRawLogits) {
  std::vector<float> logits;
  for (int id = 0; id < 5000; ++id) logits.push_back(static_cast<float>(std::sin(id * 12.9898) * 8));
  logits[17] = -kInfinity;
  double total = 0;
  for (const float x : logits) total += std::exp(double{x});
  Sample sample;
  sample.id = 3;
  SamplerScratch scratch;
  ComputeLogprobs(logits, *std::ranges::max_element(logits), 20, &scratch, &sample);
  EXPECT_NEAR(sample.logprob, double{logits[3]} - std::log(total), 1e-5);
  ASSERT_EQ(sample.top.size(), 20u);
  for (size_t rank = 0; rank < sample.top.size(); ++rank) {
    const auto& [id, logprob] = sample.top[rank];
    EXPECT_NEAR(logprob, double{logits[static_cast<size_t>(id)]} - std::log(total), 1e-5);
    EXPECT_LE(logprob, sample.top[rank == 0 ? 0 : rank - 1].logprob);
  }
}

TEST(ComputeLogprobs, WhereNothingIsPossible) {
  SamplerScratch scratch;
  Sample sample;
  sample.id = 1;
  ComputeLogprobs(std::vector<float>{-kInfinity, -kInfinity, -kInfinity}, -kInfinity, 0, &scratch, &sample);
  EXPECT_EQ(sample.logprob, -kInfinity);
}

TEST(ComputeLogprobs, ImpossibleTokensAndMoreThanThereAre) {
  Sample sample;
  sample.id = 1;
  SamplerScratch scratch;
  ComputeLogprobs(std::vector<float>{0, -kInfinity, 0}, 0, 10, &scratch, &sample);
  EXPECT_EQ(sample.logprob, -kInfinity);
  ASSERT_EQ(sample.top.size(), 3u);
  EXPECT_EQ(sample.top[0].id, 0);
  EXPECT_EQ(sample.top[1].id, 2);
  EXPECT_NEAR(sample.top[1].logprob, -std::log(2.0), 1e-6);
}

TEST(Sampler, LogprobsAreNotChangedByBiasAndTemperature) {
  SamplingParams params;
  params.logprobs = 2;
  params.temperature = 0;
  params.logit_bias = {{0, -kInfinity}};
  Sampler sampler(params, 1, {});
  SamplerScratch scratch;
  const Result<Sample> sample = sampler.Next(LogitsOf({0.75, 0.25}), &scratch);
  ASSERT_TRUE(sample.ok());
  EXPECT_EQ(sample->id, 1);
  EXPECT_NEAR(sample->logprob, std::log(0.25), 1e-6);
  EXPECT_EQ(sample->top[0].id, 0);
}

}  // namespace
}  // namespace fathom
