#include "model/top_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <limits>
#include <random>

namespace fathom {
namespace {

// What sorting everything gives.
std::vector<int32_t> Expected(const std::vector<float>& scores, int64_t k) {
  std::vector<int32_t> rows(scores.size());
  for (size_t row = 0; row < rows.size(); ++row) rows[row] = static_cast<int32_t>(row);
  std::sort(rows.begin(), rows.end(), [&](int32_t a, int32_t b) { return ScoresHigher(scores.data(), a, b); });
  rows.resize(std::min(rows.size(), static_cast<size_t>(k)));
  std::sort(rows.begin(), rows.end());
  return rows;
}

std::vector<int32_t> Selected(const std::vector<float>& scores, int64_t k, TopRowsScratch* scratch) {
  TopRows(scores.data(), static_cast<int64_t>(scores.size()), k, scratch);
  std::vector<int32_t> rows = scratch->ids;
  std::sort(rows.begin(), rows.end());
  return rows;
}

// Around the lengths at which the way changes, and the rows of a million tokens.
constexpr int64_t kLengths[] = {1, 127, 128, 129, 4096, 8191, 8192, 8193, 20'000};
constexpr int64_t kMostRows = 250'000;

void ExpectAsSorted(const std::function<float(int64_t)>& score) {
  TopRowsScratch scratch;
  const auto expect = [&](int64_t n, std::initializer_list<int64_t> counts) {
    std::vector<float> scores(static_cast<size_t>(n));
    for (int64_t row = 0; row < n; ++row) scores[static_cast<size_t>(row)] = score(row);
    for (const int64_t k : counts) {
      EXPECT_TRUE(Selected(scores, k, &scratch) == Expected(scores, k)) << k << " of " << n;
    }
  };
  for (const int64_t n : kLengths) expect(n, {1, 128, 512, 3000});
  expect(kMostRows, {512});
}

TEST(TopRows, OfRandomScores) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  ExpectAsSorted([&](int64_t) { return normal(random); });
}

TEST(TopRows, TiesGoToTheLowerRow) {
  ExpectAsSorted([](int64_t) { return 0.0f; });
  std::mt19937 random(2);
  ExpectAsSorted([&](int64_t) { return static_cast<float>(random() % 5); });
  // Few rows above a sea of equal ones.
  ExpectAsSorted([&](int64_t) { return random() % 1000 == 0 ? 1.0f : 0.0f; });
}

TEST(TopRows, WhatTheSampleDoesNotTell) {
  ExpectAsSorted([](int64_t row) { return static_cast<float>(row); });
  ExpectAsSorted([](int64_t row) { return static_cast<float>(-row); });
  // The sampled rows are the highest, or the lowest, for many lengths.
  for (const float sign : {1.0f, -1.0f}) {
    ExpectAsSorted([&](int64_t row) { return row % 61 == 0 || row % 4 == 0 ? sign * static_cast<float>(row) : 0.0f; });
  }
  // All of the best lie together.
  ExpectAsSorted([](int64_t row) { return row >= 5000 && row < 6000 ? static_cast<float>(row % 97) : -1.0f; });
}

TEST(TopRows, NothingButInfinities) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  ExpectAsSorted([](int64_t) { return -kInfinity; });
  ExpectAsSorted([](int64_t row) { return row % 3 == 0 ? kInfinity : -kInfinity; });
}

TEST(TopRows, KeepsItsMemory) {
  TopRowsScratch scratch;
  scratch.Reserve(kMostRows);
  const int32_t* ids = scratch.ids.data();
  const float* sample = scratch.sample.data();
  const std::vector<float> scores(kMostRows, 1.0f);
  for (const int64_t n : kLengths) TopRows(scores.data(), n, 512, &scratch);
  EXPECT_EQ(scratch.ids.data(), ids);
  EXPECT_EQ(scratch.sample.data(), sample);
}

}  // namespace
}  // namespace fathom
