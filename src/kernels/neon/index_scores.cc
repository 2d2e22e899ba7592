#include "kernels/neon/simd.h"
#include "kernels/simd/index_scores.inl.h"  // after the primitives
