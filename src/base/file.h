// file.h - reading, mapping and safely writing files.
#ifndef FATHOM_BASE_FILE_H_
#define FATHOM_BASE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

namespace fathom {

class Progress;
class ThreadPool;

// A read-only mapping of a whole regular file. Pages are read when touched. Movable; unmapped on destruction.
class MappedFile {
 public:
  static Result<MappedFile> Open(const std::string& path);
  // Puts memory with the file's bytes in the place of the mapping: in pages of 2 MB where the system has them, and
  // neither given up for other files nor changed when the file is. Pointers into bytes() stay valid; nobody may read
  // through them meanwhile, and after an error (a file that has changed its size, Ctrl-C, no memory) nothing is there
  // to be read. Progress counts bytes.
  Status ReadIntoMemory(ThreadPool& pool, Progress& progress);
  // Wishes that what is read of the file from now on comes in pages of 2 MB, two at a time: a file that is not in
  // memory yet is there in half of the time, and its pages take fewer entries of the processor's tables. For files that
  // will be read whole and fit the memory: of others more would be read than is used. What is in memory already stays
  // as it is.
  void PreferLargePages() const;
  MappedFile() = default;
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const std::string& path() const { return path_; }
  std::span<const uint8_t> bytes() const { return {data_, size_}; }

 private:
  std::string path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

// Reads mapped bytes into memory and enters their pages in this process's table, so that touching them costs no fault.
// False where the system cannot (Linux before 5.14); nothing is lost then but the faults.
bool BringIntoMemory(std::span<const uint8_t> bytes);

// How much of some mappings is in memory and in this process's table, and how much of that in pages of 2 MB.
struct MappedBytes {
  uint64_t in_memory = 0;
  uint64_t in_large_pages = 0;
};
// No value where the system does not say (/proc/self/smaps of Linux 5.4).
std::optional<MappedBytes> CountMappedBytes(std::span<const std::span<const uint8_t>> mappings);

// The path of the mapped file that contains `address`, or nullptr; for InstallMappingFaultHandler(), so it neither
// allocates nor locks.
const char* MappedFileNameAt(const void* address);

// The whole file as text; an error if it is larger than `max_bytes`, absent or no regular file.
Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes);

bool FileExists(const std::string& path);
bool DirectoryExists(const std::string& path);

// Whether WriteFileAtomically() could write there, for a command that will do so after long work: an error that names
// the path if it is a directory or may not be written, or if the directory of the file is missing or takes no files.
Status CheckOutputFile(const std::string& path);

// Locks an open file against other processes, until its descriptor is closed. False if one of them holds it; true also
// where the file system has no locks: there one goes on without.
bool TryLockFile(int descriptor);

// Holds the directory of a file against other processes that do the same, for changing a file that is read first; waits
// while another one has it. An error if there is no such directory. Where the file system has no locks it holds
// nothing.
class DirectoryLock {
 public:
  static Result<DirectoryLock> Of(const std::string& file);
  DirectoryLock(DirectoryLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  DirectoryLock& operator=(DirectoryLock&& other) = delete;
  ~DirectoryLock();

 private:
  explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// Writes through a new file in the same directory and a rename: after a failure or a kill `path` holds its old content
// or none, never half of the new one. Durable (fsync) before the rename. Symbolic links stay, and what they lead to is
// replaced. What is no regular file (a pipe, a terminal, /dev/null), and whatever standard output goes to, is written
// into. With `mode` the file has these access rights, less the umask; without, those of the file it replaces, and a new
// one has 0666, less the umask.
Status WriteFileAtomically(const std::string& path, std::string_view content,
                           std::optional<uint32_t> mode = std::nullopt);

}  // namespace fathom

#endif  // FATHOM_BASE_FILE_H_
