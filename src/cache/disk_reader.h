// disk_reader.h - reads files of a prefix cache on a thread of its own, so that neither the engine nor the writer
// waits.
//
// Files are read one after the other in the order of the calls, straight into the memory where they stay, and are
// checked on the way: what is handed out has the head that was asked for and a right checksum. All calls come from
// one thread; the listener is called on the reader's.
#ifndef FATHOM_CACHE_DISK_READER_H_
#define FATHOM_CACHE_DISK_READER_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "cache/prefix_file.h"
#include "cache/sequence_cache.h"

namespace fathom {

class DiskReader {
 public:
  // `before_read`, if set, is called on the reader's thread before every file: tests make a disk slow with it.
  // `layout` must outlive it.
  DiskReader(const CacheLayout& layout, std::string directory, std::function<void()> before_read = {});
  // Leaves out what was not begun.
  ~DiskReader();
  DiskReader(const DiskReader&) = delete;
  DiskReader& operator=(const DiskReader&) = delete;

  // The head that the file must have, and how its payload is divided.
  struct Job {
    PrefixFileHead head;
    bool state = false;
    bool block = false;  // behind the state
  };
  // Queues a read; its number, never 0.
  uint64_t Read(Job job);
  // Takes a read back. False if it has begun: then its result comes nevertheless.
  bool Cancel(uint64_t number);

  struct Loaded {
    uint64_t number = 0;
    PrefixFileKind kind = PrefixFileKind::kBlock;
    PrefixKey key;
    Status status;  // kIo: the system could not read it, which may pass; other errors: what was asked for is lost
    std::shared_ptr<const StateBytes> state;  // null unless asked for
    std::shared_ptr<CacheBlock> block;        // null unless asked for
  };
  // What was read since the last call.
  std::vector<Loaded> TakeLoaded();
  // Waits until TakeLoaded() has something, or nothing is to be read.
  void Wait();
  // The same until `deadline`.
  void WaitUntil(std::chrono::steady_clock::time_point deadline);
  // Called after every read from now on.
  void SetListener(std::function<void()> listener);

 private:
  void Run();
  Loaded ReadOne(uint64_t number, const Job& job) const;

  const CacheLayout& layout_;
  const std::string directory_;
  const std::function<void()> before_read_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, Job> jobs_;  // in the order of the calls
  uint64_t last_number_ = 0;
  bool busy_ = false;
  bool stop_ = false;
  std::vector<Loaded> loaded_;
  std::function<void()> listener_;

  std::thread thread_;  // last: it uses everything above
};

}  // namespace fathom

#endif  // FATHOM_CACHE_DISK_READER_H_
