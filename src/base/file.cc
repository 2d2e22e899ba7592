#include "base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <ranges>
#include <system_error>
#include <utility>

#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/thread_pool.h"

namespace fathom {
namespace {

constexpr size_t kLargePage = size_t{2} << 20;

Status SystemError(const std::string& path, const char* action) {
  const std::string message = StrCat(path, ": cannot ", action, ": ", std::strerror(errno));
  return errno == ENOENT || errno == ENOTDIR ? NotFound(message) : IoError(message);
}

// O_NONBLOCK: opening a named pipe must not wait for a writer; it changes nothing for regular files.
constexpr int kReadFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;

// Closes on scope exit.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

// Size of an open regular file.
Result<uint64_t> RegularFileSize(const Descriptor& file, const std::string& path) {
  struct stat info = {};
  if (::fstat(file.get(), &info) != 0) return SystemError(path, "stat");
  if (!S_ISREG(info.st_mode)) return InvalidArgument(path + ": is not a regular file");
  return static_cast<uint64_t>(info.st_size);
}

Status WriteAll(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return SystemError(path, "write");
    }
    content.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

bool IsStandardOutput(const struct stat& info) {
  struct stat out = {};
  return ::fstat(STDOUT_FILENO, &out) == 0 && out.st_dev == info.st_dev && out.st_ino == info.st_ino;
}

// Whether something takes what is written, where a file would be replaced: a pipe, a terminal, /dev/null, and a file
// that standard output goes to. (A directory takes nothing, which opening it will say.)
bool IsWrittenInto(const struct stat& info) { return !S_ISREG(info.st_mode) || IsStandardOutput(info); }

Status WriteInto(const std::string& path, const struct stat& info, std::string_view content) {
  if (IsStandardOutput(info)) {  // behind what was printed, also where it cannot be opened again
    std::fflush(stdout);
    return WriteAll(STDOUT_FILENO, content, path);
  }
  const Descriptor file(::open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY));
  if (file.get() < 0) return SystemError(path, "open");
  return WriteAll(file.get(), content, path);
}

// The name that a file has, or would have, to which `path` leads over symbolic links.
Result<std::string> FollowLinks(const std::string& path) {
  constexpr int kMaxLinks = 40;  // Linux follows as many
  std::filesystem::path name = path;
  for (int links = 0; links <= kMaxLinks; ++links) {
    std::error_code error;
    const std::filesystem::path next = std::filesystem::read_symlink(name, error);
    if (error) return name.string();  // no link, or nothing
    name = name.parent_path() / next;
  }
  errno = ELOOP;
  return SystemError(path, "open");
}

// Opens a new file, which nobody else has, in the directory of `target`; -1 as open().
int CreateBeside(const std::string& target, uint32_t mode, std::string* temporary) {
  constexpr int kMaxTries = 1000;  // others of the same number: left by a kill, or a process of another container
  int fd = -1;
  for (int attempt = 0; attempt < kMaxTries; ++attempt) {
    *temporary = StrCat(target, ".", ::getpid(), "-", attempt, ".tmp");
    fd = ::open(temporary->c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd >= 0 || errno != EEXIST) break;
  }
  return fd;
}

// Fills `out` with the file's bytes from `offset` on.
Status ReadAt(int fd, const std::string& path, uint64_t offset, std::span<uint8_t> out) {
  while (!out.empty()) {
    const ssize_t got = ::pread(fd, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0) {
      if (errno == EINTR) continue;
      return SystemError(path, "read");
    }
    if (got == 0) return DataLoss(StrCat(path, ": has become shorter while it was read; it ends at byte ", offset));
    offset += static_cast<uint64_t>(got);
    out = out.subspan(static_cast<size_t>(got));
  }
  return {};
}

// Maps at an address that is a multiple of a large page: only there can the system use such pages, for files as well.
// MAP_FAILED as mmap.
void* MapAligned(size_t size, int fd) {
  const size_t reserved = size + kLargePage;
  void* const all = ::mmap(nullptr, reserved, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (all == MAP_FAILED) return all;
  const auto begin = reinterpret_cast<uintptr_t>(all);
  const uintptr_t aligned = (begin + kLargePage - 1) / kLargePage * kLargePage;
  void* const data = ::mmap(reinterpret_cast<void*>(aligned), size, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
  const int error = errno;
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t end = data == MAP_FAILED ? aligned : aligned + (size + page - 1) / page * page;
  if (aligned > begin) ::munmap(all, aligned - begin);
  if (begin + reserved > end) ::munmap(reinterpret_cast<void*>(end), begin + reserved - end);
  errno = error;
  return data;
}

// Mappings by address, for MappedFileNameAt(). Entries are never freed, only reused: a signal handler may be reading
// them. An entry is written before its size, which is what makes it count; a torn read in the handler costs at most the
// name.
struct MappingName {
  std::atomic<const uint8_t*> data{nullptr};
  std::atomic<size_t> size{0};
  std::atomic<bool> used{false};
  char path[4096] = {};
  MappingName* next = nullptr;
};
std::atomic<MappingName*> mapping_names{nullptr};

void RememberMapping(const uint8_t* data, size_t size, const std::string& path) {
  MappingName* entry = mapping_names.load();
  while (entry != nullptr && entry->used.exchange(true)) entry = entry->next;
  const bool is_new = entry == nullptr;
  if (is_new) {
    entry = new MappingName();
    entry->used = true;
  }
  std::strncpy(entry->path, path.c_str(), sizeof entry->path - 1);
  entry->data = data;
  entry->size = size;
  if (!is_new) return;
  entry->next = mapping_names.load();
  while (!mapping_names.compare_exchange_weak(entry->next, entry)) {
  }
}

void ForgetMapping(const uint8_t* data) {
  for (MappingName* entry = mapping_names.load(); entry != nullptr; entry = entry->next) {
    if (!entry->used || entry->data != data) continue;
    entry->size = 0;
    entry->data = nullptr;
    entry->used = false;
    return;
  }
}

}  // namespace

bool BringIntoMemory(std::span<const uint8_t> bytes) {
  constexpr int kPopulateRead = 22;  // MADV_POPULATE_READ, which older headers lack
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(bytes.data()) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(bytes.data()) + bytes.size();
  if (end == begin) return true;
  if (madvise(reinterpret_cast<void*>(begin), end - begin, kPopulateRead) != 0) return false;
  // In a virtual machine a page that the host has filled costs the first one to read it a fault of the host's.
  for (size_t at = 0; at < bytes.size(); at += page)
    static_cast<void>(*const_cast<const volatile uint8_t*>(&bytes[at]));
  return true;
}

std::optional<MappedBytes> CountMappedBytes(std::span<const std::span<const uint8_t>> mappings) {
  const auto is_one_of_them = [&](uintptr_t address) {
    return std::ranges::any_of(mappings, [&](const std::span<const uint8_t> mapping) {
      const auto first = reinterpret_cast<uintptr_t>(mapping.data());
      return address >= first && address < first + mapping.size();
    });
  };
  MappedBytes counted;
  bool has_large = false;
  bool inside = false;
  std::ifstream maps("/proc/self/smaps");
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char name[32];
    uint64_t kilobytes = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2) {
      inside = is_one_of_them(begin);
    } else if (std::sscanf(line.c_str(), "%31[A-Za-z]: %" SCNu64 " kB", name, &kilobytes) == 2) {
      // Of files, of files in memory (tmpfs), and of what --no-mmap reads.
      const std::string_view key = name;
      const bool large = key == "FilePmdMapped" || key == "ShmemPmdMapped" || key == "AnonHugePages";
      has_large = has_large || key == "FilePmdMapped";
      if (inside && key == "Rss") counted.in_memory += kilobytes * 1024;
      if (inside && large) counted.in_large_pages += kilobytes * 1024;
    }
  }
  return has_large ? std::optional(counted) : std::nullopt;
}

