#include "kernels/neon/simd.h"

// Written over the primitives of the file above.
#include "kernels/simd/swiglu.inc"
