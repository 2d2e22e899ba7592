// synth_shapes.h - configs of made-up models: the releases' numbers with other counts, and a tiny one.
#ifndef FATHOM_CHECKPOINT_SYNTH_SHAPES_H_
#define FATHOM_CHECKPOINT_SYNTH_SHAPES_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "checkpoint/config_json.h"

namespace fathom {

struct ShapeChanges {
  std::optional<int64_t> layers = {};
  std::optional<int64_t> experts = {};
  std::optional<int64_t> vocab = {};
  std::optional<int64_t> mtp_layers = {};
};

// "v4-flash", "v4-pro": the release; with other `layers`, ratios and hash layers are chosen so that every kind of layer
// of the release is there as far as the count permits (4 layers of v4-flash: window, ratio 4, ratio 128, ratio 4, the
// first routed by token id). "tiny": 256 wide, 4 layers with everything that V4 has, MTP included, 512 tokens, context
// 8192. An error names what is accepted.
Result<CheckpointConfig> SyntheticShape(std::string_view shape, const ShapeChanges& changes = {});

}  // namespace fathom

#endif  // FATHOM_CHECKPOINT_SYNTH_SHAPES_H_
