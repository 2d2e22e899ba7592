#include "kernels/avx2/simd.h"
#include "kernels/simd/quantize.inl.h"  // after the primitives
