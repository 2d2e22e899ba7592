#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <iterator>
#include <optional>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

size_t EntriesOf(const TemporaryDirectory& directory) {
  const std::filesystem::directory_iterator begin(directory.path());
  return static_cast<size_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

std::string Text(const MappedFile& file) { return {file.bytes().begin(), file.bytes().end()}; }

TEST(File, MapsWhatIsThere) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "file", "some bytes");
  Result<MappedFile> file = MappedFile::Open(directory / "file");
  ASSERT_TRUE(file.ok()) << file.status().message();
  EXPECT_EQ(Text(*file), "some bytes");
  EXPECT_EQ(file->path(), directory / "file");
  MappedFile moved = std::move(*file);
  EXPECT_EQ(Text(moved), "some bytes");
  EXPECT_TRUE(file->bytes().empty());
  moved = MappedFile();
  EXPECT_TRUE(moved.bytes().empty());
}

TEST(File, EmptyFileMapsToNothing) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "file", "");
  Result<MappedFile> file = MappedFile::Open(directory / "file");
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->bytes().empty());
}

TEST(File, MappingsBeginAtLargePages) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "file", "some bytes");
  const Result<MappedFile> file = MappedFile::Open(directory / "file");
  ASSERT_TRUE(file.ok());
  EXPECT_EQ(reinterpret_cast<uintptr_t>(file->bytes().data()) % (2 << 20), 0u);
}

// More than one piece, and an end inside a page.
std::string LongText() {
  std::string text;
  for (int i = 0; text.size() < (9u << 20) + 77; ++i) text += std::to_string(i) + ",";
  return text;
}

TEST(File, MemoryTakesTheMappingsPlace) {
  const TemporaryDirectory directory;
  const std::string text = LongText();
  WriteTestFile(directory / "file", text);
  Result<MappedFile> file = MappedFile::Open(directory / "file");
  ASSERT_TRUE(file.ok());
  const uint8_t* const before = file->bytes().data();
  ThreadPool pool(2);
  Progress progress("reading", text.size(), Progress::Unit::kBytes);
  const Status read = file->ReadIntoMemory(pool, progress);
  ASSERT_TRUE(read.ok()) << read.message();
  EXPECT_EQ(file->bytes().data(), before);
  EXPECT_TRUE(Text(*file) == text);
  // What happens to the file no longer matters.
  WriteTestFile(directory / "file", "");
  EXPECT_TRUE(Text(*file) == text);
}

TEST(File, LargePagesAreAWishThatChangesNoByte) {
  const TemporaryDirectory directory;
  const std::string text = LongText();
  WriteTestFile(directory / "file", text);
  Result<MappedFile> file = MappedFile::Open(directory / "file");
  ASSERT_TRUE(file.ok());
  file->PreferLargePages();
  EXPECT_TRUE(Text(*file) == text);
  MappedFile().PreferLargePages();
}

TEST(File, CountsWhatOfAMappingIsInMemory) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "file", LongText());
  Result<MappedFile> file = MappedFile::Open(directory / "file");
  ASSERT_TRUE(file.ok());
  const std::vector<std::span<const uint8_t>> mappings = {file->bytes(), {}};
  const std::optional<MappedBytes> before = CountMappedBytes(mappings);
  if (!before) GTEST_SKIP() << "this system does not say";
  EXPECT_EQ(before->in_memory, 0u);
  EXPECT_EQ(Text(*file).size(), LongText().size());
  const std::optional<MappedBytes> counted = CountMappedBytes(mappings);
  ASSERT_TRUE(counted);
  EXPECT_GE(counted->in_memory, LongText().size());
  EXPECT_LE(counted->in_memory, LongText().size() + (size_t{1} << 16));
  EXPECT_LE(counted->in_large_pages, counted->in_memory);
}

TEST(File, AFileOfAnotherSizeIsNotReadIntoMemory) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "file", LongText());
  Result<MappedFile> file = MappedFile::Open(directory / "file");
  ASSERT_TRUE(file.ok());
  WriteTestFile(directory / "file", "short");
  ThreadPool pool(1);
  Progress progress("reading", 1, Progress::Unit::kBytes);
  const Status read = file->ReadIntoMemory(pool, progress);
  EXPECT_EQ(read.message(), (directory / "file") + ": had " + std::to_string(LongText().size()) +
                                " bytes when it was opened and has 5 now");
  Result<MappedFile> gone = MappedFile::Open(directory / "file");
  ASSERT_TRUE(gone.ok());
  ASSERT_EQ(::unlink((directory / "file").c_str()), 0);
  EXPECT_EQ(gone->ReadIntoMemory(pool, progress).code(), ErrorCode::kNotFound);
}

