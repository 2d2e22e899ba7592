#include "kernels/neon/simd.h"
#include "kernels/simd/matmul_fp4.inl.h"  // after the primitives
