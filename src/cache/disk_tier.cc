#include "cache/disk_tier.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <optional>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "base/strings.h"

namespace fathom {
namespace {

constexpr std::string_view kSuffix = ".fkv";
constexpr std::string_view kTemporary = ".fkv.tmp";

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// "block-" or "state-", 32 hexadecimal digits, ".fkv" or ".fkv.tmp".
bool IsPrefixFileName(std::string_view name) {
  constexpr size_t kBeginning = 6;
  constexpr size_t kDigits = 32;
  if (!name.starts_with("block-") && !name.starts_with("state-")) return false;
  const std::string_view digits = name.substr(kBeginning, kDigits);
  const bool hexadecimal = digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  const std::string_view rest = name.substr(kBeginning + digits.size());
  return digits.size() == kDigits && hexadecimal && (rest == kSuffix || rest == kTemporary);
}

bool WriteAll(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<DiskTier>> DiskTier::Open(const std::string& directory, const DiskTierOptions& options) {
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return IoError(StrCat("cannot make the cache directory ", directory, ": ", std::strerror(errno)));
  }
  const std::string lock_path = directory + "/lock";
  const int lock = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock < 0) return IoError(StrCat("cannot use the cache directory ", directory, ": ", std::strerror(errno)));
  if (!TryLockFile(lock)) {
    ::close(lock);
    return ResourceExhausted(StrCat("the cache directory ", directory, " is in use by another process"));
  }
  return std::unique_ptr<DiskTier>(new DiskTier(directory, lock, options));
}

DiskTier::DiskTier(std::string directory, int lock, const DiskTierOptions& options)
    : directory_(std::move(directory)), lock_(lock), options_(options), thread_([this] { Run(); }) {}

DiskTier::~DiskTier() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
  ::close(lock_);
}

std::vector<DiskTier::Found> DiskTier::Scan(int64_t* unread) {
  *unread = 0;
  std::vector<Found> found;
  DIR* const listing = ::opendir(directory_.c_str());
  if (listing == nullptr) return found;
  int64_t damaged = 0;
  while (const dirent* entry = ::readdir(listing)) {
    const std::string_view name = entry->d_name;
    if (!IsPrefixFileName(name)) continue;
    const std::string path = StrCat(directory_, "/", name);
    if (name.ends_with(kTemporary)) {
      ::unlink(path.c_str());
      continue;
    }
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat information {};
    if (file < 0) {
      *unread += errno != ENOENT && errno != ELOOP ? 1 : 0;  // a link is none of ours
      continue;
    }
    std::string bytes(kMaxPrefixHeadBytes, '\0');
    const bool regular = ::fstat(file, &information) == 0 && S_ISREG(information.st_mode);
    const ssize_t got = regular ? ::read(file, bytes.data(), bytes.size()) : -1;
    ::close(file);
    if (got < 0) {
      *unread += regular ? 1 : 0;
      continue;
    }
    bytes.resize(static_cast<size_t>(got));
    Result<PrefixFileHead> head = DecodePrefixFileHead(bytes, information.st_size);
    if (!head.ok() || path != PathOf(*head)) {
      if (!BeginsAsPrefixFile(bytes)) continue;
      ::unlink(path.c_str());
      ++damaged;
      continue;
    }
    found.push_back({std::move(*head), information.st_size,
                     static_cast<int64_t>(information.st_mtim.tv_sec) * 1'000'000'000 + information.st_mtim.tv_nsec});
  }
  ::closedir(listing);
  if (damaged > 0)
    Log(LogLevel::kWarning, "removed damaged files of kept prefixes", {{"dir", directory_}, {"files", damaged}});
  std::ranges::sort(found, {}, &Found::modified_ns);
  return found;
}

uint64_t DiskTier::Push(Task task) {
  tasks_.emplace(++last_number_, std::move(task));
  changed_.notify_all();
  return last_number_;
}

uint64_t DiskTier::Write(Job job, bool urgent) {
  int64_t bytes = 0;
  for (const auto& part : job.parts) bytes += static_cast<int64_t>(part.second.size());
  const std::lock_guard lock(mutex_);
  const bool full = !urgent && waiting_bytes_ + bytes > options_.max_waiting_bytes;
  if (full || NowNs() < retry_after_ns_) return 0;
  waiting_bytes_ += bytes;
  return Push({Task::Kind::kWrite, std::move(job), bytes});
}

bool DiskTier::has_room() const {
  const std::lock_guard lock(mutex_);
  return waiting_bytes_ <= options_.max_waiting_bytes / 2 && NowNs() >= retry_after_ns_;
}

bool DiskTier::Cancel(uint64_t number) {
  const std::lock_guard lock(mutex_);
  const auto task = tasks_.find(number);
  if (task == tasks_.end()) return false;
  waiting_bytes_ -= task->second.bytes;
  tasks_.erase(task);
  changed_.notify_all();
  return true;
}

bool DiskTier::has_begun(uint64_t number) const {
  const std::lock_guard lock(mutex_);
  return !tasks_.contains(number);
}

DiskTier::Task DiskTier::TaskFor(Task::Kind kind, PrefixFileKind file, const PrefixKey& key) {
  Task task;
  task.kind = kind;
  task.job.head.kind = file;
  task.job.head.key = key;
  return task;
}

void DiskTier::Remove(PrefixFileKind kind, const PrefixKey& key) {
  const std::lock_guard lock(mutex_);
  Push(TaskFor(Task::Kind::kRemove, kind, key));
}

void DiskTier::Touch(PrefixFileKind kind, const PrefixKey& key) {
  // Every hit is one, and a disk that stands still takes none of them.
  constexpr int64_t kMaxWaiting = 1024;
  const std::lock_guard lock(mutex_);
  if (waiting_touches_ >= kMaxWaiting) return;
  ++waiting_touches_;
  Push(TaskFor(Task::Kind::kTouch, kind, key));
}

std::vector<DiskTier::Written> DiskTier::TakeWritten() {
  const std::lock_guard lock(mutex_);
  return std::exchange(written_, {});
}

void DiskTier::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return tasks_.empty() && !busy_; });
}

