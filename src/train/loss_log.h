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

struct TrainRecord {
  int64_t step = 0;
  double train_loss = 0;                               // NaN is written as null
  std::optional<double> held_out_loss = std::nullopt;  // of the steps that measured it
  double learning_rate = 0;
  double tokens_per_second = 0;
  std::vector<std::pair<std::string, double>> more = {};  // other numbers by name, written as they are; not read back
};

// Appends to a log; each line has left the process before Append() returns. Not thread-safe.
class LossLog {
 public:
  // Begins a file, or goes on with one: records of `first_step` and later are taken out, since a run that starts
  // from a checkpoint writes them again. A last line that was cut off is taken out, too; another line that is no
  // record is an error with its number. The folder must exist.
  static Result<LossLog> Open(const std::string& path, int64_t first_step);

  // Lines that are whole; none if there is no such file.
  static Result<int64_t> CountLines(const std::string& path);

  Status Append(const TrainRecord& record);

  // Those kept and those appended.
  const std::vector<TrainRecord>& records() const { return records_; }

 private:
  explicit LossLog(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::vector<TrainRecord> records_;
};

}  // namespace fathom

#endif  // FATHOM_TRAIN_LOSS_LOG_H_
