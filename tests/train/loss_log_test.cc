#include "train/loss_log.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>

#include "base/signals.h"
#include "base/strings.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

class LossLogTest : public testing::Test {
 protected:
  LossLog Open(int64_t first_step) {
    Result<LossLog> log = LossLog::Open(path_, first_step);
    EXPECT_TRUE(log.ok()) << log.status().message();
    return std::move(*log);
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_ / "log.jsonl";
};

TEST_F(LossLogTest, WritesALineForEachRecordAndReadsItBack) {
  LossLog log = Open(1);
  ASSERT_TRUE(log.Append({.step = 1, .train_loss = 8.25, .learning_rate = 0.001, .tokens_per_second = 5000}).ok());
  ASSERT_TRUE(log.Append({.step = 2,
                          .train_loss = std::numeric_limits<double>::quiet_NaN(),
                          .held_out_loss = 7.5,
                          .learning_rate = 0.002,
                          .tokens_per_second = 5100,
                          .more = {{"mtp_loss", 9}}})
                  .ok());
  EXPECT_EQ(ReadTestFile(path_),
            "{\"step\":1,\"train_loss\":8.25,\"learning_rate\":0.001,\"tokens_per_second\":5000}\n"
            "{\"step\":2,\"train_loss\":null,\"held_out_loss\":7.5,\"learning_rate\":0.002,"
            "\"tokens_per_second\":5100,\"mtp_loss\":9}\n");
  EXPECT_EQ(log.records()[1].held_out_loss, 7.5);
  EXPECT_TRUE(log.records()[1].more.empty()) << "a long run has many records";
  const LossLog again = Open(3);
  ASSERT_EQ(again.records().size(), 2u);
  EXPECT_EQ(again.records()[0].train_loss, 8.25);
  EXPECT_FALSE(again.records()[0].held_out_loss);
  EXPECT_TRUE(std::isnan(again.records()[1].train_loss));
  EXPECT_EQ(again.records()[1].held_out_loss, 7.5);
  EXPECT_EQ(again.records()[1].tokens_per_second, 5100);
}

TEST_F(LossLogTest, GoesOnFromACheckpoint) {
  {
    LossLog log = Open(1);
    for (int64_t step = 1; step <= 5; ++step) ASSERT_TRUE(log.Append({.step = step}).ok());
  }
  LossLog log = Open(4);  // 4 and 5 came after the checkpoint
  EXPECT_EQ(log.records().size(), 3u);
  ASSERT_TRUE(log.Append({.step = 4, .train_loss = 2}).ok());
  EXPECT_EQ(log.records().size(), 4u);
  const LossLog again = Open(100);
  ASSERT_EQ(again.records().size(), 4u);
  EXPECT_EQ(again.records()[3].step, 4);
  EXPECT_EQ(again.records()[3].train_loss, 2);
}

TEST_F(LossLogTest, CountsWholeLines) {
  const auto count = [&] {
    const Result<int64_t> lines = LossLog::CountLines(path_);
    EXPECT_TRUE(lines.ok()) << lines.status().message();
    return lines.ok() ? *lines : -1;
  };
  EXPECT_EQ(count(), 0);
  WriteTestFile(path_, "");
  EXPECT_EQ(count(), 0);
  WriteTestFile(path_, "{\"step\":1}\n{\"step\":2}\n{\"st");
  EXPECT_EQ(count(), 2);
  EXPECT_EQ(ReadTestFile(path_).size(), 26u) << "the file stays as it is";
  std::filesystem::resize_file(path_, (uint64_t{1} << 30) + 1);  // takes no room
  EXPECT_EQ(count(), 2) << "a log may be of any length";
}

TEST_F(LossLogTest, ALineIsNoLongerThanARecordCanBe) {
  const std::string text = "{\"step\":1}\n{\"step\":2,\"note\":\"" + std::string(70000, 'x') + "\"}\n";
  WriteTestFile(path_, text);
  EXPECT_EQ(LossLog::Open(path_, 3).status().message(),
            path_ + ":2: the line has 65536 bytes or more; less are accepted");
  EXPECT_EQ(ReadTestFile(path_), text);
}

TEST_F(LossLogTest, WhatComesAfterTheFirstLaterRecordIsTakenOut) {
  WriteTestFile(path_, "{\"step\":1}\n{\"step\":4}\n{\"step\":2}\n");
  EXPECT_EQ(Open(3).records().size(), 1u);
  EXPECT_EQ(ReadTestFile(path_), "{\"step\":1}\n");
}

TEST_F(LossLogTest, AnEvaluationCanComeLater) {
  {
    LossLog log = Open(1);
    ASSERT_TRUE(log.Append({.step = 1, .train_loss = 3}).ok());
    ASSERT_TRUE(log.Append({.step = 2, .train_loss = 2, .more = {{"norm", 0.5}}}).ok());
  }
  LossLog log = Open(3);
  const Status status = log.AddHeldOut(1.25, {{"held_out_accuracy", 0.75}});
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(log.records()[1].held_out_loss, 1.25);
  ASSERT_TRUE(log.Append({.step = 3, .train_loss = 1}).ok());
  ASSERT_TRUE(log.AddHeldOut(0.5, {}).ok());
  const std::string text = ReadTestFile(path_);
  EXPECT_NE(text.find("{\"step\":2,\"train_loss\":2,\"learning_rate\":0,\"tokens_per_second\":0,\"norm\":0.5,"
                      "\"held_out_loss\":1.25,\"held_out_accuracy\":0.75}\n{\"step\":3,"),
            std::string::npos)
      << text;
  const LossLog again = Open(4);
  ASSERT_EQ(again.records().size(), 3u);
  EXPECT_FALSE(again.records()[0].held_out_loss);
  EXPECT_EQ(again.records()[2].held_out_loss, 0.5);
}

TEST_F(LossLogTest, CtrlCEndsTheReading) {
  const std::string text = "{\"step\":1}\n{\"step\":2}\n";
  WriteTestFile(path_, text);
  RequestInterrupt();
  const Status status = LossLog::Open(path_, 1).status();
  ClearInterrupt();
  EXPECT_EQ(status.exit_code(), 130);
  EXPECT_EQ(ReadTestFile(path_), text);
}

TEST_F(LossLogTest, ALineThatWasCutOffIsForgotten) {
  WriteTestFile(path_, "{\"step\":1,\"train_loss\":2}\n{\"step\":2,\"tra");
  LossLog log = Open(3);
  EXPECT_EQ(log.records().size(), 1u);
  ASSERT_TRUE(log.Append({.step = 2}).ok());
  EXPECT_EQ(Open(3).records().size(), 2u);
}

TEST_F(LossLogTest, SaysWhyALineCouldNotBeWritten) {
  LossLog log = Open(1);
  std::filesystem::remove(path_);
  std::filesystem::create_symlink("/dev/full", path_);
  EXPECT_EQ(log.Append({.step = 1}).message(), StrCat("cannot write ", path_, ": ", std::strerror(ENOSPC)));
  EXPECT_TRUE(log.records().empty());
  std::filesystem::remove(path_);
  ASSERT_TRUE(log.Append({.step = 1}).ok());
}

TEST_F(LossLogTest, AnotherFileIsLeftAlone) {
  const std::string text = "{\"step\":1}\n{\"stop\":2}\n{\"step\":3}\n";
  WriteTestFile(path_, text);
  EXPECT_EQ(LossLog::Open(path_, 1).status().message(),
            path_ + ":2: expected a JSON object with the number step, found {\"stop\":2}");
  EXPECT_EQ(ReadTestFile(path_), text);
  EXPECT_FALSE(LossLog::Open(directory_ / "none/log.jsonl", 1).ok());
}

}  // namespace
}  // namespace fathom
