// What goes when the disk is full, and what is left for the next process.

#include <chrono>
#include <thread>

#include "cache/foreign_files.h"
#include "tests/cache/prefix_fixture.h"
#include "tests/support/gate.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

class DiskBudgetTest : public PrefixFixture {
 protected:
  void Open(int64_t disk_bytes, uint64_t model = 7) { PrefixFixture::Open(OnDisk(disk_bytes, model)); }

  static constexpr int32_t kTokens = 300;
  static Tokens PromptOf(int32_t conversation) { return Range(conversation * 1000, kTokens + 1); }
  // Keeps a conversation's end, on disk too.
  void Keep(int32_t conversation) {
    SequenceCache sequence(layout_);
    sequence.PrepareAppend(kTokens);
    sequence.Advance(kTokens);
    std::vector<SequenceCache::Snapshot> snapshots;
    snapshots.push_back(sequence.Save());
    const Tokens prompt = PromptOf(conversation);
    cache_->Add("", std::span(prompt).first(kTokens), &sequence, std::move(snapshots));
    cache_->Flush();
    cache_->Flush();                                             // what had to go for it
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // so that file times differ
  }
  bool Found(int32_t conversation) { return cache_->Find("", PromptOf(conversation)).report.hit == kTokens; }

  // Of a conversation: two blocks and a state.
  int64_t BytesOfOne() {
    Open(int64_t{1} << 30, 99);
    Keep(0);
    const int64_t bytes = cache_->stats().disk_bytes;
    cache_.reset();
    for (const auto& entry : fs::directory_iterator(directory_)) fs::remove(entry.path());
    return bytes;
  }
};

TEST_F(DiskBudgetTest, WhatWasUsedStaysAndTheNextProcessFindsIt) {
  const int64_t one = BytesOfOne();
  Open(3 * one);
  for (int32_t conversation = 1; conversation <= 3; ++conversation) Keep(conversation);
  EXPECT_EQ(cache_->stats().disk_bytes, 3 * one);
  for (int uses = 0; uses < 3; ++uses) EXPECT_TRUE(Found(1));
  Keep(4);
  EXPECT_EQ(cache_->stats().disk_evictions, 1);
  EXPECT_EQ(cache_->stats().disk_bytes, 3 * one);
  Open(3 * one);
  EXPECT_EQ(FileBytes(), 3 * one);
  EXPECT_EQ(cache_->stats().damaged, 0);
  EXPECT_TRUE(Found(1));
  EXPECT_FALSE(Found(2)) << "of those never used the oldest goes first";
  EXPECT_TRUE(Found(3));
  EXPECT_TRUE(Found(4));
}

TEST_F(DiskBudgetTest, ASmallerBudgetHoldsFromTheStart) {
  const int64_t one = BytesOfOne();
  Open(10 * one);
  for (int32_t conversation = 1; conversation <= 4; ++conversation) Keep(conversation);
  Open(2 * one);
  EXPECT_EQ(cache_->points(), 2);
  cache_->Flush();
  EXPECT_EQ(FileBytes(), 2 * one);
  Open(0);
  cache_->Flush();
  EXPECT_EQ(FileBytes(), 0);
  Keep(5);
  EXPECT_EQ(FileBytes(), 0) << "nothing fits";
  EXPECT_TRUE(Found(5)) << "from RAM";
}

TEST_F(DiskBudgetTest, FilesOfAnotherModelCountAndGoFirst) {
  const int64_t one = BytesOfOne();
  Open(4 * one, 7);
  for (int32_t conversation = 1; conversation <= 3; ++conversation) Keep(conversation);
  EXPECT_TRUE(Found(1));
  Open(4 * one, 8);
  EXPECT_EQ(cache_->stats().disk_bytes, 3 * one);
  EXPECT_EQ(cache_->points(), 0);
  EXPECT_FALSE(Found(1)) << "of the other model";
  Keep(1);
  EXPECT_EQ(FileBytes(), 4 * one);
  Keep(2);
  EXPECT_EQ(FileBytes(), 4 * one);
  for (int32_t conversation = 3; conversation <= 6; ++conversation) Keep(conversation);
  EXPECT_TRUE(Found(6));
  Open(4 * one, 7);
  EXPECT_EQ(cache_->points(), 0) << "all went";
  EXPECT_EQ(cache_->stats().damaged, 0);
}

TEST_F(DiskBudgetTest, WhatStaysOfAnotherModelIsOfUseToIt) {
  const int64_t one = BytesOfOne();
  Open(4 * one, 7);
  for (int32_t conversation = 1; conversation <= 3; ++conversation) Keep(conversation);
  Open(4 * one, 8);
  Keep(1);
  Keep(2);  // one of the three has to go, as far as it takes
  Open(4 * one, 7);
  EXPECT_EQ(cache_->stats().damaged, 0) << "no file without those before it";
  EXPECT_EQ(cache_->points(), 2);
}