TEST(File, MappingOutlivesTheName) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "file", "kept");
  Result<MappedFile> file = MappedFile::Open(directory / "file");
  ASSERT_TRUE(file.ok());
  std::filesystem::remove(directory / "file");
  EXPECT_EQ(Text(*file), "kept");
}

TEST(File, MappingsAreNamedByAddressWhileTheyLive) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "a", "some bytes");
  WriteTestFile(directory / "b", "others");
  const uint8_t* inside = nullptr;
  {
    Result<MappedFile> a = MappedFile::Open(directory / "a");
    Result<MappedFile> b = MappedFile::Open(directory / "b");
    ASSERT_TRUE(a.ok() && b.ok());
    const MappedFile moved = std::move(*a);
    inside = moved.bytes().data() + 9;
    EXPECT_EQ(std::string(MappedFileNameAt(inside)), directory / "a");
    EXPECT_EQ(std::string(MappedFileNameAt(b->bytes().data())), directory / "b");
    EXPECT_EQ(MappedFileNameAt(&directory), nullptr);
  }
  EXPECT_EQ(MappedFileNameAt(inside), nullptr);
}

TEST(File, AbsentFileIsNotFoundAndNamed) {
  const Result<MappedFile> file = MappedFile::Open("/no/such/file");
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.status().code(), ErrorCode::kNotFound);
  EXPECT_EQ(file.status().message(), "/no/such/file: cannot open: No such file or directory");
  EXPECT_EQ(ReadFile("/no/such/file", 10).status().code(), ErrorCode::kNotFound);
}

TEST(File, DirectoriesAndPipesAreRefusedWithoutWaiting) {
  const TemporaryDirectory directory;
  ASSERT_EQ(mkfifo((directory / "pipe").c_str(), 0600), 0);
  for (const std::string& path : {directory.path(), directory / "pipe"}) {
    const Result<MappedFile> mapped = MappedFile::Open(path);
    ASSERT_FALSE(mapped.ok()) << path;
    EXPECT_EQ(mapped.status().message(), path + ": is not a regular file");
    EXPECT_FALSE(ReadFile(path, 1000).ok()) << path;
    EXPECT_FALSE(FileExists(path)) << path;
  }
  EXPECT_TRUE(DirectoryExists(directory.path()));
  EXPECT_FALSE(DirectoryExists(directory / "pipe"));
}

TEST(File, ReadIsBounded) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "file", "0123456789");
  const Result<std::string> whole = ReadFile(directory / "file", 10);
  ASSERT_TRUE(whole.ok());
  EXPECT_EQ(*whole, "0123456789");
  const Result<std::string> cut = ReadFile(directory / "file", 9);
  ASSERT_FALSE(cut.ok());
  EXPECT_NE(cut.status().message().find(directory / "file"), std::string::npos) << cut.status().message();
}

TEST(File, AtomicWriteReplacesAndLeavesNothingBehind) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(WriteFileAtomically(directory / "file", "old").ok());
  ASSERT_TRUE(WriteFileAtomically(directory / "file", std::string("new\0bytes", 9)).ok());
  EXPECT_EQ(ReadTestFile(directory / "file"), std::string("new\0bytes", 9));
  EXPECT_EQ(EntriesOf(directory), 1U);
}

TEST(File, AtomicWriteKeepsTheOwner) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can write what belongs to others";
  const TemporaryDirectory directory;
  const std::string path = directory / "file";
  WriteTestFile(path, "old");
  ASSERT_EQ(::chmod(path.c_str(), 0640), 0);
  ASSERT_EQ(::chown(path.c_str(), 65534, 65534), 0);
  ASSERT_TRUE(WriteFileAtomically(path, "new").ok());
  struct stat info = {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 65534u);
  EXPECT_EQ(info.st_gid, 65534u);
  EXPECT_EQ(info.st_mode & 0777, 0640u);
  EXPECT_EQ(ReadTestFile(path), "new");
}

