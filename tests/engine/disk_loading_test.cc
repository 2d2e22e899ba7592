// Kept prefixes come from disk while other answers go on: a gate before every file stands in for a slow disk.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/engine/engine_fixture.h"
#include "tests/support/gate.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

class DiskLoadingTest : public EngineTest {
 protected:
  DiskLoadingTest() {
    std::string pattern = (fs::temp_directory_path() / "fathom-loading-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~DiskLoadingTest() override {
    gate_->Open();
    engine_.reset();
    fs::remove_all(directory_);
  }

  // Leaves the states of first_ on disk, and an engine that has nothing of them in RAM.
  void SetUp() override {
    Open({});
    gate_->Open();
    expected_ = Run(Plain(first_)).ids;
    Run(first_);
    Reopen({});
  }

  void Open(EngineOptions options) {
    gate_ = std::make_shared<Gate>();
    options.state_policy = StatePolicy::kPeriodic;
    options.snapshot_interval = 256;
    options.prefixes = {.directory = directory_, .disk_bytes = int64_t{1} << 30, .model_fingerprint = 5};
    options.prefixes.before_read = [gate = gate_] { gate->Pass(); };
    Start(options);
  }
  // What was to be written is; nothing is read before gate_ is opened.
  void Reopen(const EngineOptions& options) {
    gate_->Open();
    engine_.reset();
    Open(options);
  }

  static GenerateRequest Plain(GenerateRequest request) {
    request.use_prefix_cache = false;
    return request;
  }
  RequestHandle Submit(GenerateRequest request, EventQueue* queue) {
    const Result<RequestHandle> handle = engine_->Submit(std::move(request), queue->handler());
    EXPECT_TRUE(handle.ok()) << handle.status().message();
    return *handle;
  }
  void ExpectFirst(const Answer& answer, CacheSource source, int64_t hit) const {
    EXPECT_EQ(answer.finished.status.message(), "");
    EXPECT_EQ(answer.ids, expected_);
    EXPECT_EQ(answer.finished.cache.source, source);
    EXPECT_EQ(answer.finished.cache.hit, hit);
  }
  // Changes a byte of the block or state that ends at `position`.
  void Spoil(PrefixFileKind kind, int64_t position) const {
    for (const auto& entry : fs::directory_iterator(directory_)) {
      if (entry.path().extension() != ".fkv") continue;
      std::fstream stream(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      std::string start(std::min<size_t>(entry.file_size(), kMaxPrefixHeadBytes), '\0');
      stream.read(start.data(), static_cast<std::streamsize>(start.size()));
      const auto head = DecodePrefixFileHead(start, static_cast<int64_t>(entry.file_size()));
      ASSERT_TRUE(head.ok());
      if (head->kind != kind || head->position != position) continue;
      const auto at = static_cast<std::streamoff>(entry.file_size()) - 1;
      stream.seekg(at);
      const int byte = stream.get();
      stream.seekp(at);
      stream.put(static_cast<char>(byte ^ 1));
      return;
    }
    ADD_FAILURE() << "no file ends at " << position;
  }

  static constexpr int64_t kPrompt = 700;
  std::string directory_;
  std::shared_ptr<Gate> gate_;
  const GenerateRequest first_ = Request(Prompt(kPrompt, 3), 8);
  std::vector<int32_t> expected_;
};

TEST_F(DiskLoadingTest, OthersAreAnsweredMeanwhile) {
  EventQueue waiting;
  Submit(first_, &waiting);
  gate_->Await();
  const Answer other = Run(Plain(Request(Prompt(90, 7), 20)));  // from its beginning to its end
  EXPECT_EQ(other.ids.size(), 20u);
  EXPECT_FALSE(waiting.Pop(std::chrono::milliseconds(0)).has_value());
  gate_->Open();
  ExpectFirst(Collect(waiting), CacheSource::kDisk, kPrompt - 1);
}

TEST_F(DiskLoadingTest, AnAnswerThatHadBegunGoesOn) {
  EventQueue running;
  EventQueue waiting;
  int64_t tokens = 0;
  const auto handler = [&, inner = running.handler()](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event)) {
      ++tokens;
      if (tokens == 5) Submit(first_, &waiting);
      if (tokens == 7) gate_->Await();  // the rest comes while the other one's files are read
    }
    return inner(event);
  };
  ASSERT_TRUE(engine_->Submit(Plain(Request(Prompt(40, 7), 30)), handler).ok());
  const Answer answer = Collect(running);
  EXPECT_EQ(answer.ids.size(), 30u);
  gate_->Open();
  ExpectFirst(Collect(waiting), CacheSource::kDisk, kPrompt - 1);
}

