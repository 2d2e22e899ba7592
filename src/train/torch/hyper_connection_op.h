// hyper_connection_op.h - the mixes between the residual streams (reference README, section 7.2), differentiable.
#ifndef FATHOM_TRAIN_TORCH_HYPER_CONNECTION_OP_H_
#define FATHOM_TRAIN_TORCH_HYPER_CONNECTION_OP_H_

#include "model/config.h"
#include "train/torch/torch.h"

namespace fathom {

inline constexpr int64_t kMaxStreams = 8;

struct Mix {
  Tensor x;     // [T, D], a sublayer's input
  Tensor post;  // [T, S]
  Tensor comb;  // [T, S, S]
};

// hc_pre: X [T, S, D]; fn [(2 + S) S, S D], base, scale [3].
Mix MixBefore(const Tensor& streams, const Tensor& fn, const Tensor& base, const Tensor& scale,
              const ModelConfig& config);
// hc_post: the new streams from a sublayer's output y [T, D] and the streams before it.
Tensor MixAfter(const Tensor& y, const Tensor& streams, const Mix& mix);
// hc_head: fn [S, S D], base [S], scale [1]; returns x [T, D].
Tensor MixHead(const Tensor& streams, const Tensor& fn, const Tensor& base, const Tensor& scale,
               const ModelConfig& config);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_HYPER_CONNECTION_OP_H_
