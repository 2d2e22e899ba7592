#include "kernels/avx512/simd.h"
#include "kernels/simd/quantize.inl.h"  // after the primitives
