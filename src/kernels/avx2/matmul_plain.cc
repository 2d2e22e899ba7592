#include "kernels/avx2/simd.h"
#include "kernels/simd/matmul_plain.inl.h"  // after the primitives
