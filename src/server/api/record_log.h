// record_log.h - an append-only file of checksummed records.
//
//   file   := "FTHMLOG1" record*
//   record := u32 size, u64 XXH3 of the size and the bytes, bytes      (little endian)
//
// A damaged record is left out, and what follows is read; only what no record follows is cut off, so that a process
// killed at any moment loses at most what it was writing. Not thread-safe. One process at a time: the file is locked.
#ifndef FATHOM_SERVER_API_RECORD_LOG_H_
#define FATHOM_SERVER_API_RECORD_LOG_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace fathom {

class RecordLog {
 public:
  // Opens or creates `path` (mode 0600) and calls `on_record` for each record in it. A file that is no log of this
  // kind, that another process has open or that cannot be written is an error; it is left as it was.
  static Result<std::unique_ptr<RecordLog>> Open(const std::string& path, uint32_t max_record_bytes,
                                                 const std::function<void(std::string_view)>& on_record);
  ~RecordLog();
  RecordLog(const RecordLog&) = delete;
  RecordLog& operator=(const RecordLog&) = delete;

  // After an error the file ends with the last complete record. Records beyond the size limit are an error.
  Status Append(std::string_view record);
  // Replaces the content by the records that `next` yields until it yields nothing. Through "<path>.tmp" and a rename:
  // after a failure or a kill the old content is still there.
  Status Rewrite(const std::function<std::optional<std::string>()>& next);

  int64_t size_bytes() const { return size_bytes_; }
  // Bytes that Open() cut off.
  int64_t torn_bytes() const { return torn_bytes_; }
  // Bytes that it left out before other records. They stay in the file until Rewrite().
  int64_t damaged_bytes() const { return damaged_bytes_; }

 private:
  struct Frame {
    uint64_t checksum = 0;
    int64_t begin = 0;  // of the record's bytes
    int64_t end = 0;
  };
  RecordLog(std::string path, uint32_t max_record_bytes)
      : path_(std::move(path)), max_record_bytes_(max_record_bytes) {}
  Status Read(const std::function<void(std::string_view)>& on_record);
  // What a header at `offset` says, if the file can hold that.
  std::optional<Frame> FrameOf(std::string_view header, int64_t offset) const;
  Result<std::optional<Frame>> FrameAt(int64_t offset) const;
  // False if the bytes are not those of the checksum.
  Result<bool> ReadRecord(const Frame& frame, std::string* record) const;
  // Where the next whole record begins behind a damaged one; nothing if there is none.
  Result<std::optional<int64_t>> FindRecordBehind(int64_t damaged) const;

  const std::string path_;
  const uint32_t max_record_bytes_;
  int descriptor_ = -1;
  int64_t size_bytes_ = 0;
  int64_t torn_bytes_ = 0;
  int64_t damaged_bytes_ = 0;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_RECORD_LOG_H_
