#include "train/export_directory.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/run_binary.h"

namespace fathom {
namespace {

class ExportDirectoryTest : public testing::Test {
 protected:
  // What is wrong with exporting to a path in the test's directory; empty: nothing.
  std::string Error(const std::string& name) { return ExportTarget(directory_ / name).status().message(); }
  void WriteExport(const std::string& name, const std::string& config) {
    WriteTestFile((directory_ / name) + "/config.json", config);
    WriteTestFile((directory_ / name) + "/" + kModelIndex, "{}");
  }

  TemporaryDirectory directory_;
};

TEST_F(ExportDirectoryTest, SlashesAtTheEndDoNotCount) {
  const Result<std::string> target = ExportTarget((directory_ / "mine") + "//");
  ASSERT_TRUE(target.ok()) << target.status().message();
  EXPECT_EQ(*target, directory_ / "mine");
  EXPECT_EQ(ExportTarget("/").status().message(), "\"/\" does not end with the name of a model's directory");
  EXPECT_FALSE(ExportTarget(directory_ / ".").ok());
  EXPECT_FALSE(ExportTarget("").ok());
}

TEST_F(ExportDirectoryTest, OnlyExportsAndEmptyDirectoriesAreReplaced) {
  EXPECT_EQ(Error("missing"), "");
  EXPECT_EQ(Error("missing/below"), "");
  std::filesystem::create_directory(directory_ / "empty");
  EXPECT_EQ(Error("empty"), "");
  WriteExport("model", "{}");
  for (const char* name :
       {"golden.json", "golden.safetensors", "golden.safetensors.tmp", "tokenizer.json", kModelShard}) {
    WriteTestFile((directory_ / "model/") + name, "");
  }
  EXPECT_EQ(Error("model"), "");
  WriteTestFile(directory_ / "model/notes.txt", "keep");
  EXPECT_NE(Error("model").find("model holds notes.txt, which is no part of an export"), std::string::npos)
      << Error("model");
  WriteTestFile(directory_ / "vocabulary/tokenizer.json", "{}");
  EXPECT_NE(Error("vocabulary").find("holds no model.safetensors.index.json"), std::string::npos);
  WriteExport("nested", "{}");
  WriteTestFile(directory_ / "nested/tokenizer.json/notes.txt", "keep");
  EXPECT_NE(Error("nested").find("nested holds tokenizer.json"), std::string::npos);
  WriteTestFile(directory_ / "file", "");
  EXPECT_NE(Error("file").find("file is no directory"), std::string::npos);
  EXPECT_NE(Error("file/below").find("file is no directory"), std::string::npos);
}

TEST_F(ExportDirectoryTest, ADirectoryForFilesIsLookedAtAndNotMade) {
  EXPECT_TRUE(CheckWritableDirectory(directory_.path()).ok());
  EXPECT_TRUE(CheckWritableDirectory(directory_ / "missing/below").ok());
  EXPECT_FALSE(std::filesystem::exists(directory_ / "missing"));
  WriteTestFile(directory_ / "file", "");
  const Status file = CheckWritableDirectory(directory_ / "file");
  EXPECT_EQ(file.message(), (directory_ / "file") + " is no directory");
  const Status below = CheckWritableDirectory(directory_ / "file/below");
  EXPECT_EQ(below.exit_code(), 2);
  EXPECT_NE(below.message().find("file is no directory"), std::string::npos) << below.message();
}

}  // namespace
}  // namespace fathom
