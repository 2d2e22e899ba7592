#include "kernels/avx512/simd.h"

// Written over the primitives of the file above.
#include "kernels/simd/matmul_plain.inc"

namespace fathom::avx512 {

void MatMulBf16Streamed(const MatMulArgs& args) { MatMulValues<Bf16Format<kStreamAll>>(args); }

void MatMulBf16Panels(const MatMulArgs& args) {
  return args.tokens <= kStreamPairs ? MatMulBf16Streamed(args) : MatMulBf16(args);
}

}  // namespace fathom::avx512
