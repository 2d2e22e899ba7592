#include "server/api/record_writer.h"

#include <utility>

#include "base/log.h"
#include "base/strings.h"

namespace fathom {

RecordWriter::RecordWriter(std::unique_ptr<RecordLog> log, RecordWriterOptions options)
    : log_(std::move(log)), options_(std::move(options)), rewrite_at_(options_.max_file_bytes) {
  thread_ = std::thread([this] { Run(); });
}

RecordWriter::~RecordWriter() {
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

bool RecordWriter::Add(std::string record, Written* then) {
  const std::lock_guard lock(mutex_);
  if (queued_bytes_ + record.size() > options_.max_queued_bytes) return false;
  queued_bytes_ += record.size();
  queue_.push_back({std::move(record), then != nullptr ? std::move(*then) : Written()});
  wake_.notify_one();
  return true;
}

void RecordWriter::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [&] { return closing_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Entry entry = std::move(queue_.front());
    queue_.pop_front();
    queued_bytes_ -= entry.record.size();
    lock.unlock();
    WriteOne(entry);
    lock.lock();
  }
}

void RecordWriter::WriteOne(const Entry& entry) {
  const Status written = log_->Append(entry.record);
  if (!written.ok() && !std::exchange(told_, true)) {
    Log(LogLevel::kWarning, StrCat(options_.what, " cannot be written to their file"), {{"why", written.message()}});
  }
  if (written.ok()) told_ = false;
  if (entry.then) entry.then(written);
  if (!written.ok() || log_->size_bytes() <= rewrite_at_) return;
  const Status rewritten = options_.rewrite(log_.get());
  rewrite_at_ = options_.max_file_bytes;
  if (rewritten.ok()) return;
  rewrite_at_ = 2 * log_->size_bytes();  // not again with the very next record
  Log(LogLevel::kWarning, StrCat("the file of ", options_.what, " is not made smaller"),
      {{"why", rewritten.message()}});
}

}  // namespace fathom
