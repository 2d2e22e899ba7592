#include "kernels/avx512/simd.h"

// Written over the primitives of the file above.
#include "kernels/simd/matmul_fp8.inc"

namespace fathom::avx512 {

void MatMulFp8Streamed(const MatMulArgs& args) { Fp8UpTo<kStreamAll>(args); }

}  // namespace fathom::avx512
