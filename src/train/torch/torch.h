// torch.h - libtorch, the part that the trainer uses.
#ifndef FATHOM_TRAIN_TORCH_TORCH_H_
#define FATHOM_TRAIN_TORCH_TORCH_H_

#include <torch/csrc/autograd/custom_function.h>
#include <torch/types.h>
#include <torch/utils.h>

namespace fathom {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

inline float* Floats(const Tensor& x) { return x.data_ptr<float>(); }

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_TORCH_H_
