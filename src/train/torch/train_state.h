// train_state.h - a run on disk: everything that a killed run needs to go on with the same bits.
#ifndef FATHOM_TRAIN_TORCH_TRAIN_STATE_H_
#define FATHOM_TRAIN_TORCH_TRAIN_STATE_H_

#include <cstdint>
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
};

// Writes `path`, a safetensors file that is renamed into place when it is whole: parameters, moments, the experts of
// hash layers, and in its metadata the position and the model's configuration with the experts' format. Parameters that
// are not finite are refused, and the file stays as it is.
Status SaveTrainState(const std::string& path, const TrainPosition& position, const ModelConfig& model,
                      const Parameters& parameters, const Optimizer& optimizer);

// Reads it back into parameters and optimizer of `config.model`, and with it the format of routed experts, which a
// config without an expert_dtype leaves open. Errors name the file and the tensor, or the key in which the state is of
// another model; nothing has changed then. States of earlier versions, which have neither a model nor the hash layers'
// experts, or no format of experts, leave these as they are.
Result<TrainPosition> LoadTrainState(const std::string& path, const CheckpointConfig& config, Parameters& parameters,
                                     Optimizer& optimizer);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_TRAIN_STATE_H_
