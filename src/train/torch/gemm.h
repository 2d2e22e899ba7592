// gemm.h - the trainer's large matrix products.
//
// Inputs are BF16 with float sums in training (oneDNN; FP8 and FP4 values are exact in BF16), or float on both sides
// where the numbers are compared with the engine's and on processors whose BF16 products are no faster. Which one
// follows from the tensors' type.
#ifndef FATHOM_TRAIN_TORCH_GEMM_H_
#define FATHOM_TRAIN_TORCH_GEMM_H_

#include <cstdint>

#include "train/torch/torch.h"

namespace fathom {

enum class Product : uint8_t {
  kNT,  // a [m, k], b [n, k]: a b^T
  kNN,  // a [m, k], b [k, n]: a b
  kTN,  // a [k, m], b [k, n]: a^T b
};

// c [m, n] float, overwritten; or c += with `accumulate`. Row-major and contiguous. BF16 codes as uint16_t.
// Thread-safe; uses all cores unless called from a parallel loop.
void GemmInto(Product product, int64_t m, int64_t n, int64_t k, const uint16_t* a, const uint16_t* b, float* c,
              bool accumulate = false);
void GemmInto(Product product, int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c,
              bool accumulate = false);

// The same of parts of matrices, float on both sides; `_stride`s are between rows. For small products of many shapes.
void StridedGemm(Product product, int64_t m, int64_t n, int64_t k, const float* a, int64_t a_stride, const float* b,
                 int64_t b_stride, float* c, int64_t c_stride, bool accumulate);

// The product as a new tensor; a and b are contiguous matrices, both BF16 or both float. The first axis of a is that of
// the tokens.
torch::Tensor Gemm(Product product, const torch::Tensor& a, const torch::Tensor& b);

// Whether oneDNN multiplies BF16 on this processor.
bool HasBf16Products();
// Whether that gives more products a second than floats: it does on AMD's EPYC of the fourth generation, half as many
// on Intel's Xeons of the fifth, and fewer where oneDNN only imitates it (AVX-512 without AVX512_BF16).
bool Bf16ProductsAreFaster();

// How this run computes; set once before the model is used, or by a test between forwards.
struct TrainArithmetic {
  bool half = Bf16ProductsAreFaster();  // BF16 inputs of products
  bool quantize_weights = true;         // FP4 / FP8 values in the places of the release
  bool quantize_activations = true;     // Q8 and Q4 in the places of the reference's f32
};
TrainArithmetic& Arithmetic();

// x as the products' input type: BF16, or x itself.
torch::Tensor ToHalf(const torch::Tensor& x);
// An uninitialised tensor of the products' input type.
torch::Tensor EmptyHalf(torch::IntArrayRef sizes);

// Calls body(pointer) with the data of a product input, uint16_t* or float*.
template <typename Body>
void WithHalf(const torch::Tensor& x, const Body& body) {
  if (x.scalar_type() == torch::kBFloat16) {
    body(static_cast<uint16_t*>(x.data_ptr()));
  } else {
    body(static_cast<float*>(x.data_ptr()));
  }
}

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_GEMM_H_
