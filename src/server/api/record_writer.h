// record_writer.h - writes records to a RecordLog on a thread of its own, so that nobody waits for a disk.
#ifndef FATHOM_SERVER_API_RECORD_WRITER_H_
#define FATHOM_SERVER_API_RECORD_WRITER_H_

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/result.h"
#include "server/api/record_log.h"

namespace fathom {

struct RecordWriterOptions {
  std::string what = {};                           // "stored responses", for the log
  size_t max_queued_bytes = 0;                     // what may wait to be written
  int64_t max_file_bytes = 0;                      // above it the file is rewritten with what is still kept
  std::function<Status(RecordLog*)> rewrite = {};  // does that, on the writer's thread
};

// Thread-safe.
class RecordWriter {
 public:
  using Written = std::function<void(const Status&)>;

  RecordWriter(std::unique_ptr<RecordLog> log, RecordWriterOptions options);
  // Writes what waits.
  ~RecordWriter();
  RecordWriter(const RecordWriter&) = delete;
  RecordWriter& operator=(const RecordWriter&) = delete;

  // Records are written in the order of the calls, then `then`, unless it is null, is called on the writer's thread.
  // False if too much waits already: the record is not written and `*then` is left as it was.
  bool Add(std::string record, Written* then = nullptr);

 private:
  struct Entry {
    std::string record;
    Written then;
  };

  void Run();
  void WriteOne(const Entry& entry);

  const std::unique_ptr<RecordLog> log_;
  const RecordWriterOptions options_;
  // The writer's thread alone.
  bool told_ = false;
  int64_t rewrite_at_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Entry> queue_;
  size_t queued_bytes_ = 0;
  bool closing_ = false;
  std::thread thread_;
};

}  // namespace fathom

#endif  // FATHOM_SERVER_API_RECORD_WRITER_H_
