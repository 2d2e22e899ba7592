#include "apps/bench.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/bench_ceiling.h"
#include "apps/bench_compare.h"
#include "apps/bench_cost.h"
#include "apps/bench_kernels.h"
#include "apps/bench_report.h"
#include "apps/bench_run.h"
#include "apps/bench_svg.h"
#include "apps/flags.h"
#include "apps/model_options.h"
#include "base/cpu_features.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace fathom {
namespace {

constexpr char kBenchFooter[] =
    R"(For every prompt length and batch size: that many prompts of random tokens are read together (prefill) and then
continued token by token (decode, a step is one token of each). --context puts as many tokens before them. A first
pass warms up and counts which experts are used; then the clock runs. Speeds are medians with the extremes; decode
speed is of all sequences together. Weight bytes count every matrix once per step, and of the routed experts those
that some token of the step chose. FLOP/s are products with weights, and of attention and the indexer with stored
rows, two operations each. Shares compare with
memory reads and register-only loops measured in the same run; in the compute share an FP4 weight counts as two byte
products, which is what it takes (one with --activations int8). The roof of reads is that of one buffer in large pages,
eight times the last-level caches but at least 1 and at most 8 GiB (4 where the caches are not known) and no more than
an eighth of the memory (--roof-mib); weights lie in more memory and perhaps in smaller pages, so that a second loop reads what a
token reads, and nothing else. What is printed above the table is the best of the seconds before the runs. Since
neighbours change it, the roofs are measured again between the steps, a part of the buffer and some milliseconds of
arithmetic at a time, and shares are of the medians of those: the medians of both sides, at the same time.

Below each run a table says where the time of a prefill and of a decode step went, by the mean: the milliseconds of each
part, its share of the time, what its weights and products come to per second, and its share of the roof that leaves
less of that, reads or arithmetic. Attention and the indexer have no weights: their products with stored rows are
counted, and they are measured against arithmetic; the compressor's sums are not counted. The ceiling is the speed of a
prefill that is nothing but its products: those with weights each as fast as at best with weights from the caches, for
each shape, by as many tokens as a matrix had (an expert far fewer than a step reads: those that chose it), with all
threads, measured before and behind the passes; those of attention and the indexer as fast as registers multiply. What is
missing from 100 % of it went to memory and to everything that is no product; the line below says so of each part.

--compare FILE adds, where FILE has a run with the same context, prompt, batch and --generate, this run's speeds as
multiples of that one's and the milliseconds of each part then and now (speed 2.00x: in half the time). A line says so
if model, layers, experts, processor, threads, instruction set, activations or --step-tokens were not the same.

--json FILE writes {format: "fathom-bench-1", model {name, directory, layers, experts}, machine {cpu, threads, isa,
activations}, roof {read_bytes_per_s, read_bytes_per_s_by_threads [{threads, bytes_per_s}], token_bytes_per_s and
large_page_share (of the weights, in pages of 2 MB; both null if weights do not fit the memory, the share also where
the system does not tell it), f32_flop_per_s, int8_op_per_s, bf16_flop_per_s (null: no such instruction)}, runs
[{context, prompt, batch, generate, repeat, step_tokens, prefill and decode (null if --generate 0) {tokens_per_s,
seconds, head_seconds: each {min, median, max}; part_seconds: mean seconds of each part of a prefill or a step; parts
{NAME {time_share, weight_bytes, flop, weight_bytes_per_s, flop_per_s, bound ("reads" or "arithmetic"; it and
roof_share are null for a part without products), roof_share}}; tokens, weight_bytes, flop (of a repetition, or of an
average decode step); roof (between the steps; null: that of the run stands for it) {read_bytes_per_s {min, median, max} (null:
weights do not fit the memory), f32_flop_per_s, int8_op_per_s, bf16_flop_per_s (null: no such instruction)};
weight_bytes_per_s, flop_per_s, bandwidth_share, token_read_share (null: not measured),
compute_share; ceiling_tokens_per_s and ceiling_share (null: decode); extrapolated: null, or for a model with fewer
layers than the release {model, from_layers, to_layers, tokens_per_s (null: the release has kinds of layers that this
model has not)}}}]}. A speed or share is null, too, where the time was too short for the clock. After Ctrl-C or an
error the files have the runs that were done by then, if any.

`fathom bench kernels` measures the single operations; `fathom bench kernels --help` explains it.

Examples:
  fathom bench --model DIR --prompt 128,512 --batch 1,8 --generate 32
  fathom bench --model DIR --context 4096,1000000 --prompt 1 --generate 16
  fathom synth /tmp/flash4 --shape v4-flash --layers 4 && fathom bench --model /tmp/flash4)";

