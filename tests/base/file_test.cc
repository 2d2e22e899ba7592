#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/thread_pool.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

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
  size_t entries = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory.path())) ++entries;
  EXPECT_EQ(entries, 1U);
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
  EXPECT_FALSE(FileExists(directory / "target.tmp"));
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
