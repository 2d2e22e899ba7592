// synth.h - writes made-up checkpoints of true shapes: for tests, and to try speed and memory without a release's 160
// GB.
//
//   FATHOM_ASSIGN_OR_RETURN(CheckpointConfig config, SyntheticShape("tiny"));
//   FATHOM_RETURN_IF_ERROR(WriteSyntheticCheckpoint("/tmp/tiny", {.config = config}));
//
// The directory has the release's layout: config.json, index, one shard per layer (embedding first, norm and head
// after the layers, MTP last), generation_config.json. A tokenizer is among `extra_files`
// (tokenizer/synthetic_tokenizer.h). Numbers are random with sane statistics (synth_values.h) and depend only on the
// options, not on `threads`.
#ifndef FATHOM_CHECKPOINT_SYNTH_H_
#define FATHOM_CHECKPOINT_SYNTH_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/progress.h"
#include "base/result.h"
#include "checkpoint/config_json.h"
#include "checkpoint/synth_shapes.h"

namespace fathom {

// What is left as holes, which read as zeros and take no disk.
enum class SynthHoles : uint8_t {
  kNone,
  kExperts,  // routed experts: everything else has numbers
  kAll,      // all tensors: for what looks at shapes only
};

struct SynthOptions {
  // config.model must be valid. expert_dtype "fp8" stores routed experts in FP8, anything else in FP4.
  CheckpointConfig config = {};
  bool f32_scales = false;  // FP8 scales in F32, as in V4-Flash-Base, instead of E8M0
  SynthHoles holes = SynthHoles::kNone;
  uint64_t seed = 1;
  int threads = 1;
  // Written beside the weights: plain file names and contents.
  std::vector<std::pair<std::string, std::string>> extra_files = {};
};

// Bytes that will be written; holes do not count.
uint64_t SyntheticBytes(const SynthOptions& options);

// Writes `directory`, which must not exist or be empty; its parent must exist. Everything is written under another name
// beside it and renamed at the end, so after a failure, Ctrl-C (base/signals.h; kCancelled) or a kill there is no
// partial checkpoint under this name, and except after a kill no leftovers. kResource if the file system has too little
// room, found out before writing. `progress` gets the bytes of SyntheticBytes() and may be null.
Status WriteSyntheticCheckpoint(const std::string& directory, const SynthOptions& options,
                                Progress* progress = nullptr);

}  // namespace fathom

#endif  // FATHOM_CHECKPOINT_SYNTH_H_
