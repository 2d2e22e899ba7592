#include "base/signals.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace fathom {
namespace {

TEST(Signals, FirstInterruptOnlySetsTheFlag) {
  InstallInterruptHandler();
  EXPECT_FALSE(InterruptRequested());
  raise(SIGINT);
  EXPECT_TRUE(InterruptRequested());
  ClearInterrupt();
  EXPECT_FALSE(InterruptRequested());
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) signal(number, SIG_DFL);
}

TEST(SignalsDeathTest, HangUpSetsTheFlagUnlessItIsIgnored) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        signal(SIGHUP, SIG_IGN);
        InstallInterruptHandler();
        raise(SIGHUP);
        if (InterruptRequested()) _exit(8);
        signal(SIGHUP, SIG_DFL);
        InstallInterruptHandler();
        raise(SIGHUP);
        raise(SIGHUP);  // goes on
        _exit(InterruptRequested() ? 7 : 9);
      },
      testing::ExitedWithCode(7), "");
}

TEST(SignalsDeathTest, WhatIsToEndTheProgramIsNotForgotten) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  for (const int number : {SIGTERM, SIGHUP}) {
    EXPECT_EXIT(
        {
          InstallInterruptHandler();
          raise(number);
          ClearInterrupt();
          _exit(InterruptRequested() ? 7 : 8);
        },
        testing::ExitedWithCode(7), "");
  }
}

// 7: the write fails.
void WriteBeyondTheLimit() {
  std::string path = testing::TempDir() + "/signals_test_XXXXXX";
  const int fd = mkstemp(path.data());
  unlink(path.c_str());
  const rlimit limit = {1, 1};
  setrlimit(RLIMIT_FSIZE, &limit);
  _exit(write(fd, "ab", 2) == 1 && write(fd, "b", 1) == -1 && errno == EFBIG ? 7 : 8);
}

TEST(SignalsDeathTest, AFileThatMayNotGrowIsAnErrorOfTheWrite) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        IgnoreFileSizeSignal();
        WriteBeyondTheLimit();
      },
      testing::ExitedWithCode(7), "");
}

TEST(SignalsDeathTest, SecondInterruptEndsTheProgram) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        InstallInterruptHandler();
        raise(SIGINT);
        raise(SIGINT);
        _exit(0);
      },
      testing::ExitedWithCode(130), "");
}

TEST(SignalsDeathTest, InterruptAfterClearIsAFirstOneAgain) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        InstallInterruptHandler();
        raise(SIGINT);
        ClearInterrupt();
        raise(SIGINT);
        _exit(InterruptRequested() ? 7 : 8);
      },
      testing::ExitedWithCode(7), "");
}

// Maps two pages of a file, cuts it to one and reads the second.
void ReadBehindTheEndOfAMappedFile() {
  std::string path = testing::TempDir() + "/signals_test_XXXXXX";
  const int fd = mkstemp(path.data());
  if (fd < 0) _exit(99);
  unlink(path.c_str());
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  if (ftruncate(fd, static_cast<off_t>(2 * page)) != 0) _exit(98);
  void* mapped = mmap(nullptr, 2 * page, PROT_READ, MAP_SHARED, fd, 0);
  if (mapped == MAP_FAILED) _exit(97);
  if (ftruncate(fd, static_cast<off_t>(page)) != 0) _exit(96);
  _exit(static_cast<volatile char*>(mapped)[page] + 50);
}

TEST(SignalsDeathTest, ShrunkenMappingIsASentence) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        InstallMappingFaultHandler();
        ReadBehindTheEndOfAMappedFile();
      },
      testing::ExitedWithCode(3), "fathom: a mapped file shrank or could not be read while it was in use");
}

TEST(SignalsDeathTest, ShrunkenMappingIsNamed) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        InstallMappingFaultHandler([](const void*) { return "model-00001.safetensors"; });
        ReadBehindTheEndOfAMappedFile();
      },
      testing::ExitedWithCode(3), "fathom: model-00001.safetensors shrank");
}

}  // namespace
}  // namespace fathom
