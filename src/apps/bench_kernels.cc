#include "apps/bench_kernels.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apps/bench_kernel_ops.h"
#include "apps/bench_kernel_report.h"
#include "apps/bench_kernel_run.h"
#include "apps/bench_model_ops.h"
#include "apps/bench_roof.h"
#include "apps/bench_svg.h"
#include "apps/flags.h"
#include "apps/model_options.h"
#include "base/cpu_features.h"
#include "base/progress.h"
#include "base/signals.h"
#include "base/strings.h"
#include "base/term.h"
#include "checkpoint/config_json.h"
#include "checkpoint/synth_shapes.h"
#include "kernels/kernels.h"

namespace fathom {
namespace {

constexpr int64_t kDefaultPoolMib = 4096;  // processors with hundreds of MiB of cache are met

constexpr char kBenchKernelsFooter[] =
    R"(The operations that a model of this shape calls are measured alone, over all threads, with each number of
tokens: the products with FP4, FP8, BF16 and F32 weights by the names of their tensors, quantisation, norms and SwiGLU,
the streams after a layer (hc_post), attention over the window and the compressed rows of --context, the indexer's
scores, and what sampling does with the logits. `exact` products are those of the precision without quantised inputs,
`int8` those of --activations int8.
Behind them, as table "model", come those that the kernel tables do not hold: norms of whole rows, hyper-connections
without their product (hc_pre, hc_head), rotation and its tables, stored rows, the Hadamard transform, a
compressor's sum of a block, the choice of the highest scores and of the experts, and the sum of the experts' outputs.
They depend little on --isa and are measured once, with the last of its tables.

Weights, cache rows and logits are taken one after the other from a pool that should be larger than the caches, so
that they come from memory; a matrix larger than a quarter of the pool is measured with fewer rows, as one whose
product would take longer than a tenth of a second or so ("238 of 1024 x 4096"). Attention and the indexer's scores of
many tokens are measured for some of them ("238 of 512"). Inputs of products, of quantisation, of hc_post and of the
model's operations stay in the caches if they fit. With few tokens several matrices are multiplied in one parallel
region, as a layer's experts are. us is the median time of one call, or of what was measured of it; GB/s are the
weights with their scales, or the rows, keys or floats read, and for hc_post and table "model" those written, too;
Gop/s count a multiplication and an addition as two. "of roof" is the part of that time that a machine would need that
does nothing but read at full speed, or nothing but multiply: the larger of the two, named behind it. There an FP4
weight counts as two byte products, which is what it takes (`int8` as one), and FP8 weights and quantised inputs as
BF16 numbers in tables that multiply these. The roofs are memory reads and register-only loops, measured in the same
run.

--json FILE writes {format: "fathom-bench-kernels-1", model {name, shape}, machine {cpu, threads}, context,
pool_bytes, seconds_each, roofs [{isa, read_bytes_per_s, read_bytes_per_s_by_threads [{threads, bytes_per_s}],
token_bytes_per_s and large_page_share (null: there are no weights), f32_flop_per_s, int8_op_per_s, bf16_flop_per_s
(null: no such instruction)}], measurements [{op, kernel, shape, rows, measured_rows, cols, over, tokens,
measured_tokens, isa, samples, seconds {min, median, max}, bytes and op_count (of what was measured of a call),
bytes_per_s, op_per_s, bound ("reads", "float32", "int8", "BF16"), roof_share}]}. After Ctrl-C or an error the files
have what was measured by then, if anything.

Examples:
  fathom bench kernels --op experts --tokens 1,8,64
  fathom bench kernels --shape v4-pro --isa all --json pro.json --svg pro.svg
  fathom bench kernels --op fp4 --tokens 512 --pool-mib 4      the arithmetic alone, from the caches)";

struct BenchKernelsFlags {
  std::string shape = "v4-flash";
  std::string model;
  std::vector<int64_t> tokens = {1, 2, 8, 64, 512};
  std::string op;
  std::vector<std::string> isas = {"auto"};
  int threads = 0;
  std::string pin = "auto";
  int64_t context = 16384;
  double seconds = 0.25;
  std::optional<int64_t> pool_mib;
  std::optional<int64_t> roof_mib;
  std::string json;
  std::string svg;
};

Result<CheckpointConfig> ReadShape(const BenchKernelsFlags& flags) {
  if (!flags.model.empty()) return ReadConfigJson(flags.model + "/config.json");
  Result<CheckpointConfig> config = SyntheticShape(flags.shape);
  if (!config.ok()) return InvalidArgument(StrCat("--shape: ", config.status().message()));
  return config;
}

// The tables that --isa names, in the order of SupportedKernels().
Result<std::vector<std::string>> ReadTables(const std::vector<std::string>& names) {
  std::vector<std::string> tables;
  for (const std::string& name : names) {
    const bool known = name == "all" || SelectKernels(name);
    if (!known) {
      return InvalidArgument(
          StrCat("--isa is '", Printable(name, 40), "'; this machine and build have all, ", KernelTableNames()));
    }
    for (const KernelTable* table : SupportedKernels()) {
      const bool wanted = name == "all" || table == &Kernels();
      if (wanted && std::ranges::find(tables, table->name) == tables.end()) tables.emplace_back(table->name);
    }
  }
  return tables;
}

// Those of the kernel table, and then those of the model.
Result<std::vector<KernelOp>> ChooseOps(const CheckpointConfig& config, const BenchKernelsFlags& flags) {
  std::vector<KernelOp> all = KernelOpsOf(config, flags.context);
  for (KernelOp& op : ModelOpsOf(config, flags.context)) all.push_back(std::move(op));
  std::vector<KernelOp> chosen;
  std::string names;
  for (KernelOp& op : all) {
    const bool named =
        op.name.find(flags.op) != std::string::npos || op.kernel.find(flags.op) != std::string_view::npos;
    names += StrCat(names.empty() ? "" : ", ", op.name, " (", op.kernel, ")");
    if (named) chosen.push_back(std::move(op));
  }
  if (chosen.empty()) {
    return InvalidArgument(
        StrCat("--op is '", Printable(flags.op, 40), "', which no operation has in its name; there are ", names));
  }
  return chosen;
}

// The pool and what is beside it must leave the machine its memory.
Result<int64_t> ReadPoolBytes(const BenchKernelsFlags& flags) {
  const uint64_t ram = GetCpuFeatures().ram_bytes;
  const int64_t most = ram == 0 ? int64_t{1} << 20 : static_cast<int64_t>(ram >> 21);  // half of it, in MiB
  if (!flags.pool_mib) return std::min(kDefaultPoolMib, std::max<int64_t>(1, most / 2)) << 20;
  if (*flags.pool_mib > most) {
    return InvalidArgument(
        StrCat("--pool-mib is ", *flags.pool_mib, "; accepted are 1 to ", most, ", half of this machine's memory"));
  }
  return *flags.pool_mib << 20;
}

// A line of the results; the live line of stderr makes room.
void PrintResult(const std::string& text) {
  if (IsTerminal(STDERR_FILENO)) SetLiveLine("");
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// A picture tells numbers of tokens apart by their colours.
Status CheckSvgTokens(const BenchKernelsFlags& flags) {
  const std::set<int64_t> different(flags.tokens.begin(), flags.tokens.end());
  if (flags.svg.empty() || different.size() <= kMostSvgTokens) return {};
  return InvalidArgument(StrCat("--tokens has ", different.size(), " different numbers; with --svg at most ",
                                kMostSvgTokens, " are accepted"));
}

// Appends to `results`, of which those before an error or Ctrl-C stay.
Status MeasureOps(const BenchKernelsFlags& flags, const std::vector<KernelOp>& ops, const KernelBenchContext& context,
                  KernelBench* bench, std::vector<KernelMeasurement>* results) {
  const auto of_model = static_cast<size_t>(std::ranges::count_if(ops, &KernelOp::of_model));
  const size_t lines = (context.roofs.size() * (ops.size() - of_model) + of_model) * flags.tokens.size();
  Progress progress("measuring operations", lines, Progress::Unit::kItems);
  const auto measure = [&](const KernelOp& op) -> Status {
    for (const int64_t tokens : flags.tokens) {
      FATHOM_ASSIGN_OR_RETURN(KernelMeasurement measured,
                              bench->Measure(op, tokens, flags.seconds, [&] { progress.Add(0); }));
      PrintResult(KernelBenchLine(context, measured));
      results->push_back(std::move(measured));
      progress.Add(1);
    }
    return {};
  };
  for (const auto& table : context.roofs) {
    FATHOM_CHECK(SelectKernels(table.first));
    for (const KernelOp& op : ops) {
      if (!op.of_model()) FATHOM_RETURN_IF_ERROR(measure(op));
    }
  }
  for (const KernelOp& op : ops) {
    if (op.of_model()) FATHOM_RETURN_IF_ERROR(measure(op));
  }
  return {};
}

Status RunBenchKernels(const BenchKernelsFlags& flags) {
  FATHOM_RETURN_IF_ERROR(CheckOutputFiles({{"--json", flags.json}, {"--svg", flags.svg}}));
  FATHOM_RETURN_IF_ERROR(CheckSvgTokens(flags));
  FATHOM_ASSIGN_OR_RETURN(const CheckpointConfig config, ReadShape(flags));
  FATHOM_ASSIGN_OR_RETURN(const std::vector<KernelOp> ops, ChooseOps(config, flags));
  ModelFlags machine;
  machine.threads = flags.threads;
  machine.pin = flags.pin;
  FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<ThreadPool> owned_pool, MakeThreadPool(machine));
  ThreadPool& pool = *owned_pool;
  FATHOM_ASSIGN_OR_RETURN(const std::vector<std::string> tables, ReadTables(flags.isas));
  FATHOM_ASSIGN_OR_RETURN(const int64_t pool_bytes, ReadPoolBytes(flags));

  KernelBenchContext context;
  context.model = ModelName(config);
  context.shape = flags.model.empty() ? flags.shape : flags.model;
  context.cpu = GetCpuFeatures().model_name;
  context.threads = pool.threads();
  context.context = flags.context;
  context.seconds = flags.seconds;
  for (const std::string& table : tables) {
    FATHOM_CHECK(SelectKernels(table));
    if (InterruptRequested()) return Cancelled("stopped by Ctrl-C");
    if (context.roofs.empty()) {
      FATHOM_ASSIGN_OR_RETURN(const std::unique_ptr<ReadBuffer> buffer, MakeRoofBuffer(pool, flags.roof_mib));
      FATHOM_ASSIGN_OR_RETURN(Roof first, MeasureRoof(pool, *buffer));
      context.roofs.emplace_back(table, std::move(first));
      continue;
    }
    Roof roof = context.roofs.front().second;
    roof.peak = MeasureRoofPeak(pool);
    context.roofs.emplace_back(table, std::move(roof));
  }
  const bool weights = !std::ranges::all_of(ops, &KernelOp::of_model);
  KernelBench bench(pool, ops, weights ? pool_bytes : 0);
  if (InterruptRequested()) return Cancelled("stopped by Ctrl-C");
  context.pool_bytes = bench.pool_bytes();
  PrintResult(KernelBenchHeading(context));

  std::vector<KernelMeasurement> results;
  Status status = MeasureOps(flags, ops, context, &bench, &results);
  if (results.empty()) return status;
  const Status written = WriteBenchFiles(flags.json, KernelBenchJson(context, results), flags.svg,
                                         flags.svg.empty() ? "" : KernelBenchSvg(context, results));
  for (const Status& one : {status, written, FlushStdout()}) FATHOM_RETURN_IF_ERROR(one);
  return {};
}

}  // namespace

