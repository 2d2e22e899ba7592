// Wherever the beginning of a prompt comes from, its answer has the same tokens and log-probabilities to the last bit.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <filesystem>
#include <functional>

#include "base/file.h"
#include "cache/prefix_file.h"
#include "tests/engine/engine_fixture.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

struct PrefixCase {
  const char* name;
  StatePolicy policy;
  int threads;
};

// What may not change: tokens, and log-probabilities as bits.
struct AnswerBits {
  std::vector<int32_t> ids;
  std::vector<uint32_t> logprobs;
  bool operator==(const AnswerBits&) const = default;
};

AnswerBits BitsOf(const Answer& answer) {
  EXPECT_EQ(answer.finished.status.message(), "");
  AnswerBits bits{answer.ids, {}};
  for (const float logprob : answer.logprobs) bits.logprobs.push_back(std::bit_cast<uint32_t>(logprob));
  return bits;
}

class PrefixBitsTest : public EngineTest, public testing::WithParamInterface<PrefixCase> {
 protected:
  static constexpr int64_t kPrompt = 700;
  static constexpr int64_t kTokens = 10;
  static constexpr int64_t kBlock = CacheLayout::kBlockTokens;
  static bool Recompute() { return GetParam().policy == StatePolicy::kRecompute; }
  // How far a prompt that agrees with `tokens` kept ones can go on at most: without states behind a block.
  static int64_t Reach(int64_t tokens) { return Recompute() ? tokens / kBlock * kBlock : tokens; }
  // Of a follow-up: the first prompt and its answer but for the last token, which was never read.
  static int64_t FullHit() { return Reach(kPrompt + kTokens - 1); }

  PrefixBitsTest() {
    std::string pattern = (fs::temp_directory_path() / "fathom-bits-XXXXXX").string();
    directory_ = mkdtemp(pattern.data());
  }
  ~PrefixBitsTest() override {
    engine_.reset();
    fs::remove_all(directory_);
  }

  // What an undisturbed engine answers that keeps nothing; also sets everything up.
  void SetUp() override {
    Start({}, 1);
    layout_ = model_->cache_layout();
    first_ = Asked(Prompt(kPrompt, 3), 11);
    const Answer answer = Run(WithoutCache(first_));
    first_bits_ = BitsOf(answer);
    ASSERT_EQ(answer.ids.size(), static_cast<size_t>(kTokens));
    std::vector<int32_t> prompt = first_.prompt;
    prompt.insert(prompt.end(), answer.ids.begin(), answer.ids.end());
    const std::vector<int32_t> more = Prompt(61, 8);
    prompt.insert(prompt.end(), more.begin(), more.end());
    second_ = Asked(std::move(prompt), 12);
    second_bits_ = BitsOf(Run(WithoutCache(second_)));
    EXPECT_EQ(engine_->stats().prefixes.queries, 0);
    engine_.reset();
  }

  static GenerateRequest Asked(std::vector<int32_t> prompt, uint64_t seed) {
    GenerateRequest request = Request(std::move(prompt), kTokens, seed);
    request.sampling.logprobs = 3;
    return request;
  }
  static GenerateRequest WithoutCache(GenerateRequest request) {
    request.use_prefix_cache = false;
    return request;
  }

  EngineOptions Options(int64_t cache_bytes = 0, bool disk = false) const {
    EngineOptions options;
    options.step_tokens = 200;  // so that chunks end at other places than without a hit
    options.cache_bytes = cache_bytes;
    options.state_policy = GetParam().policy;
    options.snapshot_interval = 256;
    if (disk) options.prefixes = {.directory = directory_, .disk_bytes = int64_t{1} << 30, .model_fingerprint = 5};
    return options;
  }
  void Open(int64_t cache_bytes = 0, bool disk = false) { Start(Options(cache_bytes, disk), GetParam().threads); }

