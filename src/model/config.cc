#include "model/config.h"

#include <cmath>

#include "base/strings.h"

namespace fathom {
namespace {

Status Range(const char* key, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return {};
  return InvalidArgument(StrCat("config key ", key, " is ", value, "; accepted are ", low, " to ", high));
}

Status Multiple(const char* key, int64_t value, int64_t of) {
  if (value % of == 0) return {};
  return InvalidArgument(StrCat("config key ", key, " is ", value, "; it must be a multiple of ", of));
}

Status Positive(const char* key, double value, double high) {
  if (value > 0 && value <= high) return {};
  return InvalidArgument(StrCat("config key ", key, " is ", StrFormat("%g", value),
                                "; accepted are numbers above 0 up to ", StrFormat("%g", high)));
}

Status Between(const char* key, double value, double low, double high) {
  if (value >= low && value <= high) return {};
  return InvalidArgument(StrCat("config key ", key, " is ", StrFormat("%g", value), "; accepted are numbers from ",
                                StrFormat("%g", low), " to ", StrFormat("%g", high)));
}

}  // namespace

Status ModelConfig::Validate() const {
  // Upper bounds are several times V4-Pro's values: far from real models, near enough that products of two stay in 64
  // bits and that an absurd file cannot make us allocate.
  FATHOM_RETURN_IF_ERROR(Range("vocab_size", vocab_size, 1, 1 << 22));
  FATHOM_RETURN_IF_ERROR(Range("hidden_size", hidden_size, 128, 65536));
  FATHOM_RETURN_IF_ERROR(Multiple("hidden_size", hidden_size, 128));
  FATHOM_RETURN_IF_ERROR(Range("num_hidden_layers", layers, 1, 1024));
  FATHOM_RETURN_IF_ERROR(Range("num_hash_layers", hash_layers, 0, layers));
  FATHOM_RETURN_IF_ERROR(Range("num_nextn_predict_layers", mtp_layers, 0, 16));
  FATHOM_RETURN_IF_ERROR(Range("num_attention_heads", heads, 1, 4096));
  FATHOM_RETURN_IF_ERROR(Range("head_dim", head_dim, 2, 4096));
  FATHOM_RETURN_IF_ERROR(Range("qk_rope_head_dim", rope_dim, 2, head_dim));
  FATHOM_RETURN_IF_ERROR(Multiple("qk_rope_head_dim", rope_dim, 2));
  if ((head_dim - rope_dim) % 64 != 0) {
    return InvalidArgument(StrCat("config keys head_dim ", head_dim, " and qk_rope_head_dim ", rope_dim,
                                  ": their difference must be a multiple of 64"));
  }
  FATHOM_RETURN_IF_ERROR(Range("q_lora_rank", q_rank, 128, 65536));
  FATHOM_RETURN_IF_ERROR(Multiple("q_lora_rank", q_rank, 128));
  FATHOM_RETURN_IF_ERROR(Range("o_groups", o_groups, 1, heads));
  if (heads % o_groups != 0) {
    return InvalidArgument(StrCat("config key o_groups is ", o_groups, "; it must divide num_attention_heads ", heads));
  }
  FATHOM_RETURN_IF_ERROR(Range("o_lora_rank", o_rank, 1, 65536));
  if ((o_groups * o_rank) % 128 != 0) {
    return InvalidArgument(StrCat("config keys o_groups ", o_groups, " and o_lora_rank ", o_rank,
                                  ": their product must be a multiple of 128"));
  }
  FATHOM_RETURN_IF_ERROR(Range("sliding_window", window, 1, 65536));
  if (static_cast<int64_t>(ratios.size()) < layers + mtp_layers) {
    return InvalidArgument(StrCat("config key compress_ratios has ", ratios.size(), " entries; ", layers + mtp_layers,
                                  " are needed, one per layer and MTP block"));
  }
  bool indexer = false;
  for (size_t layer = 0; layer < ratios.size(); ++layer) {
    const int64_t value = ratios[layer];
    if (value != 0 && value != 4 && value != 128) {
      return InvalidArgument(
          StrCat("config key compress_ratios[", layer, "] is ", value, "; accepted are 0, 4 and 128"));
    }
    indexer = indexer || value == 4;
  }
  for (int64_t block = 0; block < mtp_layers; ++block) {
    if (ratio(layers + block) != 0) {
      return InvalidArgument(StrCat("config key compress_ratios[", layers + block, "] is ", ratio(layers + block),
                                    "; an MTP block must have 0"));
    }
  }
  FATHOM_RETURN_IF_ERROR(Range("moe_intermediate_size", expert_dim, 128, 65536));
  FATHOM_RETURN_IF_ERROR(Multiple("moe_intermediate_size", expert_dim, 128));
  FATHOM_RETURN_IF_ERROR(Range("n_routed_experts", experts, 1, 4096));
  FATHOM_RETURN_IF_ERROR(Range("num_experts_per_tok", experts_per_token, 1, experts < 64 ? experts : 64));
  FATHOM_RETURN_IF_ERROR(Positive("routed_scaling_factor", routed_scale, 1e6));
  if (!(swiglu_limit >= 0 && swiglu_limit <= 1e6f)) {
    return InvalidArgument(
        StrCat("config key swiglu_limit is ", StrFormat("%g", swiglu_limit), "; accepted are 0 to 1e6"));
  }
  FATHOM_RETURN_IF_ERROR(Positive("rms_norm_eps", rms_eps, 1));
  FATHOM_RETURN_IF_ERROR(Positive("hc_eps", hc_eps, 1));
  FATHOM_RETURN_IF_ERROR(Positive("rope_theta", rope_theta, 1e12));
  FATHOM_RETURN_IF_ERROR(Positive("compress_rope_theta", compress_rope_theta, 1e12));
  if (rope_theta <= 1 || compress_rope_theta <= 1) {
    return InvalidArgument("config keys rope_theta and compress_rope_theta must be above 1");
  }
  FATHOM_RETURN_IF_ERROR(Range("rope_scaling.original_max_position_embeddings", yarn_original_context, 0, 1 << 30));
  if (yarn_original_context > 0) {
    // Angles stay within what SinCosDouble() takes.
    FATHOM_RETURN_IF_ERROR(Between("rope_scaling.factor", yarn_factor, 1, 1e6));
    FATHOM_RETURN_IF_ERROR(Between("rope_scaling.beta_fast", yarn_beta_fast, 1e-3, 1e6));
    FATHOM_RETURN_IF_ERROR(Between("rope_scaling.beta_slow", yarn_beta_slow, 1e-3, 1e6));
  }
  if (indexer) {
    FATHOM_RETURN_IF_ERROR(Range("index_n_heads", index_heads, 1, 4096));
    FATHOM_RETURN_IF_ERROR(Range("index_head_dim", index_dim, 32, 4096));
    if ((index_dim & (index_dim - 1)) != 0 || index_dim < rope_dim) {
      return InvalidArgument(StrCat("config key index_head_dim is ", index_dim,
                                    "; it must be a power of two and at least qk_rope_head_dim ", rope_dim));
    }
    FATHOM_RETURN_IF_ERROR(Range("index_topk", index_topk, 1, 1 << 20));
  } else {  // used by no layer, but workspaces are sized by them
    FATHOM_RETURN_IF_ERROR(Range("index_n_heads", index_heads, 0, 4096));
    FATHOM_RETURN_IF_ERROR(Range("index_head_dim", index_dim, 0, 4096));
    FATHOM_RETURN_IF_ERROR(Range("index_topk", index_topk, 0, 1 << 20));
  }
  FATHOM_RETURN_IF_ERROR(Range("hc_mult", streams, 1, 16));
  FATHOM_RETURN_IF_ERROR(Range("hc_sinkhorn_iters", sinkhorn_iterations, 1, 1000));
  FATHOM_RETURN_IF_ERROR(Range("max_position_embeddings", max_context, 1, 1 << 24));
  FATHOM_RETURN_IF_ERROR(Range("bos_token_id", bos_token, 0, vocab_size - 1));
  return Range("eos_token_id", eos_token, 0, vocab_size - 1);
}

}  // namespace fathom
