#include "server/api/answer_replay.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"

namespace fathom {
namespace {

ChatMessage Answer(std::string content, std::string reasoning, std::vector<ToolCall> calls = {}) {
  ChatMessage message;
  message.role = "assistant";
  message.content = std::move(content);
  message.reasoning_content = std::move(reasoning);
  message.tool_calls = std::move(calls);
  return message;
}

std::unique_ptr<AnswerReplay> OpenReplay(AnswerReplayOptions options = {}) {
  Result<std::unique_ptr<AnswerReplay>> replay = AnswerReplay::Open(options);
  EXPECT_TRUE(replay.ok()) << replay.status().message();
  return replay.ok() ? std::move(*replay) : nullptr;
}

std::string Restored(const AnswerReplay& replay, std::string_view scope, ChatMessage message) {
  message.reasoning_content.clear();
  std::vector<ChatMessage> messages = {std::move(message)};
  replay.RestoreReasoning(scope, &messages);
  return messages[0].reasoning_content;
}

class ReplayFile : public ::testing::Test {
 protected:
  void SetUp() override {
    SetLogLevel(LogLevel::kOff);
    directory_ = std::filesystem::temp_directory_path() / StrCat("fathom-replay-", getpid(), "-", counter_++);
    std::filesystem::create_directories(directory_);
    path_ = (directory_ / "answers").string();
  }
  void TearDown() override {
    std::filesystem::remove_all(directory_);
    SetLogLevel(LogLevel::kWarning);
  }

  std::string Content() const {
    Result<std::string> content = ReadFile(path_, uint64_t{1} << 30);
    EXPECT_TRUE(content.ok()) << content.status().message();
    return content.ok() ? *content : "";
  }
  void Put(std::string_view content) const { std::ofstream(path_, std::ios::binary) << content; }
  // Remembers answers "answer 0" to "answer N-1" with reasoning "why I" and token I.
  void RememberSome(int count) const {
    const auto replay = OpenReplay({.file = path_});
    for (int i = 0; i < count; ++i) {
      replay->Remember("me", Answer(StrCat("answer ", i), StrCat("why ", i)), {i});
    }
  }
  // How many of them, from the first, are known; the others must not be.
  static int Known(const AnswerReplay& replay, int count) {
    int known = 0;
    while (known < count && Restored(replay, "me", Answer(StrCat("answer ", known), "")) == StrCat("why ", known)) {
      ++known;
    }
    for (int i = known; i < count; ++i) {
      EXPECT_EQ(Restored(replay, "me", Answer(StrCat("answer ", i), "")), "") << i;
    }
    return known;
  }

