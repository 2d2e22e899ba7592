// loss_log.h - what a training run says about itself: one line of JSON for every record.
//
//   FATHOM_ASSIGN_OR_RETURN(LossLog log, LossLog::Open(run_directory + "/log.jsonl", first_step));
//   FATHOM_RETURN_IF_ERROR(log.Append({.step = 1, .train_loss = 8.3}));
#ifndef FATHOM_TRAIN_LOSS_LOG_H_
#define FATHOM_TRAIN_LOSS_LOG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"

namespace fathom {

using NamedNumbers = std::vector<std::pair<std::string, double>>;

struct TrainRecord {
  int64_t step = 0;
  double train_loss = 0;                               // NaN is written as null
  std::optional<double> held_out_loss = std::nullopt;  // of the steps that measured it
  double learning_rate = 0;
  double tokens_per_second = 0;
  NamedNumbers more = {};  // other numbers, written as they are; neither kept in memory nor read back
};

// Appends to a log; each line has left the process before Append() returns. Not thread-safe.
class LossLog {
 public:
  // Begins a file, or goes on with one: the first record of `first_step` or later is taken out with all that follows,
  // since a run that starts from a checkpoint writes it again. A last line that was cut off is taken out, too; another
  // line that is no record is an error with its number, and the file stays as it is. A log may be of any length, a line
  // has less than 64 KiB. The folder must exist. With progress on stderr; kCancelled after Ctrl-C.
  static Result<LossLog> Open(const std::string& path, int64_t first_step);

  // Lines that are whole; none if there is no such file.
  static Result<int64_t> CountLines(const std::string& path);

  Status Append(const TrainRecord& record);

  // Adds what an evaluation has found later to the line of the last record (there is one, which is CHECKed).
  Status AddHeldOut(double loss, const NamedNumbers& more);

  // Those kept and those appended, without `more`.
  const std::vector<TrainRecord>& records() const { return records_; }

 private:
  explicit LossLog(std::string path) : path_(std::move(path)) {}
  Status ReadUntil(int64_t first_step);

  std::string path_;
  std::vector<TrainRecord> records_;
  int64_t last_begin_ = 0;  // where the last record's line begins in the file, in bytes
};

}  // namespace fathom

#endif  // FATHOM_TRAIN_LOSS_LOG_H_
