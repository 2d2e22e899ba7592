// sampler_bench - from logits to a token, on one thread.
//
//   sampler_bench [--isa NAME]
//
// For vocabularies of Nano (4,096) and V4 (129,280): microseconds per token, bytes of logits per second, and a hash of
// the tokens that were drawn, which no instruction set changes. Logits are random and as peaked as a model's.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "engine/sampler.h"
#include "kernels/kernels.h"

namespace fathom {
namespace {

constexpr int kRows = 16;  // of different logits

// Most tokens impossible, a few dozen that compete: Gaussian noise and a long tail upwards.
std::vector<float> PeakedLogits(int64_t vocab, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 2);
  std::exponential_distribution<float> tail(0.7f);
  std::vector<float> logits(static_cast<size_t>(vocab));
  for (float& logit : logits) logit = normal(random) + tail(random);
  return logits;
}

struct Case {
  const char* name;
  SamplingParams params;
};

std::vector<Case> Cases() {
  std::vector<Case> cases(6);
  cases[0].name = "greedy";
  cases[0].params.temperature = 0;
  cases[1].name = "temperature 0.7, top_p 0.95";
  cases[1].params.temperature = 0.7;
  cases[1].params.top_p = 0.95;
  cases[2].name = "temperature 1, all tokens";
  cases[3].name = "temperature 1, top_k 40";
  cases[3].params.top_k = 40;
  cases[4].name = "temperature 0.7, penalties, bias";
  cases[4].params.temperature = 0.7;
  cases[4].params.top_p = 0.95;
  cases[4].params.frequency_penalty = 0.5;
  cases[4].params.logit_bias = {{17, -100.0f}};
  cases[5].name = "greedy, 20 logprobs";
  cases[5].params.temperature = 0;
  cases[5].params.logprobs = 20;
  return cases;
}

void Measure(const Case& which, int64_t vocab, const std::vector<std::vector<float>>& rows) {
  Sampler sampler(which.params, 7, {});
  SamplerScratch scratch;
  uint64_t hash = 0;
  int64_t tokens = 0;
  const auto begin = std::chrono::steady_clock::now();
  double seconds = 0;
  // A multiple of the rows that takes long enough, and for the hash always the same first ones.
  constexpr int kHashed = 20 * kRows;
  while (tokens < kHashed || seconds < 0.3) {
    for (const std::vector<float>& row : rows) {
      const Result<Sample> sample = sampler.Next(row, &scratch);
      if (!sample.ok()) {
        std::fprintf(stderr, "%s\n", sample.status().message().c_str());
        std::exit(2);
      }
      sampler.Accept(sample->id);
      const auto mix = [&](uint64_t value) { hash = (hash ^ value) * 0x9e3779b97f4a7c15u; };
      if (tokens++ >= kHashed) continue;
      mix(static_cast<uint64_t>(sample->id));
      for (const TokenLogprob& top : sample->top) {
        uint32_t bits = 0;
        std::memcpy(&bits, &top.logprob, sizeof bits);
        mix(bits ^ static_cast<uint64_t>(top.id) << 32);
      }
    }
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  const double each = seconds / static_cast<double>(tokens);
  std::printf("  %-34s %8.1f us   %6.2f GB/s of logits   tokens %016llx\n", which.name, 1e6 * each,
              4e-9 * static_cast<double>(vocab) / each, static_cast<unsigned long long>(hash));
}

}  // namespace
}  // namespace fathom

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "--isa" && !fathom::SelectKernels(argv[2])) {
    std::fprintf(stderr, "this processor or program has no kernels named %s\n", argv[2]);
    return 2;
  }
  for (const int64_t vocab : {int64_t{4096}, int64_t{129280}}) {
    std::printf("%lld tokens, kernels %s\n", static_cast<long long>(vocab), fathom::Kernels().name);
    std::vector<std::vector<float>> rows;
    for (uint32_t row = 0; row < fathom::kRows; ++row) rows.push_back(fathom::PeakedLogits(vocab, row));
    for (const fathom::Case& which : fathom::Cases()) fathom::Measure(which, vocab, rows);
  }
  return 0;
}
