#include "base/progress.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

namespace fathom {
namespace {

// A console whose clock the test moves and whose lines it keeps.
struct FakeConsole {
  double now = 100;
  std::vector<std::string> live;
  std::vector<std::string> lines;

  Progress::Console Get(bool terminal, int width = 80) {
    Progress::Console console;
    console.terminal = terminal;
    console.width = width;
    console.now_seconds = [this] { return now; };
    console.set_live_line = [this](std::string_view line) { live.emplace_back(line); };
    console.write_line = [this](std::string_view line) { lines.emplace_back(line); };
    return console;
  }
};

TEST(Progress, ShortWorkPrintsNothing) {
  FakeConsole fake;
  Progress progress("reading", 100, Progress::Unit::kItems, fake.Get(true));
  progress.Update(50);
  fake.now += 1.9;
  progress.Update(100);
  progress.Finish();
  EXPECT_TRUE(fake.live.empty());
  EXPECT_TRUE(fake.lines.empty());
}

TEST(Progress, TerminalShowsLiveLineAndTakesItAwayAtTheEnd) {
  FakeConsole fake;
  Progress progress("reading weights", 160'000'000'000, Progress::Unit::kBytes, fake.Get(true));
  fake.now += 10;
  progress.Update(40'000'000'000);
  ASSERT_EQ(fake.live.size(), 1U);
  EXPECT_EQ(fake.live[0], "reading weights: 25 %, 40.0 GB of 160 GB, 4.00 GB/s, 30 s left");
  fake.now += 0.05;
  progress.Update(41'000'000'000);  // too early for the next
  EXPECT_EQ(fake.live.size(), 1U);
  fake.now += 0.06;
  progress.Update(42'000'000'000);
  EXPECT_EQ(fake.live.size(), 2U);
  progress.Add(118'000'000'000);
  fake.now = 140;
  progress.Finish();
  EXPECT_EQ(fake.live.back(), "");
  ASSERT_EQ(fake.lines.size(), 1U);
  EXPECT_EQ(fake.lines[0], "reading weights: 160 GB in 40 s (4.00 GB/s)");
}

TEST(Progress, PlainOutputIsOneLineEveryFiveSeconds) {
  FakeConsole fake;
  Progress progress("prefill", 1000, Progress::Unit::kTokens, fake.Get(false, 200));
  for (int step = 1; step <= 120; ++step) {
    fake.now = 100 + step * 0.1;
    progress.Update(static_cast<uint64_t>(step) * 5);
  }
  ASSERT_EQ(fake.lines.size(), 3U);  // after 2, 7 and 12 s
  EXPECT_EQ(fake.lines[0], "prefill: 10 %, 100 tokens of 1000 tokens, 50.0 tokens/s, 18 s left");
  EXPECT_TRUE(fake.live.empty());
}

TEST(Progress, InterruptedWorkLeavesNoLiveLineAndNoClosingLine) {
  FakeConsole fake;
  {
    Progress progress("reading", 10, Progress::Unit::kItems, fake.Get(true));
    fake.now += 3;
    progress.Update(1);
  }
  ASSERT_EQ(fake.live.size(), 2U);
  EXPECT_EQ(fake.live.back(), "");
  EXPECT_TRUE(fake.lines.empty());
}

TEST(Progress, NeverGoesBackwards) {
  FakeConsole fake;
  Progress progress("reading", 10, Progress::Unit::kItems, fake.Get(true));
  progress.Update(8);
  fake.now += 4;
  progress.Update(3);
  ASSERT_EQ(fake.live.size(), 1U);
  EXPECT_EQ(fake.live[0], "reading: 80 %, 8 of 10, 2.0/s, 1 s left");
}

TEST(Progress, UnknownTotalHasNoShareAndNoTimeLeft) {
  EXPECT_EQ(FormatProgress("reading", 30, 0, Progress::Unit::kItems, 10, 80), "reading: 30, 3.0/s");
}

TEST(Progress, HundredPercentOnlyWhenDone) {
  EXPECT_EQ(FormatProgress("x", 999, 1000, Progress::Unit::kItems, 999, 80), "x: 99 %, 999 of 1000, 1.0/s, 1 s left");
  EXPECT_EQ(FormatProgress("x", 1000, 1000, Progress::Unit::kItems, 1000, 80), "x: 100 %, 1000 of 1000, 1.0/s");
}

TEST(Progress, LineIsCutToTheWidth) {
  EXPECT_EQ(FormatProgress("reading", 1, 10, Progress::Unit::kItems, 1, 12), "reading: 10 ");
}

TEST(Progress, CountsEveryAddFromSeveralThreads) {
  FakeConsole fake;
  fake.now = 0;
  Progress progress("adding", 40'000, Progress::Unit::kItems, fake.Get(true));
  std::vector<std::thread> threads;
  for (int worker = 0; worker < 4; ++worker) {
    threads.emplace_back([&progress] {
      for (int step = 0; step < 10'000; ++step) progress.Add(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  fake.now = 10;
  progress.Add(0);
  ASSERT_EQ(fake.live.size(), 1U);
  EXPECT_EQ(fake.live[0], "adding: 100 %, 40000 of 40000, 4000.0/s");
}

TEST(HumanDuration, PicksTheUnit) {
  EXPECT_EQ(HumanDuration(0.2), "0 s");
  EXPECT_EQ(HumanDuration(59.4), "59 s");
  EXPECT_EQ(HumanDuration(59.6), "1 min 00 s");
  EXPECT_EQ(HumanDuration(200), "3 min 20 s");
  EXPECT_EQ(HumanDuration(7500), "2 h 05 min");
  EXPECT_EQ(HumanDuration(-1), "0 s");
}

}  // namespace
}  // namespace fathom
