// A process with kept prefixes on disk is killed in the middle of its work, again and again: what the next one finds
// there never changes an answer, and what had been written before is found.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bit>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <set>
#include <string_view>
#include <thread>

#include "base/check.h"
#include "base/strings.h"
#include "tests/engine/engine_fixture.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDirectoryVariable = "FATHOM_KILL_TEST_DIRECTORY";
constexpr const char* kRunVariable = "FATHOM_KILL_TEST_RUN";
constexpr int kReportFile = 3;  // of the child
constexpr char kBegun = 'b';    // a session is being answered
constexpr char kSaved = 's';    // and was written

// This program as a child that runs one test, killed at the latest with this object.
class KillableChild {
 public:
  KillableChild(const std::string& directory, int run) {
    int ends[2];
    FATHOM_CHECK(::pipe2(ends, O_CLOEXEC) == 0);
    const std::string program = fs::read_symlink("/proc/self/exe");
    std::vector<std::string> arguments = {program, "--gtest_filter=KillTest.DISABLED_Child",
                                          "--gtest_also_run_disabled_tests"};
    std::vector<std::string> environment = {StrCat(kDirectoryVariable, "=", directory), StrCat(kRunVariable, "=", run)};
    for (char** entry = environ; *entry != nullptr; ++entry) {
      if (!std::string_view(*entry).starts_with("GTEST_")) environment.emplace_back(*entry);  // shards
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], kReportFile);
    const int error =
        posix_spawn(&process_, program.c_str(), &actions, nullptr, Pointers(&arguments), Pointers(&environment));
    posix_spawn_file_actions_destroy(&actions);
    FATHOM_CHECK(error == 0);
    ::close(ends[1]);
    reports_ = ends[0];
  }
  ~KillableChild() {
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    ::close(reports_);
  }
  KillableChild(const KillableChild&) = delete;
  KillableChild& operator=(const KillableChild&) = delete;

  void Await(char report) const {
    char got = 0;
    ASSERT_EQ(::read(reports_, &got, 1), 1) << "the child ended by itself";
    ASSERT_EQ(got, report);
  }

 private:
  char** Pointers(std::vector<std::string>* strings) {
    std::vector<char*>& pointers = pointers_.emplace_back();
    for (std::string& text : *strings) pointers.push_back(text.data());
    pointers.push_back(nullptr);
    return pointers.data();
  }

  std::vector<std::vector<char*>> pointers_;
  pid_t process_ = -1;
  int reports_ = -1;
};

struct TurnBits {
  std::vector<int32_t> ids;
  std::vector<uint32_t> logprobs;
  bool operator==(const TurnBits&) const = default;
};

class KillTest : public EngineTest {
 protected:
  static constexpr int kOthers = 4;

  void OpenAt(const std::string& directory) {
    EngineOptions options;
    options.step_tokens = 128;
    options.snapshot_interval = 128;
    options.prefixes = {.directory = directory, .disk_bytes = int64_t{1} << 30, .model_fingerprint = 5};
    Start(options);
  }

  // A conversation of two turns; the second one's prompt follows from the first one's answer.
  static GenerateRequest FirstTurn(int conversation) {
    GenerateRequest request =
        Request(Prompt(200 + 37 * (conversation % 5), conversation), 6, static_cast<uint64_t>(conversation));
    // Prompt() has a few hundred different ones only.
    for (size_t digit = 0; digit < 4; ++digit) {
      request.prompt[digit] = conversation >> (8 * digit) & 0x7F;
    }
    request.sampling.logprobs = 1;
    return request;
  }
  static GenerateRequest SecondTurn(int conversation, const Answer& first) {
    GenerateRequest request = FirstTurn(conversation);
    request.prompt.insert(request.prompt.end(), first.ids.begin(), first.ids.end());
    const std::vector<int32_t> more = Prompt(50, conversation + 1);
    request.prompt.insert(request.prompt.end(), more.begin(), more.end());
    return request;
  }
  static TurnBits BitsOf(const Answer& answer) {
    EXPECT_EQ(answer.finished.status.message(), "");
    TurnBits bits{answer.ids, {}};
    for (const float logprob : answer.logprobs) bits.logprobs.push_back(std::bit_cast<uint32_t>(logprob));
    return bits;
  }
  Answer RunWithoutCache(GenerateRequest request) {
    request.use_prefix_cache = false;
    return Run(std::move(request));
  }
  // Both turns give the same bits with what is kept as without; `saved`: both are found whole.
  void ExpectUndisturbed(int conversation, bool saved) {
    SCOPED_TRACE(conversation);
    const Answer first = RunWithoutCache(FirstTurn(conversation));
    const GenerateRequest second = SecondTurn(conversation, first);
    for (const GenerateRequest& turn : {FirstTurn(conversation), second}) {
      const Answer answer = Run(turn);
      EXPECT_EQ(BitsOf(answer), BitsOf(RunWithoutCache(turn)));
      if (!saved) continue;
      EXPECT_EQ(answer.finished.usage.cached_tokens, static_cast<int64_t>(turn.prompt.size()) - 1);
    }
  }

