#include "kernels/neon/simd.h"

// Written over the primitives of the file above.
#include "kernels/simd/hyper_connection.inc"
