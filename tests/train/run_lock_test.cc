#include "train/run_lock.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

TEST(RunLockTest, IsHeldByOneAtATime) {
  const TemporaryDirectory directory;
  const std::string run = directory / "runs/1";
  {
    const Result<std::unique_ptr<RunLock>> first = RunLock::Take(run);
    ASSERT_TRUE(first.ok()) << first.status().message();
    const Status second = RunLock::Take(run).status();
    EXPECT_EQ(second.exit_code(), 3);
    EXPECT_EQ(second.message(), "another process is training in " + run + "; wait for it or name another --run");
  }
  EXPECT_TRUE(RunLock::Take(run).ok());
}

TEST(RunLockTest, ADirectoryThatCannotBeMadeIsNamed) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "file", "");
  const Status status = RunLock::Take(directory / "file/run").status();
  EXPECT_EQ(status.exit_code(), 3);
  EXPECT_NE(status.message().find("file/run"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace fathom
