// checkpoint.h - a directory in the release's layout (config.json, safetensors shards with an index), mapped and
// checked.
//
//   FATHOM_ASSIGN_OR_RETURN(std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open("/models/DeepSeek-V4-Flash"));
//   Model model(checkpoint->config(), checkpoint->weights(), {}, pool);
//
// Nothing is converted or copied: weights() points into the shards, which stay mapped as long as the Checkpoint lives,
// and only headers are read here. Every tensor that the config calls for is there with the dtype and shape it needs,
// inside its file; every error is one sentence naming file, tensor, found and expected. What only the data can tell
// (NaN scales, expert ids out of range) is found by verify.h, not here.
//
// Accepted beside the release's own form: a single model.safetensors without index; Transformers-style names
// (tensor_table.h); routed experts in FP4 or FP8, by dtype and alike within a layer; FP8 scales in E8M0 or F32; U8
// where FP4 codes or E8M0 scales are meant. Tensors under mtp. that are not known are left alone, and so is the DSpark
// draft module. Any other tensor that no config calls for is an error, whether the index lists it or not.
#ifndef FATHOM_CHECKPOINT_CHECKPOINT_H_
#define FATHOM_CHECKPOINT_CHECKPOINT_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "checkpoint/config_json.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_table.h"
#include "model/config.h"
#include "model/weights.h"

namespace fathom {

// One stored tensor.
struct CheckpointTensor {
  const TensorInfo* info = nullptr;  // its name there is the file's
  std::string_view name;             // the release's
  size_t shard = 0;                  // index into shards()
  TensorRole role = TensorRole::kUnused;
  TensorClass tensor_class = TensorClass::kUnused;
  int64_t rows = 0;  // of the matrix it belongs to; a vector has cols 0
  int64_t cols = 0;
};

class Checkpoint {
 public:
  static Result<std::unique_ptr<Checkpoint>> Open(const std::string& directory);
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  const std::string& directory() const { return directory_; }
  const CheckpointConfig& checkpoint_config() const { return config_; }
  const ModelConfig& config() const { return config_.model; }
  const ModelWeights& weights() const { return weights_; }
  // "DeepSeek-V4-Flash", "DeepSeek-V4-Flash-Base", "DeepSeek-V4 architecture".
  std::string model_name() const;

  // Everything stored: used tensors in the order of the model, then those left unused.
  std::span<const CheckpointTensor> tensors() const { return tensors_; }
  std::span<const SafetensorsFile> shards() const { return shards_; }
  uint64_t tensor_bytes() const;

  // Whether the shards fit the memory that this process may use and leave a fifth of it for caches and the system. No
  // where that memory is not known.
  bool FitsMemory() const;
  // Wishes for large pages (MappedFile::PreferLargePages) if the shards fit the memory.
  void PreferLargePages() const;

  // Puts memory with the shards' bytes in the place of the mapped files (MappedFile::ReadIntoMemory); weights() stay
  // where they are. With progress on stderr. kResource if this process has less memory than that takes; after another
  // error the checkpoint is of no use.
  Status ReadIntoMemory(ThreadPool& pool);

  // What the user should know, a line each: "the DSpark draft module (4705 tensors, 10.9 GB) is left unused".
  std::span<const std::string> notes() const { return notes_; }

 private:
  // A stored tensor while names are matched.
  struct Stored {
    const TensorInfo* info = nullptr;
    size_t shard = 0;
    bool used = false;
  };

  Checkpoint() = default;
  Status OpenShards();
  Status OpenIndexed(const std::string& index_path);
  // Shards hold nothing that the index does not list, but below mtp.
  Status CheckAllListed() const;
  Status Collect(const TensorInfo& info, size_t shard);
  void DecideDraft();
  // Whether anything of the MTP blocks of the config is there; other names below mtp. do not count.
  bool StoresMtp() const;
  Status BindAll();
  Status Bind(const TensorList& expected);
  Status BindOne(const ExpectedTensor& expected);
  Status CheckExpertsAlike(const LayerWeights& layer, const std::string& prefix) const;
  Status AccountForUnused();
  uint64_t shard_bytes() const;

  std::string directory_;
  CheckpointConfig config_;
  ModelWeights weights_;
  std::vector<SafetensorsFile> shards_;
  // By the release's name. Ordered as read in `order_`, so that messages do not depend on hashing.
  std::unordered_map<std::string, Stored> stored_;
  std::vector<const std::string*> order_;
  std::vector<CheckpointTensor> tensors_;
  std::vector<std::string> notes_;
};

}  // namespace fathom

#endif  // FATHOM_CHECKPOINT_CHECKPOINT_H_
