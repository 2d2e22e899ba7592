// bench_results.h - made-up results of a bench.
#ifndef FATHOM_TESTS_APPS_BENCH_RESULTS_H_
#define FATHOM_TESTS_APPS_BENCH_RESULTS_H_

#include <gtest/gtest.h>

#include "apps/bench_report.h"
#include "checkpoint/synth_shapes.h"

namespace fathom {

// The cut release of four layers.
inline BenchContext CutRelease() {
  const Result<CheckpointConfig> config = SyntheticShape("v4-flash", {.layers = 4});
  EXPECT_TRUE(config.ok());
  BenchContext context;
  context.model = "DeepSeek-V4-Flash";
  context.cpu = "a processor";
  context.isa = "avx2";
  context.activations = "fp8";
  context.threads = 2;
  context.config = config->model;
  context.roof.read_bytes_per_second = 1e9;
  context.roof.peak = {.f32_flops = 1e9, .int8_ops = 1e9};
  return context;
}

// Of which every part took the same time, and the experts multiplied.
inline PhaseResult Measured(double seconds) {
  PhaseResult phase;
  phase.cost.tokens = 1;
  phase.cost.parts[static_cast<size_t>(StepPart::kExperts)] = {
      .weight_bytes = 1e6, .flops = 1e6, .f32_ops = 1e6, .int8_ops = 1e6};
  phase.seconds = {seconds};
  phase.head_seconds = {0};
  phase.part_seconds.fill(seconds / static_cast<double>(kStepParts));
  return phase;
}

}  // namespace fathom

#endif  // FATHOM_TESTS_APPS_BENCH_RESULTS_H_
