// compressor.h - learned compression of m tokens into one row (section 7.5).
#ifndef FATHOM_MODEL_COMPRESSOR_H_
#define FATHOM_MODEL_COMPRESSOR_H_

#include <cstdint>

#include "cache/sequence_cache.h"
#include "model/step.h"
#include "model/weights.h"

namespace fathom {

// Which of a layer's two compressors: the one whose rows are attended to, or the indexer's own.
enum class CompressorKind : uint8_t { kMain, kIndexer };

// Feeds the step's tokens to one compressor of `layer` in every segment: kv and score [T, c*w] are the projections of
// the tokens. Blocks that become complete are written to the caches as rows; unfinished ones stay in the compressor's
// state; rows of sealed positions are not written. Adds the position bias (ape) to `score` in place.
void Compress(const Step& step, const CompressorWeights& w, CompressorKind kind, int64_t layer, int64_t ratio,
              const float* kv, float* score);

// One token's projections, wherever they are: in a step's buffers or in the state.
struct CompressorMember {
  const float* kv = nullptr;
  const float* score = nullptr;
};

// row[c] = sum over the `count` members of softmax(score)[member] * kv, separately in each of `width` channels, members
// in this order.
void CompressorSoftmaxSum(const CompressorMember* members, int64_t count, int64_t width, float* row);

// In-place multiplication with the orthonormal Hadamard matrix of order n, a power of two.
void Hadamard(float* row, int64_t n);

}  // namespace fathom

#endif  // FATHOM_MODEL_COMPRESSOR_H_
