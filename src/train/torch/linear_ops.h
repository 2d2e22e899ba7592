// linear_ops.h - differentiable products with quantised weights and activations, norms, embedding and loss.
//
// Quantisers pass gradients through unchanged (straight-through): forward computes what the engine will compute with
// the exported file, backward treats rounding as the identity.
#ifndef FATHOM_TRAIN_TORCH_LINEAR_OPS_H_
#define FATHOM_TRAIN_TORCH_LINEAR_OPS_H_

#include <cstdint>
#include <vector>

#include "train/torch/torch.h"

namespace fathom {

// How a parameter is stored in the release.
enum class StoredAs : uint8_t { kF32, kBf16, kFp8, kFp4 };

// The values that the exported file will hold for w (section 6): FP8 in blocks of 128 x 128, FP4 in blocks of 32 along
// the last axis, each with a power of two. kF32 is w itself.
Tensor StoredValues(const Tensor& w, StoredAs format);

enum class LinearInput : uint8_t {
  kQuantized,  // x rounded by Q8 in blocks of 128, as in front of FP8 and FP4 weights
  kPlain,      // x as it is
  kFloat,      // x as it is, and float products even in training: the router, whose choices a rounding could flip
};

// y [T, N] = x W^T (section 7: lin).
Tensor Linear(const Tensor& x, const Tensor& w, LinearInput input);

// w * x / sqrt(mean(x^2) + eps) over the last axis (section 7).
Tensor RmsNorm(const Tensor& x, const Tensor& w, double eps);

// X [T, S, D]: embed[token] in all S streams (section 7.1).
Tensor EmbedStreams(const Tensor& embed, const std::vector<int32_t>& tokens, int64_t streams);
// embed[token] [T, D].
Tensor Embed(const Tensor& embed, const std::vector<int32_t>& tokens);

// What each row of the logits is to predict.
struct Targets {
  std::vector<int32_t> tokens;
  std::vector<float> weights;    // in the loss
  std::vector<uint8_t> answers;  // 1: the assistant writes the token
};

// Cross-entropy of softmax(x head^T) against targets, over the rows with a weight above 0.
struct HeadLoss {
  Tensor sum;             // [1], sum of weight * -log p(target); differentiable
  double weight = 0;      // sum of the weights
  double answer_sum = 0;  // sum of -log p(target) over what the assistant writes
  int64_t answer_rows = 0;
  int64_t answer_right = 0;  // of those, rows whose largest logit is the target's
};
HeadLoss HeadCrossEntropy(const Tensor& x, const Tensor& head, const Targets& targets);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_LINEAR_OPS_H_