  void ExpectFirst(const Answer& answer) const { EXPECT_EQ(BitsOf(answer), first_bits_); }
  void ExpectSecond(const Answer& answer, CacheSource source, int64_t least, int64_t most = FullHit()) const {
    EXPECT_EQ(BitsOf(answer), second_bits_);
    EXPECT_EQ(answer.finished.cache.source, source) << CacheSourceName(answer.finished.cache.source);
    EXPECT_GE(answer.finished.cache.hit, least);
    EXPECT_LE(answer.finished.cache.hit, most);
    EXPECT_EQ(answer.finished.usage.cached_tokens, answer.finished.cache.hit);
    const bool replays = Recompute() && answer.finished.cache.hit > 0;
    EXPECT_EQ(answer.finished.usage.replayed_tokens, replays ? layout_.replay_tokens() : 0);
    EXPECT_EQ(answer.finished.cache.replayed, answer.finished.usage.replayed_tokens);
  }
  // Submits all of them within one step of a request that is running, and collects their answers.
  std::vector<Answer> RunTogether(const std::vector<GenerateRequest>& requests) {
    std::vector<EventQueue> queues(requests.size());
    EventQueue starter;
    const auto handler = [&, inner = starter.handler()](const Event& event) {
      if (std::holds_alternative<GeneratedToken>(event)) {
        for (size_t n = 0; n < requests.size(); ++n) {
          EXPECT_TRUE(engine_->Submit(requests[n], queues[n].handler()).ok());
        }
      }
      return inner(event);
    };
    EXPECT_TRUE(engine_->Submit(WithoutCache(Request(Prompt(5), 1)), handler).ok());
    Collect(starter);
    std::vector<Answer> answers;
    for (EventQueue& queue : queues) answers.push_back(Collect(queue));
    return answers;
  }

  std::string directory_;
  CacheLayout layout_{{}, {}, 0, {}};
  GenerateRequest first_;
  GenerateRequest second_;  // goes on where the first ends
  AnswerBits first_bits_;
  AnswerBits second_bits_;
};

TEST_P(PrefixBitsTest, WithNothingKept) {
  Open();
  const Answer answer = Run(second_);
  ExpectSecond(answer, CacheSource::kNone, 0, 0);
  EXPECT_EQ(answer.finished.cache.miss, CacheMiss::kNoEntry);
}

TEST_P(PrefixBitsTest, FromRam) {
  Open();
  ExpectFirst(Run(first_));
  ExpectSecond(Run(second_), CacheSource::kRam, FullHit());
  // And once more, from the state before its own last token.
  const Answer again = Run(second_);
  EXPECT_EQ(BitsOf(again), second_bits_);
  EXPECT_EQ(again.finished.cache.hit, Reach(static_cast<int64_t>(second_.prompt.size()) - 1));
}

TEST_P(PrefixBitsTest, FromWhereAnotherPromptParts) {
  Open();
  ExpectFirst(Run(first_));
  // Agrees with 690 tokens of the first prompt, and so do all later ones.
  constexpr int64_t kAgrees = 690;
  std::vector<int32_t> prompt(first_.prompt.begin(), first_.prompt.begin() + kAgrees);
  const std::vector<int32_t> other = Prompt(90, 21);
  prompt.insert(prompt.end(), other.begin(), other.end());
  const GenerateRequest parted = Asked(prompt, 13);
  const AnswerBits expected = BitsOf(Run(WithoutCache(parted)));
  const Answer once = Run(parted);
  EXPECT_EQ(BitsOf(once), expected);
  EXPECT_EQ(once.finished.cache.common, Reach(kAgrees));
  EXPECT_GE(once.finished.cache.hit, Recompute() ? Reach(kAgrees) : 512) << "without states at once";
  prompt[770] += 1;
  const GenerateRequest third = Asked(prompt, 13);
  const AnswerBits third_expected = BitsOf(Run(WithoutCache(third)));
  const Answer twice = Run(third);
  EXPECT_EQ(BitsOf(twice), third_expected);
  EXPECT_GE(twice.finished.cache.hit, Reach(kAgrees));
}

TEST_P(PrefixBitsTest, FromDiskAfterItLeftRam) {
  Open(CacheBytes(layout_, 1024) + PrefixCache::MaxStuckBytes(layout_), true);
  ExpectFirst(Run(first_));
  for (int32_t n = 0; n < 9; ++n) Run(Asked(Prompt(960, 44 + n), 1));  // leave no room for anything else
  EXPECT_GT(engine_->stats().prefixes.ram_evictions, 0);
  ExpectSecond(Run(second_), CacheSource::kDisk, FullHit());
}

TEST_P(PrefixBitsTest, FromDiskAfterARestart) {
  Open(0, true);
  ExpectFirst(Run(first_));
  Open(0, true);
  EXPECT_EQ(engine_->stats().prefixes.queries, 0);
  ExpectSecond(Run(second_), CacheSource::kDisk, FullHit());
  EXPECT_GT(engine_->stats().prefixes.disk_reads, 0);
  Open(0, true);
  const Answer again = Run(second_);
  EXPECT_EQ(BitsOf(again), second_bits_);
  EXPECT_EQ(again.finished.cache.source, CacheSource::kDisk);
  EXPECT_EQ(again.finished.cache.hit, Reach(static_cast<int64_t>(second_.prompt.size()) - 1));
}

