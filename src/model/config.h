// config.h - the numbers that define a DeepSeek-V4 model, under the names of the reference README (section 5).
// checkpoint/config_json.h reads them from config.json and checks them; everything else may rely on Validate()'s rules.
#ifndef FATHOM_MODEL_CONFIG_H_
#define FATHOM_MODEL_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace fathom {

enum class ScoringFunction : uint8_t { kSqrtSoftplus, kSigmoid, kSoftmax };

struct ModelConfig {
  int64_t vocab_size = 0;         // V
  int64_t hidden_size = 0;        // D
  int64_t layers = 0;             // L
  int64_t hash_layers = 0;        // the first ones route by token id
  int64_t mtp_layers = 0;         // usable MTP blocks (0 when the draft blocks are of another kind)
  int64_t heads = 0;              // H
  int64_t head_dim = 0;           // d
  int64_t rope_dim = 0;           // r, the last values of a head
  int64_t q_rank = 0;             // q
  int64_t o_groups = 0;           // G
  int64_t o_rank = 0;             // R
  int64_t window = 0;             // W
  std::vector<int64_t> ratios;    // compression ratio per layer (0, 4 or 128), then one per MTP block
  int64_t expert_dim = 0;         // F
  int64_t experts = 0;            // E
  int64_t experts_per_token = 0;  // k
  ScoringFunction scoring = ScoringFunction::kSqrtSoftplus;
  float routed_scale = 1;
  float swiglu_limit = 0;  // 0: none
  float rms_eps = 1e-6f;
  double rope_theta = 10000;
  double compress_rope_theta = 160000;
  double yarn_factor = 1;
  double yarn_beta_fast = 32;
  double yarn_beta_slow = 1;
  int64_t yarn_original_context = 0;  // 0: no YaRN
  int64_t index_heads = 0;            // Hi
  int64_t index_dim = 0;              // di
  int64_t index_topk = 0;
  int64_t streams = 0;  // S, hc_mult
  int64_t sinkhorn_iterations = 0;
  float hc_eps = 1e-6f;
  int64_t max_context = 0;  // max_position_embeddings, tokens
  int32_t bos_token = 0;
  int32_t eos_token = 1;

  // One sentence naming the config key, the value and what is accepted, for the first rule that is broken: sizes
  // positive and bounded, widths divisible as the kernels and formats need, ratios known, top-k within the expert
  // count.
  Status Validate() const;

  int64_t ratio(int64_t layer) const { return ratios[static_cast<size_t>(layer)]; }
  // Width factor of a compressor's projections: 2 where blocks overlap (ratio 4), else 1.
  static int64_t Overlap(int64_t ratio) { return ratio == 4 ? 2 : 1; }
  // Rows of a layer's mixing matrix: pre, post and comb.
  int64_t mix_rows() const { return (2 + streams) * streams; }
};

}  // namespace fathom

#endif  // FATHOM_MODEL_CONFIG_H_
