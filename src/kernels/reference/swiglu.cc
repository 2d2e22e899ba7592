#include "kernels/reference/reference.h"
#include "numeric/math.h"

namespace fathom::reference {

void SwiGlu(const float* gate, const float* up, float limit, float weight, int64_t cols, float* h) {
  const float bound = limit > 0 ? limit : 3.4e38f;
  for (int64_t i = 0; i < cols; ++i) {
    const float v = gate[i] > bound ? bound : gate[i];
    const float u = up[i] > bound ? bound : (up[i] < -bound ? -bound : up[i]);
    h[i] = weight * (Silu(v) * u);
  }
}

}  // namespace fathom::reference
