// attention.h - one attention layer (section 7.4): low-rank queries, one shared key/value row per token, a sliding
// window plus compressed rows, a sink, and a grouped low-rank output.
#ifndef FATHOM_MODEL_ATTENTION_H_
#define FATHOM_MODEL_ATTENTION_H_

#include "model/step.h"
#include "model/weights.h"

namespace fathom {

// x [T, D] normalised layer input (ws.x_norm) -> y [T, D]. Appends this step's window rows, compressed rows and
// compressor states to layer `layer` of the batch's caches, without advancing them.
void Attention(const Step& step, const LayerWeights& w, int64_t layer, const float* x, float* y);

}  // namespace fathom

#endif  // FATHOM_MODEL_ATTENTION_H_