  inline static int counter_ = 0;
  std::filesystem::path directory_;
  std::string path_;
};

TEST(AnswerReplay, RestoresReasoningByCallId) {
  const auto replay = OpenReplay();
  replay->Remember("me", Answer("Reading.", "need it", {{"call_1", "read", R"({"path":"a"})"}}), {5, 6, 1});
  // By the id, even though the client changed the text.
  EXPECT_EQ(Restored(*replay, "me", Answer("", "", {{"call_1", "read", R"({"path":"a"})"}})), "need it");
  EXPECT_EQ(Restored(*replay, "me", Answer("", "", {{"call_2", "read", R"({"path":"a"})"}})), "");
  EXPECT_EQ(Restored(*replay, "other", Answer("", "", {{"call_1", "read", R"({"path":"a"})"}})), "");
}

TEST(AnswerReplay, RestoresReasoningByContentAndCalls) {
  const auto replay = OpenReplay();
  replay->Remember("me", Answer("Paris.", "capital of France"), {7, 1});
  replay->Remember("me", Answer("", "look", {{"call_1", "f", "{}"}}), {8, 1});
  EXPECT_EQ(Restored(*replay, "me", Answer("Paris.", "")), "capital of France");
  EXPECT_EQ(Restored(*replay, "me", Answer("Paris", "")), "");
  EXPECT_EQ(Restored(*replay, "me", Answer("", "", {{"renamed", "f", ""}})), "look");
  EXPECT_EQ(Restored(*replay, "me", Answer("", "", {{"renamed", "g", ""}})), "");
}

TEST(AnswerReplay, LeavesReasoningThatCameBackAndOtherRolesAlone) {
  const auto replay = OpenReplay();
  replay->Remember("me", Answer("yes", "because"), {1});
  std::vector<ChatMessage> messages = {Answer("yes", "mine"), Answer("yes", ""), Answer("", "")};
  messages[1].role = "user";
  EXPECT_EQ(replay->RestoreReasoning("me", &messages), 0);
  EXPECT_EQ(messages[0].reasoning_content, "mine");
  EXPECT_EQ(messages[1].reasoning_content, "");
}

TEST(AnswerReplay, SameWordsAreToldApartByTheirOrder) {
  const auto replay = OpenReplay();
  replay->Remember("me", Answer("Yes.", "first"), {1});
  replay->Remember("me", Answer("Yes.", "second"), {2});
  std::vector<ChatMessage> both = {Answer("Yes.", ""), Answer("Yes.", "")};
  EXPECT_EQ(replay->RestoreReasoning("me", &both), 2);
  EXPECT_EQ(both[0].reasoning_content, "first");
  EXPECT_EQ(both[1].reasoning_content, "second");
  // Which of the two this was cannot be told: nothing rather than something wrong.
  EXPECT_EQ(Restored(*replay, "me", Answer("Yes.", "")), "");
  EXPECT_EQ(replay->TokensOf("me", Answer("Yes.", "first")), std::vector<int32_t>{1});
  EXPECT_EQ(replay->TokensOf("me", Answer("Yes.", "second")), std::vector<int32_t>{2});
}

TEST(AnswerReplay, TokensOnlyOfUnchangedAnswers) {
  const auto replay = OpenReplay();
  const std::vector<int32_t> tokens = {4, 5, 6, 1};
  const ChatMessage answer = Answer("Reading.", "need it", {{"call_1", "read", R"({"path":"a","lines":[1, 2.50]})"}});
  replay->Remember("me", answer, tokens);
  EXPECT_EQ(replay->TokensOf("me", answer), tokens);
  EXPECT_EQ(replay->TokensOf("you", answer), std::nullopt);

  ChatMessage rewritten = answer;  // as a client does that parses arguments
  rewritten.tool_calls[0].arguments = R"({ "lines": [1.0, 2.5], "path": "\u0061" })";
  EXPECT_EQ(replay->TokensOf("me", rewritten), tokens);
  rewritten.tool_calls[0].id = "other";
  EXPECT_EQ(replay->TokensOf("me", rewritten), tokens);

  ChatMessage changed = answer;
  changed.content += " ";
  EXPECT_EQ(replay->TokensOf("me", changed), std::nullopt);
  changed = answer;
  changed.reasoning_content = "";
  EXPECT_EQ(replay->TokensOf("me", changed), std::nullopt);
  changed = answer;
  changed.tool_calls[0].arguments = R"({"path":"b","lines":[1,2.5]})";
  EXPECT_EQ(replay->TokensOf("me", changed), std::nullopt);
  changed = answer;
  changed.tool_calls[0].name = "write";
  EXPECT_EQ(replay->TokensOf("me", changed), std::nullopt);
  changed = answer;
  changed.tool_calls.push_back({"call_2", "read", "{}"});
  EXPECT_EQ(replay->TokensOf("me", changed), std::nullopt);
}

TEST(AnswerReplay, ArgumentsOfUnlikeValuesAreChanges) {
  const char* const kPairs[][2] = {{R"({"a":1})", R"({"a":"1"})"},
                                   {R"({"a":[1,2]})", R"({"a":[2,1]})"},
                                   {R"({"a":null})", R"({})"},
                                   {R"({"a":123456789012345678901})", R"({"a":123456789012345678902})"},
                                   {"{", "{}"}};
  for (const auto& [sent, returned] : kPairs) {
    const auto replay = OpenReplay();
    replay->Remember("me", Answer("", "", {{"id", "f", sent}}), {3});
    EXPECT_TRUE(replay->TokensOf("me", Answer("", "", {{"id", "f", sent}})).has_value()) << sent;
    EXPECT_FALSE(replay->TokensOf("me", Answer("", "", {{"id", "f", returned}})).has_value()) << sent << returned;
  }
}

TEST(AnswerReplay, ForgetsTheLeastRecentlyUsedBeyondItsBudget) {
  const auto replay = OpenReplay({.max_bytes = 100'000});
  const auto text = [](int i) { return StrCat("answer ", i); };
  for (int i = 0; i < 1000; ++i) {
    replay->Remember("me", Answer(text(i), std::string(1000, 'r')), {i});
    EXPECT_FALSE(Restored(*replay, "me", Answer(text(0), "")).empty()) << i;  // used all the time
  }
  EXPECT_EQ(Restored(*replay, "me", Answer(text(1), "")), "");
  EXPECT_EQ(Restored(*replay, "me", Answer(text(900), "")), "");
  EXPECT_NE(Restored(*replay, "me", Answer(text(999), "")), "");
  EXPECT_NE(Restored(*replay, "me", Answer(text(950), "")), "");
  // Larger than everything: others stay.
  replay->Remember("me", Answer("huge", std::string(200'000, 'r')), {1});
  EXPECT_EQ(Restored(*replay, "me", Answer("huge", "")), "");
  EXPECT_NE(Restored(*replay, "me", Answer(text(999), "")), "");
}

TEST(AnswerReplay, ManyAnswersWithTheSameWordsStayBounded) {
  const auto replay = OpenReplay();
  for (int i = 0; i < 5000; ++i) replay->Remember("me", Answer("ok", StrCat("reason ", i)), {i});
  EXPECT_EQ(replay->TokensOf("me", Answer("ok", "reason 4999")), std::vector<int32_t>{4999});
  EXPECT_EQ(replay->TokensOf("me", Answer("ok", "reason 0")), std::nullopt);
}

TEST(AnswerReplay, ThreadsMayUseItTogether) {
  const auto replay = OpenReplay({.max_bytes = 50'000});
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 500; ++i) {
        const ChatMessage answer = Answer(StrCat("t", thread, " ", i), "why", {{StrCat(thread, "-", i), "f", "{}"}});
        replay->Remember("me", answer, {thread, i});
        const auto tokens = replay->TokensOf("me", answer);
        if (tokens) {
          EXPECT_EQ(*tokens, (std::vector<int32_t>{thread, i}));
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST_F(ReplayFile, SurvivesARestart) {
  const ChatMessage answer = Answer("Reading.", "need it", {{"call_1", "read", "{}"}, {"call_2", "read", "{}"}});
  OpenReplay({.file = path_})->Remember("me\nuser", answer, {4, 5, 1});
  const auto replay = OpenReplay({.file = path_});
  EXPECT_EQ(replay->TokensOf("me\nuser", answer), (std::vector<int32_t>{4, 5, 1}));
  EXPECT_EQ(Restored(*replay, "me\nuser", Answer("", "", {{"call_2", "", ""}})), "need it");
  EXPECT_EQ(std::filesystem::status(path_).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST_F(ReplayFile, CutAnywhereKeepsTheWholeRecordsBefore) {
  constexpr int kCount = 4;
  std::vector<size_t> ends;  // of the file with that many records
  for (int count = 0; count <= kCount; ++count) {
    std::filesystem::remove(path_);
    RememberSome(count);
    ends.push_back(Content().size());
  }
  const std::string whole = Content();
  for (size_t size = 0; size <= whole.size(); ++size) {
    Put(whole.substr(0, size));
    int expected = 0;
    while (expected < kCount && ends[static_cast<size_t>(expected) + 1] <= size) ++expected;
    {
      const auto replay = OpenReplay({.file = path_});
      ASSERT_EQ(Known(*replay, kCount), expected) << size;
      replay->Remember("me", Answer("later", "after the cut"), {9});
    }
    // What is written after a repair is found again.
    ASSERT_EQ(Restored(*OpenReplay({.file = path_}), "me", Answer("later", "")), "after the cut") << size;
  }
}

TEST_F(ReplayFile, AFlippedBitCostsOneAnswer) {
  constexpr int kCount = 3;
  std::vector<size_t> ends;  // of the file with that many records
  for (int count = 0; count <= kCount; ++count) {
    std::filesystem::remove(path_);
    RememberSome(count);
    ends.push_back(Content().size());
  }
  const std::string whole = Content();
  for (size_t at = ends[0]; at < whole.size(); ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    Put(damaged);
    const auto replay = OpenReplay({.file = path_});
    for (int i = 0; i < kCount; ++i) {
      const bool lost = at >= ends[static_cast<size_t>(i)] && at < ends[static_cast<size_t>(i) + 1];
      EXPECT_EQ(Restored(*replay, "me", Answer(StrCat("answer ", i), "")), lost ? "" : StrCat("why ", i)) << at;
    }
    EXPECT_EQ(Content().size(), at < ends[kCount - 1] ? whole.size() : ends[kCount - 1]) << at;
  }
}

TEST_F(ReplayFile, GarbageAfterRecordsIsCutOff) {
  RememberSome(2);
  const std::string whole = Content();
  Put(whole + std::string(100, '\xff'));
  EXPECT_EQ(Known(*OpenReplay({.file = path_}), 2), 2);
  EXPECT_EQ(Content(), whole);
}

TEST_F(ReplayFile, AnotherFileIsLeftAlone) {
  Put("my diary");
  const Result<std::unique_ptr<AnswerReplay>> replay = AnswerReplay::Open({.file = path_});
  ASSERT_FALSE(replay.ok());
  EXPECT_NE(replay.status().message().find("is no file of records"), std::string::npos);
  EXPECT_EQ(Content(), "my diary");
  EXPECT_FALSE(AnswerReplay::Open({.file = directory_.string()}).ok());
  EXPECT_FALSE(AnswerReplay::Open({.file = (directory_ / "no" / "where").string()}).ok());
}

TEST_F(ReplayFile, IsLockedWhileOpen) {
  const auto replay = OpenReplay({.file = path_});
  const Result<std::unique_ptr<AnswerReplay>> second = AnswerReplay::Open({.file = path_});
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.status().message().find("in use by another process"), std::string::npos);
}

TEST_F(ReplayFile, IsRewrittenWhenItIsTwiceTheBudget) {
  const AnswerReplayOptions options = {.max_bytes = 40'000, .file = path_};
  {
    const auto replay = OpenReplay(options);
    for (int i = 0; i < 500; ++i) replay->Remember("me", Answer(StrCat("answer ", i), std::string(900, 'r')), {i});
  }
  EXPECT_LE(Content().size(), 81'000U);
  EXPECT_FALSE(std::filesystem::exists(path_ + ".tmp"));
  const auto replay = OpenReplay(options);
  for (int i = 480; i < 500; ++i) {
    EXPECT_EQ(replay->TokensOf("me", Answer(StrCat("answer ", i), std::string(900, 'r'))), std::vector<int32_t>{i});
  }
}

TEST_F(ReplayFile, AnUnfinishedRewriteIsIgnored) {
  RememberSome(3);
  std::ofstream(path_ + ".tmp") << "half of a rewri";
  EXPECT_EQ(Known(*OpenReplay({.file = path_}), 3), 3);
}

TEST_F(ReplayFile, KilledWhileWriting) {
  int known = 0;
  for (int round = 0; round < 5; ++round) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = fork();
    if (child == 0) {
      const auto replay = AnswerReplay::Open({.max_bytes = 300'000, .file = path_});
      if (!replay.ok()) _exit(1);
      for (int i = 0;; ++i) {
        (*replay)->Remember("me", Answer(StrCat("answer ", i), StrCat("why ", i, std::string(200, '.'))), {i});
        if (i == 2000 && write(pipe_ends[1], "x", 1) != 1) _exit(1);
      }
    }
    char byte = 0;
    ASSERT_EQ(read(pipe_ends[0], &byte, 1), 1);
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    const auto replay = OpenReplay({.max_bytes = 300'000, .file = path_});
    for (int i = 0; i < 200'000; ++i) {
      const std::string reasoning = StrCat("why ", i, std::string(200, '.'));
      const auto tokens = replay->TokensOf("me", Answer(StrCat("answer ", i), reasoning));
      if (!tokens) continue;
      ++known;
      ASSERT_EQ(*tokens, std::vector<int32_t>{i});
    }
  }
  EXPECT_GT(known, 100);
}

}  // namespace
}  // namespace fathom
