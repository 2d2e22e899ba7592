#include <limits>

#include "kernels/reference/reference.h"
#include "numeric/math.h"

namespace fathom::reference {

float LargestLogit(const float* x, int64_t count, bool* sound) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float largest = -kInfinity;
  *sound = true;
  for (int64_t i = 0; i < count; ++i) {
    largest = x[i] > largest ? x[i] : largest;
    if (!(x[i] < kInfinity)) *sound = false;
  }
  return largest;
}

double SoftmaxWeights(const float* x, int64_t count, float largest, float temperature, float* weights) {
  double lanes[8] = {};
  for (int64_t i = 0; i < count; ++i) {
    weights[i] = Exp((x[i] - largest) / temperature);
    if (i < count / 8 * 8) lanes[i % 8] += double{weights[i]};
  }
  double total = 0;
  for (const double lane : lanes) total += lane;
  for (int64_t i = count / 8 * 8; i < count; ++i) total += double{weights[i]};
  return total;
}

int64_t SelectAtLeast(const float* x, int64_t count, float least, int64_t most, int32_t* ids) {
  int64_t found = 0;
  for (int64_t i = 0; i < count && found < most; ++i) {
    if (x[i] >= least) ids[found++] = static_cast<int32_t>(i);
  }
  return found;
}

}  // namespace fathom::reference
