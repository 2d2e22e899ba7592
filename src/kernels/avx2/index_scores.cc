#include "kernels/avx2/simd.h"
#include "kernels/simd/index_scores.inl.h"  // after the primitives
