#include "kernels/avx512/simd.h"
#include "kernels/simd/attention.inl.h"  // after the primitives
