#include "cache/state_memory.h"

#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <utility>

namespace fathom {
namespace {

TEST(StateMemory, StatesDoNotOverlapAndAreAligned) {
  for (const size_t bytes : {size_t{1}, size_t{100}, size_t{370} << 10, size_t{1100} << 10, size_t{15} << 20}) {
    std::set<std::pair<uint8_t*, uint8_t*>> ranges;
    std::vector<StateBytes> states;
    for (int number = 0; number < 12; ++number) {
      states.emplace_back(bytes, static_cast<uint8_t>(number));
      uint8_t* const begin = states.back().data();
      EXPECT_EQ(reinterpret_cast<uintptr_t>(begin) % 64, 0u);
      ranges.emplace(begin, begin + bytes);
    }
    ASSERT_EQ(ranges.size(), states.size());
    for (auto range = ranges.begin(); std::next(range) != ranges.end(); ++range) {
      EXPECT_LE(range->second, std::next(range)->first) << bytes;
    }
    for (int number = 0; number < 12; ++number) {
      const StateBytes& state = states[static_cast<size_t>(number)];
      EXPECT_EQ(state.front(), number);
      EXPECT_EQ(state.back(), number);
    }
  }
}

TEST(StateMemory, IsUsedAgainAndBeginsAsTold) {
  constexpr size_t kBytes = 300 << 10;
  StateBytes first(kBytes, 7);
  const uint8_t* const memory = first.data();
  first = StateBytes();
  const StateBytes second(kBytes, 0);
  EXPECT_EQ(second.data(), memory);
  EXPECT_EQ(second, StateBytes(kBytes, 0));
}

TEST(StateMemory, WhatIsKeptUnusedIsBounded) {
  constexpr size_t kBytes = 5 << 20;
  for (int round = 0; round < 2; ++round) {
    std::vector<StateBytes> states;
    for (size_t total = 0; total < 4 * kMaxUnusedStateBytes; total += kBytes) states.emplace_back(kBytes, 1);
    states.clear();
    EXPECT_LE(UnusedStateBytes(), kMaxUnusedStateBytes);
  }
}

TEST(StateMemory, ThreadsTakeAndGiveBack) {
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([number] {
      for (int round = 0; round < 300; ++round) {
        const size_t bytes = 1000 + 500 * static_cast<size_t>(round % 3);
        const StateBytes a(bytes, static_cast<uint8_t>(number));
        const StateBytes b = a;
        EXPECT_EQ(a, b);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace fathom