int BenchKernelsMain(int argc, char** argv) {
  BenchKernelsFlags flags;
  CLI::App app("Measures the operations of a forward pass at the shapes of a model.", "fathom bench kernels");
  app.footer(kBenchKernelsFooter);
  CLI::Option* shape = app.add_option("--shape", flags.shape, "v4-flash, v4-pro or tiny (default v4-flash)");
  app.add_option("--model", flags.model, "Shapes of the config.json in this directory; no weights are read")
      ->type_name("DIR")
      ->excludes(shape);
  CLI::Option* tokens =
      app.add_option("--tokens", flags.tokens, "Numbers of tokens, separated by commas (default 1,2,8,64,512)");
  AcceptWhole(tokens->delimiter(',')->type_name("N[,N..]"), 1, 2048);
  app.add_option("--op", flags.op, "Only operations with this in their name or their kernel's")->type_name("SUBSTRING");
  app.add_option("--isa", flags.isas, StrCat("Kernel tables, separated by commas: all, ", KernelTableNames()))
      ->delimiter(',')
      ->type_name("NAME[,NAME..]");
  AddThreadsFlag(app, &flags.threads);
  AddPinFlag(app, &flags.pin);
  CLI::Option* context =
      app.add_option("--context", flags.context, "Tokens that attention and the indexer look back at (default 16384)");
  AcceptWhole(context->type_name("N"), 128, uint64_t{1} << 20);
  CLI::Option* seconds =
      app.add_option("--seconds", flags.seconds, "Of each measurement (default 0.25); at least one call is made");
  AcceptNumber(seconds->type_name("S"), 0, 3600);
  CLI::Option* pool_mib = app.add_option(
      "--pool-mib", flags.pool_mib,
      StrCat("MiB of weights to go through (default ", kDefaultPoolMib, ", or a quarter of the memory)"));
  AcceptWhole(pool_mib->type_name("N"), 1, uint64_t{1} << 24);
  AddRoofFlag(app, &flags.roof_mib);
  app.add_option("--json", flags.json, "Also write the results to this file")->type_name("FILE");
  app.add_option("--svg", flags.svg, "Also draw the shares of the roof into this file")->type_name("FILE");
  if (const std::optional<int> exit_code = ParseFlags(app, argc, argv)) return *exit_code;
  InstallInterruptHandler();
  const Status status = RunBenchKernels(flags);
  return status.ok() ? 0 : Fail(status);
}

}  // namespace fathom
