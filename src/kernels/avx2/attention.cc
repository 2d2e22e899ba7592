#include "kernels/avx2/simd.h"
#include "kernels/simd/attention.inl.h"  // after the primitives
