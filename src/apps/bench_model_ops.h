// bench_model_ops.h - what a forward pass computes beside the operations of the kernel table: functions of src/model/
// at the shapes that a model calls them with, for `fathom bench kernels`.
//
//   rms_norm_rows           the input of a layer, with a weight; the query's heads, without
//   hc_pre, hc_head         hyper-connections before a layer and the head, without the product that is measured as
//                           hc_attn_fn and hc_head_fn
//   rotary_table            both tables of every token, by one thread, as at the start of a step
//   rotate, encode_kv_row   the query's heads; the window row, as it is stored
//   hadamard, encode_index_row  the indexer's query
//   compressor_softmax_sum  the blocks of 4 or 128 tokens that the tokens complete, but at least one
//   top_rows                the rows with the highest scores of context / 4
//   route_token             scores, the best experts and their weights, from the router's products
//   sum_expert_outputs      of the routed experts and the shared one
//
// A few of them use the kernel table, which changes little. Inputs lie in the caches where they fit, as in a step,
// which has just computed them.
#ifndef FATHOM_APPS_BENCH_MODEL_OPS_H_
#define FATHOM_APPS_BENCH_MODEL_OPS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "apps/bench_kernel_cases.h"
#include "apps/bench_kernel_ops.h"
#include "base/thread_pool.h"
#include "checkpoint/config_json.h"

namespace fathom {

// The operations of this model after `context` tokens; compressors and the indexer only where a layer has them.
std::vector<KernelOp> ModelOpsOf(const CheckpointConfig& config, int64_t context);

// Of one of these, or of kHcPost, for KernelCostOf(). Bytes are all floats read and all written, each once however
// often it is looked at, and stored rows as they are stored; operations are products, sums, quotients, comparisons that
// choose, and functions such as the exponential, one each.
KernelCost ModelCostOf(const KernelOp& op, int64_t tokens);

// One of these, or kHcPost, for MakeKernelCase(). `op` and `threads` must outlive it.
std::unique_ptr<KernelCase> MakeModelCase(const KernelOp& op, int64_t tokens, ThreadPool& threads);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_MODEL_OPS_H_
