// What is kept gets to a slow, standing or failing disk beside everything else, and within the budget of RAM.
#include <atomic>
#include <cstdlib>
#include <random>
#include <thread>

#include "tests/cache/prefix_fixture.h"
#include "tests/support/gate.h"

namespace fathom {
namespace {

class PrefixWritingTest : public PrefixFixture {
 protected:
  ~PrefixWritingTest() override {
    gate_->Open();
    cache_.reset();
  }

  // Every file passes gate_ before it is written.
  void OpenSlow(PrefixCacheOptions options) {
    gate_->Open();
    cache_.reset();
    gate_ = std::make_shared<Gate>();
    options.tier.before_write = [gate = gate_] { gate->Pass(); };
    Open(options);
  }
  // What follows from what is kept and written by now: nothing twice, nothing missing, nothing left over.
  void ExpectWholeOnDisk() {
    gate_->Open();
    cache_->Flush();
    cache_->Flush();  // what had to go for it
    EXPECT_EQ(FileBytes(), cache_->stats().disk_bytes);
    EXPECT_EQ(cache_->stats().waiting_bytes, 0);
    cache_->ShrinkTo(0);
    EXPECT_EQ(cache_->held_bytes(), 0);
    Open(OnDisk());
    EXPECT_EQ(cache_->stats().damaged, 0);
    EXPECT_EQ(FileBytes(), cache_->stats().disk_bytes);
  }

