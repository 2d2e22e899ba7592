#include "kernels/simd/tables.h"

namespace fathom::avx512 {

void Attend(const AttendArgs& args) { ReferenceKernels().attend(args); }

void IndexScores(const IndexScoreArgs& args) { ReferenceKernels().index_scores(args); }

}  // namespace fathom::avx512
