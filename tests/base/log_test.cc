#include "base/log.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace fathom {
namespace {

TEST(Log, FormatsFieldsOfEveryType) {
  EXPECT_EQ(FormatLogLine(
                LogLevel::kInfo, "opened",
                {{"dir", "/models/flash"}, {"files", 46}, {"ok", true}, {"seconds", 0.5}, {"big", uint64_t{1} << 63}}),
            "level=info msg=opened dir=/models/flash files=46 ok=true seconds=0.5 big=9223372036854775808");
}

TEST(Log, QuotesWhatWouldBeAmbiguous) {
  EXPECT_EQ(FormatLogLine(LogLevel::kError, "two words",
                          {{"empty", ""}, {"quote", "a\"b"}, {"control", "\x1b[2J\n"}, {"eq", "a=b"}}),
            R"(level=error msg="two words" empty="" quote="a\"b" control="\x1b[2J\n" eq="a=b")");
}

TEST(Log, KnowsItsLevels) {
  EXPECT_EQ(ParseLogLevel("debug"), LogLevel::kDebug);
  EXPECT_EQ(ParseLogLevel("off"), LogLevel::kOff);
  EXPECT_EQ(ParseLogLevel("verbose"), std::nullopt);
  EXPECT_EQ(ParseLogLevel(""), std::nullopt);
}

TEST(Log, WritesOnlyFromItsLevelUp) {
  SetLogLevel(LogLevel::kWarning);
  testing::internal::CaptureStderr();
  Log(LogLevel::kInfo, "hidden");
  Log(LogLevel::kError, "shown", {{"code", 7}});
  const std::string out = testing::internal::GetCapturedStderr();
  EXPECT_EQ(out.find("hidden"), std::string::npos);
  EXPECT_TRUE(out.starts_with("time=2")) << out;
  EXPECT_TRUE(out.ends_with("Z level=error msg=shown code=7\n")) << out;
}

TEST(Log, OffIsSilent) {
  SetLogLevel(LogLevel::kOff);
  EXPECT_FALSE(LogEnabled(LogLevel::kError));
  EXPECT_FALSE(LogEnabled(LogLevel::kOff));
  SetLogLevel(LogLevel::kWarning);
}

TEST(Log, LinesOfSeveralThreadsStayWhole) {
  SetLogLevel(LogLevel::kInfo);
  testing::internal::CaptureStderr();
  std::vector<std::thread> threads;
  for (int worker = 0; worker < 4; ++worker) {
    threads.emplace_back([] {
      for (int step = 0; step < 50; ++step) Log(LogLevel::kInfo, "step", {{"text", "abcdefghijklmnopqrstuvwxyz"}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::string out = testing::internal::GetCapturedStderr();
  SetLogLevel(LogLevel::kWarning);
  size_t lines = 0;
  for (size_t start = 0; start < out.size();) {
    const size_t end = out.find('\n', start);
    ASSERT_NE(end, std::string::npos);
    const std::string line = out.substr(start, end - start);
    EXPECT_TRUE(line.starts_with("time=") && line.ends_with("text=abcdefghijklmnopqrstuvwxyz")) << line;
    start = end + 1;
    ++lines;
  }
  EXPECT_EQ(lines, 200U);
}

}  // namespace
}  // namespace fathom
