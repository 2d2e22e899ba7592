// disk_tier.h - the directory of a prefix cache: a file for each block and each state, written behind by one thread.
//
// A file is written under a temporary name and renamed, so that it is whole or absent whenever the process ends; its
// checksums tell what a failing disk or a power cut made of it. The thread of its own is here because writing must not
// hold up the engine's, and every process with a disk tier has exactly one. All calls come from one thread.
#ifndef FATHOM_CACHE_DISK_TIER_H_
#define FATHOM_CACHE_DISK_TIER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/result.h"
#include "cache/prefix_file.h"

namespace fathom {

struct DiskTierOptions {
  int64_t max_waiting_bytes = int64_t{1} << 30;    // to be written
  int64_t retry_ns = int64_t{30} * 1'000'000'000;  // without writing, after it failed
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
  // the name of such a file, or has it and holds something else, is left alone.
  std::vector<Found> Scan();

  // A payload in parts that the job keeps alive and nobody changes.
  using Part = std::shared_ptr<const void>;
  struct Job {
    PrefixFileHead head;
    std::vector<std::pair<Part, std::string_view>> parts;
  };
  // Queues a write. False if too much is waiting to be written already, or writing failed lately.
  bool Write(Job job);
  void Remove(PrefixFileKind kind, const PrefixKey& key);
  struct Written {
    PrefixFileKind kind = PrefixFileKind::kBlock;
    PrefixKey key;
    int64_t file_bytes = 0;  // 0: it failed
  };
  // What was written since the last call.
  std::vector<Written> TakeWritten();
  // Waits until nothing is left to do.
  void Wait();

  // Marks a file as used.
  void Touch(PrefixFileKind kind, const PrefixKey& key);

  int64_t waiting_bytes() const;
  const std::string& directory() const { return directory_; }

 private:
  DiskTier(std::string directory, int lock, const DiskTierOptions& options);
  struct Task {
    enum class Kind { kWrite, kRemove, kTouch };
    Kind kind = Kind::kWrite;
    Job job;
    int64_t bytes = 0;
  };
  void Queue(Task::Kind kind, PrefixFileKind file, const PrefixKey& key);
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
  std::deque<Task> tasks_;
  bool busy_ = false;
  bool stop_ = false;
  int64_t waiting_bytes_ = 0;
  std::vector<Written> written_;
  int64_t retry_after_ns_ = 0;  // steady clock; no writes until then
  bool failing_ = false;        // of the thread

  std::thread thread_;  // last: it uses everything above
};

}  // namespace fathom

#endif  // FATHOM_CACHE_DISK_TIER_H_
