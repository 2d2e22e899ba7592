// moe.h - mixture of experts (section 7.7): router, routed experts grouped by expert, one shared expert.
#ifndef FATHOM_MODEL_MOE_H_
#define FATHOM_MODEL_MOE_H_

#include <cstdint>

#include "base/result.h"
#include "model/step.h"
#include "model/weights.h"

namespace fathom {

// x [T, D] normalised layer input -> y [T, D]. Routes by token id where the layer has a table, else by score.
void Moe(const Step& step, const LayerWeights& w, int64_t layer, const float* x, float* y);

// The choice of one token's experts. `score` [E] holds the router's logits and then their scores; ids [k] and weights
// [k] are written: by score best first, ties to the lower id, or, where the layer has a table, as it says for
// `token_id`.
void RouteToken(const ModelConfig& config, const LayerWeights& w, int32_t token_id, float* score, int32_t* ids,
                float* weights);

// out [D] = the sum of rows of `outputs` [., D]: the k of a token's routed experts, in ascending order, and then that
// of the shared one.
void SumExpertOutputs(const float* outputs, const int32_t* routed_rows, int64_t k, int64_t shared_row, int64_t dim,
                      float* out);

// The routing tables of the hash layers hold expert ids below E only. Reads the tables (8 * V * k bytes a layer), which
// opening a checkpoint does not; call it before a model runs. An error names the tensor, the token and the id found.
Status CheckHashTables(const ModelConfig& config, const ModelWeights& weights);

}  // namespace fathom

#endif  // FATHOM_MODEL_MOE_H_
