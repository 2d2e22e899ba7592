#include "kernels/reference/reference.h"

namespace fathom::reference {

void HcPost(const float* y, const float* post, const float* comb, int64_t count, int64_t stride, int64_t cols,
            float* streams) {
  for (int64_t c = 0; c < cols; ++c) {
    float old[kMostStreams];
    for (int64_t i = 0; i < count; ++i) old[i] = streams[i * stride + c];
    for (int64_t j = 0; j < count; ++j) {
      float sum = post[j] * y[c];
      for (int64_t i = 0; i < count; ++i) sum += comb[i * count + j] * old[i];
      streams[j * stride + c] = sum;
    }
  }
}

}  // namespace fathom::reference
