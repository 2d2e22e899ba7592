// train_model.h - DeepSeek-V4 with gradients: the forward pass of the reference README, section 7, over a step's
// dialogues, and its losses.
#ifndef FATHOM_TRAIN_TORCH_TRAIN_MODEL_H_
#define FATHOM_TRAIN_TORCH_TRAIN_MODEL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "corpus/training_sequence.h"
#include "model/config.h"
#include "train/torch/attention_op.h"
#include "train/torch/parameters.h"
#include "train/torch/sequence_layout.h"
#include "train/torch/torch.h"

namespace fathom {

// The dialogues of one step.
struct TrainBatch {
  std::vector<int32_t> tokens;
  std::vector<float> weights;    // of predicting each token; 0 for the first of a sequence
  std::vector<uint8_t> answers;  // 1: the assistant writes the token, whatever its weight
  std::vector<int64_t> lengths;

  // Appends a dialogue. Its weights tell what the assistant writes (1) from the rest (0), which counts `prompt_weight`.
  void Add(const TrainingSequence& sequence, float prompt_weight);
};

struct LossWeights {
  double mtp = 0;  // 0: the MTP block is not run
  double balance = 0;
  double indexer = 0;
};

struct StepLoss {
  Tensor total;                      // [1], differentiable while this StepLoss lives
  std::shared_ptr<const void> pass;  // what the gradients still need
  double tokens = 0;                 // sum of weights
  double loss = 0;                   // mean cross-entropy by weight
  double answer_loss = 0;            // of what the assistant writes
  double answer_accuracy = 0;        // share of its tokens that are the most probable ones
  int64_t answer_tokens = 0;
  double mtp_loss = 0;
  double mtp_accuracy = 0;
  double balance = 0;
  double indexer = 0;
  // [layer][expert] tokens; MTP blocks after the layers. Empty for hash layers.
  std::vector<std::vector<int64_t>> expert_load;
};

// What to hand out while a forward runs; for comparisons. `selected` is called by several threads at once.
struct ForwardTaps {
  // After each layer. False ends the forward, which then returns an undefined tensor.
  std::function<bool(int64_t layer)> layer_done;
  std::function<void(int64_t layer, int64_t token, const std::vector<int32_t>& rows)> selected;
  std::function<void(int64_t layer, const std::vector<int32_t>& experts)> experts;  // [T, k]
};

class TrainModel {
 public:
  // Borrows the parameters.
  TrainModel(const ModelConfig& config, Parameters& parameters) : config_(config), parameters_(parameters) {}

  // The sliding window of the forwards from now on. Not between a forward and its backward.
  void SetWindow(int64_t tokens) { config_.window = tokens; }

  // Gradients flow if torch's grad mode is on.
  StepLoss Loss(const TrainBatch& batch, const LossWeights& weights);

  // Logits [T, V] of all positions; with `mtp_logits` also those of MTP block 0: row p, from position p's streams and
  // the token at p + 1, predicts the token at p + 2 (the last row of each sequence means nothing).
  Tensor Logits(const TrainBatch& batch, Tensor* mtp_logits, const ForwardTaps& taps);

 private:
  struct Pass;  // what belongs to one forward

  Tensor Streams(Pass& pass);
  Tensor Layer(Pass& pass, const std::string& prefix, int64_t layer, int64_t ratio, const Tensor& streams);
  Tensor Attention(Pass& pass, const std::string& prefix, int64_t layer, int64_t ratio, const Tensor& x);
  void Indexer(Pass& pass, const std::string& prefix, const Tensor& x, const Tensor& qr, AttentionInputs* inputs);
  Tensor Compressor(Pass& pass, const std::string& prefix, int64_t ratio, const Tensor& x, bool index);
  Tensor Moe(Pass& pass, const std::string& prefix, int64_t layer, const Tensor& x);
  Tensor Head(const std::string& prefix, const Tensor& streams);
  Tensor MtpStreams(Pass& pass, const Tensor& streams);

  // The stored values of a parameter, computed once a pass.
  Tensor Value(const std::string& name) const { return parameters_.StoredValue(name); }

  ModelConfig config_;
  Parameters& parameters_;
};

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_TRAIN_MODEL_H_
