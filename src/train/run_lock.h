// run_lock.h - one process at a time in a run's directory.
//
//   FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<RunLock> lock, RunLock::Take("runs/1"));
#ifndef FATHOM_TRAIN_RUN_LOCK_H_
#define FATHOM_TRAIN_RUN_LOCK_H_

#include <memory>
#include <string>

#include "base/result.h"

namespace fathom {

// Held as long as it lives, and no longer than the process: the system takes the lock back, the file `lock` stays.
class RunLock {
 public:
  // Creates the directory if it is missing. kResource if another RunLock, of this process or another one, holds it.
  static Result<std::unique_ptr<RunLock>> Take(const std::string& directory);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  explicit RunLock(int descriptor) : descriptor_(descriptor) {}

  const int descriptor_;
};

}  // namespace fathom

#endif  // FATHOM_TRAIN_RUN_LOCK_H_
