#include "train/torch/train_limits.h"

#include <algorithm>

#include "base/strings.h"
#include "train/torch/hyper_connection_op.h"
#include "train/torch/row_ops.h"

namespace fathom {
namespace {

constexpr int64_t kRowUnit = 16;      // attention's products run over so many values of a head at once
constexpr int64_t kMaxMtpBlocks = 1;  // the loss has one
constexpr int64_t kFloatBytes = 4;
// Of a parameter, all there at once when it is updated: value, gradient, a moment, and the update (Muon) or the other
// moment (AdamW).
constexpr int64_t kParameterFloats = 4;

Status AtMost(std::string_view where, const char* key, int64_t value, int64_t high, const char* why) {
  if (value <= high) return {};
  return InvalidArgument(StrCat(where, key, " is ", value, "; the trainer takes at most ", high, why));
}

// Of embedding, head, attention and experts: nearly all of a model. The MTP block is not trained in every step.
int64_t LeastParameters(const ModelConfig& m) {
  const int64_t attention = m.hidden_size * (m.q_rank + m.head_dim) + m.q_rank * m.heads * m.head_dim +
                            m.o_rank * m.heads * m.head_dim + m.o_groups * m.o_rank * m.hidden_size;
  const int64_t experts = (m.experts + 1) * 3 * m.hidden_size * m.expert_dim;
  return 2 * m.vocab_size * m.hidden_size + m.layers * (attention + experts);
}

// Kept for the backward pass of each token: per layer the streams before each of two sublayers, queries before and
// after rotation, attention's output, and both inner products of each expert.
int64_t TokenFloats(const ModelConfig& m) {
  return m.layers *
         (2 * m.streams * m.hidden_size + 3 * m.heads * m.head_dim + (m.experts_per_token + 1) * 2 * m.expert_dim);
}

}  // namespace

Status CheckTrainable(const ModelConfig& model, std::string_view where) {
  if (model.head_dim % kRowUnit != 0) {
    return InvalidArgument(
        StrCat(where, "head_dim is ", model.head_dim, "; the trainer needs a multiple of ", kRowUnit));
  }
  FATHOM_RETURN_IF_ERROR(AtMost(where, "hc_mult", model.streams, kMaxStreams, " streams"));
  FATHOM_RETURN_IF_ERROR(AtMost(where, "num_nextn_predict_layers", model.mtp_layers, kMaxMtpBlocks, " MTP block"));
  const auto any = [&](auto wanted) { return std::any_of(model.ratios.begin(), model.ratios.end(), wanted); };
  if (any([](int64_t ratio) { return ratio != 0; })) {
    FATHOM_RETURN_IF_ERROR(AtMost(where, "head_dim", model.head_dim, kMaxRowWidth, " in models with compression"));
  }
  if (any([](int64_t ratio) { return ratio == 4; })) {
    FATHOM_RETURN_IF_ERROR(AtMost(where, "index_head_dim", model.index_dim, kMaxRowWidth, ""));
  }
  return {};
}

uint64_t LeastStepBytes(const TrainConfig& config) {
  const int64_t tokens = config.batch_tokens + config.max_sequence_tokens;  // the last dialogue may be the longest
  return static_cast<uint64_t>(kFloatBytes *
                               (kParameterFloats * LeastParameters(config.model) + tokens * TokenFloats(config.model)));
}

Status CheckMemory(const TrainConfig& config, uint64_t ram_bytes) {
  const uint64_t needed = LeastStepBytes(config);
  if (ram_bytes == 0 || needed <= ram_bytes) return {};
  return ResourceExhausted(StrCat(config.path, ": a training step needs at least ", HumanBytes(needed),
                                  " of memory (over ", LeastParameters(config.model), " parameters, ",
                                  config.batch_tokens, " + ", config.max_sequence_tokens,
                                  " tokens), and this machine has ", HumanBytes(ram_bytes),
                                  "; lower schedule.batch_tokens, data.max_sequence_tokens or the sizes of the model"));
}

Status CheckMemory(const ModelConfig& model, const std::string& config_path, int64_t tokens, uint64_t ram_bytes) {
  const int64_t token_floats = model.streams * model.hidden_size + model.vocab_size;
  const auto needed = static_cast<uint64_t>(kFloatBytes * (LeastParameters(model) + tokens * token_floats));
  if (ram_bytes == 0 || needed <= ram_bytes) return {};
  return ResourceExhausted(StrCat(config_path, ": a forward pass in float needs at least ", HumanBytes(needed),
                                  " of memory (for ", LeastParameters(model), " parameters and ", tokens,
                                  " tokens), and this machine has ", HumanBytes(ram_bytes)));
}

}  // namespace fathom
