#include "base/staging_directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/run_binary.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

class StagingDirectoryTest : public testing::Test {
 protected:
  // What the test's directory holds.
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_.path())) names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
  }
  using NameList = std::vector<std::string>;

  TemporaryDirectory directory_;
  const std::string target_ = directory_ / "model";
};

TEST_F(StagingDirectoryTest, WhatIsNotMovedGoes) {
  {
    StagingDirectory staging;
    ASSERT_TRUE(staging.Make(target_).ok());
    EXPECT_TRUE(staging.path().starts_with(target_ + ".partial-")) << staging.path();
    WriteTestFile(staging.path() + "/file", "half");
  }
  EXPECT_EQ(Names(), NameList{});
}

TEST_F(StagingDirectoryTest, MovesToNothingAndToAnEmptyDirectoryOnly) {
  for (const bool empty_is_there : {false, true}) {
    if (empty_is_there) fs::create_directory(target_);
    StagingDirectory staging;
    ASSERT_TRUE(staging.Make(target_).ok());
    WriteTestFile(staging.path() + "/file", "whole");
    EXPECT_TRUE(staging.MoveTo(target_).ok());
    EXPECT_EQ(Names(), NameList{"model"});
    EXPECT_EQ(ReadTestFile(target_ + "/file"), "whole");
    if (!empty_is_there) fs::remove_all(target_);
  }
  StagingDirectory staging;
  ASSERT_TRUE(staging.Make(target_).ok());
  const Status status = staging.MoveTo(target_);
  EXPECT_EQ(status.exit_code(), 3);
  EXPECT_NE(status.message().find(target_), std::string::npos) << status.message();
  EXPECT_EQ(ReadTestFile(target_ + "/file"), "whole");
}

TEST_F(StagingDirectoryTest, ReplacesWhatIsThereAndTouchesNothingElse) {
  // Names that look like its own.
  WriteTestFile(directory_ / "model.partial/notes.txt", "keep");
  WriteTestFile(directory_ / "model.replaced/notes.txt", "keep");
  for (const char* text : {"first", "second"}) {
    StagingDirectory staging;
    ASSERT_TRUE(staging.Make(target_).ok());
    WriteTestFile(staging.path() + "/" + text, text);
    const Status status = staging.Replace(target_);
    EXPECT_TRUE(status.ok()) << status.message();
  }
  EXPECT_EQ(Names(), (NameList{"model", "model.partial", "model.replaced"}));
  EXPECT_EQ(ReadTestFile(target_ + "/second"), "second");
  EXPECT_FALSE(fs::exists(target_ + "/first"));
  EXPECT_EQ(ReadTestFile(directory_ / "model.partial/notes.txt"), "keep");
  EXPECT_EQ(ReadTestFile(directory_ / "model.replaced/notes.txt"), "keep");
}

TEST_F(StagingDirectoryTest, WhatCannotBeReplacedStays) {
  WriteTestFile(target_ + "/file", "old");
  StagingDirectory staging;
  ASSERT_TRUE(staging.Make(target_).ok());
  fs::remove(staging.path());
  const Status status = staging.Replace(target_);
  EXPECT_EQ(status.exit_code(), 3);
  EXPECT_NE(status.message().find(target_), std::string::npos) << status.message();
  EXPECT_EQ(Names(), NameList{"model"});
  EXPECT_EQ(ReadTestFile(target_ + "/file"), "old");
}

TEST_F(StagingDirectoryTest, WhereNothingCanBeMadeIsAnError) {
  StagingDirectory staging;
  const Status status = staging.Make(directory_ / "missing/model");
  EXPECT_EQ(status.exit_code(), 3);
  EXPECT_NE(status.message().find(directory_ / "missing/model.partial-"), std::string::npos) << status.message();
}

}  // namespace
}  // namespace fathom
