#include "apps/synth.h"

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <limits>
#include <string>

#include "apps/flags.h"
#include "base/cpu_features.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "checkpoint/synth.h"
#include "tokenizer/synthetic_tokenizer.h"

namespace fathom {
namespace {

constexpr char kSynthFooter[] = R"(Examples:
  fathom synth /tmp/tiny --shape tiny                       a few MB, every feature of V4
  fathom synth /tmp/flash4 --shape v4-flash --layers 4      true widths, 256 experts, 16.4 GB
  fathom synth /tmp/pro --shape v4-pro --sparse             all of V4-Pro; its experts are holes of zeros
  fathom synth /tmp/flash --shape v4-flash --empty          nothing but V4-Flash's shapes

The weights are random: such a model has the speed and memory of a real one and talks nonsense.)";

struct SynthFlags {
  std::string out;
  std::string shape = "tiny";
  ShapeChanges changes;
  std::string expert_dtype = "fp4";
  uint64_t seed = 1;
  bool sparse = false;
  bool empty = false;
};

int Run(const SynthFlags& flags) {
  SynthOptions options;
  Result<CheckpointConfig> config = SyntheticShape(flags.shape, flags.changes);
  if (!config.ok()) return Fail(config.status());
  options.config = std::move(*config);
  const bool base = flags.expert_dtype == "fp8";
  // As V4-Flash-Base: FP8 experts, F32 scales, and the config does not say so.
  options.config.expert_dtype = base ? "fp8" : "fp4";
  options.f32_scales = base;
  options.holes = flags.empty ? SynthHoles::kAll : flags.sparse ? SynthHoles::kExperts : SynthHoles::kNone;
  options.seed = flags.seed;
  options.threads = GetCpuFeatures().cores;
  auto files = SyntheticTokenizerFiles(options.config.model.vocab_size);
  if (!files.ok()) return Fail(files.status());
  options.extra_files = std::move(*files);

  InstallInterruptHandler();
  const uint64_t bytes = SyntheticBytes(options);
  const auto start = std::chrono::steady_clock::now();
  Progress progress("writing weights", bytes, Progress::Unit::kBytes);
  const Status status = WriteSyntheticCheckpoint(flags.out, options, &progress);
  if (!status.ok()) return Fail(status);
  progress.Finish();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  std::printf("%s: %lld layers, %lld experts, %s written in %s\n", flags.out.c_str(),
              static_cast<long long>(options.config.model.layers), static_cast<long long>(options.config.model.experts),
              HumanBytes(bytes).c_str(), HumanDuration(elapsed.count()).c_str());
  return 0;
}

}  // namespace

int SynthMain(int argc, char** argv) {
  CLI::App app("Writes a made-up checkpoint with a release's shapes and random weights.", "fathom synth");
  app.footer(kSynthFooter);
  SynthFlags flags;
  app.add_option("OUT", flags.out, "directory to write; new or empty")->required();
  app.add_option("--shape", flags.shape, "v4-flash, v4-pro or tiny (default tiny)");
  AcceptWhole(app.add_option("--layers", flags.changes.layers, "number of layers instead of the shape's"), 0);
  AcceptWhole(app.add_option("--experts", flags.changes.experts, "number of routed experts instead of the shape's"), 0);
  AcceptWhole(app.add_option("--vocab", flags.changes.vocab, "number of tokens instead of the shape's"), 0);
  AcceptWhole(app.add_option("--mtp", flags.changes.mtp_layers,
                             "1 with, 0 without an MTP block (default: 1, or 0 when --layers is given)"),
              0);
  app.add_option("--expert-dtype", flags.expert_dtype, "fp4, or fp8 as in V4-Flash-Base (with F32 scales); default fp4")
      ->check(CLI::IsMember({"fp4", "fp8"}));
  AcceptWhole(app.add_option("--seed", flags.seed, "other numbers, same shapes (default 1)"), 0,
              std::numeric_limits<uint64_t>::max());
  app.add_flag("--sparse", flags.sparse, "leave the routed experts as holes: zeros that take no disk");
  app.add_flag("--empty", flags.empty, "leave everything as holes: shapes without numbers, for `fathom inspect`");
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  if (flags.changes.layers && !flags.changes.mtp_layers && flags.shape != "tiny") flags.changes.mtp_layers = 0;
  return Run(flags);
}

}  // namespace fathom