void DiskTier::WaitForOne(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return !written_.empty() || (tasks_.empty() && !busy_); });
}

void DiskTier::SetListener(std::function<void()> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

int64_t DiskTier::waiting_bytes() const {
  const std::lock_guard lock(mutex_);
  return waiting_bytes_;
}

int64_t DiskTier::waiting_touches() const {
  const std::lock_guard lock(mutex_);
  return waiting_touches_;
}

void DiskTier::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || !tasks_.empty(); });
    if (tasks_.empty()) return;
    auto next = tasks_.extract(tasks_.begin());
    Task& task = next.mapped();
    busy_ = true;
    const bool paused = NowNs() < retry_after_ns_;
    lock.unlock();
    int64_t file_bytes = 0;
    Status status;
    const std::string path = PathOf(task.job.head);
    if (task.kind == Task::Kind::kRemove) {
      ::unlink(path.c_str());
    } else if (task.kind == Task::Kind::kTouch) {
      ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
    } else if (!paused) {
      if (options_.before_write) options_.before_write();
      status = WriteFile(task.job, &file_bytes);
      Report(status);
    }
    const PrefixFileHead head = std::move(task.job.head);
    task.job = {};
    lock.lock();
    busy_ = false;
    waiting_bytes_ -= task.bytes;
    if (task.kind == Task::Kind::kTouch) --waiting_touches_;
    if (!status.ok()) retry_after_ns_ = NowNs() + options_.retry_ns;
    if (task.kind == Task::Kind::kWrite) written_.push_back({next.key(), head.kind, head.key, file_bytes});
    changed_.notify_all();
    if (task.kind != Task::Kind::kWrite || waiting_bytes_ > 0 || !listener_) continue;
    const std::function<void()> listener = listener_;
    lock.unlock();
    listener();
    lock.lock();
  }
}

void DiskTier::Report(const Status& status) {
  if (failing_ == !status.ok()) return;
  failing_ = !status.ok();
  if (failing_) {
    Log(LogLevel::kWarning, "prefixes cannot be written to disk; it is tried again from time to time",
        {{"because", status.message()}});
  } else {
    Log(LogLevel::kWarning, "prefixes are written to disk again", {{"dir", directory_}});
  }
}

Status DiskTier::WriteFile(const Job& job, int64_t* file_bytes) {
  std::vector<std::string_view> payload;
  for (const auto& part : job.parts) payload.push_back(part.second);
  const std::string head = EncodePrefixFileHead(job.head, payload);
  const std::string path = PathOf(job.head);
  const std::string temporary = path + ".tmp";
  const auto failed = [&](const char* what) {
    const int error = errno;
    ::unlink(temporary.c_str());
    return IoError(StrCat(what, " ", path, ": ", std::strerror(error)));
  };
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return failed("cannot create");
  bool good = WriteAll(file, head);
  int64_t bytes = static_cast<int64_t>(head.size());
  for (const std::string_view part : payload) {
    good = good && WriteAll(file, part);
    bytes += static_cast<int64_t>(part.size());
  }
  const int error = errno;
  if (::close(file) != 0) good = false;
  errno = error;
  if (!good) return failed("cannot write");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return failed("cannot rename");
  *file_bytes = bytes;
  return {};
}

}  // namespace fathom
