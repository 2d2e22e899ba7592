#include "cache/disk_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "base/strings.h"

namespace fathom {
namespace {

class OpenFile {
 public:
  // Neither follows links nor waits for a pipe's other end.
  explicit OpenFile(const std::string& path)
      : file_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)) {}
  ~OpenFile() {
    if (file_ >= 0) ::close(file_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  bool is_open() const { return file_ >= 0; }
  // -1 if it is no regular file.
  int64_t bytes() const {
    struct stat information {};
    return ::fstat(file_, &information) == 0 && S_ISREG(information.st_mode) ? information.st_size : -1;
  }
  Status ReadAt(int64_t offset, std::span<uint8_t> to) const {
    while (!to.empty()) {
      const ssize_t got = ::pread(file_, to.data(), to.size(), offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return IoError(std::strerror(errno));
      if (got == 0) return DataLoss("the file is cut off");
      offset += got;
      to = to.subspan(static_cast<size_t>(got));
    }
    return {};
  }

 private:
  const int file_;
};

bool SameHead(const PrefixFileHead& a, const PrefixFileHead& b) {
  return a.kind == b.kind && a.fingerprint == b.fingerprint && a.key == b.key && a.parent == b.parent &&
         a.position == b.position && a.tokens == b.tokens;
}

// The payload into `parts`, which together are as long as it.
Status ReadPrefixFile(const std::string& path, const PrefixFileHead& expected, int64_t payload_bytes,
                      const std::function<std::vector<std::span<uint8_t>>()>& make_parts) {
  const OpenFile file(path);
  if (!file.is_open() && errno == ENOENT) return NotFound("it is not there any more");
  if (!file.is_open()) return IoError(StrCat("it cannot be opened: ", std::strerror(errno)));
  const int64_t file_bytes = file.bytes();
  if (file_bytes < 0) return IoError("it is no regular file");
  std::string start(std::min(static_cast<size_t>(file_bytes), kMaxPrefixHeadBytes), '\0');
  FATHOM_RETURN_IF_ERROR(file.ReadAt(0, {reinterpret_cast<uint8_t*>(start.data()), start.size()}));
  FATHOM_ASSIGN_OR_RETURN(const PrefixFileHead head, DecodePrefixFileHead(start, file_bytes));
  if (!SameHead(head, expected) || head.payload_bytes != payload_bytes) return DataLoss("it holds something else");
  const std::vector<std::span<uint8_t>> parts = make_parts();
  int64_t offset = file_bytes - payload_bytes;
  std::vector<std::string_view> payload;
  for (const std::span<uint8_t> part : parts) {
    FATHOM_RETURN_IF_ERROR(file.ReadAt(offset, part));
    offset += static_cast<int64_t>(part.size());
    payload.emplace_back(reinterpret_cast<const char*>(part.data()), part.size());
  }
  return CheckPrefixPayload(start, payload);
}

}  // namespace

DiskReader::DiskReader(const CacheLayout& layout, std::string directory, std::function<void()> before_read)
    : layout_(layout),
      directory_(std::move(directory)),
      before_read_(std::move(before_read)),
      thread_([this] { Run(); }) {}

DiskReader::~DiskReader() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

uint64_t DiskReader::Read(Job job) {
  const std::lock_guard lock(mutex_);
  jobs_.emplace(++last_number_, std::move(job));
  changed_.notify_all();
  return last_number_;
}

bool DiskReader::Cancel(uint64_t number) {
  const std::lock_guard lock(mutex_);
  changed_.notify_all();
  return jobs_.erase(number) > 0;
}

std::vector<DiskReader::Loaded> DiskReader::TakeLoaded() {
  const std::lock_guard lock(mutex_);
  return std::exchange(loaded_, {});
}

void DiskReader::Wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return !loaded_.empty() || (jobs_.empty() && !busy_); });
}

void DiskReader::WaitUntil(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return !loaded_.empty() || (jobs_.empty() && !busy_); });
}

void DiskReader::SetListener(std::function<void()> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void DiskReader::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [&] { return stop_ || !jobs_.empty(); });
    if (stop_) return;
    const auto next = jobs_.extract(jobs_.begin());
    busy_ = true;
    lock.unlock();
    if (before_read_) before_read_();
    Loaded loaded = ReadOne(next.key(), next.mapped());
    lock.lock();
    busy_ = false;
    loaded_.push_back(std::move(loaded));
    changed_.notify_all();
    const std::function<void()> listener = listener_;
    lock.unlock();
    if (listener) listener();
    lock.lock();
  }
}

DiskReader::Loaded DiskReader::ReadOne(uint64_t number, const Job& job) const {
  Loaded loaded{number, job.head.kind, job.head.key, {}, nullptr, nullptr};
  const auto make_parts = [&] {
    std::vector<std::span<uint8_t>> parts;
    if (job.state) {
      auto state = std::make_shared<StateBytes>(static_cast<size_t>(layout_.state_bytes()));
      parts.emplace_back(state->data(), state->size());
      loaded.state = std::move(state);
    }
    if (job.block) {
      loaded.block = SequenceCache::MakeBlock(layout_);
      parts.emplace_back(loaded.block->bytes.get(), static_cast<size_t>(layout_.block_bytes()));
    }
    return parts;
  };
  const int64_t payload_bytes = (job.state ? layout_.state_bytes() : 0) + (job.block ? layout_.block_bytes() : 0);
  const std::string path = PrefixFilePath(directory_, job.head.kind, job.head.key);
  loaded.status = ReadPrefixFile(path, job.head, payload_bytes, make_parts);
  if (!loaded.status.ok()) {
    loaded.state = nullptr;
    loaded.block = nullptr;
  }
  return loaded;
}

}  // namespace fathom
