// made_up_root.h - tests of what is read below /sys and /proc, with files of their own there.
#ifndef FATHOM_TESTS_BASE_MADE_UP_ROOT_H_
#define FATHOM_TESTS_BASE_MADE_UP_ROOT_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace fathom {

class MadeUpRoot : public testing::Test {
 protected:
  void SetUp() override {
    const testing::TestInfo& test = *testing::UnitTest::GetInstance()->current_test_info();
    root_ = testing::TempDir() + "/" + test.test_suite_name() + "_" + test.name();
    std::filesystem::remove_all(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void Write(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }

  std::string root_;
};

}  // namespace fathom

#endif  // FATHOM_TESTS_BASE_MADE_UP_ROOT_H_
