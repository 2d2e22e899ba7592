// optimizer.h - Muon for matrices, AdamW for the rest, as in the V4 report.
#ifndef FATHOM_TRAIN_TORCH_OPTIMIZER_H_
#define FATHOM_TRAIN_TORCH_OPTIMIZER_H_

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "train/torch/parameters.h"
#include "train/torch/torch.h"
#include "train/train_config.h"

namespace fathom {

class Optimizer {
 public:
  // Borrows the parameters.
  Optimizer(const TrainConfig& config, Parameters& parameters);

  // One update from the gradients, which are cleared; `rate` in [0, 1] scales both learning rates. Returns the norm of
  // all gradients before clipping; if that is not finite, an error, and nothing has changed.
  Result<double> Step(double rate);

  // Moments under "muon/NAME", "adam1/NAME" and "adam2/NAME": what a checkpoint needs besides the parameters.
  std::vector<std::pair<std::string, Tensor>> State() const;
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

 private:
  struct Moments {
    Tensor first;   // Muon's momentum, or Adam's first moment
    Tensor second;  // Adam only
  };

  void Muon(double rate, float clip);
  void Adam(Parameter& p, Moments& moments, double rate, float clip) const;

  const TrainConfig config_;
  Parameters& parameters_;
  std::vector<Moments> moments_;  // of parameters_.all(); empty for those that are not trained
  int64_t steps_ = 0;
};

// Replaces each matrix of the stacks [.., rows, cols] by the nearest (semi-)orthogonal one, by the report's hybrid
// Newton-Schulz iteration: eight steps that bring singular values near 1 quickly, two that settle them there. Matrices
// that are zero, or so small that they could as well be, become zero.
void Orthogonalize(const std::vector<Tensor>& stacks);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_OPTIMIZER_H_