  void Converse(int conversation) {
    const Answer first = Run(FirstTurn(conversation));
    Run(SecondTurn(conversation, first));
  }
  // Sessions of a run: one that is written in peace, and others that are always at work.
  static int SavedOf(int run) { return run * 16; }
  static int OtherOf(int run, int other) { return run * 16 + 1 + other; }
};

// What a child does: one session to its end and to the disk, then others for as long as it lives.
TEST_F(KillTest, DISABLED_Child) {
  const char* const directory = std::getenv(kDirectoryVariable);
  const char* const number = std::getenv(kRunVariable);
  if (directory == nullptr || number == nullptr) GTEST_SKIP() << "only as a child of the other test";
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int run = std::atoi(number);
  const auto report = [](char what) { EXPECT_EQ(::write(kReportFile, &what, 1), 1); };
  OpenAt(directory);
  report(kBegun);
  Converse(SavedOf(run));
  OpenAt(directory);  // the engine before has written all it had
  report(kSaved);
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  for (int round = 0; std::chrono::steady_clock::now() < end; ++round) {
    if (round % 3 == 2) OpenAt(directory);  // reading from disk is among what is disturbed
    EventQueue queues[kOthers];
    for (int other = 0; other < kOthers; ++other) {
      const GenerateRequest request = FirstTurn(OtherOf(run, other + round % 2 * kOthers));
      ASSERT_TRUE(engine_->Submit(request, queues[other].handler()).ok());
    }
    for (EventQueue& queue : queues) Collect(queue);
  }
}

TEST_F(KillTest, WheneverAProcessIsKilledTheNextOneAnswersAsEver) {
  if (std::string_view(FATHOM_EMULATOR) != "") GTEST_SKIP() << "cross build: no children through the emulator";
  std::string pattern = (fs::temp_directory_path() / "fathom-kill-XXXXXX").string();
  const std::string directory = mkdtemp(pattern.data());
  std::mt19937 random(20);
  const int kills = std::getenv("FATHOM_LONG_TESTS") != nullptr ? 200 : 10;
  int64_t hit_tokens = 0;
  for (int run = 0; run < kills; ++run) {
    SCOPED_TRACE(run);
    const bool saved = run % 4 != 0;  // otherwise in the middle of this, too
    {
      const KillableChild child(directory, run);
      child.Await(kBegun);
      if (saved) child.Await(kSaved);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 200'000));
    }
    OpenAt(directory);
    for (const auto& entry : fs::directory_iterator(directory)) EXPECT_NE(entry.path().extension(), ".tmp");
    ExpectUndisturbed(SavedOf(run), saved);
    for (int other = 0; other < kOthers; other += 2) ExpectUndisturbed(OtherOf(run, other), false);
    if (run > 1) ExpectUndisturbed(SavedOf(run - 1), true);
    hit_tokens += engine_->stats().prefixes.hit_tokens;
    engine_.reset();
    if (HasFailure()) break;
  }
  EXPECT_GT(hit_tokens, 0);
  fs::remove_all(directory);
}

}  // namespace
}  // namespace fathom