TEST_P(PrefixBitsTest, AfterPartOfThePrefixWasEvicted) {
  Open();
  ExpectFirst(Run(first_));
  Run(WithoutCache(Request(Prompt(5), 1)));  // an answer's end is told before it is kept
  const int64_t kept = engine_->stats().prefixes.ram_bytes;
  if (Recompute()) {
    ASSERT_EQ(kept, 5 * layout_.block_bytes()) << "no states";
  } else {
    ASSERT_GT(kept, CacheBytes(layout_, kPrompt + kTokens)) << "several states";
  }
  // Another sequence that leaves one block less than what is kept.
  Open(kept + CacheBytes(layout_, 896) - layout_.block_bytes());
  ExpectFirst(Run(first_));
  Run(WithoutCache(Request(Prompt(890, 44), 1)));
  const Answer answer = Run(second_);
  EXPECT_GT(engine_->stats().prefixes.ram_evictions, 0);
  if (Recompute()) {
    ExpectSecond(answer, CacheSource::kRam, 512, 512);  // one block is gone
  } else {
    ExpectSecond(answer, CacheSource::kRam, 128);
  }
}

TEST_P(PrefixBitsTest, AfterFilesOfThePrefixWereLost) {
  Open(0, true);
  ExpectFirst(Run(first_));
  engine_.reset();
  // The state of the end was written last, or without states the last block.
  std::vector<fs::directory_entry> states;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    const Result<std::string> bytes = ReadFile(entry.path().string(), 1 << 28);
    if (entry.path().extension() != ".fkv" || !bytes.ok()) continue;
    const Result<PrefixFileHead> head = DecodePrefixFileHead(*bytes, static_cast<int64_t>(bytes->size()));
    ASSERT_TRUE(head.ok());
    EXPECT_FALSE(Recompute() && head->kind == PrefixFileKind::kPoint);
    const bool last_block = Recompute() && head->position == FullHit();
    if (last_block || head->kind == PrefixFileKind::kPoint) states.push_back(entry);
  }
  ASSERT_GE(states.size(), Recompute() ? 1u : 2u);
  fs::remove(std::ranges::max_element(states, {}, [](const auto& entry) { return entry.last_write_time(); })->path());
  Open(0, true);
  const Answer answer = Run(second_);
  ExpectSecond(answer, answer.finished.cache.source, 128, FullHit() - 1);
}

TEST_P(PrefixBitsTest, PreemptedToDiskAndResumed) {
  // Three answers that need a block more before their ends, and room for one.
  std::vector<GenerateRequest> requests;
  std::vector<AnswerBits> expected;
  Open();
  for (int32_t n = 0; n < 3; ++n) {
    requests.push_back(Asked(Prompt(120 + n, n), static_cast<uint64_t>(n)));
    requests.back().max_tokens = 20;
    expected.push_back(BitsOf(Run(WithoutCache(requests.back()))));
  }
  Open(CacheBytes(layout_, 256) + PrefixCache::MaxStuckBytes(layout_), true);
  const std::vector<Answer> answers = RunTogether(requests);
  for (size_t n = 0; n < answers.size(); ++n) EXPECT_EQ(BitsOf(answers[n]), expected[n]) << n;
  const EngineStats stats = engine_->stats();
  EXPECT_GE(stats.preemptions, 1);
  EXPECT_GT(stats.prefixes.ram_evictions, 0) << "it came from disk, or from what was on its way there";
  EXPECT_GT(stats.prefixes.hit_tokens, 100) << "it did not start over";
}