struct BenchFlags {
  ModelFlags model;
  std::vector<int64_t> contexts = {0};
  std::vector<int64_t> prompts = {512};
  std::vector<int64_t> batches = {1};
  int64_t generate = 32;
  int64_t repeat = 3;
  int64_t step_tokens = 512;
  uint64_t seed = 1;
  std::optional<int64_t> roof_mib;
  std::string json;
  std::string svg;
  std::string compare;
};

void PrintLine(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// Against the model and this machine's memory.
Status CheckFits(const BenchSettings& settings, const Model& model) {
  const int64_t length = settings.context + settings.prompt + settings.generate;
  if (length > model.config().max_context) {
    const std::string flags = settings.context > 0
                                  ? StrCat("--context ", settings.context, " with --prompt ", settings.prompt, " and")
                                  : StrCat("--prompt ", settings.prompt, " with");
    return InvalidArgument(StrCat(flags, " --generate ", settings.generate, " needs ", length,
                                  " tokens of context; this model has ", model.config().max_context));
  }
  const auto bytes = static_cast<uint64_t>(BenchBytes(model, settings));
  const uint64_t ram = GetCpuFeatures().ram_bytes;
  if (ram != 0 && bytes > ram / 2) {
    return ResourceExhausted(StrCat("--batch ", settings.batch, " with ", length, " tokens each and steps of ",
                                    settings.step_tokens, " needs ", HumanBytes(bytes),
                                    " for caches, workspace and logits, more than half of this machine's memory, ",
                                    HumanBytes(ram)));
  }
  return {};
}

// Each combination, checked before anything runs.
Result<std::vector<BenchSettings>> PlanRuns(const BenchFlags& flags, const Model& model) {
  std::vector<BenchSettings> plan;
  for (const int64_t context : flags.contexts) {
    for (const int64_t prompt : flags.prompts) {
      for (const int64_t batch : flags.batches) {
        const BenchSettings settings = {
            context, prompt, batch, flags.generate, flags.repeat, std::max(flags.step_tokens, batch), flags.seed};
        FATHOM_RETURN_IF_ERROR(CheckFits(settings, model));
        plan.push_back(settings);
      }
    }
  }
  return plan;
}

// A page that a run touches for the first time costs a fault, which a program that has run for a while no longer pays:
// with 256 experts a short bench would measure little else.
Status BringWeightsIntoMemory(const Checkpoint& checkpoint) {
  constexpr size_t kPieceBytes = size_t{64} << 20;
  Progress progress("reading weights", checkpoint.tensor_bytes(), Progress::Unit::kBytes);
  for (const SafetensorsFile& shard : checkpoint.shards()) {
    std::span<const uint8_t> left = shard.bytes();
    while (!left.empty()) {
      if (InterruptRequested()) return Cancelled("stopped by Ctrl-C");
      const std::span<const uint8_t> piece = left.first(std::min(left.size(), kPieceBytes));
      if (!BringIntoMemory(piece)) return {};
      progress.Add(piece.size());
      left = left.subspan(piece.size());
    }
  }
  return {};
}

std::optional<double> LargePageShare(const Checkpoint& checkpoint) {
  std::vector<std::span<const uint8_t>> shards;
  for (const SafetensorsFile& shard : checkpoint.shards()) shards.push_back(shard.bytes());
  const std::optional<MappedBytes> bytes = CountMappedBytes(shards);
  if (!bytes || bytes->in_memory == 0) return std::nullopt;
  return static_cast<double>(bytes->in_large_pages) / static_cast<double>(bytes->in_memory);
}

// What all runs have in common.
struct BenchMachine {
  const Model& model;
  const CostModel& costs;
  const BenchProbes& probes;
  const BenchContext& context;
  const std::optional<EarlierBench>& earlier;
};

Result<BenchResult> RunOne(const BenchMachine& machine, const BenchSettings& settings) {
  // Takes its live line away before anything else is shown.
  Progress progress(RunName(settings), static_cast<uint64_t>(BenchTokens(settings)), Progress::Unit::kTokens);
  return RunBench(machine.model, machine.costs, settings, &machine.probes,
                  [&](int64_t tokens) { progress.Add(static_cast<uint64_t>(tokens)); });
}

// Appends to `results`, of which those before an error or Ctrl-C stay.
Status RunPlan(const std::vector<BenchSettings>& plan, const BenchMachine& machine, std::vector<BenchResult>* results) {
  for (const BenchSettings& settings : plan) {
    FATHOM_ASSIGN_OR_RETURN(BenchResult result, RunOne(machine, settings));
    results->push_back(std::move(result));
    PrintLine(BenchLines(machine.context, results->back()));
    if (machine.earlier) PrintLine(machine.earlier->Compare(machine.context, results->back()));
  }
  return {};
}

// The roofs of this machine, and of these weights if they fit its memory. `*buffer` goes with weights that do not.
Result<Roof> MeasureRoofs(ThreadPool& pool, const BenchFlags& flags, const Checkpoint& checkpoint,
                          std::unique_ptr<ReadBuffer>* buffer) {
  // Weights that do not fit the memory are left on disk.
  const bool fits = checkpoint.FitsMemory();
  if (fits) FATHOM_RETURN_IF_ERROR(BringWeightsIntoMemory(checkpoint));
  FATHOM_ASSIGN_OR_RETURN(*buffer, MakeRoofBuffer(pool, flags.roof_mib));
  FATHOM_ASSIGN_OR_RETURN(Roof roof, MeasureRoof(pool, **buffer));
  if (!fits) {
    buffer->reset();
    return roof;
  }
  FATHOM_ASSIGN_OR_RETURN(roof.token_bytes_per_second,
                          MeasureTokenReads(pool, checkpoint.config(), checkpoint.weights()));
  roof.large_page_share = LargePageShare(checkpoint);
  return roof;
}

Status RunAll(const BenchFlags& flags) {
  FATHOM_RETURN_IF_ERROR(CheckOutputFiles({{"--json", flags.json}, {"--svg", flags.svg}}));
  std::optional<EarlierBench> earlier;
  if (!flags.compare.empty()) {
    FATHOM_ASSIGN_OR_RETURN(earlier, EarlierBench::Read(flags.compare));
  }
  FATHOM_ASSIGN_OR_RETURN(const Precision precision, PrecisionOf(flags.model));
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> owned_pool, MakeThreadPool(flags.model));
  ThreadPool& pool = *owned_pool;
  const int threads = pool.threads();
  std::string directory = flags.model.model;
  if (directory.empty()) {
    FATHOM_ASSIGN_OR_RETURN(const DefaultModel found, FindDefaultModel());
    directory = found.directory;
  }
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<Checkpoint> checkpoint, Checkpoint::Open(directory));
  FATHOM_RETURN_IF_ERROR(CheckExpertsAlike(checkpoint->weights()));
  const Model model(checkpoint->config(), checkpoint->weights(), {.precision = precision}, pool);
  FATHOM_ASSIGN_OR_RETURN(const std::vector<BenchSettings> plan, PlanRuns(flags, model));
  // Everything that flags say is checked: now what takes time.
  if (flags.model.mmap) {
    checkpoint->PreferLargePages();
  } else {
    FATHOM_RETURN_IF_ERROR(checkpoint->ReadIntoMemory(pool));
  }

  BenchContext context = {checkpoint->model_name(),
                          directory,
                          GetCpuFeatures().model_name,
                          Kernels().name,
                          precision == Precision::kInt8 ? "int8" : "fp8",
                          threads,
                          checkpoint->config(),
                          {},
                          {}};
  std::unique_ptr<ReadBuffer> buffer;
  FATHOM_ASSIGN_OR_RETURN(context.roof, MeasureRoofs(pool, flags, *checkpoint, &buffer));
  context.placement = DescribePlacement(flags.model, pool, *checkpoint);  // of weights that have been read
  PrintLine(BenchHeading(context) + BenchTableHead());

  const CostModel costs(checkpoint->config(), checkpoint->weights(), precision);
  KernelCeiling ceiling(pool, precision);
  RoofProbe roofs(pool, std::move(buffer));
  const BenchProbes probes = {roofs, ceiling};
  std::vector<BenchResult> results;
  Status status = RunPlan(plan, {model, costs, probes, context, earlier}, &results);
  if (results.empty()) return status;
  const Status written =
      WriteBenchFiles(flags.json, BenchJson(context, results), flags.svg, BenchSvg(context, results));
  for (const Status& one : {status, written}) FATHOM_RETURN_IF_ERROR(one);
  return FlushStdout();
}

}  // namespace

