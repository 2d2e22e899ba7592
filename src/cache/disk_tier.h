// disk_tier.h - the directory of a prefix cache: a file for each block and each state, written behind by one thread.
//
// A file is written under a temporary name and renamed, so that it is whole or absent whenever the process ends; its
// checksums tell what a failing disk or a power cut made of it. The thread of its own is here because writing must not
// hold up the engine's, and every process with a disk tier has exactly one. All calls come from one thread.
#ifndef FATHOM_CACHE_DISK_TIER_H_
#define FATHOM_CACHE_DISK_TIER_H_

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cache/prefix_file.h"

namespace fathom {

struct DiskTierOptions {
  int64_t max_waiting_bytes = int64_t{1} << 30;  // to be written: the end of the process waits for it
  // Without writing after it failed, and without reading a file that could not be read.
  int64_t retry_ns = int64_t{30} * 1'000'000'000;
  // Called on the writing thread before every file: tests make a disk slow with it.
  std::function<void()> before_write = {};
};

class DiskTier {
 public:
  // Takes the directory, making it if need be. An error if it can't be used or another process uses it.
  static Result<std::unique_ptr<DiskTier>> Open(const std::string& directory, const DiskTierOptions& options);
  // Writes what is still to be written.
  ~DiskTier();
  DiskTier(const DiskTier&) = delete;
  DiskTier& operator=(const DiskTier&) = delete;

  struct Found {
    PrefixFileHead head;
    int64_t file_bytes = 0;
    int64_t modified_ns = 0;
  };
  // All files of kept prefixes, of any fingerprint, oldest first. Removes half-written and damaged ones. What has not
  // the name of such a file, or has it and holds something else, is left alone. `unread`: how many could not be read
  // now, and stay.
  std::vector<Found> Scan(int64_t* unread);

  // A payload in parts that the job keeps alive and nobody changes until it was cancelled or TakeWritten() told its
  // end.
  using Part = std::shared_ptr<const void>;
  struct Job {
    PrefixFileHead head;
    std::vector<std::pair<Part, std::string_view>> parts;
  };
  // Queues a write; its number. 0 if so much is waiting to be written already, unless it is `urgent`, or writing failed
  // lately.
  uint64_t Write(Job job, bool urgent = false);
  // Whether there is a good deal of room for writes again.
  bool has_room() const;
  // Takes a write back. False if it has begun: then TakeWritten() tells its end.
  bool Cancel(uint64_t number);
  bool has_begun(uint64_t number) const;
  void Remove(PrefixFileKind kind, const PrefixKey& key);
  struct Written {
    uint64_t number = 0;
    PrefixFileKind kind = PrefixFileKind::kBlock;
    PrefixKey key;
    int64_t file_bytes = 0;  // 0: it failed
  };
  // What was written since the last call.
  std::vector<Written> TakeWritten();
  // Waits until nothing is left to do.
  void Wait();
  // Waits until TakeWritten() has something, nothing is left to do, or `deadline`.
  void WaitForOne(std::chrono::steady_clock::time_point deadline);
  // Called on the writing thread whenever nothing is left to be written.
  void SetListener(std::function<void()> listener);

  // Marks a file as used; left undone while very many are to be marked.
  void Touch(PrefixFileKind kind, const PrefixKey& key);

  int64_t waiting_bytes() const;
  int64_t waiting_touches() const;
  const std::string& directory() const { return directory_; }

 private:
  DiskTier(std::string directory, int lock, const DiskTierOptions& options);
  struct Task {
    enum class Kind { kWrite, kRemove, kTouch };
    Kind kind = Kind::kWrite;
    Job job;
    int64_t bytes = 0;
  };
  uint64_t Push(Task task);  // with mutex_
  static Task TaskFor(Task::Kind kind, PrefixFileKind file, const PrefixKey& key);
  void Run();
  // Says when writing begins to fail, and when it works again.
  void Report(const Status& status);
  Status WriteFile(const Job& job, int64_t* file_bytes);
  std::string PathOf(const PrefixFileHead& head) const { return PrefixFilePath(directory_, head.kind, head.key); }

  const std::string directory_;
  const int lock_;
  const DiskTierOptions options_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<uint64_t, Task> tasks_;  // in the order of the calls
  uint64_t last_number_ = 0;
  bool busy_ = false;
  bool stop_ = false;
  int64_t waiting_bytes_ = 0;
  int64_t waiting_touches_ = 0;
  std::function<void()> listener_;
  std::vector<Written> written_;
  int64_t retry_after_ns_ = 0;  // steady clock; no writes until then
  bool failing_ = false;        // of the thread

  std::thread thread_;  // last: it uses everything above
};

}  // namespace fathom

#endif  // FATHOM_CACHE_DISK_TIER_H_
