#include "engine/sampler.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/strings.h"
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

// The largest element, the lowest index of equals. -1 if there is none above -infinity.
int32_t ArgMax(std::span<const float> x) {
  // The value first, in lanes: one running maximum would be a chain as long as the vocabulary.
  constexpr size_t kLanes = 16;
  float lanes[kLanes];
  std::fill_n(lanes, kLanes, kNegativeInfinity);
  size_t at = 0;
  for (; at + kLanes <= x.size(); at += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = x[at + lane] > lanes[lane] ? x[at + lane] : lanes[lane];
  }
  float largest = *std::max_element(lanes, lanes + kLanes);
  for (; at < x.size(); ++at) largest = std::max(largest, x[at]);
  if (largest == kNegativeInfinity) return -1;
  return static_cast<int32_t>(std::ranges::find(x, largest) - x.begin());
}

Status CheckLogits(std::span<const float> logits) {
  // One pass without branches that the compiler vectorises; the culprit is looked for only when there is one.
  uint32_t bad = 0;
  for (const float x : logits) bad |= static_cast<uint32_t>(!(x < std::numeric_limits<float>::infinity()));
  if (bad == 0) return {};
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] < std::numeric_limits<float>::infinity()) continue;
    return DataLoss(
        StrFormat("the model's logit of token %zu is %g, which no sound checkpoint gives; `fathom inspect --verify` "
                  "checks the files",
                  id, double{logits[id]}));
  }
  return {};
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

// By itself, so that the compiler sees that nothing overlaps and vectorises it.
void ComputeWeights(std::span<const float> x, float largest, float temperature, float* __restrict weights) {
  for (size_t id = 0; id < x.size(); ++id) weights[id] = Exp((x[id] - largest) / temperature);
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

// The sum of all weights, in lanes for speed.
double SumWeights(std::span<const float> weights) {
  constexpr size_t kLanes = 8;
  double lanes[kLanes] = {};
  size_t at = 0;
  for (; at + kLanes <= weights.size(); at += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += double{weights[at + lane]};
  }
  double total = 0;
  for (const double lane : lanes) total += lane;
  for (; at < weights.size(); ++at) total += double{weights[at]};
  return total;
}

// The ids of weights of at least `least`, ascending. There are few: blocks without any are skipped at once.
void CollectHeavy(std::span<const float> weights, float least, std::vector<int32_t>* ids) {
  constexpr size_t kBlock = 32;
  ids->clear();
  for (size_t begin = 0; begin < weights.size(); begin += kBlock) {
    const std::span<const float> block = weights.subspan(begin, std::min(kBlock, weights.size() - begin));
    int32_t any = 0;
    for (const float weight : block) any |= static_cast<int32_t>(weight >= least);
    if (any == 0) continue;
    for (size_t at = 0; at < block.size(); ++at) {
      if (block[at] >= least) ids->push_back(static_cast<int32_t>(begin + at));
    }
  }
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
  ++answer_counts_[id];
  if (params_.repetition_penalty != 1) seen_.insert(id);
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

// Steps 5 to 7: `ids` of what remains, in any order.
void Sampler::Truncate(std::span<const float> x, std::span<const float> weights, std::vector<int32_t>* ids) const {
  const auto take_all = [&] {
    ids->resize(x.size());
    std::iota(ids->begin(), ids->end(), 0);
  };
  const auto top_k = static_cast<size_t>(params_.top_k);
  const bool all = top_k == 0 || top_k >= x.size();
  constexpr float kHeavy = 0x1p-12f;  // lighter ones are seldom needed
  if (all && params_.top_p < 1) {
    const double total = SumWeights(weights);
    CollectHeavy(weights, kHeavy, ids);
    if (!KeepTopP(x, weights, params_.top_p, total, false, ids)) {
      take_all();
      KeepTopP(x, weights, params_.top_p, total, true, ids);
    }
  } else {
    take_all();
  }
  if (!all) {
    std::nth_element(ids->begin(), ids->begin() + static_cast<ptrdiff_t>(top_k) - 1, ids->end(), MoreProbable{x});
    ids->resize(top_k);
    std::sort(ids->begin(), ids->end());
    double total = 0;
    for (const int32_t id : *ids) total += double{weights[static_cast<size_t>(id)]};
    if (params_.top_p < 1) KeepTopP(x, weights, params_.top_p, total, true, ids);
  }
  if (params_.min_p > 0) {
    const auto least = static_cast<float>(params_.min_p);
    std::erase_if(*ids, [&](int32_t id) { return weights[static_cast<size_t>(id)] < least; });
  }
}

int32_t Sampler::Draw(std::span<const float> x, SamplerScratch* scratch) const {
  const int32_t best = ArgMax(x);
  if (best < 0 || params_.temperature == 0) return best;
  const float largest = x[static_cast<size_t>(best)];
  const auto temperature = static_cast<float>(std::max(params_.temperature, kLowestTemperature));
  std::vector<float>& weights = scratch->weights;
  weights.resize(x.size());
  ComputeWeights(x, largest, temperature, weights.data());

  std::vector<int32_t>& ids = scratch->ids;
  Truncate(x, weights, &ids);
  if (ids.size() < x.size()) std::sort(ids.begin(), ids.end());

  double total = 0;
  for (const int32_t id : ids) total += double{weights[static_cast<size_t>(id)]};
  const double target = UniformDraw(seed_, generated_) * total;
  double sum = 0;
  int32_t last = best;
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
  FATHOM_RETURN_IF_ERROR(CheckLogits(logits));
  scratch->logits.assign(logits.begin(), logits.end());
  ApplyPenalties(scratch->logits);
  if (!allowed.empty()) ApplyMask(allowed, scratch->logits);
  Sample sample;
  sample.id = Draw(scratch->logits, scratch);
  if (sample.id < 0) {
    return InvalidArgument(allowed.empty() ? "no token is possible: logit_bias forbids every one of them"
                                           : "no token is possible: logit_bias or the model's vocabulary has none of "
                                             "those that the schema or grammar allows here");
  }
  if (params_.logprobs) ComputeLogprobs(logits, *params_.logprobs, &sample);
  return sample;
}

Result<Sample> LogprobsOfToken(int32_t id, std::span<const float> logits, int64_t count) {
  FATHOM_RETURN_IF_ERROR(CheckLogits(logits));
  Sample sample;
  sample.id = id;
  ComputeLogprobs(logits, count, &sample);
  return sample;
}

void ComputeLogprobs(std::span<const float> logits, int64_t count, Sample* sample) {
  const int32_t best = ArgMax(logits);
  const float largest = best < 0 ? 0 : logits[static_cast<size_t>(best)];
  double total = 0;
  for (const float x : logits) total += double{Exp(x - largest)};
  // total >= 1: the largest counts 1.
  const double log_total = Log1pDouble(total - 1);
  const auto logprob = [&](int32_t id) {
    return static_cast<float>(double{logits[static_cast<size_t>(id)]} - double{largest} - log_total);
  };
  sample->logprob = logprob(sample->id);
  if (count == 0) return;
  std::vector<int32_t> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  const size_t top = std::min(static_cast<size_t>(count), ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<ptrdiff_t>(top), ids.end(), MoreProbable{logits});
  for (size_t rank = 0; rank < top; ++rank) sample->top.push_back({ids[rank], logprob(ids[rank])});
}

}  // namespace fathom