const char* MappedFileNameAt(const void* address) {
  const auto* byte = static_cast<const uint8_t*>(address);
  for (const MappingName* entry = mapping_names.load(); entry != nullptr; entry = entry->next) {
    const uint8_t* data = entry->data;
    if (data != nullptr && byte >= data && byte < data + entry->size) return entry->path;
  }
  return nullptr;
}

Result<MappedFile> MappedFile::Open(const std::string& path) {
  const Descriptor file(::open(path.c_str(), kReadFlags));
  if (file.get() < 0) return SystemError(path, "open");
  FATHOM_ASSIGN_OR_RETURN(const uint64_t size, RegularFileSize(file, path));
  MappedFile mapped;
  mapped.path_ = path;
  if (size > 0) {
    void* data = MapAligned(size, file.get());
    if (data == MAP_FAILED) return SystemError(path, "map");
    mapped.data_ = static_cast<const uint8_t*>(data);
    mapped.size_ = size;
    RememberMapping(mapped.data_, mapped.size_, path);
  }
  return mapped;
}

Status MappedFile::ReadIntoMemory(ThreadPool& pool, Progress& progress) {
  if (size_ == 0) return {};
  const Descriptor file(::open(path_.c_str(), kReadFlags));
  if (file.get() < 0) return SystemError(path_, "open");
  FATHOM_ASSIGN_OR_RETURN(const uint64_t size, RegularFileSize(file, path_));
  if (size != size_) {
    return DataLoss(StrCat(path_, ": had ", size_, " bytes when it was opened and has ", size, " now"));
  }
  auto* const data = const_cast<uint8_t*>(data_);
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
  if (::mmap(data, size_, PROT_READ | PROT_WRITE, kFlags, -1, 0) == MAP_FAILED) return SystemError(path_, "copy");
  ::madvise(data, size_, MADV_HUGEPAGE);  // where there are none, pages are small
  constexpr size_t kPiece = 4 * kLargePage;
  std::mutex mutex;
  Status status;  // the first that is not good
  pool.ParallelFor(static_cast<int64_t>((size_ + kPiece - 1) / kPiece), 1, [&](int64_t begin, int64_t, int) {
    const size_t offset = static_cast<size_t>(begin) * kPiece;
    const std::span<uint8_t> piece(data + offset, std::min(kPiece, size_ - offset));
    {
      const std::lock_guard lock(mutex);
      if (!status.ok()) return;
    }
    Status read = InterruptRequested() ? Cancelled("interrupted") : ReadAt(file.get(), path_, offset, piece);
    progress.Add(piece.size());
    const std::lock_guard lock(mutex);
    if (status.ok()) status = std::move(read);
  });
  ::mprotect(data, size_, PROT_READ);
  return status;
}

