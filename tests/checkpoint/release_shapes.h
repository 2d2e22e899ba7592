// release_shapes.h - writes checkpoints with the names, dtypes and shapes of a release and no data: sparse shards, laid
// out as the release lays them out, from spec/checkpoint_tensors.json.
#ifndef FATHOM_TESTS_CHECKPOINT_RELEASE_SHAPES_H_
#define FATHOM_TESTS_CHECKPOINT_RELEASE_SHAPES_H_

#include <string>
#include <vector>

#include "base/json.h"
#include "base/result.h"
#include "checkpoint/safetensors_writer.h"

namespace fathom {

struct ReleaseShapes {
  int64_t tensor_count = 0;  // as published
  uint64_t total_bytes = 0;
  std::vector<TensorSpec> tensors;
};

// `model` is a key of checkpoint_tensors.json: "V4-Flash".
Result<ReleaseShapes> ExpandRelease(const std::string& model);

// Writes config.json (this text), index and one shard per layer, embedding, head and draft block into `directory`.
Status WriteSparseRelease(const std::string& directory, const std::string& config_json,
                          const std::vector<TensorSpec>& tensors);

}  // namespace fathom

#endif  // FATHOM_TESTS_CHECKPOINT_RELEASE_SHAPES_H_
