// train_state.h - a run on disk: everything that a killed run needs to go on with the same bits.
#ifndef FATHOM_TRAIN_TORCH_TRAIN_STATE_H_
#define FATHOM_TRAIN_TORCH_TRAIN_STATE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.h"
#include "checkpoint/config_json.h"
#include "model/config.h"
#include "train/torch/optimizer.h"
#include "train/torch/parameters.h"

namespace fathom {

struct TrainPosition {
  int64_t step = 0;            // steps done
  uint64_t next_dialogue = 0;  // of the source
  double seconds = 0;          // spent training so far
  bool half = true;            // the run's products have BF16 inputs (gemm.h), where the processor can
};

// Writes `path`, a safetensors file that is renamed into place when it is whole: parameters, moments, the experts of
// hash layers, and in its metadata the position and the model's configuration with the experts' format. Parameters that
// are not finite are refused, and the file stays as it is.
Status SaveTrainState(const std::string& path, const TrainPosition& position, const ModelConfig& model,
                      const Parameters& parameters, const Optimizer& optimizer);

// Whether the state in `path` holds the hash layers' experts and the format of routed experts. States of earlier
// versions do not: what those lack comes from where the run began.
Result<bool> IsWholeState(const std::string& path);

// Reads it back into parameters and optimizer of `config.model`, and with it the format of routed experts, which a
// config without an expert_dtype leaves open. Errors name the file and the tensor (of another shape, or with values
// that are not finite) or metadata that is wrong, or the key in which the state is of another model; nothing has
// changed then. States that are not whole leave what they lack as it is. With progress on stderr; kCancelled after
// Ctrl-C.
Result<TrainPosition> LoadTrainState(const std::string& path, const CheckpointConfig& config, Parameters& parameters,
                                     Optimizer& optimizer);

// The first key of config.json in which two models differ: "its sliding_window is 32, and model.sliding_window is 16".
// Nothing if they are the same, or `theirs` has no format of experts or `ours` none.
std::optional<std::string> ModelDifference(const CheckpointConfig& theirs, const CheckpointConfig& ours);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_TRAIN_STATE_H_
