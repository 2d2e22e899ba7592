#include "kernels/neon/simd.h"
#include "kernels/simd/attention.inl.h"  // after the primitives
