// row_ops.h - what happens to queries, window rows and compressed rows before attention, differentiable.
#ifndef FATHOM_TRAIN_TORCH_ROW_OPS_H_
#define FATHOM_TRAIN_TORCH_ROW_OPS_H_

#include "model/config.h"
#include "train/torch/sequence_layout.h"
#include "train/torch/torch.h"

namespace fathom {

inline constexpr int64_t kMaxRowWidth = 512;  // of compressed rows

enum class RowFinish : uint8_t {
  kNone,
  kQ8Row,        // first d - r values by Q8 in blocks of 64: window and compressed rows (sections 7.4, 7.5)
  kHadamardFp4,  // Q4(Hadamard(row)): the indexer's queries and keys (section 7.6)
};

struct RowRules {
  int64_t heads = 1;       // rows of each token
  bool normalize = false;  // each row / sqrt(mean of squares + eps), no weight: attention queries
  double eps = 0;
  RowFinish finish = RowFinish::kNone;
};

// x [N, heads * w]: each row normalised if asked for, its last r values rotated by the table's line of its N, finished.
Tensor RotateRows(const Tensor& x, const Rotation& rotation, const RowRules& rules);

// kv_gate [T, 2 c w]: the products with wkv and wgate side by side; ape [m, c w]. Returns the weighted sums of complete
// blocks [rows, w], before norm and rotation (section 7.5). w is at most kMaxRowWidth.
Tensor CompressBlocks(const Tensor& kv_gate, const Tensor& ape, int64_t ratio, const SequenceLayout& layout);

}  // namespace fathom

#endif  // FATHOM_TRAIN_TORCH_ROW_OPS_H_
