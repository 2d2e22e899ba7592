// verify_data.h - reads every byte of a checkpoint and finds what its headers cannot tell: NaN scales and weights,
// expert ids out of range, files that differ from their published digests.
#ifndef FATHOM_CHECKPOINT_VERIFY_DATA_H_
#define FATHOM_CHECKPOINT_VERIFY_DATA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "checkpoint/checkpoint.h"

namespace fathom {

struct DataReport {
  uint64_t bytes = 0;  // read
  uint64_t tensors = 0;
  uint64_t digests = 0;  // files that were compared with SHA256SUMS
  // One sentence per defect, in the order of files and tensors; at most one per tensor, which counts its bad values.
  std::vector<std::string> defects;
};

// Bytes that VerifyData() will read.
uint64_t DataBytes(const Checkpoint& checkpoint);

// If the directory holds a file SHA256SUMS (lines "<64 hex digits>  <file>", as sha256sum writes them), the shards it
// lists are compared with it; so are the other files of the directory that it lists. Files in parallel, each once. An
// error is Ctrl-C (kCancelled), a malformed SHA256SUMS, or one that this build cannot check; defects of data are no
// error.
Result<DataReport> VerifyData(const Checkpoint& checkpoint, int threads, Progress* progress = nullptr);

}  // namespace fathom

#endif  // FATHOM_CHECKPOINT_VERIFY_DATA_H_
