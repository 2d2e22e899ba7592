// The launcher ./fathom, tried on a small project of its own: the same scripts around a program of one file.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "tests/support/run_binary.h"

namespace fathom {
namespace {

namespace fs = std::filesystem;

constexpr char kProgram[] = R"(
#include <cstdio>
#include <cstdlib>
int main(int argc, char** argv) {
  std::printf("home %s\n", std::getenv("FATHOM_HOME"));
  for (int arg = 1; arg < argc; ++arg) std::printf("[%s]\n", argv[arg]);
  return 42;
}
)";

constexpr char kTrainer[] = R"(
#include <cstdio>
int main(int argc, char** argv) {
  for (int arg = 1; arg < argc; ++arg) std::printf("trainer [%s]\n", argv[arg]);
  return 43;
}
)";

constexpr char kCmake[] = R"(
cmake_minimum_required(VERSION 3.25)
project(launcher_test LANGUAGES CXX)
option(FATHOM_TESTS "" ON)
if(FATHOM_TESTS)
  message(FATAL_ERROR "plain use must not configure the tests")
endif()
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_executable(fathom src/main.cc)
option(FATHOM_TRAIN "" OFF)
if(FATHOM_TRAIN)
  add_executable(fathom-train src/train.cc)
endif()
)";

class Launcher : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(root_ + "/cmake");
    fs::create_directories(root_ + "/tools");
    fs::create_directories(root_ + "/web");
    fs::copy(FATHOM_SOURCE_DIR "/fathom", root_ + "/fathom");
    fs::copy(FATHOM_SOURCE_DIR "/tools/lib.sh", root_ + "/tools/lib.sh");
    fs::copy(FATHOM_SOURCE_DIR "/CMakePresets.json", root_ + "/CMakePresets.json");
    WriteTestFile(root_ + "/CMakeLists.txt", kCmake);
    WriteTestFile(root_ + "/src/main.cc", kProgram);
    WriteTestFile(root_ + "/src/train.cc", kTrainer);
  }

  RunResult Start(const std::vector<std::string>& arguments, RunOptions options = {}) const {
    std::vector<std::string> full = {root_ + "/fathom"};
    full.insert(full.end(), arguments.begin(), arguments.end());
    return RunProgram(full, options);
  }

  // Puts a shell script before everything else on PATH.
  void FakeCommand(const std::string& name, const std::string& script) {
    const std::string path = directory_ / "fake-bin/" + name;
    WriteTestFile(path, "#!/bin/sh\n" + script + "\n");
    fs::permissions(path, fs::perms::owner_all);
  }
  // cmake calls ninja too (its version, compiler checks, housekeeping); only the launcher's build is faked.
  void FakeNinja(const std::string& script) {
    FakeCommand("ninja", R"([ "$3" = -j ] || exec /usr/bin/ninja "$@")"
                         "\n" +
                             script);
  }
  RunOptions WithFakeCommands() const {
    RunOptions options;
    options.environment = {{"PATH", directory_ / "fake-bin:" + std::getenv("PATH")}};
    return options;
  }

  TemporaryDirectory directory_;
  const std::string root_ = directory_ / "a tree, with spaces";
};

TEST_F(Launcher, BuildsOnceAndPassesEverythingThrough) {
  const RunResult first = Start({"run", "-p", "two words", ""});
  EXPECT_EQ(first.exit_code, 42) << first;
  EXPECT_EQ(first.out, "home " + root_ + "\n[run]\n[-p]\n[two words]\n[]\n");
  EXPECT_NE(first.err.find("fathom: building into " + root_ + "/build/release\n"), std::string::npos) << first;

  // From another place, through a link, with compilers that would fail: nothing is built again.
  FakeCommand("ninja", "exit 1");
  FakeCommand("cmake", "exit 1");
  fs::create_symlink(root_ + "/fathom", directory_ / "link");
  RunOptions options = WithFakeCommands();
  options.directory = "/";
  const RunResult second = RunProgram({directory_ / "link", "x"}, options);
  EXPECT_EQ(second.exit_code, 42) << second;
  EXPECT_EQ(second.out, "home " + root_ + "\n[x]\n");
  EXPECT_EQ(second.err, "");
}

TEST_F(Launcher, RebuildsAfterAnEdit) {
  EXPECT_EQ(Start({}).exit_code, 42);
  WriteTestFile(root_ + "/src/main.cc", "int main() { return 7; }\n");
  EXPECT_EQ(Start({}).exit_code, 7);
}

TEST_F(Launcher, CompilerErrorIsShownAndTheNextStartTriesAgain) {
  WriteTestFile(root_ + "/src/main.cc", "int main() { return no_such_name; }\n");
  for (int attempt = 0; attempt < 2; ++attempt) {
    const RunResult broken = Start({});
    EXPECT_EQ(broken.exit_code, 1);
    EXPECT_EQ(broken.out, "");
    EXPECT_NE(broken.err.find("no_such_name"), std::string::npos) << broken;
    EXPECT_TRUE(broken.err.ends_with("fathom: the build failed.\n")) << broken;
  }
  WriteTestFile(root_ + "/src/main.cc", "int main() { return 7; }\n");
  EXPECT_EQ(Start({}).exit_code, 7);
}

