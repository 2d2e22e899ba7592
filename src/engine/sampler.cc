#include "engine/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/strings.h"
#include "kernels/kernels.h"
#include "numeric/math.h"

namespace fathom {
namespace {

// Below this a float's reciprocal would overflow; the best token's weight is long 1 and all others' 0.
constexpr double kLowestTemperature = 1e-6;
constexpr float kNegativeInfinity = -std::numeric_limits<float>::infinity();

// The output function of SplitMix64 (Steele, Lea, Flood 2014).
uint64_t Mix(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// The largest of `x` and the lowest index of it; id -1 if there is none above -infinity.
struct Best {
  int32_t id = -1;
  float logit = kNegativeInfinity;
};
Best BestOf(std::span<const float> x, float largest) {
  Best best;
  best.logit = largest;
  if (largest == kNegativeInfinity) return best;
  const auto count = static_cast<int64_t>(x.size());
  return Kernels().select_at_least(x.data(), count, largest, 1, &best.id) == 1 ? best : Best();
}

float Largest(std::span<const float> x) {
  bool sound = true;
  return Kernels().largest_logit(x.data(), static_cast<int64_t>(x.size()), &sound);
}

Result<float> LargestOfModel(std::span<const float> logits) {
  bool sound = true;
  const float largest = Kernels().largest_logit(logits.data(), static_cast<int64_t>(logits.size()), &sound);
  if (sound) return largest;
  const auto bad = std::ranges::find_if(logits, [](float x) { return !(x < std::numeric_limits<float>::infinity()); });
  return DataLoss(
      StrFormat("the model's logit of token %zu is %g, which no sound checkpoint gives; `fathom inspect --verify` "
                "checks the files",
                static_cast<size_t>(bad - logits.begin()), double{*bad}));
}

void ApplyMask(std::span<const uint64_t> allowed, std::span<float> x) {
  constexpr size_t kWordIds = 64;
  for (size_t begin = 0; begin < x.size(); begin += kWordIds) {
    const size_t word = begin / kWordIds;
    const uint64_t bits = word < allowed.size() ? allowed[word] : 0;
    if (bits == ~uint64_t{0}) continue;
    const std::span<float> part = x.subspan(begin, std::min(kWordIds, x.size() - begin));
    for (size_t at = 0; at < part.size(); ++at) part[at] = (bits >> at & 1) != 0 ? part[at] : kNegativeInfinity;
  }
}

// weights[i] = Exp((x[i] - largest) / temperature); returns their sum.
double ComputeWeights(std::span<const float> x, float largest, float temperature, std::vector<float>* weights) {
  weights->resize(x.size());
  return Kernels().softmax_weights(x.data(), static_cast<int64_t>(x.size()), largest, temperature, weights->data());
}

// Larger logit first, lower id first among equals.
struct MoreProbable {
  std::span<const float> x;
  bool operator()(int32_t a, int32_t b) const {
    const float xa = x[static_cast<size_t>(a)];
    const float xb = x[static_cast<size_t>(b)];
    return xa != xb ? xa > xb : a < b;
  }
};

// Weights are in [0, 1]; those in [2^-n, 2^(1-n)) have octave n.
constexpr int kOctaves = 127;
int OctaveOf(float weight) {
  return std::min(127 - static_cast<int>(std::bit_cast<uint32_t>(weight) >> 23), kOctaves - 1);
}

// The indices of at least `least`, ascending.
void CollectAtLeast(std::span<const float> x, float least, std::vector<int32_t>* ids) {
  const auto count = static_cast<int64_t>(x.size());
  ids->resize(x.size());
  ids->resize(static_cast<size_t>(Kernels().select_at_least(x.data(), count, least, count, ids->data())));
}

void TakeAll(size_t count, std::vector<int32_t>* ids) {
  ids->resize(count);
  std::iota(ids->begin(), ids->end(), 0);
}

// The `count` most probable ones and perhaps more, ascending. `largest` is the largest of `x`.
void CollectMostProbable(std::span<const float> x, float largest, size_t count, std::vector<int32_t>* ids) {
  constexpr float kNear = 8;  // e^8 less probable than the best: mostly there are enough of those
  CollectAtLeast(x, largest - kNear, ids);
  if (ids->size() < count) TakeAll(x.size(), ids);
}

// Step 6. `ids` are ascending on entry and most probable first on return; `total` is the weight of step 5. False, and
// nothing is changed, if they do not suffice because there are others. Only the octaves that can be needed are sorted:
// the vocabulary is large and what remains of it seldom more than a few hundred tokens.
bool KeepTopP(std::span<const float> x, std::span<const float> weights, double top_p, double total, bool all,
              std::vector<int32_t>* ids) {
  double octave_mass[kOctaves] = {};
  for (const int32_t id : *ids) {
    const float weight = weights[static_cast<size_t>(id)];
    octave_mass[OctaveOf(weight)] += double{weight};
  }
  // A little more than asked for, because sums are added in another order.
  constexpr double kSlack = 1e-9;
  double sum = 0;
  for (const double mass : octave_mass) sum += mass;
  if (!all && sum < total * (top_p + kSlack)) return false;
  int last = 0;
  for (double mass = octave_mass[0]; last < kOctaves - 1 && mass < total * (top_p + kSlack);)
    mass += octave_mass[++last];
  std::erase_if(*ids, [&](int32_t id) { return OctaveOf(weights[static_cast<size_t>(id)]) > last; });
  std::sort(ids->begin(), ids->end(), MoreProbable{x});
  double mass = 0;
  size_t keep = 0;
  while (keep < ids->size() && mass < top_p * total) mass += double{weights[static_cast<size_t>((*ids)[keep++])]};
  ids->resize(keep);
  return true;
}

}  // namespace

double UniformDraw(uint64_t seed, uint64_t index) {
  constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio, SplitMix64's increment
  // The seed is mixed first: neighbouring seeds would otherwise walk through shifted copies of one sequence.
  return static_cast<double>(Mix(Mix(seed + kGolden) + (index + 1) * kGolden) >> 11) * 0x1p-53;
}

Sampler::Sampler(SamplingParams params, uint64_t seed, std::span<const int32_t> prompt)
    : params_(std::move(params)), seed_(seed) {
  if (params_.repetition_penalty != 1) seen_.insert(prompt.begin(), prompt.end());
}

void Sampler::Accept(int32_t id) {
  ++generated_;
  if (params_.frequency_penalty != 0 || params_.presence_penalty != 0) ++answer_counts_[id];
  if (params_.repetition_penalty != 1) seen_.insert(id);
}

bool Sampler::ChangesLogits() const {
  return params_.repetition_penalty != 1 || params_.frequency_penalty != 0 || params_.presence_penalty != 0 ||
         !params_.logit_bias.empty();
}

void Sampler::ApplyPenalties(std::span<float> x) const {
  const auto repetition = static_cast<float>(params_.repetition_penalty);
  for (const int32_t id : seen_) {
    float& logit = x[static_cast<size_t>(id)];
    logit = std::min(logit > 0 ? logit / repetition : logit * repetition, std::numeric_limits<float>::max());
  }
  const auto frequency = static_cast<float>(params_.frequency_penalty);
  const auto presence = static_cast<float>(params_.presence_penalty);
  if (frequency != 0 || presence != 0) {
    for (const auto& [id, count] : answer_counts_) {
      float& logit = x[static_cast<size_t>(id)];
      logit = logit - frequency * static_cast<float>(count) - presence;
    }
  }
  for (const auto& [id, bias] : params_.logit_bias) x[static_cast<size_t>(id)] += bias;
}

// Steps 5 to 7: `ids` of what remains, in any order. `total` is the sum of all weights.
void Sampler::Truncate(std::span<const float> x, float largest, std::span<const float> weights, double total,
                       std::vector<int32_t>* ids) const {
  const auto top_k = static_cast<size_t>(params_.top_k);
  const bool all = top_k == 0 || top_k >= x.size();
  constexpr float kHeavy = 0x1p-12f;  // lighter ones are seldom needed
  if (all && params_.top_p < 1) {
    CollectAtLeast(weights, kHeavy, ids);
    if (!KeepTopP(x, weights, params_.top_p, total, false, ids)) {
      TakeAll(x.size(), ids);
      KeepTopP(x, weights, params_.top_p, total, true, ids);
    }
  } else if (all && params_.min_p > 0) {
    CollectAtLeast(weights, static_cast<float>(params_.min_p), ids);
  } else if (all) {
    TakeAll(x.size(), ids);
  } else {
    CollectMostProbable(x, largest, top_k, ids);
    std::nth_element(ids->begin(), ids->begin() + static_cast<ptrdiff_t>(top_k) - 1, ids->end(), MoreProbable{x});
    ids->resize(top_k);
    std::sort(ids->begin(), ids->end());
    double kept = 0;
    for (const int32_t id : *ids) kept += double{weights[static_cast<size_t>(id)]};
    if (params_.top_p < 1) KeepTopP(x, weights, params_.top_p, kept, true, ids);
  }
  if (params_.min_p > 0) {
    const auto least = static_cast<float>(params_.min_p);
    std::erase_if(*ids, [&](int32_t id) { return weights[static_cast<size_t>(id)] < least; });
  }
}

int32_t Sampler::Draw(std::span<const float> x, float largest, SamplerScratch* scratch) const {
  const Best best = BestOf(x, largest);
  if (best.id < 0 || params_.temperature == 0) return best.id;
  const auto temperature = static_cast<float>(std::max(params_.temperature, kLowestTemperature));
  std::vector<float>& weights = scratch->weights;
  const double whole = ComputeWeights(x, best.logit, temperature, &weights);

  std::vector<int32_t>& ids = scratch->ids;
  Truncate(x, best.logit, weights, whole, &ids);
  if (!std::ranges::is_sorted(ids)) std::ranges::sort(ids);

  double total = 0;
  for (const int32_t id : ids) total += double{weights[static_cast<size_t>(id)]};
  const double target = UniformDraw(seed_, generated_) * total;
  double sum = 0;
  int32_t last = best.id;
  for (const int32_t id : ids) {
    const float weight = weights[static_cast<size_t>(id)];
    if (weight == 0) continue;
    sum += double{weight};
    if (sum > target) return id;
    last = id;
  }
  return last;  // the sum is the total, which u * total can round up to
}

Result<Sample> Sampler::Next(std::span<const float> logits, std::span<const uint64_t> allowed,
                             SamplerScratch* scratch) const {
  FATHOM_ASSIGN_OR_RETURN(const float of_model, LargestOfModel(logits));
  float largest = of_model;
  std::span<const float> x = logits;
  if (ChangesLogits() || !allowed.empty()) {
    scratch->logits.assign(logits.begin(), logits.end());
    ApplyPenalties(scratch->logits);
    if (!allowed.empty()) ApplyMask(allowed, scratch->logits);
    x = scratch->logits;
    largest = Largest(x);
  }
  Sample sample;
  sample.id = Draw(x, largest, scratch);
  if (sample.id < 0) {
    return InvalidArgument(allowed.empty() ? "no token is possible: logit_bias forbids every one of them"
                                           : "no token is possible: logit_bias or the model's vocabulary has none of "
                                             "those that the schema or grammar allows here");
  }
  if (params_.logprobs) ComputeLogprobs(logits, of_model, *params_.logprobs, scratch, &sample);
  return sample;
}

Result<Sample> LogprobsOfToken(int32_t id, std::span<const float> logits, int64_t count, SamplerScratch* scratch) {
  FATHOM_ASSIGN_OR_RETURN(const float largest, LargestOfModel(logits));
  Sample sample;
  sample.id = id;
  ComputeLogprobs(logits, largest, count, scratch, &sample);
  return sample;
}

void ComputeLogprobs(std::span<const float> logits, float largest, int64_t count, SamplerScratch* scratch,
                     Sample* sample) {
  if (largest == kNegativeInfinity) largest = 0;
  ComputeWeights(logits, largest, 1, &scratch->weights);
  double total = 0;
  for (const float weight : scratch->weights) total += double{weight};
  // total >= 1, since the largest counts 1; 0 if none is above -infinity.
  const double log_total = Log1pDouble(std::max(total - 1, 0.0));
  const auto logprob = [&](int32_t id) {
    return static_cast<float>(double{logits[static_cast<size_t>(id)]} - double{largest} - log_total);
  };
  sample->logprob = logprob(sample->id);
  if (count == 0) return;
  const size_t top = std::min(static_cast<size_t>(count), logits.size());
  std::vector<int32_t>& ids = scratch->ids;
  CollectMostProbable(logits, largest, top, &ids);
  std::partial_sort(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(top), ids.end(), MoreProbable{logits});
  for (size_t rank = 0; rank < top; ++rank) sample->top.push_back({ids[rank], logprob(ids[rank])});
}

}  // namespace fathom
