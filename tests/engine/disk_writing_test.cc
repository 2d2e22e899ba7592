// Answers go on, and the budget of memory holds, however slow the disk is that kept prefixes are written to.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <thread>

#include "tests/engine/engine_fixture.h"
#include "tests/support/gate.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

class DiskWritingTest : public EngineTest, public testing::WithParamInterface<StatePolicy> {
 protected:
  DiskWritingTest() {
    std::string pattern = (fs::temp_directory_path() / "fathom-writing-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~DiskWritingTest() override {
    gate_->Open();
    engine_.reset();
    fs::remove_all(directory_);
  }

  // What a machine without a disk answers.
  void SetUp() override {
    Start();
    // Long enough for every policy; all end within one block.
    constexpr int64_t kBlock = CacheLayout::kBlockTokens;
    const int64_t prompt = (model_->cache_layout().replay_tokens() / kBlock + 2) * kBlock + 10;
    most_tokens_ = prompt + kBlock;
    for (int32_t n = 0; n < kRequests; ++n) {
      requests_.push_back(Request(Prompt(prompt + 10 * n, 20 + n), 12));
      GenerateRequest plain = requests_.back();
      plain.use_prefix_cache = false;
      expected_.push_back(Run(plain).ids);
    }
  }

  // Nothing is written before gate_ is opened.
  void Open(EngineOptions options) {
    gate_->Open();
    engine_.reset();
    gate_ = std::make_shared<Gate>();
    options.max_sequences = 3;
    options.step_tokens = 200;
    options.state_policy = GetParam();
    options.snapshot_interval = 128;
    options.prefixes.directory = directory_;
    options.prefixes.disk_bytes = int64_t{1} << 30;
    options.prefixes.tier.before_write = [gate = gate_] { gate->Pass(); };
    Start(options);
  }
  // One sequence and what the disk may hold up: little is left for what is kept.
  int64_t SmallBudget() const {
    const CacheLayout& layout = model_->cache_layout();
    return CacheBytes(layout, most_tokens_) + PrefixCache::MaxStuckBytes(layout);
  }

  // Asks all at once; `limit` holds at every event.
  void ExpectAnswers(int64_t limit) {
    std::vector<EventQueue> queues(requests_.size());
    for (size_t n = 0; n < requests_.size(); ++n) {
      const auto handler = [&, inner = queues[n].handler()](const Event& event) {
        const EngineStats stats = engine_->stats();
        EXPECT_LE(stats.cache_bytes, limit);
        EXPECT_LE(stats.prefixes.waiting_bytes, stats.prefixes.ram_bytes);
        return inner(event);
      };
      ASSERT_TRUE(engine_->Submit(requests_[n], handler).ok());
    }
    for (size_t n = 0; n < queues.size(); ++n) EXPECT_EQ(Collect(queues[n]).ids, expected_[n]) << n;
    // Their handlers are gone with the requests, after the step in which the last one ended.
    GenerateRequest last = Request(Prompt(5), 1);
    last.use_prefix_cache = false;
    Run(last);
  }
  void AwaitStats(const std::function<bool(const EngineStats&)>& enough) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (!enough(engine_->stats())) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "nothing more is written";
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  }
  int64_t Files() const {
    return std::ranges::count_if(fs::directory_iterator(directory_),
                                 [](const auto& entry) { return entry.path().extension() == ".fkv"; });
  }

  static constexpr int32_t kRequests = 8;
  int64_t most_tokens_ = 0;
  std::string directory_;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
  std::vector<GenerateRequest> requests_;
  std::vector<std::vector<int32_t>> expected_;
};

TEST_P(DiskWritingTest, AStandingDiskCostsNothingButWhatIsKept) {
  const int64_t limit = SmallBudget();
  EngineOptions options = {.cache_bytes = limit};
  options.prefixes.max_wait_ns = 1'000'000;
  Open(options);
  ExpectAnswers(limit);
  EngineStats stats = engine_->stats();
  EXPECT_EQ(stats.prefixes.disk_writes, 0);
  EXPECT_EQ(stats.preemptions, 0) << "writes go before sequences";
  EXPECT_GT(stats.prefixes.dropped_writes, 0);
  EXPECT_EQ(stats.cache_bytes, stats.prefixes.ram_bytes);
  // Without anything else to do the engine hears of the end.
  gate_->Open();
  AwaitStats([](const EngineStats& now) { return now.prefixes.waiting_bytes == 0 && now.prefixes.disk_writes > 0; });
  stats = engine_->stats();
  EXPECT_EQ(stats.cache_bytes, stats.prefixes.ram_bytes);
  engine_.reset();
  const int64_t files = Files();
  EXPECT_GT(files, 0);
  Open({});
  gate_->Open();
  EXPECT_EQ(engine_->stats().prefixes.damaged, 0);
  const Answer newest = Run(requests_.back());
  EXPECT_EQ(newest.ids, expected_.back());
}

TEST_P(DiskWritingTest, WhatFoundNoRoomIsWrittenWhenTheEngineHasNothingElseToDo) {
  Open({});
  gate_->Open();
  ExpectAnswers(int64_t{1} << 40);
  engine_.reset();
  const int64_t files = Files();
  ASSERT_GE(files, 4 * kRequests);
  fs::remove_all(directory_);
  fs::create_directory(directory_);
  EngineOptions options;
  const CacheLayout& layout = model_->cache_layout();
  options.prefixes.tier.max_waiting_bytes = 2 * CacheBytes(layout, 128);
  Open(options);
  ExpectAnswers(int64_t{1} << 40);
  EXPECT_LE(engine_->stats().prefixes.waiting_bytes, options.prefixes.tier.max_waiting_bytes);
  gate_->Open();
  AwaitStats([&](const EngineStats& now) { return now.prefixes.disk_writes >= files; });
  EXPECT_EQ(engine_->stats().prefixes.dropped_writes, 0);
  const int64_t turns = engine_->stats().turns;
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // for an engine that spins to be seen
  EXPECT_LE(engine_->stats().turns - turns, 3);
  engine_.reset();
  EXPECT_EQ(Files(), files);
}

INSTANTIATE_TEST_SUITE_P(Policies, DiskWritingTest, testing::Values(StatePolicy::kPeriodic, StatePolicy::kRecompute),
                         [](const auto& param) {
                           return param.param == StatePolicy::kPeriodic ? "Periodic" : "Recompute";
                         });

}  // namespace
}  // namespace fathom