TEST_F(DiskLoadingTest, WhatTwoWaitForIsReadOnce) {
  gate_->Open();
  ExpectFirst(Run(first_), CacheSource::kDisk, kPrompt - 1);
  const int64_t reads = engine_->stats().prefixes.disk_reads;
  EXPECT_EQ(reads, 1 + kPrompt / 128);
  Reopen({});
  EventQueue queues[3];
  for (EventQueue& queue : queues) Submit(first_, &queue);
  gate_->Await();
  Run(Plain(Request(Prompt(20, 7), 2)));  // a step has seen all of them
  gate_->Open();
  for (EventQueue& queue : queues) ExpectFirst(Collect(queue), CacheSource::kDisk, kPrompt - 1);
  EXPECT_EQ(engine_->stats().prefixes.disk_reads, reads);
}

TEST_F(DiskLoadingTest, CancelledWhileItIsLoaded) {
  EventQueue queue;
  const RequestHandle handle = Submit(first_, &queue);
  gate_->Await();
  handle.Cancel();  // nothing else wakes the engine
  EXPECT_EQ(Collect(queue).finished.reason, FinishReason::kCancelled);
  Run(Plain(Request(Prompt(20, 7), 2)));
  const CacheLayout& layout = model_->cache_layout();
  EXPECT_LE(engine_->stats().prefixes.ram_bytes, PrefixCache::MaxStuckBytes(layout) / 2) << "the file that is read";
  gate_->Open();
  ExpectFirst(Run(first_), CacheSource::kDisk, kPrompt - 1);
}

TEST_F(DiskLoadingTest, ItsDeadlinePassesWhileItIsLoaded) {
  GenerateRequest request = first_;
  request.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
  EventQueue queue;
  Submit(request, &queue);
  const Answer answer = Collect(queue);  // the gate is closed
  EXPECT_EQ(answer.finished.reason, FinishReason::kError);
  EXPECT_NE(answer.finished.status.message().find("the deadline of 0.05 s passed"), std::string::npos)
      << answer.finished.status.message();
}

TEST_F(DiskLoadingTest, TheEngineEndsWhileItIsLoaded) {
  EventQueue queue;
  Submit(first_, &queue);
  gate_->Await();
  std::thread end([this] { engine_.reset(); });
  EXPECT_EQ(Collect(queue).finished.reason, FinishReason::kCancelled);
  gate_->Open();  // the file that is being read is waited for
  end.join();
}

TEST_F(DiskLoadingTest, AHigherPriorityTakesThePlaceOfOneThatIsLoaded) {
  Reopen({.max_sequences = 1});
  EventQueue queue;
  Submit(first_, &queue);
  gate_->Await();
  GenerateRequest urgent = Plain(Request(Prompt(20, 7), 5));
  urgent.priority = 1;
  EXPECT_EQ(Run(urgent).ids.size(), 5u);
  gate_->Open();
  ExpectFirst(Collect(queue), CacheSource::kDisk, kPrompt - 1);
  EXPECT_EQ(engine_->stats().preemptions, 0) << "it had nothing to lose";
}

TEST_F(DiskLoadingTest, BeginsWhileTheRequestWaitsForAPlace) {
  Reopen({.max_sequences = 1});
  EventQueue running;
  EventQueue waiting;
  bool submitted = false;
  const auto handler = [&, inner = running.handler()](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event)) {
      if (submitted) gate_->Await();  // this answer cannot go on, and give its place away, before
      if (!std::exchange(submitted, true)) Submit(first_, &waiting);
    }
    return inner(event);
  };
  // The next step sees it; the one after that comes after it.
  ASSERT_TRUE(engine_->Submit(Plain(Request(Prompt(40, 7), 3)), handler).ok());
  EXPECT_EQ(Collect(running).ids.size(), 3u);
  gate_->Open();
  ExpectFirst(Collect(waiting), CacheSource::kDisk, kPrompt - 1);
}