TEST_P(PrefixBitsTest, ChoicesOfOneRequestReadItsPromptOnce) {
  Open(0, true);
  ExpectFirst(Run(first_));
  const auto length = static_cast<int64_t>(second_.prompt.size());
  // As the APIs do: the others come with the first one's first token.
  EventQueue queues[3];
  bool submitted = false;
  const auto handler = [&, inner = queues[0].handler()](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event) && !std::exchange(submitted, true)) {
      EXPECT_TRUE(engine_->Submit(second_, queues[1].handler()).ok());
      EXPECT_TRUE(engine_->Submit(second_, queues[2].handler()).ok());
    }
    return inner(event);
  };
  GenerateRequest choice = second_;
  choice.shares_prompt = true;
  ASSERT_TRUE(engine_->Submit(choice, handler).ok());
  ExpectSecond(Collect(queues[0]), CacheSource::kRam, FullHit());
  for (const size_t n : {1u, 2u}) {
    const Answer answer = Collect(queues[n]);
    EXPECT_EQ(BitsOf(answer), second_bits_);
    EXPECT_EQ(answer.finished.cache.hit, length - 1);
    EXPECT_EQ(answer.finished.cache.replayed, 0);
  }
  EXPECT_EQ(engine_->stats().prefixes.replayed_tokens, Recompute() ? layout_.replay_tokens() : 0);
  engine_.reset();
  const auto states = std::ranges::count_if(fs::directory_iterator(directory_), [](const auto& entry) {
    return entry.path().filename().string().starts_with("state-");
  });
  EXPECT_EQ(states == 0, Recompute()) << "on disk there are blocks alone";
}

TEST_P(PrefixBitsTest, AChoiceThatWasSentBackFromItsAnswerAndLostItsState) {
  Open();
  GenerateRequest choice = Asked(Prompt(kPrompt, 3), 11);
  choice.max_tokens = 100;
  const AnswerBits expected = BitsOf(Run(WithoutCache(choice)));
  choice.shares_prompt = true;
  // Room for one sequence and the blocks that the other has read, but for no state beside.
  const int64_t state = layout_.state_bytes();
  EngineOptions options = Options(state + state / 2 + 8 * layout_.block_bytes());
  options.max_sequences = 1;
  Start(options, GetParam().threads);
  GenerateRequest urgent = Asked(Prompt(100, 9), 5);
  urgent.priority = 5;
  constexpr int64_t kBlocksRead = 6 * kBlock;  // more than the prompt
  EventQueue queues[2];
  int64_t tokens = 0;
  const auto handler = [&, inner = queues[0].handler()](const Event& event) {
    if (std::holds_alternative<GeneratedToken>(event) && ++tokens == kBlocksRead - kPrompt + 8) {
      EXPECT_TRUE(engine_->Submit(urgent, queues[1].handler()).ok());
    }
    return inner(event);
  };
  ASSERT_TRUE(engine_->Submit(choice, handler).ok());
  EXPECT_EQ(BitsOf(Collect(queues[0])), expected);
  EXPECT_EQ(BitsOf(Collect(queues[1])), BitsOf(Run(WithoutCache(urgent))));
  EXPECT_EQ(engine_->stats().preemptions, 1);
  EXPECT_EQ(engine_->stats().prefixes.replayed_tokens, Recompute() ? layout_.replay_tokens() : 0);
}

TEST_P(PrefixBitsTest, InABatchWithOthers) {
  for (const bool disk : {false, true}) {
    Open(0, disk);
    ExpectFirst(Run(first_));
    if (disk) Open(0, disk);
    std::vector<GenerateRequest> requests;
    for (int32_t n = 0; n < 3; ++n) requests.push_back(Asked(Prompt(90 * (n + 1), 60 + n), 5));
    requests.insert(requests.begin() + 1, second_);
    requests.push_back(second_);
    requests.push_back(first_);
    const std::vector<Answer> answers = RunTogether(requests);
    // Whichever of the two starts first loads what both use.
    bool from_disk = false;
    for (const size_t n : {1u, 4u}) {
      EXPECT_EQ(BitsOf(answers[n]), second_bits_);
      EXPECT_GE(answers[n].finished.cache.hit, FullHit());
      from_disk = from_disk || answers[n].finished.cache.source == CacheSource::kDisk;
    }
    EXPECT_EQ(from_disk, disk);
    ExpectFirst(answers[5]);
    EXPECT_EQ(answers[5].finished.cache.hit, Reach(kPrompt - 1));
    for (const size_t n : {0u, 2u, 3u}) {
      EXPECT_EQ(BitsOf(answers[n]), BitsOf(Run(WithoutCache(requests[n])))) << n;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, PrefixBitsTest,
                         testing::Values(PrefixCase{"Full", StatePolicy::kFull, 1},
                                         PrefixCase{"Periodic", StatePolicy::kPeriodic, 1},
                                         PrefixCase{"Recompute", StatePolicy::kRecompute, 1},
                                         PrefixCase{"PeriodicThreads3", StatePolicy::kPeriodic, 3}),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace fathom
