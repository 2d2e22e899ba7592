#include "kernels/avx2/simd.h"
#include "kernels/simd/matmul_fp4.inl.h"  // after the primitives
