// inspect_report.h - what `fathom inspect` says about a checkpoint: sizes, what a token costs, whether it fits this
// machine.
#ifndef FATHOM_APPS_INSPECT_REPORT_H_
#define FATHOM_APPS_INSPECT_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "checkpoint/checkpoint.h"

namespace fathom {

struct MachineFacts {
  uint64_t ram_bytes = 0;  // 0: unknown
  int threads = 1;
  double read_bandwidth = 0;  // bytes per second of all threads together
};

struct ClassRow {
  TensorClass tensor_class = TensorClass::kUnused;
  int64_t tensors = 0;
  uint64_t bytes = 0;
};

struct ContextRow {
  int64_t tokens = 0;
  uint64_t cache_bytes = 0;  // the whole cache of one sequence of this length
};

struct InspectReport {
  // Numbers of the model itself, without MTP blocks and draft modules: weights, not scales and tables.
  uint64_t parameters = 0;
  uint64_t active_parameters =
      0;  // taking part in one token: chosen experts, everything else, one row of the embedding
  uint64_t mtp_parameters = 0;
  std::vector<ClassRow> classes;  // in the order of TensorClass, those with tensors
  // Bytes read to decode one token, scales included, at batch 1.
  uint64_t routed_bytes_per_token = 0;
  uint64_t other_bytes_per_token = 0;
  // A sequence's cache: so much per token in the long run, and a fixed part.
  double cache_bytes_per_token = 0;
  uint64_t cache_fixed_bytes = 0;
  std::vector<ContextRow> contexts;
  // Of the weights that decoding may touch (not MTP, not drafts), and of all routed experts among them.
  uint64_t weight_bytes = 0;
  uint64_t routed_bytes = 0;
  MachineFacts machine;

  uint64_t bytes_per_token() const { return routed_bytes_per_token + other_bytes_per_token; }
  // Weights and the cache of the shortest context listed, with kWorkspaceBytes for the rest of the program.
  bool fits_ram() const;
  // What the memory bandwidth permits: an upper bound.
  double tokens_per_second() const;
  // Bytes of experts that a token must fetch from the disk on average when the weights don't fit: the part of the
  // experts that RAM cannot hold, if they are used evenly. All of the rest is assumed to stay in RAM. 0 if they fit.
  double disk_bytes_per_token() const;

  static constexpr uint64_t kWorkspaceBytes = 512u << 20;
};

// `contexts`: lengths to report, in tokens; those beyond the model's limit are left out.
InspectReport MakeInspectReport(const Checkpoint& checkpoint, const std::vector<int64_t>& contexts,
                                const MachineFacts& machine);

// For people: several lines of what the checkpoint is and costs, for which the bandwidth need not be measured yet.
std::string InspectText(const Checkpoint& checkpoint, const InspectReport& report);
// And of what this machine can do with it.
std::string MachineText(const InspectReport& report);
// Both for programs; all sizes in bytes.
Json InspectJson(const Checkpoint& checkpoint, const InspectReport& report);

// A line per tensor: name, dtype, shape, bytes, shard.
std::string TensorListText(const Checkpoint& checkpoint);
Json TensorListJson(const Checkpoint& checkpoint);

}  // namespace fathom

#endif  // FATHOM_APPS_INSPECT_REPORT_H_
