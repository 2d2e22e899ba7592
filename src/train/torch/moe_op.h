// moe_op.h - routed and shared experts (reference README, section 7.7), differentiable.
#ifndef FATHOM_TRAIN_TORCH_MOE_OP_H_
#define FATHOM_TRAIN_TORCH_MOE_OP_H_

#include <cstdint>
#include <vector>

#include "model/config.h"
#include "train/torch/torch.h"

namespace fathom {

// Which experts each token goes to, and what the gradients of the routing need.
struct Routing {
  std::vector<int32_t> experts;  // [T, k]
  Tensor weights;             // [T, k], differentiable: scaling * a_e / sum of the chosen a; with softmax scaling * a_e
  Tensor scores;              // [T, E], a; differentiable
  std::vector<int64_t> load;  // [E], tokens
};

// z = x gate^T, a by the config's scoring function; the k largest a + bias, or those of the table [V, k] for `tokens`
// when it is not null.
Routing Route(const Tensor& x, const Tensor& gate, const Tensor& bias, const int64_t* table,
              const std::vector<int32_t>& tokens, const ModelConfig& config);

// Sum over sequences of E * sum_e (share of the sequence's choices that fell on e) * (mean normalised score of e): 1 is
// perfect balance. Tokens of sequence s are begins[s] .. begins[s + 1] - 1. Returns the mean over tokens [1].
Tensor SequenceBalance(const Routing& routing, const std::vector<int64_t>& begins, int64_t experts);

// w13 [E, 2F, D]: each routed expert's w1 above its w3; w2 [E, D, F]; the shared expert likewise without E. All hold
// stored values. y [T, D] = the chosen experts' sum plus the shared one's.
Tensor Experts(const Tensor& x, const Routing& routing, const Tensor& w13, const Tensor& w2, const Tensor& shared13,
               const Tensor& shared2, const ModelConfig& config);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_MOE_OP_H_