void MappedFile::PreferLargePages() const {
  if (size_ > 0) ::madvise(const_cast<uint8_t*>(data_), size_, MADV_HUGEPAGE);  // refused where there are none
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  ForgetMapping(data_);
  ::munmap(const_cast<uint8_t*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

Result<std::string> ReadFile(const std::string& path, uint64_t max_bytes) {
  const Descriptor file(::open(path.c_str(), kReadFlags));
  if (file.get() < 0) return SystemError(path, "open");
  FATHOM_ASSIGN_OR_RETURN(const uint64_t size, RegularFileSize(file, path));
  if (size > max_bytes) {
    return DataLoss(StrCat(path, ": is ", size, " bytes long; at most ", max_bytes, " are accepted"));
  }
  std::string content(size, '\0');
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t got = ::read(file.get(), content.data() + done, content.size() - done);
    if (got < 0) {
      if (errno == EINTR) continue;
      return SystemError(path, "read");
    }
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  content.resize(done);
  return content;
}

bool FileExists(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

bool DirectoryExists(const std::string& path) {
  struct stat info = {};
  return ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

bool TryLockFile(int descriptor) { return ::flock(descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; }

Result<DirectoryLock> DirectoryLock::Of(const std::string& file) {
  const size_t slash = file.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : file.substr(0, slash + 1);
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return SystemError(directory, "open");
  while (::flock(descriptor, LOCK_EX) != 0 && errno == EINTR) {
  }
  return DirectoryLock(descriptor);
}

DirectoryLock::~DirectoryLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status CheckOutputFile(const std::string& path) {
  struct stat info = {};
  if (::stat(path.c_str(), &info) == 0 && IsWrittenInto(info)) {
    if (S_ISDIR(info.st_mode)) {
      return InvalidArgument(StrCat("cannot write ", path, ": it is a directory; the path of a file is accepted"));
    }
    if (!IsStandardOutput(info) && ::access(path.c_str(), W_OK) != 0) return SystemError(path, "write");
    return {};
  }
  FATHOM_ASSIGN_OR_RETURN(const std::string target, FollowLinks(path));
  const size_t slash = target.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : target.substr(0, std::max<size_t>(slash, 1));
  if (!DirectoryExists(folder)) return NotFound(StrCat("cannot write ", path, ": there is no directory ", folder));
  if (::access(folder.c_str(), W_OK | X_OK) != 0) {
    return IoError(
        StrCat("cannot write ", path, ": the directory ", folder, " takes no files: ", std::strerror(errno)));
  }
  return {};
}

Status WriteFileAtomically(const std::string& path, std::string_view content, std::optional<uint32_t> mode) {
  struct stat info = {};
  const bool exists = ::stat(path.c_str(), &info) == 0;
  if (exists && IsWrittenInto(info)) return WriteInto(path, info, content);
  FATHOM_ASSIGN_OR_RETURN(const std::string target, FollowLinks(path));
  std::string temporary;
  Status status;
  {
    const uint32_t kept = exists ? info.st_mode & 0777 : 0666;
    const Descriptor file(CreateBeside(target, mode.value_or(kept), &temporary));
    if (file.get() < 0) return SystemError(path, "create");
    // Whoever may write a file of another's leaves it that one's. Fails for all but root, whose files are then as
    // before.
    if (exists) [[maybe_unused]]
      const int owned = ::fchown(file.get(), info.st_uid, info.st_gid);
    if (exists && !mode) ::fchmod(file.get(), kept);  // what the umask took; where that fails it has less
    status = WriteAll(file.get(), content, path);
    if (status.ok() && ::fsync(file.get()) != 0) status = SystemError(path, "sync");
  }
  if (status.ok() && ::rename(temporary.c_str(), target.c_str()) != 0) status = SystemError(path, "replace");
  if (!status.ok()) ::unlink(temporary.c_str());
  return status;
}

}  // namespace fathom