int BenchMain(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "kernels") return BenchKernelsMain(argc - 1, argv + 1);
  BenchFlags flags;
  CLI::App app("Measures how fast a model reads prompts and generates on this machine.", "fathom bench");
  app.footer(kBenchFooter);
  AddModelFlags(app, &flags.model);
  constexpr uint64_t kMostTokens = uint64_t{1} << 24;
  CLI::Option* context = app.add_option("--context", flags.contexts,
                                        "Tokens that are taken as read, with random rows in the caches (default 0)");
  AcceptWhole(context->delimiter(',')->type_name("N[,N..]"), 0, kMostTokens);
  CLI::Option* prompt =
      app.add_option("--prompt", flags.prompts, "Prompt lengths in tokens, separated by commas (default 512)");
  AcceptWhole(prompt->delimiter(',')->type_name("N[,N..]"), 1, kMostTokens);
  CLI::Option* batch = app.add_option("--batch", flags.batches, "Numbers of sequences at once (default 1)");
  AcceptWhole(batch->delimiter(',')->type_name("B[,B..]"), 1, 4096);
  AcceptWhole(
      app.add_option("--generate", flags.generate, "Tokens to generate per sequence (default 32); 0: only read"), 0,
      uint64_t{1} << 20);
  AcceptWhole(app.add_option("--repeat", flags.repeat, "Measured passes (default 3)"), 1, 1000);
  AcceptWhole(
      app.add_option("--step-tokens", flags.step_tokens, "Prompt tokens read in one step (default 512, as the engine)"),
      1, 65536);
  AcceptWhole(app.add_option("--seed", flags.seed, "Of the random tokens (default 1)"), 0,
              std::numeric_limits<uint64_t>::max());
  AddRoofFlag(app, &flags.roof_mib);
  app.add_option("--json", flags.json, "Also write the results to this file")->type_name("FILE");
  app.add_option("--svg", flags.svg, "Also draw the shares of the roof and where the time went into this file")
      ->type_name("FILE");
  app.add_option("--compare", flags.compare,
                 "Also print speeds and times beside those of an earlier run, which --json wrote")
      ->type_name("FILE");
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  InstallInterruptHandler();
  const Status status = RunAll(flags);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace fathom