TEST_F(DiskBudgetTest, AnotherCacheLayoutFindsNothing) {
  Open(1 << 30);
  Keep(1);
  const size_t files = Files().size();
  const CacheLayout other = LayoutOfWindow(32);
  OpenWith(other, OnDisk());
  EXPECT_EQ(cache_->points(), 0);
  EXPECT_EQ(Files().size(), files);
  cache_.reset();
  Open(1 << 30);
  EXPECT_TRUE(Found(1));
}

TEST(ForeignFiles, GoFromTheEndsTheOldestFirst) {
  const auto file = [](PrefixFileKind kind, uint64_t key, uint64_t parent, int64_t modified) {
    DiskTier::Found found;
    found.head.kind = kind;
    found.head.key = {0, key};
    found.head.parent = {0, parent};
    found.file_bytes = static_cast<int64_t>(key);
    found.modified_ns = modified;
    return found;
  };
  // 1 - 2 - 4, states behind 2 and 4; 3 alone.
  ForeignFiles files({file(PrefixFileKind::kBlock, 1, 100, 1), file(PrefixFileKind::kBlock, 2, 1, 2),
                      file(PrefixFileKind::kBlock, 4, 2, 3), file(PrefixFileKind::kPoint, 20, 2, 50),
                      file(PrefixFileKind::kPoint, 40, 4, 10), file(PrefixFileKind::kBlock, 3, 100, 20)});
  EXPECT_EQ(files.bytes(), 70);
  std::vector<uint64_t> order;
  while (const auto next = files.TakeOldest()) order.push_back(next->key.low);
  EXPECT_EQ(order, (std::vector<uint64_t>{40, 4, 3, 20, 2, 1}));
  EXPECT_EQ(files.bytes(), 0);
}

// ---- failures

class DiskTierTest : public DiskBudgetTest {
 protected:
  static DiskTier::Job JobOf(uint64_t key) {
    static const auto kPayload = std::make_shared<const std::string>(5000, 'x');
    PrefixFileHead head;
    head.key = {1, key};
    return {std::move(head), {{kPayload, *kPayload}}};
  }
};

TEST_F(DiskTierTest, AnOutageIsToldOnceAndItsEndOnce) {
  Result<std::unique_ptr<DiskTier>> tier = DiskTier::Open(directory_, {.retry_ns = 0});
  ASSERT_TRUE(tier.ok());
  testing::internal::CaptureStderr();
  {
    const ScopedFullDisk full;
    for (uint64_t key = 0; key < 3; ++key) {
      EXPECT_TRUE((*tier)->Write(JobOf(key)));
      (*tier)->Wait();
    }
  }
  for (uint64_t key = 3; key < 5; ++key) {
    EXPECT_TRUE((*tier)->Write(JobOf(key)));
    (*tier)->Wait();
  }
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::ranges::count(log, '\n'), 2) << log;
  EXPECT_NE(log.find("prefixes cannot be written to disk"), std::string::npos) << log;
  EXPECT_NE(log.find("prefixes are written to disk again"), std::string::npos) << log;
  int64_t written = 0;
  for (const DiskTier::Written& file : (*tier)->TakeWritten()) written += file.file_bytes > 0 ? 1 : 0;
  EXPECT_EQ(written, 2);
  EXPECT_EQ(Files().size(), 2u);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_), fs::directory_iterator()), 3) << "no temporary ones";
}

TEST_F(DiskTierTest, NothingIsTakenForAWhileAfterAFailure) {
  Result<std::unique_ptr<DiskTier>> tier = DiskTier::Open(directory_, {.retry_ns = int64_t{3600} * 1'000'000'000});
  ASSERT_TRUE(tier.ok());
  {
    const ScopedFullDisk full;
    EXPECT_TRUE((*tier)->Write(JobOf(0)));
    (*tier)->Wait();
  }
  EXPECT_FALSE((*tier)->Write(JobOf(1)));
  EXPECT_EQ((*tier)->waiting_bytes(), 0);
}

TEST_F(DiskTierTest, TheQueueIsBounded) {
  Result<std::unique_ptr<DiskTier>> tier = DiskTier::Open(directory_, {.max_waiting_bytes = 4000});
  ASSERT_TRUE(tier.ok());
  EXPECT_FALSE((*tier)->Write(JobOf(0)));
  EXPECT_EQ((*tier)->waiting_bytes(), 0);
  (*tier)->Wait();
  EXPECT_EQ(Files().size(), 0u);
}

TEST_F(DiskTierTest, MarksOfUseAreBoundedWhileTheDiskStands) {
  Gate gate;
  Result<std::unique_ptr<DiskTier>> tier = DiskTier::Open(directory_, {.before_write = [&] { gate.Pass(); }});
  ASSERT_TRUE(tier.ok());
  EXPECT_TRUE((*tier)->Write(JobOf(0)));
  gate.Await();
  for (int hit = 0; hit < 10000; ++hit) (*tier)->Touch(PrefixFileKind::kBlock, {1, 0});
  const int64_t waiting = (*tier)->waiting_touches();
  EXPECT_GT(waiting, 0);
  EXPECT_LT(waiting, 10000);
  gate.Open();
  (*tier)->Wait();
  EXPECT_EQ((*tier)->waiting_touches(), 0);
}

}  // namespace
}  // namespace fathom