TEST_F(DiskLoadingTest, TheEngineRestsMeanwhile) {
  EventQueue queue;
  Submit(first_, &queue);
  gate_->Await();
  Run(Plain(Request(Prompt(20, 7), 3)));
  const int64_t before = engine_->stats().turns;
  std::this_thread::sleep_for(std::chrono::milliseconds(50));  // for an engine that spins to be seen
  EXPECT_LE(engine_->stats().turns - before, 2);
  gate_->Open();
  ExpectFirst(Collect(queue), CacheSource::kDisk, kPrompt - 1);
  const EngineStats stats = engine_->stats();
  EXPECT_LE(stats.turns - before, stats.steps + stats.prefixes.disk_reads + 5) << "one for every file";
  // And when there is nothing to do at all. What it has kept is written meanwhile, which wakes it at the end.
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LE(engine_->stats().turns - stats.turns, stats.prefixes.waiting_bytes > 0 ? 10 : 3);
}

TEST_F(DiskLoadingTest, AllAreCancelledWhateverTheyAreDoing) {
  Reopen({.max_sequences = 3, .step_tokens = 64});
  EventQueue answering;
  EventQueue loading;
  EventQueue reading;
  EventQueue waiting[2];
  int64_t tokens = 0;
  const auto handler = [&, inner = answering.handler()](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event)) {
      ++tokens;
      if (tokens == 1) {
        Submit(first_, &loading);
        Submit(Plain(Request(Prompt(1500, 8), 5)), &reading);
        for (EventQueue& queue : waiting) Submit(Request(Prompt(30, 9), 5), &queue);
      }
      if (tokens == 4) {
        gate_->Await();
        const EngineStats stats = engine_->stats();
        EXPECT_EQ(stats.running, 3);
        EXPECT_EQ(stats.waiting, 2);
        engine_->CancelAll();
      }
    }
    return inner(event);
  };
  ASSERT_TRUE(engine_->Submit(Plain(Request(Prompt(40, 7), 1000)), handler).ok());
  const auto ended = [](EventQueue& queue) {
    const Answer answer = Collect(queue);
    EXPECT_EQ(answer.finished.reason, FinishReason::kCancelled);
    EXPECT_FALSE(queue.Pop(std::chrono::milliseconds(0)).has_value()) << "nothing comes after the end";
    return answer;
  };
  EXPECT_EQ(ended(answering).ids.size(), 4u);
  const Answer read = ended(reading);
  EXPECT_FALSE(read.progress.empty());
  EXPECT_TRUE(read.ids.empty());
  for (EventQueue* queue : {&loading, &waiting[0], &waiting[1]}) {
    const Answer answer = ended(*queue);
    EXPECT_TRUE(answer.progress.empty() && answer.ids.empty());
  }
  EXPECT_TRUE(engine_->requests().empty());
  gate_->Open();
  ExpectFirst(Run(first_), CacheSource::kDisk, kPrompt - 1);
  const EngineStats stats = engine_->stats();
  EXPECT_EQ(stats.running, 0);
  EXPECT_EQ(stats.waiting, 0);
  EXPECT_TRUE(stats.priorities.empty());
  EXPECT_EQ(stats.requests, 6);
  EXPECT_EQ(stats.cache_bytes, stats.prefixes.ram_bytes) << "of sequences nothing is left";
  EXPECT_EQ(model_->cache_layout().used_blocks(), 0);
  engine_.reset();  // before what its handlers refer to
}

TEST_F(DiskLoadingTest, ADamagedFileEndsInTheNextBestState) {
  EventQueue queue;
  Submit(first_, &queue);
  gate_->Await();
  Spoil(PrefixFileKind::kBlock, 640);
  gate_->Open();
  ExpectFirst(Collect(queue), CacheSource::kDisk, 512);
  EXPECT_EQ(engine_->stats().prefixes.damaged, 1);
  ExpectFirst(Run(first_), CacheSource::kRam, kPrompt - 1);
  Reopen({});
  Submit(first_, &queue);
  gate_->Await();
  Spoil(PrefixFileKind::kPoint, kPrompt - 1);
  Spoil(PrefixFileKind::kPoint, 512);
  gate_->Open();
  ExpectFirst(Collect(queue), CacheSource::kDisk, 256);
  EXPECT_EQ(engine_->stats().prefixes.damaged, 2);
}

TEST_F(DiskLoadingTest, FilesThatVanishedEndInReadingThePrompt) {
  EventQueue queue;
  Submit(first_, &queue);
  gate_->Await();
  for (const auto& entry : fs::directory_iterator(directory_)) {
    if (entry.path().extension() == ".fkv") fs::remove(entry.path());
  }
  gate_->Open();
  ExpectFirst(Collect(queue), CacheSource::kNone, 0);
  ExpectFirst(Run(first_), CacheSource::kRam, kPrompt - 1);
}

}  // namespace
}  // namespace fathom
