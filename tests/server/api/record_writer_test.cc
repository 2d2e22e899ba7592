#include "server/api/record_writer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/run_binary.h"

namespace fathom {
namespace {

constexpr uint32_t kMaxRecord = 100;

std::unique_ptr<RecordLog> OpenLog(const std::string& path) {
  Result<std::unique_ptr<RecordLog>> log = RecordLog::Open(path, kMaxRecord, [](std::string_view) {});
  EXPECT_TRUE(log.ok()) << log.status().message();
  return std::move(*log);
}

std::vector<std::string> RecordsIn(const std::string& path) {
  std::vector<std::string> records;
  EXPECT_TRUE(RecordLog::Open(path, kMaxRecord, [&](std::string_view record) { records.emplace_back(record); }).ok());
  return records;
}

TEST(RecordWriter, WritesInOrderAndTheRestWhenItCloses) {
  const TemporaryDirectory directory;
  const std::string path = directory / "records";
  std::vector<std::string> expected;
  {
    RecordWriter writer(OpenLog(path), {.what = "records", .max_queued_bytes = 1 << 20, .max_file_bytes = 1 << 20});
    for (int i = 0; i < 100; ++i) {
      expected.push_back(std::to_string(i));
      ASSERT_TRUE(writer.Add(expected.back()));
    }
  }
  EXPECT_EQ(RecordsIn(path), expected);
}

TEST(RecordWriter, TellsWhatBecameOfARecord) {
  const TemporaryDirectory directory;
  RecordWriter writer(OpenLog(directory / "records"),
                      {.what = "records", .max_queued_bytes = 1 << 20, .max_file_bytes = 1 << 20});
  std::promise<bool> fits;
  std::promise<bool> too_long;
  RecordWriter::Written then = [&](const Status& status) { fits.set_value(status.ok()); };
  ASSERT_TRUE(writer.Add("a", &then));
  then = [&](const Status& status) { too_long.set_value(status.ok()); };
  ASSERT_TRUE(writer.Add(std::string(kMaxRecord + 1, 'b'), &then));
  EXPECT_TRUE(fits.get_future().get());
  EXPECT_FALSE(too_long.get_future().get());
}

TEST(RecordWriter, TakesNoMoreThanMayWait) {
  const TemporaryDirectory directory;
  const std::string path = directory / "records";
  std::promise<void> go;
  std::promise<void> waits;
  bool refused_was_called = false;
  {
    RecordWriter writer(OpenLog(path), {.what = "records", .max_queued_bytes = 10, .max_file_bytes = 1 << 20});
    RecordWriter::Written block = [&](const Status&) {
      waits.set_value();
      go.get_future().wait();
    };
    ASSERT_TRUE(writer.Add("first", &block));
    waits.get_future().wait();  // the writer has it and comes no further
    EXPECT_TRUE(writer.Add("0123456"));
    RecordWriter::Written refused = [&](const Status&) { refused_was_called = true; };
    EXPECT_FALSE(writer.Add("7890", &refused));
    EXPECT_TRUE(refused != nullptr) << "it still belongs to the caller";
    EXPECT_TRUE(writer.Add("789"));
    go.set_value();
  }
  EXPECT_EQ(RecordsIn(path), (std::vector<std::string>{"first", "0123456", "789"}));
  EXPECT_FALSE(refused_was_called);
}

TEST(RecordWriter, RewritesAFileThatGrewTooLong) {
  const TemporaryDirectory directory;
  const std::string path = directory / "records";
  std::atomic<int> rewritten = 0;
  {
    RecordWriter writer(
        OpenLog(path),
        {.what = "records", .max_queued_bytes = 1 << 20, .max_file_bytes = 500, .rewrite = [&](RecordLog* log) {
           ++rewritten;
           bool given = false;
           return log->Rewrite([&]() -> std::optional<std::string> {
             return std::exchange(given, true) ? std::nullopt : std::optional("kept");
           });
         }});
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(writer.Add(std::string(40, 'x')));  // 52 bytes each in the file
  }
  EXPECT_EQ(rewritten, 4);  // each after ten records, or nine and the one that is kept
  const std::vector<std::string> records = RecordsIn(path);
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records[0], "kept");
  EXPECT_LT(records.size(), 10U);
}

TEST(RecordWriter, AFailedRewriteIsNotTriedWithEveryRecord) {
  const TemporaryDirectory directory;
  const std::string path = directory / "records";
  std::atomic<int> tried = 0;
  {
    RecordWriter writer(
        OpenLog(path),
        {.what = "records", .max_queued_bytes = 1 << 20, .max_file_bytes = 500, .rewrite = [&](RecordLog*) {
           ++tried;
           return IoError("no space");
         }});
    for (int i = 0; i < 40; ++i) ASSERT_TRUE(writer.Add(std::string(40, 'x')));
  }
  EXPECT_EQ(tried, 2);  // above 500 bytes, and above twice what there was then
  EXPECT_EQ(RecordsIn(path).size(), 40U) << "nothing is lost";
}

}  // namespace
}  // namespace fathom
