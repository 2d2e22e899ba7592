#include "kernels/neon/simd.h"
#include "kernels/simd/matmul_plain.inl.h"  // after the primitives
