// sampler.h - logits to a token, the same one every time.
//
// Given the logits x [V] of a token to come, in this order:
//
//   1. repetition_penalty r   every id in prompt or answer so far: x = x / r where x > 0, else x * r
//   2. frequency_penalty f    x = x - f * (times the id is in the answer so far)
//      presence_penalty p     x = x - p for every id in the answer so far         (OpenAI's and vLLM's definitions)
//   3. logit_bias             x = x + bias
//      grammar                x = -infinity for every id that may not come
//   4. temperature T          0: the largest x, the lowest id of equals; the rest does not apply.
//                             Otherwise weights w = Exp((x - max x) / T), 1 for the best.
//   5. top_k                  only the k largest remain (by x; of equals, the lower id first)
//   6. top_p                  of those, largest first, as few as together have at least top_p of the weight of step 5
//   7. min_p                  of those, the ones with w >= min_p
//   8. draw                   u in [0, 1): going through what remains in ascending id, the first token at which the sum
//                             of weights exceeds u * (their total)
//
// u is a function of the seed and the token's number in the answer alone (SplitMix64 as a counter): it does not matter
// what else runs, in which steps, or whether the sequence was interrupted. Weights are float32 by numeric/math.h, sums
// double in a fixed order, so results do not depend on processor or libm either.
//
// Logprobs are of the model's own distribution: before penalties, bias, grammar and temperature (vLLM's
// "raw_logprobs"); so the most probable tokens that are reported need not have been possible.
#ifndef FATHOM_ENGINE_SAMPLER_H_
#define FATHOM_ENGINE_SAMPLER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "engine/request.h"

namespace fathom {

// A uniform number in [0, 1) with 53 bits for every (seed, index).
double UniformDraw(uint64_t seed, uint64_t index);

// Buffers of one thread that samples.
struct SamplerScratch {
  // Room for `vocab` tokens, so that nothing is allocated when a thread draws for the first time.
  void Reserve(size_t vocab) {
    logits.reserve(vocab);
    weights.reserve(vocab);
    ids.reserve(vocab);
  }

  std::vector<float> logits;
  std::vector<float> weights;
  std::vector<int32_t> ids;
};

struct Sample {
  int32_t id = 0;
  float logprob = 0;              // only if logprobs were asked for
  std::vector<TokenLogprob> top;  // most probable first, lower id first among equals
};

class Sampler {
 public:
  // `params` are valid (ValidateRequest). `seed` is used whatever params.seed says.
  Sampler(SamplingParams params, uint64_t seed, std::span<const int32_t> prompt);

  // Chooses the next token among `allowed` (bits by id, ids past its end are not; empty: all). An error if a logit is
  // NaN or +infinity (a damaged checkpoint), or if no token is possible.
  Result<Sample> Next(std::span<const float> logits, std::span<const uint64_t> allowed, SamplerScratch* scratch) const;
  Result<Sample> Next(std::span<const float> logits, SamplerScratch* scratch) const {
    return Next(logits, {}, scratch);
  }

  // Tells that `id` was appended to the answer.
  void Accept(int32_t id);

  uint64_t seed() const { return seed_; }

 private:
  bool ChangesLogits() const;  // steps 1 to 3, grammar apart
  void ApplyPenalties(std::span<float> x) const;
  void Truncate(std::span<const float> x, float largest, std::span<const float> weights, double total,
                std::vector<int32_t>* ids) const;
  int32_t Draw(std::span<const float> x, float largest, SamplerScratch* scratch) const;

  SamplingParams params_;
  uint64_t seed_;
  uint64_t generated_ = 0;
  std::unordered_map<int32_t, int32_t> answer_counts_;  // kept only for frequency and presence penalty
  std::unordered_set<int32_t> seen_;                    // prompt and answer; kept only for the repetition penalty
};

// What the model thought of `id`, and the `count` most probable tokens. An error as of Sampler::Next().
Result<Sample> LogprobsOfToken(int32_t id, std::span<const float> logits, int64_t count, SamplerScratch* scratch);

// Fills in `sample->logprob` of sample->id and the `count` most probable tokens. `logits` hold no NaN or +infinity;
// `largest` is the largest of them.
void ComputeLogprobs(std::span<const float> logits, float largest, int64_t count, SamplerScratch* scratch,
                     Sample* sample);

}  // namespace fathom

#endif  // FATHOM_ENGINE_SAMPLER_H_
