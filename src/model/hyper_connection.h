// hyper_connection.h - manifold-constrained hyper-connections (section 7.2): S residual streams, mixed into one layer
// input before a layer and updated from its output after it.
#ifndef FATHOM_MODEL_HYPER_CONNECTION_H_
#define FATHOM_MODEL_HYPER_CONNECTION_H_

#include <cstdint>

#include "base/thread_pool.h"
#include "model/config.h"
#include "model/weights.h"

namespace fathom {

// Streams [tokens, S*D] -> x [tokens, D], post [tokens, S], comb [tokens, S(from), S(to)]. `mix` is scratch [tokens,
// (2+S)S].
void HcPre(const ModelConfig& config, const HyperConnectionWeights& w, ThreadPool& pool, const float* streams,
           int64_t tokens, float* mix, float* x, float* post, float* comb);

// streams_j <- post_j * y + sum_i comb[i][j] * streams_i, in place.
void HcPost(const ModelConfig& config, ThreadPool& pool, const float* y, const float* post, const float* comb,
            int64_t tokens, float* streams);

// Streams [tokens, S*D] -> x [tokens, D] with a head's own weights. `mix` is scratch [tokens, S].
void HcHead(const ModelConfig& config, const HyperConnectionWeights& w, ThreadPool& pool, const float* streams,
            int64_t tokens, float* mix, float* x);

// The same from `mix`, which holds the streams' products with w.fn and is changed: all but that product.
void HcPreFromProducts(const ModelConfig& config, const HyperConnectionWeights& w, ThreadPool& pool,
                       const float* streams, int64_t tokens, float* mix, float* x, float* post, float* comb);
void HcHeadFromProducts(const ModelConfig& config, const HyperConnectionWeights& w, ThreadPool& pool,
                        const float* streams, int64_t tokens, float* mix, float* x);

}  // namespace fathom

#endif  // FATHOM_MODEL_HYPER_CONNECTION_H_