TEST(File, FailedAtomicWriteKeepsTheOldFile) {
  const TemporaryDirectory directory;
  const std::string missing = directory / "missing/file";
  const Status status = WriteFileAtomically(missing, "x");
  ASSERT_FALSE(status.ok());
  EXPECT_NE(status.message().find(missing), std::string::npos) << status.message();

  // The target is a directory that is not empty: the rename fails after the content was written.
  WriteTestFile(directory / "target/inside", "kept");
  EXPECT_FALSE(WriteFileAtomically(directory / "target", "x").ok());
  EXPECT_EQ(ReadTestFile(directory / "target/inside"), "kept");
  EXPECT_EQ(EntriesOf(directory), 1U);
}

TEST(File, AtomicWriteFollowsLinks) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "inner/file", "old");
  std::filesystem::create_symlink("inner/second", directory / "first");
  std::filesystem::create_symlink("file", directory / "inner/second");
  std::filesystem::create_symlink(directory / "inner/new", directory / "dangling");
  ASSERT_TRUE(WriteFileAtomically(directory / "first", "new").ok());
  ASSERT_TRUE(WriteFileAtomically(directory / "dangling", "made").ok());
  EXPECT_EQ(ReadTestFile(directory / "inner/file"), "new");
  EXPECT_EQ(ReadTestFile(directory / "inner/new"), "made");
  for (const char* link : {"first", "inner/second", "dangling"}) {
    EXPECT_TRUE(std::filesystem::is_symlink(directory / link)) << link;
  }
  EXPECT_FALSE(std::filesystem::is_symlink(directory / "inner/file"));
  std::filesystem::create_symlink("loop", directory / "loop");
  const Status loop = WriteFileAtomically(directory / "loop", "x");
  EXPECT_EQ(loop.message(), (directory / "loop") + ": cannot open: Too many levels of symbolic links");
}

TEST(File, AtomicWriteGoesIntoAPipe) {
  const TemporaryDirectory directory;
  const std::string pipe = directory / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::filesystem::create_symlink("pipe", directory / "link");
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);  // so that no writer has to wait
  ASSERT_GE(reader, 0);
  for (const char* name : {"pipe", "link"}) {
    ASSERT_TRUE(CheckOutputFile(directory / name).ok());
    ASSERT_TRUE(WriteFileAtomically(directory / name, name).ok());
    char text[16] = {};
    ASSERT_GT(read(reader, text, sizeof text - 1), 0);
    EXPECT_EQ(std::string(text), name);
  }
  close(reader);
  EXPECT_TRUE(std::filesystem::is_fifo(std::filesystem::symlink_status(pipe)));
  EXPECT_TRUE(std::filesystem::is_symlink(directory / "link"));
  EXPECT_TRUE(WriteFileAtomically("/dev/null", "x").ok());
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

TEST(File, AtomicWriteToStandardOutputGoesBehindWhatWasPrinted) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "out", "");
  const auto in_child = [&] {
    const int out = open((directory / "out").c_str(), O_WRONLY | O_CLOEXEC);
    dup2(out, STDOUT_FILENO);
    std::printf("printed\n");
    bool good = true;
    for (const std::string& name : {std::string("/dev/stdout"), directory / "out"}) {
      good = good && CheckOutputFile(name).ok() && WriteFileAtomically(name, "written\n").ok();
    }
    std::printf("and more\n");
    std::fflush(stdout);
    _exit(good ? 0 : 1);
  };
  EXPECT_EXIT(in_child(), testing::ExitedWithCode(0), "");
  EXPECT_EQ(ReadTestFile(directory / "out"), "printed\nwritten\nwritten\nand more\n");
}

TEST(File, AtomicWriteLeavesOtherFilesAlone) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "file.tmp", "mine");
  ASSERT_TRUE(WriteFileAtomically(directory / "file", "new").ok());
  EXPECT_EQ(ReadTestFile(directory / "file.tmp"), "mine");
  EXPECT_EQ(EntriesOf(directory), 2U);
}