TEST_F(Launcher, BuildDirectoryCanBeElsewhere) {
  RunOptions options;
  options.directory = directory_.path();
  options.environment = {{"FATHOM_BUILD_DIR", "other place"}};
  EXPECT_EQ(Start({}, options).exit_code, 42);
  EXPECT_TRUE(fs::exists(directory_ / "other place/bin/fathom"));
  EXPECT_FALSE(fs::exists(root_ + "/build/release"));
}

// Whatever is installed here: the test's project needs no libtorch.
constexpr char kEverythingIsInstalled[] = R"(for package; do echo "$package installed"; done)";

TEST_F(Launcher, TheTrainerIsAProgramOfItsOwn) {
  FakeCommand("dpkg-query", kEverythingIsInstalled);
  const RunResult first = Start({"train", "run", "two words"}, WithFakeCommands());
  EXPECT_EQ(first.exit_code, 43) << first;
  EXPECT_EQ(first.out, "trainer [run]\ntrainer [two words]\n");
  EXPECT_TRUE(fs::exists(root_ + "/build/train/bin/fathom-train"));
  EXPECT_FALSE(fs::exists(root_ + "/build/train/bin/fathom")) << "only what was asked for is built";
  EXPECT_FALSE(fs::exists(root_ + "/build/release"));

  const RunResult program = Start({"run"});
  EXPECT_EQ(program.exit_code, 42) << program;
  FakeCommand("ninja", "exit 1");
  EXPECT_EQ(Start({"train"}, WithFakeCommands()).exit_code, 43) << "built again";

  RunOptions options;
  options.environment = {{"FATHOM_BUILD_DIR", directory_ / "other place"}};
  FakeCommand("ninja", "exec /usr/bin/ninja \"$@\"");
  options.environment.push_back(WithFakeCommands().environment[0]);
  EXPECT_EQ(Start({"train"}, options).exit_code, 43);
  EXPECT_TRUE(fs::exists(directory_ / "other place/train/bin/fathom-train"));
}

TEST_F(Launcher, TheTrainerNeedsMorePackages) {
  FakeCommand("dpkg-query", std::string(kEverythingIsInstalled) + " | grep -v -e torch -e dnnl");
  FakeCommand("apt-get", "echo \"$@\" >>'" + directory_ / "apt-calls" + "'");
  FakeCommand("sudo", "[ \"$1\" = -v ] || exec \"$@\"");
  EXPECT_EQ(Start({}, WithFakeCommands()).exit_code, 42);
  EXPECT_FALSE(fs::exists(directory_ / "apt-calls")) << "the program itself needs nothing of the trainer's";
  const RunResult result = Start({"train"}, WithFakeCommands());
  EXPECT_EQ(result.exit_code, 43) << result;
  EXPECT_EQ(ReadTestFile(directory_ / "apt-calls"),
            "install -y --no-install-recommends -o DPkg::Lock::Timeout=300 libtorch-dev libdnnl-dev\n");
}

TEST_F(Launcher, MovedTreeConfiguresAfresh) {
  EXPECT_EQ(Start({}).exit_code, 42);
  const std::string moved = directory_ / "moved";
  fs::rename(root_, moved);
  WriteTestFile(moved + "/src/main.cc", "int main() { return 7; }\n");
  const RunResult result = RunProgram({moved + "/fathom"});
  EXPECT_EQ(result.exit_code, 7) << result;
}