  static constexpr int64_t kTokens = 300;
  static Tokens Conversation(int32_t number) { return Range(number * 1000, kTokens); }
  bool Found(int32_t number) { return Hit(Range(number * 1000, kTokens + 1)) == kTokens; }
  // Two blocks, a state, and a block that is not full.
  const int64_t one_ = 3 * block_ + state_ + kTokens % 128 * 4;
  const int64_t most_stuck_ = PrefixCache::MaxStuckBytes(layout_) / 2;  // by the writer

  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
};

TEST_F(PrefixWritingTest, WhatWaitsToBeWrittenIsThereOnceAndCountsOnce) {
  OpenSlow(OnDisk());
  Keep(Conversation(1));
  EXPECT_EQ(cache_->bytes(), one_);
  EXPECT_EQ(cache_->held_bytes(), one_);
  EXPECT_EQ(cache_->stats().waiting_bytes, one_ - kTokens % 128 * 4);
  gate_->Open();
  cache_->Flush();
  EXPECT_EQ(cache_->stats().waiting_bytes, 0);
  EXPECT_EQ(cache_->stats().disk_writes, 3);
  EXPECT_EQ(cache_->held_bytes(), one_);
  ExpectWholeOnDisk();
  EXPECT_TRUE(Found(1));
}

TEST_F(PrefixWritingTest, ASequenceThatGoesOnDoesNotChangeWhatIsWrittenLater) {
  OpenSlow(OnDisk());
  {
    SequenceCache sequence = Keep(Conversation(1));
    Read(Range(7000, 50), &sequence);  // in the half-full block
    gate_->Open();
    cache_->Flush();
  }
  ExpectWholeOnDisk();
  EXPECT_TRUE(Found(1));
}

TEST_F(PrefixWritingTest, TheBudgetHoldsWhileTheDiskStands) {
  OpenSlow(OnDisk());
  const int64_t budget = 4 * one_ + block_;  // which is being written
  for (int32_t number = 0; number < 40; ++number) {
    Keep(Conversation(number));
    gate_->Await();
    cache_->ShrinkTo(budget);
    EXPECT_LE(cache_->held_bytes(), budget);
    EXPECT_LE(cache_->stats().waiting_bytes, cache_->bytes());
    EXPECT_TRUE(Found(number)) << "the newest is of most use";
  }
  const PrefixCacheStats stats = cache_->stats();
  EXPECT_EQ(stats.disk_writes, 0);
  EXPECT_EQ(stats.dropped_writes, stats.ram_evictions);
  EXPECT_EQ(stats.dropped_writes + stats.points, 40);
  const int64_t points = stats.points;
  ExpectWholeOnDisk();
  EXPECT_EQ(cache_->points(), points);
  EXPECT_TRUE(Found(39));
}

TEST_F(PrefixWritingTest, WhatIsOnDiskGoesBeforeWhatWaits) {
  OpenSlow(OnDisk());
  gate_->Admit(3);
  Keep(Conversation(1));
  gate_->Await(3);
  Keep(Conversation(2));
  gate_->Await(4);  // and so the first one is written
  for (int uses = 0; uses < 5; ++uses) EXPECT_TRUE(Found(1));
  cache_->ShrinkTo(one_);
  EXPECT_EQ(cache_->bytes(), one_);
  EXPECT_EQ(cache_->stats().dropped_writes, 0);
  EXPECT_TRUE(Found(1));
  EXPECT_EQ(report_.source, CacheSource::kDisk);
  ExpectWholeOnDisk();
  EXPECT_TRUE(Found(2));
}

TEST_F(PrefixWritingTest, NoMoreThanTheFileBeingWrittenResistsAStandingDisk) {
  for (int64_t written = 0; written < 3; ++written) {
    PrefixCacheOptions options = OnDisk();
    options.max_wait_ns = 1'000'000;
    OpenSlow(options);
    const auto number = static_cast<int32_t>(written);
    gate_->Admit(written);
    Keep(Conversation(number));
    gate_->Await(written + 1);
    cache_->ShrinkTo(0);
    EXPECT_GT(cache_->held_bytes(), 0);
    EXPECT_LE(cache_->held_bytes(), most_stuck_);
    Keep(Conversation(number));  // again, while the file is still being written
    EXPECT_TRUE(Found(number));
    cache_->ShrinkTo(0);
    EXPECT_LE(cache_->held_bytes(), most_stuck_);
    ExpectWholeOnDisk();
    EXPECT_EQ(Found(number), written == 2) << "a state that was being written is not lost";
  }
}

TEST_F(PrefixWritingTest, WhatASequenceGoesOnFromIsWaitedFor) {
  PrefixCacheOptions options = OnDisk();
  options.max_wait_ns = int64_t{3600} * 1'000'000'000;
  OpenSlow(options);
  Keep(Conversation(1), {}, "", /*resumes=*/true);
  for (int32_t number = 2; number < 5; ++number) Keep(Conversation(number));
  cache_->ShrinkTo(one_);
  EXPECT_EQ(cache_->stats().dropped_writes, 3) << "however much they are worth";
  EXPECT_EQ(cache_->held_bytes(), one_);
  std::thread opener([this] { gate_->Open(); });
  cache_->ShrinkTo(0);
  opener.join();
  EXPECT_EQ(cache_->held_bytes(), 0);
  EXPECT_EQ(cache_->stats().dropped_writes, 3);
  EXPECT_TRUE(Found(1));
  EXPECT_EQ(report_.source, CacheSource::kDisk);
}

TEST_F(PrefixWritingTest, SoIsAReadThatWasGivenUp) {
  Open(OnDisk());
  Keep(Conversation(1));
  cache_->Flush();
  PrefixCacheOptions options = OnDisk();
  options.max_wait_ns = int64_t{3600} * 1'000'000'000;
  options.before_read = [gate = gate_] { gate->Pass(); };
  Open(options);
  std::unique_ptr<PrefixCache::Loading> loading = cache_->Load("", Range(1000, kTokens + 1));
  ASSERT_NE(loading, nullptr);
  EXPECT_EQ(cache_->held_bytes(), one_);
  gate_->Await();
  loading.reset();
  EXPECT_GT(cache_->held_bytes(), 0);
  EXPECT_LE(cache_->held_bytes(), most_stuck_);
  EXPECT_EQ(cache_->stuck_bytes(), cache_->held_bytes());
  std::thread opener([this] { gate_->Open(); });
  cache_->ShrinkTo(0);
  opener.join();
  EXPECT_EQ(cache_->held_bytes(), 0);
  EXPECT_TRUE(Found(1));
}

TEST_F(PrefixWritingTest, ButNotForEver) {
  PrefixCacheOptions options = OnDisk();
  options.max_wait_ns = 1'000'000;
  OpenSlow(options);
  Keep(Conversation(1), {}, "", /*resumes=*/true);
  gate_->Await();
  cache_->ShrinkTo(0);
  EXPECT_LE(cache_->held_bytes(), most_stuck_);
  EXPECT_EQ(cache_->stats().dropped_writes, 1);
  ExpectWholeOnDisk();
  EXPECT_FALSE(Found(1));
}

TEST_F(PrefixWritingTest, WhatASequenceGoesOnFromFindsRoomAmongTheWrites) {
  PrefixCacheOptions options = OnDisk();
  options.tier.max_waiting_bytes = one_;
  OpenSlow(options);
  Keep(Conversation(1));
  Keep(Conversation(2));
  EXPECT_LE(cache_->stats().waiting_bytes, one_);
  Keep(Conversation(3), {}, "", /*resumes=*/true);
  EXPECT_GT(cache_->stats().waiting_bytes, one_);
  ExpectWholeOnDisk();
  EXPECT_TRUE(Found(3));
}

TEST_F(PrefixWritingTest, WhatFoundNoRoomIsOfferedAgain) {
  PrefixCacheOptions options = OnDisk();
  options.tier.max_waiting_bytes = one_;
  OpenSlow(options);
  for (int32_t number = 0; number < 10; ++number) Keep(Conversation(number));
  EXPECT_LE(cache_->stats().waiting_bytes, one_);
  std::atomic<int64_t> calls = 0;
  cache_->SetListener([&] {
    ++calls;
    calls.notify_all();
  });
  gate_->Open();
  // As an engine does that has nothing else to do: once for every call of the listener.
  for (int64_t seen = 0; cache_->stats().disk_writes < 30;) {
    calls.wait(seen);
    ++seen;
    cache_->Poll();
  }
  EXPECT_EQ(cache_->stats().dropped_writes, 0);
  ExpectWholeOnDisk();
  for (int32_t number = 0; number < 10; ++number) EXPECT_TRUE(Found(number)) << number;
}

TEST_F(PrefixWritingTest, ALongConversationIsWrittenInPieces) {
  PrefixCacheOptions options = OnDisk();
  options.tier.max_waiting_bytes = 2 * (state_ + block_);
  OpenSlow(options);
  Keep(Range(0, 128 * 100 + 10));
  EXPECT_LE(cache_->stats().waiting_bytes, options.tier.max_waiting_bytes);
  gate_->Open();
  cache_->Flush();
  EXPECT_EQ(cache_->stats().disk_writes, 101) << "and no file twice";
  ExpectWholeOnDisk();
  EXPECT_EQ(Hit(Range(0, 128 * 100 + 11)), 128 * 100 + 10);
}

TEST_F(PrefixWritingTest, WhatADiskRefusedIsOfferedAgainWhenItWorks) {
  PrefixCacheOptions options = OnDisk();
  options.tier.retry_ns = 0;
  OpenSlow(options);
  gate_->Open();
  {
    const ScopedFullDisk full;
    for (int32_t number = 0; number < 3; ++number) Keep(Conversation(number));
    cache_->Flush();
    EXPECT_EQ(cache_->stats().disk_writes, 0);
  }
  cache_->Poll();
  cache_->Flush();
  EXPECT_EQ(cache_->stats().disk_writes, 9);
  ExpectWholeOnDisk();
  for (int32_t number = 0; number < 3; ++number) EXPECT_TRUE(Found(number)) << number;
}

TEST_F(PrefixWritingTest, WhatHadToLeaveTheDiskIsNotOfferedAgain) {
  OpenSlow(OnDisk(2 * one_));
  gate_->Open();
  for (int32_t number = 0; number < 10; ++number) {
    Keep(Conversation(number));
    cache_->Flush();
  }
  const int64_t writes = cache_->stats().disk_writes;
  for (int turns = 0; turns < 5; ++turns) cache_->Flush();
  EXPECT_EQ(cache_->stats().disk_writes, writes);
}

TEST_F(PrefixWritingTest, WithoutStatesAConversationThatWaitsIsShortened) {
  PrefixCacheOptions options = OnDisk();
  options.replay = true;
  OpenSlow(options);
  const Tokens tokens = Range(0, 1024);
  {
    SequenceCache sequence(layout_);
    Read(tokens, &sequence);
    cache_->Add("", tokens, &sequence, {});
  }
  gate_->Await();
  for (int64_t blocks = 7; blocks >= 4; --blocks) {
    cache_->ShrinkTo(blocks * block_);
    EXPECT_EQ(cache_->held_bytes(), blocks * block_);
  }
  gate_->Open();
  cache_->Flush();
  EXPECT_EQ(cache_->stats().disk_writes, 4);
  EXPECT_EQ(Files().size(), 4u);
  EXPECT_EQ(FileBytes(), cache_->stats().disk_bytes);
  Open(options);
  EXPECT_EQ(cache_->stats().damaged, 0);
  PrefixCache::Match match = cache_->Find("", Range(0, 1100));
  EXPECT_EQ(match.report.hit, 512);
}

// The disk refuses the first block and takes those behind it. Before the first is written after all, memory runs short.
TEST_F(PrefixWritingTest, WithoutStatesNoBlockStaysBehindAMissingOne) {
  PrefixCacheOptions options = OnDisk();
  options.replay = true;
  options.tier.retry_ns = 0;
  options.max_wait_ns = 1'000'000;
  for (const bool shortened : {false, true}) {
    OpenSlow(options);
    const auto keep = [&](const Tokens& tokens) {
      SequenceCache sequence(layout_);
      Read(tokens, &sequence);
      cache_->Add("", tokens, &sequence, {});
    };
    keep(Range(0, 1024));
    {
      const ScopedFullDisk full;
      gate_->Admit(1);
      gate_->Await(2);
    }
    keep(Range(5000, 1024));
    gate_->Admit(7);
    gate_->Await(9);  // the writer stands at the second conversation
    cache_->Poll();
    cache_->ShrinkTo(shortened ? 12 * block_ : 0);
    gate_->Open();
    if (shortened) cache_->Flush();
    Open(options);
    EXPECT_EQ(cache_->stats().damaged, 0) << shortened;
    cache_.reset();
    for (const auto& file : Files()) std::filesystem::remove(file);
  }
}

// Whatever comes together, the budget holds, and in the end RAM, disk and counters agree.
TEST_F(PrefixWritingTest, AnyMixtureOfCalls) {
  const uint32_t seeds = std::getenv("FATHOM_LONG_TESTS") != nullptr ? 60 : 15;
  for (uint32_t seed = 0; seed < seeds; ++seed) {
    std::minstd_rand random(seed + 1);
    const auto chance = [&](int one_in) { return random() % static_cast<uint32_t>(one_in) == 0; };
    PrefixCacheOptions options = OnDisk(chance(2) ? 6 * one_ : int64_t{1} << 30);
    options.replay = chance(2);
    options.max_wait_ns = chance(2) ? 0 : 100'000;
    options.tier.max_waiting_bytes = chance(2) ? 2 * one_ : int64_t{1} << 30;
    options.tier.retry_ns = 0;
    OpenSlow(options);
    const int64_t budget = 5 * one_;
    std::vector<std::unique_ptr<PrefixCache::Loading>> loading;
    for (int step = 0; step < 120; ++step) {
      const auto number = static_cast<int32_t>(random() % 6);
      const Tokens prompt = Range(number * 10000, 400 + random() % 500) + Range(5000, random() % 300);
      if (chance(2)) Keep(prompt, {250, 384}, "", chance(4));
      if (chance(3)) cache_->Find("", prompt);
      if (chance(4)) loading.push_back(cache_->Load("", prompt));
      if (chance(4)) loading.clear();
      if (chance(3)) gate_->Admit(random() % 8);
      if (chance(2)) cache_->Poll();
      if (chance(50)) {
        const ScopedFullDisk full;
        gate_->Admit(1);
        cache_->Poll();
      }
      if (chance(2)) loading.clear();
      if (!loading.empty()) continue;
      cache_->ShrinkTo(budget);
      EXPECT_LE(cache_->held_bytes(), budget) << seed << " " << step;
      EXPECT_LE(cache_->stats().waiting_bytes, cache_->bytes());
    }
    loading.clear();
    gate_->Open();
    cache_->Flush();
    cache_->Flush();
    EXPECT_EQ(FileBytes(), cache_->stats().disk_bytes) << seed;
    cache_->Poll();
    cache_->ShrinkTo(0);
    EXPECT_EQ(cache_->held_bytes(), 0) << seed;
    Open(options);
    EXPECT_EQ(cache_->stats().damaged, 0) << seed;
    cache_.reset();
    for (const auto& file : Files()) std::filesystem::remove(file);
  }
}

}  // namespace
}  // namespace fathom
