// bench_run.h - one measurement of a bench: so many prompts of a length, read and continued together.
#ifndef FATHOM_APPS_BENCH_RUN_H_
#define FATHOM_APPS_BENCH_RUN_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "apps/bench_ceiling.h"
#include "apps/bench_cost.h"
#include "apps/bench_roof.h"
#include "base/result.h"
#include "model/model.h"
#include "model/step_clock.h"
#include "model/weights.h"

namespace fathom {

struct BenchSettings {
  int64_t context = 0;   // tokens that every sequence begins with; their rows are random (FillSynthetic)
  int64_t prompt = 0;    // tokens of each sequence
  int64_t batch = 0;     // sequences
  int64_t generate = 0;  // steps after the prompt; 0: only the prompt is measured
  int64_t repeat = 0;
  int64_t step_tokens = 0;  // read in one step of the prompt, all sequences together; >= batch
  uint64_t seed = 0;        // of the random tokens
};

// "context 4096, prompt 512, batch 8"; without a context "prompt 512, batch 8".
std::string RunName(const BenchSettings& settings);

// Prefill: the whole prompt, the last token's logits included. Decode: one step, its logits included.
struct PhaseResult {
  StepCost cost;                     // of a repetition's whole prefill; of an average decode step
  std::vector<double> seconds;       // of each repetition's prefill; of each step
  std::vector<double> head_seconds;  // the part of it that is computing logits
  PartTimes part_seconds = {};       // of all of them together
  RoofSamples roofs;                 // between these; empty: those of the run stand for them
  PartTimes ceiling_seconds = {};    // of one at its ceiling (KernelCeiling); zeros: not measured
};

// At its ceiling; 0: not measured.
double CeilingTokensPerSecond(const PhaseResult& phase);

// By the median time; infinite if that was too short for the clock.
double MedianTokensPerSecond(const PhaseResult& phase);

struct BenchResult {
  BenchSettings settings;
  PhaseResult prefill;
  PhaseResult decode;
};

// Bytes of memory that RunBench() takes beside the weights: of caches, each sequence's state twice, workspace and
// logits.
int64_t BenchBytes(const Model& model, const BenchSettings& settings);

// What a run is compared with, measured between its steps (roofs) and between its passes (a prefill's ceiling).
struct BenchProbes {
  RoofProbe& roofs;
  KernelCeiling& ceiling;
};

// Reads the prompts and continues them, once to warm up and to count the experts used, then `repeat` times with the
// clock running; random tokens, the same each time. `probes`: null if nothing is compared. `progress` is told how many
// tokens are done; making a context shows a progress of its own. kCancelled after Ctrl-C.
Result<BenchResult> RunBench(const Model& model, const CostModel& costs, const BenchSettings& settings,
                             const BenchProbes* probes, const std::function<void(int64_t)>& progress);

// Tokens that RunBench() will process: the end of its progress.
int64_t BenchTokens(const BenchSettings& settings);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_RUN_H_