TEST_F(Launcher, ParallelStartsBuildOnce) {
  RunResult results[3];
  {
    std::vector<std::jthread> threads;
    for (RunResult& result : results) threads.emplace_back([this, &result] { result = Start({}); });
  }
  int builds = 0;
  for (const RunResult& result : results) {
    EXPECT_EQ(result.exit_code, 42) << result;
    builds += result.err.find("building into") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(builds, 1);
}

TEST_F(Launcher, InterruptWhileBuildingEndsCleanly) {
  // Said by the process that is slow: a shell that was about to start one would have lost the signal. Ninja itself
  // catches it and ends with a status of its own, which is none of the next build's.
  WriteTestFile(directory_ / "said", "[1/2] slow\n");
  for (const std::string& slow : {"exec tail -f '" + directory_ / "said" + "'",
                                  std::string("trap 'exit 2' INT; echo '[1/2] slow'; while :; do sleep 0.1; done")}) {
    FakeNinja(slow);
    RunOptions options = WithFakeCommands();
    options.terminal = true;
    options.interrupt_after = "building [1/2]";
    options.timeout_seconds = 60;
    const RunResult result = Start({}, options);
    EXPECT_FALSE(result.timed_out) << "the slow command was waited for";
    EXPECT_EQ(result.exit_code, 130) << result;
    EXPECT_TRUE(result.out.ends_with("\r\x1b[Kfathom: stopped; the next start goes on from here.\r\n")) << result;
    FakeNinja("exec /usr/bin/ninja \"$@\"");
    const RunResult next = Start({}, WithFakeCommands());
    EXPECT_EQ(next.exit_code, 42) << next;
    fs::remove_all(root_ + "/build");
  }
}

TEST_F(Launcher, TerminalShowsOneLineThatIsTakenAway) {
  FakeNinja("echo '[1/3] a'; sleep 2; echo '[2/3] b'; exec /usr/bin/ninja \"$@\"");
  RunOptions options = WithFakeCommands();
  options.terminal = true;
  const RunResult result = Start({"x"}, options);
  EXPECT_EQ(result.exit_code, 42) << result;
  EXPECT_NE(result.out.find("\r\x1b[Kbuilding [1/3]"), std::string::npos) << result;
  EXPECT_NE(result.out.find("\r\x1b[Kbuilding [2/3]"), std::string::npos) << result;
  EXPECT_NE(result.out.find("\r\x1b[Kfathom: built in "), std::string::npos) << result;
}

TEST_F(Launcher, WithoutNpmThePageIsLeftOut) {
  FakeCommand("npm", "exit 1");
  FakeCommand("dpkg-query", std::string(kEverythingIsInstalled) + " | grep -v -e npm -e nodejs");
  FakeCommand("apt-get", "echo 'E: no network'; exit 100");
  FakeCommand("sudo", "[ \"$1\" = -v ] || exec \"$@\"");
  const RunResult result = Start({}, WithFakeCommands());
  EXPECT_EQ(result.exit_code, 42) << result;
  EXPECT_NE(result.err.find("fathom: apt-get could not install nodejs npm\n"
                            "fathom: without npm the web page of `fathom serve` is left out\n"),
            std::string::npos)
      << result;
}

TEST_F(Launcher, InstallsMissingPackagesAsRoot) {
  FakeCommand("dpkg-query", "echo 'g++ installed'; echo 'cmake installed'");
  FakeCommand("apt-get", "echo \"$@\" >>'" + directory_ / "apt-calls" + "'");
  FakeCommand("sudo", "[ \"$1\" = -v ] || exec \"$@\"");
  const RunResult result = Start({}, WithFakeCommands());
  EXPECT_EQ(result.exit_code, 42) << result;
  EXPECT_NE(
      result.err.find("fathom: installing ninja-build rapidjson-dev libcli11-dev libedit-dev libssl-dev libxxhash-dev "
                      "libboost-dev libzstd-dev zlib1g-dev\n"),
      std::string::npos)
      << result;
  EXPECT_EQ(ReadTestFile(directory_ / "apt-calls"),
            "install -y --no-install-recommends -o DPkg::Lock::Timeout=300 ninja-build rapidjson-dev libcli11-dev "
            "libedit-dev libssl-dev "
            "libxxhash-dev libboost-dev libzstd-dev zlib1g-dev\n");
}

TEST_F(Launcher, WithoutAdministratorRightsItSaysWhatToInstall) {
  FakeCommand("dpkg-query", "exit 1");
  FakeCommand("apt-get", "touch '" + directory_ / "apt-was-called" + "'");
  FakeCommand("sudo", "exit 1");
  std::vector<std::string> command = {root_ + "/fathom"};
  if (geteuid() == 0) {
    const char nobody[] = "65534";
    command.insert(command.begin(), {"setpriv", "--reuid", nobody, "--clear-groups"});
    ASSERT_EQ(RunProgram({"chown", "-R", nobody, directory_.path()}).exit_code, 0);
  }
  const RunResult result = RunProgram(command, WithFakeCommands());
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("sudo may ask for your password"), std::string::npos) << result;
  EXPECT_TRUE(
      result.err.ends_with("Run as root: apt-get install g++ cmake ninja-build rapidjson-dev libcli11-dev "
                           "libedit-dev libssl-dev libxxhash-dev libboost-dev libzstd-dev zlib1g-dev\n"))
      << result;
  EXPECT_FALSE(fs::exists(directory_ / "apt-was-called"));
}

TEST_F(Launcher, UpdatesThePackageListsAndSaysWhatAptSaid) {
  FakeCommand("dpkg-query", "exit 1");
  FakeCommand("apt-get",
              "echo \"$1\" >>'" + directory_ / "apt-calls" + "'; echo 'E: Unable to locate package g++'; exit 100");
  FakeCommand("sudo", "[ \"$1\" = -v ] || exec \"$@\"");
  const RunResult result = Start({}, WithFakeCommands());
  EXPECT_EQ(result.exit_code, 1) << result;
  EXPECT_EQ(ReadTestFile(directory_ / "apt-calls"), "install\nupdate\ninstall\n");
  EXPECT_NE(result.err.find("E: Unable to locate package g++\n"), std::string::npos) << result;
  EXPECT_NE(result.err.find("fathom: apt-get could not install g++ cmake"), std::string::npos) << result;
}

}  // namespace
}  // namespace fathom
