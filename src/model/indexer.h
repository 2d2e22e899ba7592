// indexer.h - which compressed rows a token of a ratio-4 layer attends to (section 7.6).
#ifndef FATHOM_MODEL_INDEXER_H_
#define FATHOM_MODEL_INDEXER_H_

#include <cstdint>

#include "model/step.h"
#include "model/weights.h"

namespace fathom {

// Reads ws.index_q [T, Hi*di] (the products with wq_b) and ws.index_w [T, Hi] (with weights_proj, unscaled) and the
// caches' indexer rows, this step's included. Writes ws.selected [T, topk]: the rows with the highest scores in
// ascending row order, ties to the lower row, and ws.selected_count [T].
void SelectRows(const Step& step, int64_t layer);

// How many rows one task of the scores takes of a token that sees `rows` of them: as many as leave every thread some,
// since each task unpacks the token's queries again. Only speed depends on it.
int64_t IndexTaskRows(int64_t rows, int threads);

}  // namespace fathom

#endif  // FATHOM_MODEL_INDEXER_H_
