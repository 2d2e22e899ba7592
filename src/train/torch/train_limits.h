// train_limits.h - which models the trainer's operations, and this machine's memory, can take.
#ifndef FATHOM_TRAIN_TORCH_TRAIN_LIMITS_H_
#define FATHOM_TRAIN_TORCH_TRAIN_LIMITS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "model/config.h"
#include "train/train_config.h"

namespace fathom {

// Bounds that the operations have beside ModelConfig::Validate()'s. The error names key, value and what is accepted;
// `where` stands before the key: "train.json: config key model.".
Status CheckTrainable(const ModelConfig& model, std::string_view where);

// Bytes that a step with the longest dialogue needs at the least: what cannot be done without, at its simplest. Nano's
// steps take two to three times as much.
uint64_t LeastStepBytes(const TrainConfig& config);

// kResource if that is more than `ram_bytes` (0: unknown). The error has the file's name and both numbers.
Status CheckMemory(const TrainConfig& config, uint64_t ram_bytes);

// The same of a forward pass alone over `tokens`, with all their logits, of the model in `config_path`.
Status CheckMemory(const ModelConfig& model, const std::string& config_path, int64_t tokens, uint64_t ram_bytes);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_TRAIN_LIMITS_H_
