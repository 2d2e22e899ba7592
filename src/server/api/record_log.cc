#include "server/api/record_log.h"

#define XXH_INLINE_ALL
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/file.h"
#include "base/strings.h"

namespace fathom {

namespace {

static_assert(std::endian::native == std::endian::little, "records are written as they lie in memory");

constexpr std::string_view kMagic = "FTHMLOG1";
constexpr size_t kHeaderBytes = sizeof(uint32_t) + sizeof(uint64_t);

Status SystemError(const std::string& path, std::string_view action) {
  return IoError(StrCat("cannot ", action, " ", path, ": ", std::strerror(errno)));
}

uint64_t Checksum(std::string_view record) { return XXH3_64bits_withSeed(record.data(), record.size(), record.size()); }

std::string Framed(std::string_view record) {
  const auto size = static_cast<uint32_t>(record.size());
  const uint64_t checksum = Checksum(record);
  std::string out(kHeaderBytes, '\0');
  std::memcpy(out.data(), &size, sizeof size);
  std::memcpy(out.data() + sizeof size, &checksum, sizeof checksum);
  out.append(record);
  return out;
}

Status WriteAll(int descriptor, std::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return SystemError(path, "write");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return {};
}

// Up to `size` bytes at `offset`: fewer at the end of the file.
Status ReadAt(int descriptor, int64_t offset, size_t size, const std::string& path, std::string* out) {
  out->resize(size);
  size_t have = 0;
  while (have < size) {
    const ssize_t got = ::pread(descriptor, out->data() + have, size - have, offset + static_cast<int64_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError(path, "read");
    if (got == 0) break;
    have += static_cast<size_t>(got);
  }
  out->resize(have);
  return {};
}

// Whether the file that `descriptor` has open is still the one called `path`.
bool IsStillAt(int descriptor, const std::string& path) {
  struct stat opened = {};
  struct stat named = {};
  return ::fstat(descriptor, &opened) == 0 && ::stat(path.c_str(), &named) == 0 && opened.st_ino == named.st_ino &&
         opened.st_dev == named.st_dev;
}

}  // namespace

Result<std::unique_ptr<RecordLog>> RecordLog::Open(const std::string& path, uint32_t max_record_bytes,
                                                   const std::function<void(std::string_view)>& on_record) {
  std::unique_ptr<RecordLog> log(new RecordLog(path, max_record_bytes));
  log->descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0600);
  if (log->descriptor_ < 0) return SystemError(path, "open");
  struct stat info = {};
  if (::fstat(log->descriptor_, &info) != 0) return SystemError(path, "examine");
  if (!S_ISREG(info.st_mode)) return InvalidArgument(StrCat(path, " is no regular file"));
  if (!TryLockFile(log->descriptor_) || !IsStillAt(log->descriptor_, path)) {
    return ResourceExhausted(StrCat(path, " is in use by another process; every server needs its own"));
  }
  log->size_bytes_ = info.st_size;
  FATHOM_RETURN_IF_ERROR(log->Read(on_record));
  return log;
}

RecordLog::~RecordLog() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status RecordLog::Read(const std::function<void(std::string_view)>& on_record) {
  std::string bytes;
  FATHOM_RETURN_IF_ERROR(ReadAt(descriptor_, 0, kMagic.size(), path_, &bytes));
  if (bytes != kMagic.substr(0, bytes.size())) {
    return DataLoss(StrCat(path_, " is no file of records: it does not begin with ", kMagic));
  }
  auto end = static_cast<int64_t>(kMagic.size());
  const bool whole = bytes.size() == kMagic.size();
  std::string record;
  while (whole && end < size_bytes_) {
    FATHOM_ASSIGN_OR_RETURN(const std::optional<Frame> frame, FrameAt(end));
    bool good = false;
    if (frame) {
      FATHOM_ASSIGN_OR_RETURN(good, ReadRecord(*frame, &record));
    }
    if (good) {
      on_record(record);
      end = frame->end;
      continue;
    }
    FATHOM_ASSIGN_OR_RETURN(const std::optional<int64_t> next, FindRecordBehind(end));
    if (!next) break;
    damaged_bytes_ += *next - end;
    end = *next;
  }
  torn_bytes_ = whole ? size_bytes_ - end : 0;
  if (torn_bytes_ > 0 && ::ftruncate(descriptor_, end) != 0) return SystemError(path_, "truncate");
  if (::lseek(descriptor_, whole ? end : 0, SEEK_SET) < 0) return SystemError(path_, "seek in");
  if (!whole) FATHOM_RETURN_IF_ERROR(WriteAll(descriptor_, kMagic, path_));
  size_bytes_ = end;
  return {};
}

std::optional<RecordLog::Frame> RecordLog::FrameOf(std::string_view header, int64_t offset) const {
  if (header.size() < kHeaderBytes) return std::nullopt;
  uint32_t size = 0;
  Frame frame;
  std::memcpy(&size, header.data(), sizeof size);
  std::memcpy(&frame.checksum, header.data() + sizeof size, sizeof frame.checksum);
  frame.begin = offset + static_cast<int64_t>(kHeaderBytes);
  frame.end = frame.begin + int64_t{size};
  return size > max_record_bytes_ || frame.end > size_bytes_ ? std::nullopt : std::optional(frame);
}

Result<std::optional<RecordLog::Frame>> RecordLog::FrameAt(int64_t offset) const {
  std::string header;
  FATHOM_RETURN_IF_ERROR(ReadAt(descriptor_, offset, kHeaderBytes, path_, &header));
  return FrameOf(header, offset);
}

Result<bool> RecordLog::ReadRecord(const Frame& frame, std::string* record) const {
  const auto size = static_cast<size_t>(frame.end - frame.begin);
  FATHOM_RETURN_IF_ERROR(ReadAt(descriptor_, frame.begin, size, path_, record));
  return record->size() == size && Checksum(*record) == frame.checksum;
}

Result<std::optional<int64_t>> RecordLog::FindRecordBehind(int64_t damaged) const {
  std::string record;
  // Its size is probably right.
  FATHOM_ASSIGN_OR_RETURN(const std::optional<Frame> frame, FrameAt(damaged));
  if (frame) {
    FATHOM_ASSIGN_OR_RETURN(const std::optional<Frame> next, FrameAt(frame->end));
    if (next) {
      FATHOM_ASSIGN_OR_RETURN(const bool good, ReadRecord(*next, &record));
      if (good) return std::optional(frame->end);
    }
  }
  // If it is not, any byte may be the first of the next record. What is tried is bounded, since of random bytes many
  // look like a header: about a second's reading.
  constexpr int64_t kPieceBytes = int64_t{1} << 20;
  constexpr int64_t kTrialBytes = 4096;  // what a trial costs beside its bytes
  int64_t budget = int64_t{1} << 30;
  std::string piece;
  for (int64_t at = damaged + 1; at < size_bytes_; at += kPieceBytes) {
    FATHOM_RETURN_IF_ERROR(ReadAt(descriptor_, at, static_cast<size_t>(kPieceBytes) + kHeaderBytes - 1, path_, &piece));
    for (size_t skipped = 0; skipped + kHeaderBytes <= piece.size(); ++skipped) {
      const int64_t offset = at + static_cast<int64_t>(skipped);
      const std::optional<Frame> found = FrameOf(std::string_view(piece).substr(skipped, kHeaderBytes), offset);
      if (!found || found->begin == found->end) continue;  // nobody misses an empty one
      budget -= kTrialBytes + found->end - found->begin;
      if (budget < 0) return std::optional<int64_t>();
      FATHOM_ASSIGN_OR_RETURN(const bool good, ReadRecord(*found, &record));
      if (good) return std::optional(offset);
    }
  }
  return std::optional<int64_t>();
}

Status RecordLog::Append(std::string_view record) {
  if (record.size() > max_record_bytes_) {
    return ResourceExhausted(
        StrCat("a record of ", record.size(), " bytes; ", path_, " takes at most ", max_record_bytes_));
  }
  const std::string framed = Framed(record);
  Status written = WriteAll(descriptor_, framed, path_);
  if (!written.ok()) {  // a full disk, perhaps: no half record stays
    if (::ftruncate(descriptor_, size_bytes_) == 0) ::lseek(descriptor_, size_bytes_, SEEK_SET);
    return written;
  }
  size_bytes_ += static_cast<int64_t>(framed.size());
  return {};
}

Status RecordLog::Rewrite(const std::function<std::optional<std::string>()>& next) {
  const std::string temporary = path_ + ".tmp";
  const int descriptor = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (descriptor < 0) return SystemError(temporary, "create");
  auto size = static_cast<int64_t>(kMagic.size());
  Status status = WriteAll(descriptor, kMagic, temporary);
  while (status.ok()) {
    const std::optional<std::string> record = next();
    if (!record) break;
    if (record->size() > max_record_bytes_) continue;
    const std::string framed = Framed(*record);
    status = WriteAll(descriptor, framed, temporary);
    size += static_cast<int64_t>(framed.size());
  }
  if (status.ok() && ::fsync(descriptor) != 0) status = SystemError(temporary, "sync");
  // Locked before it has the name, so that nobody finds it unlocked.
  if (status.ok() && !TryLockFile(descriptor))
    status = ResourceExhausted(StrCat(temporary, " is in use by another process"));
  if (status.ok() && ::rename(temporary.c_str(), path_.c_str()) != 0) status = SystemError(path_, "rename to");
  if (!status.ok()) {
    ::unlink(temporary.c_str());
    ::close(descriptor);
    return status;
  }
  ::close(std::exchange(descriptor_, descriptor));
  size_bytes_ = size;
  return {};
}

}  // namespace fathom
