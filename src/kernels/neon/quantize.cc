#include "kernels/neon/simd.h"
#include "kernels/simd/quantize.inl.h"  // after the primitives
