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

// One token's rows.
std::vector<int32_t> Selected(ThreadPool& pool, const std::vector<float>& scores, int64_t k, TopRowsScratch* scratch) {
  const auto rows = static_cast<int64_t>(scores.size());
  std::vector<int32_t> selected(static_cast<size_t>(k), -1);
  int32_t count = 0;
  TopRows(pool,
          {.tokens = 1,
           .scores = scores.data(),
           .stride = rows,
           .rows = &rows,
           .k = k,
           .selected = selected.data(),
           .selected_count = &count},
          scratch);
  selected.resize(static_cast<size_t>(count));
  return selected;
}

// Around the lengths at which the way changes, parts end, and the rows of a million tokens.
constexpr int64_t kLengths[] = {1, 127, 128, 129, 4096, 8191, 8192, 8193, 16384, 16385, 20'000, 32768};
constexpr int64_t kMostRows = 250'000;

void ExpectAsSorted(const std::function<float(int64_t)>& score) {
  TopRowsScratch scratch;
  scratch.Allocate(1, kMostRows);
  ThreadPool one(1);
  ThreadPool two(2);
  ThreadPool three(3);
  ThreadPool seven(7);
  const auto expect = [&](int64_t n, std::initializer_list<int64_t> counts) {
    std::vector<float> scores(static_cast<size_t>(n));
    for (int64_t row = 0; row < n; ++row) scores[static_cast<size_t>(row)] = score(row);
    for (const int64_t k : counts) {
      const std::vector<int32_t> expected = Expected(scores, k);
      for (ThreadPool* pool : {&one, &two, &three, &seven}) {
        EXPECT_TRUE(Selected(*pool, scores, k, &scratch) == expected)
            << k << " of " << n << ", " << pool->threads() << " threads";
      }
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

// Tokens of one step that see different numbers of rows, none among them.
TEST(TopRows, OfSeveralTokens) {
  constexpr int64_t kStride = 40'000;
  constexpr int64_t kBest = 100;
  const std::vector<int64_t> rows = {40'000, 0, 99, 100, 101, 16'384, 17'000, 1};
  const auto tokens = static_cast<int64_t>(rows.size());
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> scores(rows.size() * kStride);
  for (float& score : scores) score = normal(random);
  TopRowsScratch scratch;
  scratch.Allocate(tokens, tokens * kStride);
  for (const int threads : {1, 2, 3, 5}) {
    ThreadPool pool(threads);
    std::vector<int32_t> selected(rows.size() * kBest, -1);
    std::vector<int32_t> counts(rows.size(), -1);
    TopRows(pool,
            {.tokens = tokens,
             .scores = scores.data(),
             .stride = kStride,
             .rows = rows.data(),
             .k = kBest,
             .selected = selected.data(),
             .selected_count = counts.data()},
            &scratch);
    for (size_t token = 0; token < rows.size(); ++token) {
      const float* own = scores.data() + static_cast<int64_t>(token) * kStride;
      const std::vector<int32_t> expected = Expected({own, own + rows[token]}, kBest);
      const auto first = selected.begin() + static_cast<int64_t>(token) * kBest;
      EXPECT_TRUE(std::vector<int32_t>(first, first + counts[token]) == expected)
          << "token " << token << ", " << threads << " threads";
    }
  }
}

}  // namespace
}  // namespace fathom
