#include "kernels/avx2/simd.h"
#include "kernels/simd/matmul_fp8.inl.h"  // after the primitives
