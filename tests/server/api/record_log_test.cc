#include "server/api/record_log.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/run_binary.h"

namespace fathom {
namespace {

constexpr uint32_t kLongestRecord = 1000;
constexpr size_t kMagicBytes = 8;
constexpr size_t kFrameBytes = 12;  // before the bytes of a record

struct ReadLog {
  std::vector<std::string> records;
  int64_t torn_bytes = 0;
  int64_t damaged_bytes = 0;
};

// What a file holds; then `appended` is there, too.
ReadLog Reread(const std::string& path, const std::string& appended = "") {
  ReadLog read;
  const Result<std::unique_ptr<RecordLog>> log =
      RecordLog::Open(path, kLongestRecord, [&](std::string_view record) { read.records.emplace_back(record); });
  EXPECT_TRUE(log.ok()) << log.status().message();
  if (!log.ok()) return read;
  read.torn_bytes = (*log)->torn_bytes();
  read.damaged_bytes = (*log)->damaged_bytes();
  if (!appended.empty()) {
    EXPECT_TRUE((*log)->Append(appended).ok());
  }
  return read;
}

// A new file with these records, as bytes.
std::string FileOf(const std::string& path, const std::vector<std::string>& records) {
  WriteTestFile(path, "");
  for (const std::string& record : records) Reread(path, record);
  return ReadTestFile(path);
}

TEST(RecordLog, ADamagedRecordCostsNoOther) {
  const TemporaryDirectory directory;
  const std::string path = directory / "records";
  const std::vector<std::string> records = {"the first one", std::string("\3\0\0\0 two", 8), "three"};
  const std::string whole = FileOf(path, records);
  const size_t end_of_first = kMagicBytes + kFrameBytes + records[0].size();
  for (size_t at = kMagicBytes; at < end_of_first; ++at) {  // its size, its checksum, its bytes
    for (int bit = 0; bit < 8; ++bit) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
      WriteTestFile(path, damaged);
      const ReadLog read = Reread(path, "four");
      EXPECT_EQ(read.records, (std::vector<std::string>{records[1], records[2]})) << at << " " << bit;
      EXPECT_EQ(read.damaged_bytes, static_cast<int64_t>(end_of_first - kMagicBytes)) << at << " " << bit;
      EXPECT_EQ(read.torn_bytes, 0) << at << " " << bit;
      EXPECT_EQ(ReadTestFile(path).substr(0, damaged.size()), damaged) << "nothing is cut off";
      EXPECT_EQ(Reread(path).records, (std::vector<std::string>{records[1], records[2], "four"})) << at << " " << bit;
    }
  }
}

TEST(RecordLog, WhatLiesBehindSeveralDamagedRecordsIsFound) {
  const TemporaryDirectory directory;
  const std::string path = directory / "records";
  std::string bytes = FileOf(path, {"one", "two", "three", "four"});
  bytes[kMagicBytes + kFrameBytes] ^= 1;         // of "one"
  bytes[kMagicBytes + kFrameBytes + 3] ^= 0x40;  // the size of "two"
  bytes[bytes.size() - kFrameBytes - 5] ^= 1;    // the last byte of "three"
  WriteTestFile(path, bytes);
  EXPECT_EQ(Reread(path).records, std::vector<std::string>{"four"});
}

TEST(RecordLog, ATornEndIsCutOffBehindDamageToo) {
  const TemporaryDirectory directory;
  const std::string path = directory / "records";
  std::string bytes = FileOf(path, {"one", "two", "three"});
  bytes[kMagicBytes + kFrameBytes] ^= 1;
  const size_t end_of_second = bytes.size() - kFrameBytes - 5;
  for (size_t size = end_of_second + 1; size < bytes.size(); ++size) {
    WriteTestFile(path, bytes.substr(0, size));
    const ReadLog read = Reread(path);
    EXPECT_EQ(read.records, std::vector<std::string>{"two"}) << size;
    EXPECT_EQ(read.torn_bytes, static_cast<int64_t>(size - end_of_second)) << size;
    EXPECT_EQ(ReadTestFile(path), bytes.substr(0, end_of_second)) << size;
  }
}

TEST(RecordLog, ARewriteLeavesDamageOut) {
  const TemporaryDirectory directory;
  const std::string path = directory / "records";
  std::string bytes = FileOf(path, {"one", "two"});
  bytes[kMagicBytes + kFrameBytes] ^= 1;
  WriteTestFile(path, bytes);
  {
    const auto log = RecordLog::Open(path, kLongestRecord, [](std::string_view) {});
    ASSERT_TRUE(log.ok()) << log.status().message();
    bool given = false;
    ASSERT_TRUE((*log)
                    ->Rewrite([&]() -> std::optional<std::string> {
                      return std::exchange(given, true) ? std::nullopt : std::optional<std::string>("two");
                    })
                    .ok());
  }
  const ReadLog read = Reread(path);
  EXPECT_EQ(read.records, std::vector<std::string>{"two"});
  EXPECT_EQ(read.damaged_bytes, 0);
}

}  // namespace
}  // namespace fathom
