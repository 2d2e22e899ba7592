// attention.h - one attention layer (section 7.4): low-rank queries, one shared key/value row per token, a sliding
// window plus compressed rows, a sink, and a grouped low-rank output.
#ifndef FATHOM_MODEL_ATTENTION_H_
#define FATHOM_MODEL_ATTENTION_H_

#include <cstdint>

#include "model/step.h"
#include "model/weights.h"

namespace fathom {

// x [T, D] normalised layer input (ws.x_norm) -> y [T, D]. Appends this step's window rows, compressed rows and
// compressor states to layer `layer` of the batch's caches, without advancing them.
void Attention(const Step& step, const LayerWeights& w, int64_t layer, const float* x, float* y);

// How many heads of a token one task of the attention core takes; the last one of a token may have fewer. With many
// tokens all of them, so that each row is decoded once; with few they are shared out so that all threads are done
// soonest. Only speed depends on it.
int64_t AttendTaskHeads(int64_t tokens, int64_t heads, int threads);

}  // namespace fathom

#endif  // FATHOM_MODEL_ATTENTION_H_
