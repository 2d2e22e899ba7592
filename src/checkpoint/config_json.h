// config_json.h - config.json of a released checkpoint -> ModelConfig.
//
// Errors are one sentence naming the file and the key, what was found and what is accepted. Whole numbers may be
// written as floats (64.0). Keys that the program has no use for are ignored; keys whose other values would mean
// another computation (tied embeddings, another activation, ...) are checked.
#ifndef FATHOM_CHECKPOINT_CONFIG_JSON_H_
#define FATHOM_CHECKPOINT_CONFIG_JSON_H_

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/result.h"
#include "model/config.h"

namespace fathom {

struct CheckpointConfig {
  ModelConfig model;         // Validate()d
  std::string expert_dtype;  // "fp4", "fp8" or empty when the file does not say; the tensors decide
  // The draft module is DSpark (0731, 0813), which is not run: model.mtp_layers is 0.
  bool has_dspark = false;
};

// `source` names the text in messages.
Result<CheckpointConfig> ParseConfigJson(std::string_view text, std::string_view source);

// Reads the file `path`.
Result<CheckpointConfig> ReadConfigJson(const std::string& path);

// The keys of a release's config.json, in its order, with these values; ParseConfigJson reads it back to the same
// numbers.
Json ConfigToJson(const CheckpointConfig& config);

// "DeepSeek-V4-Flash" if the numbers are those of a release, otherwise "DeepSeek-V4 architecture".
std::string ModelName(const CheckpointConfig& config);

}  // namespace fathom

#endif  // FATHOM_CHECKPOINT_CONFIG_JSON_H_
