// attention_op.h - attention over window and compressed rows with the indexer's choice (reference README, sections 7.4
// and 7.6), differentiable.
#ifndef FATHOM_TRAIN_TORCH_ATTENTION_OP_H_
#define FATHOM_TRAIN_TORCH_ATTENTION_OP_H_

#include <functional>

#include "model/config.h"
#include "train/torch/sequence_layout.h"
#include "train/torch/torch.h"

namespace fathom {

// Everything normalised, rotated and rounded. C: compressed rows of all sequences.
struct AttentionInputs {
  Tensor q;           // [T, H d]
  Tensor window;      // [T, d]
  Tensor sink;        // [H]
  Tensor compressed;  // [C, d]; undefined without compression
  Tensor index_q;     // [T, Hi di]; undefined unless the ratio is 4
  Tensor index_w;     // [T, Hi], with the factor (di Hi)^-0.5
  Tensor index_keys;  // [C, di]
};

struct AttentionOutputs {
  Tensor o;  // [T, H d], rotated back
  // [1]: sum over tokens of KL(p || q), where p is the share of attention that each compressed row gets from all heads
  // together and q the softmax of the indexer's scores, both over the rows that the token attends to. Gradients of p
  // are not taken. Zero without an indexer.
  Tensor index_loss;
};

// Rows that the indexer chose for a token of the step, best first: for comparisons with the reference. Called by
// several threads at once, for different tokens.
using SelectionTap = std::function<void(int64_t token, const std::vector<int32_t>& rows)>;

AttentionOutputs Attend(const AttentionInputs& inputs, int64_t ratio, const ModelConfig& config,
                        const SequenceLayout& layout, const SelectionTap& tap = nullptr);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_ATTENTION_OP_H_
