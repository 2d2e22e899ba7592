// bench_weight_pool.h - inputs of measured operations: weights that come from memory, and activations as models have
// them.
#ifndef FATHOM_APPS_BENCH_WEIGHT_POOL_H_
#define FATHOM_APPS_BENCH_WEIGHT_POOL_H_

#include <bit>
#include <cstdint>

#include "base/thread_pool.h"
#include "kernels/matrix.h"
#include "model/workspace.h"

namespace fathom {

// Memory from which weights, floats and cache rows are taken one after the other, so that they come from memory and not
// from a cache if it is large enough. Bytes are random, with exponents of everyday numbers in every format.
class WeightPool {
 public:
  // With progress on stderr where filling it takes long. After Ctrl-C not all of it is filled: then nothing may be
  // measured.
  WeightPool(ThreadPool& threads, int64_t bytes);

  int64_t bytes() const { return data_.size(); }
  // The next weights of this shape; at most bytes() of them.
  Matrix NextMatrix(Matrix shape);
  const float* NextFloats(int64_t count);

 private:
  const uint8_t* NextBytes(int64_t bytes);

  Buffer<uint8_t> data_;
  Buffer<uint8_t> scales_;      // E8M0
  Buffer<float> float_scales_;  // of FP8 weights whose scales are float32
  int64_t at_ = 0;
  int64_t scale_at_ = 0;
  int64_t float_scale_at_ = 0;
};

// One in 2,048 of a pool's floats is no smaller: about as many as sampling looks at. A float there has the upper half
// 0x3E88 to 0x3EFF or its negative and a lower half of the same form: this takes a positive sign (1 in 2), the largest
// upper half (1 in 64), and of the lower one the sign (1 in 2) and three bits (1 in 8).
inline constexpr float kFewPoolFloats = std::bit_cast<float>(0x3EFFBEF0u);

// Activations: normally distributed, so that about as many chunks are `wide` as with a real model.
void FillNormal(float* values, int64_t count);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_WEIGHT_POOL_H_
