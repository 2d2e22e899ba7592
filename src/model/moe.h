// moe.h - mixture of experts (section 7.7): router, routed experts grouped by expert, one shared expert.
#ifndef FATHOM_MODEL_MOE_H_
#define FATHOM_MODEL_MOE_H_

#include "base/result.h"
#include "model/step.h"
#include "model/weights.h"

namespace fathom {

// x [T, D] normalised layer input -> y [T, D]. Routes by token id where the layer has a table, else by score.
void Moe(const Step& step, const LayerWeights& w, int64_t layer, const float* x, float* y);

// The routing tables of the hash layers hold expert ids below E only. Reads the tables (8 * V * k bytes a layer), which
// opening a checkpoint does not; call it before a model runs. An error names the tensor, the token and the id found.
Status CheckHashTables(const ModelConfig& config, const ModelWeights& weights);

}  // namespace fathom

#endif  // FATHOM_MODEL_MOE_H_