TEST(File, AtomicWriteKeepsTheRightsOfWhatItReplaces) {
  const TemporaryDirectory directory;
  const auto mode_of = [&](const char* name) {
    struct stat info = {};
    EXPECT_EQ(stat((directory / name).c_str(), &info), 0);
    return info.st_mode & 07777;
  };
  const mode_t before = umask(027);
  EXPECT_TRUE(WriteFileAtomically(directory / "new", "x").ok());
  EXPECT_TRUE(WriteFileAtomically(directory / "secret", "x", 0600).ok());
  EXPECT_EQ(mode_of("new"), 0640U);
  EXPECT_EQ(mode_of("secret"), 0600U);
  for (const mode_t mode : {0600U, 0664U, 0400U}) {
    ASSERT_EQ(chmod((directory / "new").c_str(), mode), 0);
    ASSERT_EQ(chmod((directory / "secret").c_str(), mode), 0);
    EXPECT_TRUE(WriteFileAtomically(directory / "new", "y").ok());
    EXPECT_TRUE(WriteFileAtomically(directory / "secret", "y", 0600).ok());
    EXPECT_EQ(mode_of("new"), mode);
    EXPECT_EQ(mode_of("secret"), 0600U);
  }
  umask(before);
}

TEST(File, WhereAFileCannotBeWrittenIsKnownBefore) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "old", "kept");
  for (const std::string& path : {directory / "new", directory / "old", std::string("new-in-the-working-directory")}) {
    const Status status = CheckOutputFile(path);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(FileExists(path), path == directory / "old");
  }
  EXPECT_EQ(ReadTestFile(directory / "old"), "kept");

  const auto error = [](const std::string& path) {
    const Status status = CheckOutputFile(path);
    EXPECT_EQ(status.exit_code(), 2) << path;
    return status.message();
  };
  const std::string folder = directory.path();
  EXPECT_EQ(error(folder), StrCat("cannot write ", folder, ": it is a directory; the path of a file is accepted"));
  EXPECT_EQ(error(folder + "/"),
            StrCat("cannot write ", folder, "/: it is a directory; the path of a file is accepted"));
  EXPECT_EQ(error(folder + "/missing/new"),
            StrCat("cannot write ", folder, "/missing/new: there is no directory ", folder, "/missing"));
  EXPECT_EQ(error(folder + "/old/new"),
            StrCat("cannot write ", folder, "/old/new: there is no directory ", folder, "/old"));
  EXPECT_TRUE(CheckOutputFile("/dev/null").ok());
  // A link is judged by where it leads.
  std::filesystem::create_symlink("missing/new", directory / "dangling");
  EXPECT_EQ(error(folder + "/dangling"),
            StrCat("cannot write ", folder, "/dangling: there is no directory ", folder, "/missing"));
}

TEST(File, ADirectoryWithoutTheRightToWriteTakesNoFiles) {
  if (geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const TemporaryDirectory directory;
  ASSERT_EQ(chmod(directory.path().c_str(), 0500), 0);
  const Status status = CheckOutputFile(directory / "new");
  ASSERT_EQ(chmod(directory.path().c_str(), 0700), 0);
  EXPECT_EQ(status.exit_code(), 3);
  EXPECT_NE(status.message().find(StrCat("the directory ", directory.path(), " takes no files")), std::string::npos)
      << status.message();
}

TEST(File, ALockIsHeldByOneAndMissingLocksHoldNobodyUp) {
  const TemporaryDirectory directory;
  WriteTestFile(directory / "lock", "");
  const int first = open((directory / "lock").c_str(), O_RDWR | O_CLOEXEC);
  const int second = open((directory / "lock").c_str(), O_RDWR | O_CLOEXEC);
  const int path_only = open((directory / "lock").c_str(), O_PATH | O_CLOEXEC);  // has no locks
  EXPECT_TRUE(TryLockFile(first));
  EXPECT_FALSE(TryLockFile(second));
  EXPECT_TRUE(TryLockFile(path_only));
  close(first);
  EXPECT_TRUE(TryLockFile(second));
  close(second);
  close(path_only);
}

// What is brought in stays as it is in the file, whatever part is asked for.
TEST(BringIntoMemory, AnyPartOfAMapping) {
  const std::string path = testing::TempDir() + "/bring_into_memory";
  std::string content;
  for (int i = 0; i < 40'000; ++i) content += static_cast<char>('a' + i % 26);
  ASSERT_TRUE(WriteFileAtomically(path, content).ok());
  const Result<MappedFile> file = MappedFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const std::span<const uint8_t> bytes = file->bytes();
  const bool works = BringIntoMemory(bytes);
  EXPECT_EQ(BringIntoMemory(bytes.subspan(5000, 20'000)), works);
  EXPECT_EQ(BringIntoMemory(bytes.subspan(39'999)), works);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), content);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace fathom
