// bench_kernel_ops.h - the operations of the kernel table at the shapes that a model calls them with, and what each of
// them has to read and compute. The model's own are in bench_model_ops.h.
#ifndef FATHOM_APPS_BENCH_KERNEL_OPS_H_
#define FATHOM_APPS_BENCH_KERNEL_OPS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/config_json.h"
#include "kernels/kv_row.h"
#include "kernels/matrix.h"
#include "model/config.h"

namespace fathom {

enum class KernelKind : uint8_t {
  kMatMul,
  kQuantize,
  kSumOfSquares,
  kSwiGlu,
  kAttend,
  kIndexScores,
  kLargestLogit,
  kSoftmaxWeights,
  kSelectAtLeast,
  kHcPost,
  // What follows is not in the table: functions of src/model/.
  kRmsNorm,   // with a weight
  kHeadNorm,  // without one
  kHcPre,     // without its product
  kHcHead,    // without its product
  kRotaryTable,
  kRotate,
  kEncodeKvRow,
  kEncodeIndexRow,
  kHadamard,
  kSoftmaxSum,
  kTopRows,
  kRouteToken,
  kSumExpertOutputs,
};

struct KernelOp {
  std::string name;         // the tensor's in a release ("ffn.experts.w1/w3"), or what is computed
  std::string_view kernel;  // the entry of KernelTable; of a model's own operation its function in lower case
  KernelKind kind = KernelKind::kMatMul;
  WeightType type = WeightType::kF32;       // of a kMatMul's weights
  ScaleType scale_type = ScaleType::kE8m0;  // of FP8 weights
  bool round_weights = false;               // MatMulArgs::round_weights
  int64_t rows = 0;        // kMatMul: of the weights; kAttend, kIndexScores: heads; the others: rows of every token
  int64_t cols = 0;        // of each row
  int64_t groups = 1;      // kMatMul: so many equal parts of the rows, each with inputs of its own
  int64_t over = 0;        // kAttend, kIndexScores, kTopRows: stored rows that a token looks at
  int64_t rope_dim = 0;    // kAttend
  bool integers = false;   // kMatMul, kQuantize: with the integer form of the input that FP4 weights take
  bool int8 = false;       // and that is whole numbers, as in precision `int8`
  bool activated = false;  // kMatMul: of inputs as SwiGLU gives them, many of them small
  ModelConfig model;       // of a model's own operation, and of kHcPost: whose it is

  // Whether it is a function of the model and no entry of the kernel table.
  bool of_model() const { return kind >= KernelKind::kRmsNorm; }
  // Whether it is counted and measured in bench_model_ops.h: these, and the entry that only a function of theirs calls.
  bool runs_in_model() const { return kind >= KernelKind::kHcPost; }
  // Whether it is a product of FP8 weights and quantised inputs that kernels may take as BF16 numbers.
  bool quantized_fp8() const {
    return kind == KernelKind::kMatMul && type == WeightType::kFp8 && scale_type == ScaleType::kE8m0 && !round_weights;
  }
  // A kMatMul's weights, without data.
  Matrix matrix() const;
  KvRowLayout kv_layout() const { return {RowFormat::kQuantized, cols, rope_dim}; }
  IndexRowLayout index_layout() const { return {RowFormat::kQuantized, cols}; }
  // "2048x4096"; heads, width and stored rows "64x512 over 640".
  std::string shape() const;
};

// Every operation of the kernel table in a model's forward pass and in sampling, and what precisions `exact` and `int8`
// do instead; equal shapes of one module are one operation. `context` tokens were read before: what attention and the
// indexer look at.
std::vector<KernelOp> KernelOpsOf(const CheckpointConfig& config, int64_t context);

// Of one call with so many tokens.
struct KernelCost {
  // Weights with their scales; else the rows, keys or floats read; of a model's own operations what is read and what is
  // written, each once.
  double bytes = 0;
  double ops = 0;  // a multiplication and an addition are two, other functions one
  // The same work as the machine does it: float32 operations, or products of bytes (an FP4 weight takes two, because an
  // activation is two bytes; of precision `int8` it is one), or those of FP8 weights and quantised inputs.
  double f32_ops = 0;
  double int8_ops = 0;
  double fp8_ops = 0;
};
KernelCost KernelCostOf(const KernelOp& op, int64_t tokens);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_KERNEL_OPS_H_
