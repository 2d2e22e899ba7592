// reference.h - the plain-loop twins of kernels.h. Written to be read: they define the bits.
#ifndef FATHOM_KERNELS_REFERENCE_REFERENCE_H_
#define FATHOM_KERNELS_REFERENCE_REFERENCE_H_

#include <array>
#include <cmath>

#include "kernels/kernels.h"

namespace fathom::reference {

// The 16 lanes of a dot product.
struct Lanes {
  std::array<float, 16> lane{};

  void Fma(int64_t index, float a, float b) {
    float& l = lane[static_cast<size_t>(index)];
    l = std::fma(a, b, l);
  }
  // Tree sum: halves folded onto each other.
  float Sum() const {
    std::array<float, 16> l = lane;
    for (size_t width = 8; width >= 1; width /= 2) {
      for (size_t i = 0; i < width; ++i) l[i] += l[i + width];
    }
    return l[0];
  }
};

float Dot(const float* a, const float* b, int64_t n);

void QuantizeFp8(const float* x, int64_t cols, float* values, Fp8Chunk* chunks, uint16_t* pairs);
void QuantizeInt8(const float* x, int64_t cols, Fp8Chunk* chunks);
void MatMulFp4(const MatMulArgs& args);
void MatMulFp4F32(const MatMulArgs& args);
void MatMulFp8(const MatMulArgs& args);
void MatMulBf16(const MatMulArgs& args);
void MatMulF32(const MatMulArgs& args);
float SumOfSquares(const float* x, int64_t cols);
void SwiGlu(const float* gate, const float* up, float limit, float weight, int64_t cols, float* h);
void HcPost(const float* y, const float* post, const float* comb, int64_t count, int64_t stride, int64_t cols,
            float* streams);
void Attend(const AttendArgs& args);
void IndexScores(const IndexScoreArgs& args);
float LargestLogit(const float* x, int64_t count, bool* sound);
double SoftmaxWeights(const float* x, int64_t count, float largest, float temperature, float* weights);
int64_t SelectAtLeast(const float* x, int64_t count, float least, int64_t most, int32_t* ids);

}  // namespace fathom::reference

#endif  // FATHOM_KERNELS_REFERENCE_REFERENCE_H_
