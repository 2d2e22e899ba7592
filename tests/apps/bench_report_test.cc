// What `fathom bench` says and counts, in cases that its own command does not meet.
#include "apps/bench_report.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "apps/bench_cost.h"
#include "apps/bench_roof.h"
#include "apps/bench_run.h"
#include "base/json.h"
#include "base/signals.h"
#include "base/strings.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/synth_shapes.h"
#include "model/workspace.h"
#include "tests/apps/bench_results.h"
#include "tests/apps/synthetic_model.h"
#include "tests/support/run_binary.h"

namespace fathom {
namespace {

// The lines of a text, without their ends.
std::vector<std::string> LinesOf(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

TEST(BenchReport, TheHeadingFitsAHundredColumnsWithManyThreads) {
  BenchContext context = CutRelease();
  context.roof.token_bytes_per_second = 1e9;
  context.roof.large_page_share = 0.5;
  for (int threads = 1; threads <= 1024; threads *= 2) context.roof.read_by_threads.push_back({threads, 345.6e9});
  for (const std::string& line : LinesOf(BenchHeading(context))) EXPECT_LE(line.size(), 100u) << line;
  context.roof.read_by_threads.resize(2);
  EXPECT_NE(
      BenchHeading(context).find("\n  roof, measured now: reads 1.0 GB/s (threads 1: 345.6, 2: 345.6);\n    1.0 "),
      std::string::npos)
      << BenchHeading(context);
}

TEST(WrapList, BreaksBehindCommasAndSemicolons) {
  EXPECT_EQ(WrapList("one, two; three", "\n", 20), "one, two; three");
  EXPECT_EQ(WrapList("one, two; three", "\n  ", 10), "one, two;\n  three");
  EXPECT_EQ(WrapList("one, two; three", "\n", 4), "one,\ntwo;\nthree");
  EXPECT_EQ(WrapList("without, any place", "\n", 3), "without,\nany place");
  EXPECT_EQ(WrapList("without;", "\n", 3), "without;");
}

TEST(BenchReport, ADirectoryThatIsNoUtf8IsStillJson) {
  BenchContext context = CutRelease();
  context.directory = "/models/\xff";
  const Result<Json> json = ParseJson(BenchJson(context, {}).DumpPretty());
  ASSERT_TRUE(json.ok()) << json.status().message();
  EXPECT_EQ(json->Find("model")->Find("directory")->string(), "/models/\xEF\xBF\xBD");
}

TEST(BenchReport, InputsOfAttentionAreExtrapolatedByTheirWeights) {
  const Result<CheckpointConfig> release = SyntheticShape("v4-flash");
  ASSERT_TRUE(release.ok());
  const ModelConfig full = release->model;
  const ModelConfig cut = CutRelease().config;
  const auto input_bytes = [&](int64_t ratio) {
    const int64_t layer = std::ranges::find(full.ratios, ratio) - full.ratios.begin();
    return DenseWeightBytes(full, layer, StepPart::kAttentionInput);
  };
  const double window = 1024 * 4096 + 32768 * 1024 + 512 * 4096;
  const double ratio4 = window + 2 * 2 * 1024 * 4096 + 8192 * 1024 + 2 * 64 * 4096 + 2 * 2 * 256 * 4096;
  const double ratio128 = window + 2 * 2 * 512 * 4096;
  EXPECT_DOUBLE_EQ(input_bytes(0), window);
  EXPECT_DOUBLE_EQ(input_bytes(4), ratio4);
  EXPECT_DOUBLE_EQ(input_bytes(128), ratio128);
  EXPECT_DOUBLE_EQ(DenseWeightBytes(full, 0, StepPart::kAttention), 0);

  PhaseResult phase = Measured(3);
  phase.cost.tokens = 8;
  phase.head_seconds = {1};
  phase.part_seconds = {};
  phase.part_seconds[static_cast<size_t>(StepPart::kAttentionInput)] = 2;
  const double scale = (2 * window + 21 * ratio4 + 20 * ratio128) / (window + 2 * ratio4 + ratio128);
  EXPECT_DOUBLE_EQ(ExtrapolatedRate(phase, cut, full, 1000).value_or(0), 8 / (1 + 2 * scale));
}

TEST(BenchReport, DecodeIsExtrapolatedFromTheMiddleOfWhatItGenerates) {
  const BenchContext context = CutRelease();
  BenchResult result;
  result.settings = {.prompt = 128, .batch = 1, .generate = 20'000, .repeat = 1, .step_tokens = 512};
  result.decode = Measured(1);
  result.decode.part_seconds = {};
  result.decode.part_seconds[static_cast<size_t>(StepPart::kAttention)] = 1;
  const Json json = BenchJson(context, {result});
  const Json& rate = *json.Find("runs")->items()[0].Find("decode")->Find("extrapolated")->Find("tokens_per_s");
  const ModelConfig full = FullModelOf(context.config).config;
  EXPECT_DOUBLE_EQ(rate.AsDouble().value_or(0),
                   ExtrapolatedRate(result.decode, context.config, full, 10'128).value_or(-1));
}

TEST(BenchRun, IsNamedByItsSizes) {
  EXPECT_EQ(RunName({.context = 0, .prompt = 8, .batch = 2}), "prompt 8, batch 2");
  EXPECT_EQ(RunName({.context = 4096, .prompt = 1, .batch = 1}), "context 4096, prompt 1, batch 1");
}

TEST(BenchRun, MemoryIsThatOfCachesWorkspaceAndLogits) {
  const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(SyntheticModelDirectory());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  ThreadPool pool(2);
  const Model model((*checkpoint)->config(), (*checkpoint)->weights(), {}, pool);
  const ModelConfig& c = model.config();
  const auto bytes = [&](int64_t batch, int64_t step_tokens) {
    return BenchBytes(model, {.prompt = 300, .batch = batch, .generate = 20, .repeat = 1, .step_tokens = step_tokens});
  };
  const int64_t workspace = Workspace::BytesFor(model, 512, 320);
  EXPECT_GT(workspace, 0);
  const CacheLayout& layout = model.cache_layout();
  const int64_t sequence = 2 * layout.state_bytes() + 4 * layout.block_bytes() +  // 320 tokens are three blocks
                           4 * (c.streams * c.hidden_size + c.vocab_size);
  EXPECT_EQ(bytes(1, 512), workspace + sequence);
  EXPECT_EQ(bytes(8, 512), workspace + 8 * sequence);
  EXPECT_EQ(bytes(1, 4096) - bytes(1, 512), Workspace::BytesFor(model, 4096, 320) - workspace);
}

TEST(BenchRun, CtrlCWhileContextsAreMadeEndsIt) {
  const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(SyntheticModelDirectory());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  ThreadPool pool(1);
  const Model model((*checkpoint)->config(), (*checkpoint)->weights(), {}, pool);
  const CostModel costs(model.config(), (*checkpoint)->weights());
  int64_t steps = 0;
  RequestInterrupt();
  const Result<BenchResult> result =
      RunBench(model, costs, {.context = 1000, .prompt = 1, .batch = 4, .repeat = 1, .step_tokens = 4}, nullptr,
               [&](int64_t) { ++steps; });
  const Result<double> reads = MeasureTokenReads(pool, model.config(), (*checkpoint)->weights());
  const Result<Roof> roof = MeasureRoof(pool, ReadBuffer(0));
  ClearInterrupt();
  EXPECT_EQ(result.status().code(), ErrorCode::kCancelled);
  EXPECT_EQ(steps, 0);
  EXPECT_EQ(reads.status().code(), ErrorCode::kCancelled);
  EXPECT_EQ(roof.status().code(), ErrorCode::kCancelled);
}

TEST(BenchRun, RoofsAreMeasuredBesideEachPhase) {
  const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(SyntheticModelDirectory());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  ThreadPool pool(2);
  const Model model((*checkpoint)->config(), (*checkpoint)->weights(), {}, pool);
  const CostModel costs(model.config(), (*checkpoint)->weights());
  auto buffer = std::make_unique<ReadBuffer>(uint64_t{8} << 20);
  buffer->Fill(pool);
  RoofProbe roofs(pool, std::move(buffer));
  KernelCeiling ceiling(pool, Precision::kF32);
  const BenchProbes probes = {roofs, ceiling};
  const BenchSettings settings = {.prompt = 4, .batch = 1, .generate = 2, .repeat = 2, .step_tokens = 2};
  const Result<BenchResult> result = RunBench(model, costs, settings, &probes, [](int64_t) {});
  ASSERT_TRUE(result.ok()) << result.status().message();
  for (const PhaseResult* phase : {&result->prefill, &result->decode}) {
    EXPECT_GE(phase->roofs.peaks.size(), 1u);
    EXPECT_EQ(phase->roofs.read_bytes_per_second.size(), phase->roofs.peaks.size());
    for (const double rate : phase->roofs.read_bytes_per_second) EXPECT_GT(rate, 1e6);
  }
  EXPECT_EQ(result->prefill.seconds.size(), 2u);
  EXPECT_EQ(result->decode.seconds.size(), 4u);
  EXPECT_GT(CeilingTokensPerSecond(result->prefill), 0);
  EXPECT_EQ(CeilingTokensPerSecond(result->decode), 0);

  RoofProbe arithmetic(pool, nullptr);
  RoofSamples samples;
  arithmetic.Sample(&samples);
  arithmetic.Sample(&samples);
  EXPECT_EQ(samples.peaks.size(), 1u) << "the second so soon behind it";
  EXPECT_TRUE(samples.read_bytes_per_second.empty());
  const Result<BenchResult> plain = RunBench(model, costs, settings, nullptr, [](int64_t) {});
  ASSERT_TRUE(plain.ok()) << plain.status().message();
  EXPECT_TRUE(plain->prefill.roofs.empty());
  EXPECT_EQ(CeilingTokensPerSecond(plain->prefill), 0);
}

TEST(CostModel, ExpertsOfDifferentFormatsAreRefused) {
  ModelWeights weights;
  weights.layers.resize(3);
  for (LayerWeights& layer : weights.layers) {
    layer.experts.resize(1);
    for (Matrix* matrix : {&layer.experts[0].w1, &layer.experts[0].w2, &layer.experts[0].w3}) {
      matrix->type = WeightType::kFp4;
      matrix->scale_type = ScaleType::kE8m0;
    }
  }
  EXPECT_TRUE(CheckExpertsAlike(weights).ok());
  EXPECT_TRUE(CheckExpertsAlike({}).ok());
  for (Matrix* matrix : {&weights.layers[2].experts[0].w1, &weights.layers[2].experts[0].w2}) {
    matrix->type = WeightType::kFp8;
    matrix->scale_type = ScaleType::kF32;
  }
  EXPECT_EQ(
      CheckExpertsAlike(weights).message(),
      "the experts of layer 2 are FP8 with F32 scales and those of layer 0 FP4; bench measures models whose layers "
      "have experts of one format");
}

TEST(CostModel, ProductsTellScalesAndRoundingApart) {
  const Result<std::unique_ptr<Checkpoint>> checkpoint = Checkpoint::Open(SyntheticModelDirectory());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status().message();
  ModelWeights weights = (*checkpoint)->weights();
  weights.layers[0].wo_a.scale_type = ScaleType::kF32;
  const StepCost cost = CostModel((*checkpoint)->config(), weights).Step(1, 1, 1);
  double f32_scales = 0;
  double rounded = 0;
  for (const Products& products : cost.products) {
    if (products.shape.scale_type == ScaleType::kF32) f32_scales += products.matrices;
    if (products.round_weights) rounded += products.matrices;
    EXPECT_EQ(products.round_weights, products.groups > 1);
  }
  EXPECT_EQ(f32_scales, 1);
  EXPECT_EQ(rounded, static_cast<double>(weights.layers.size()));
}

TEST(WriteBenchFiles, OneThatFailsDoesNotLoseTheOther) {
  const TemporaryDirectory directory;
  EXPECT_FALSE(WriteBenchFiles("/nonexistent/a.json", Json::Int(1), directory / "a.svg", "<svg/>").ok());
  EXPECT_EQ(ReadTestFile(directory / "a.svg"), "<svg/>");
  EXPECT_FALSE(WriteBenchFiles(directory / "b.json", Json::Int(2), "/nonexistent/b.svg", "<svg/>").ok());
  EXPECT_EQ(ReadTestFile(directory / "b.json"), "2\n");
  EXPECT_TRUE(WriteBenchFiles("", Json::Int(3), "", "").ok());
}

TEST(BenchCommand, CtrlCEndsIt) {
  RunOptions options;
  options.interrupt_after = "prompt ";  // the head of the table
  const TemporaryDirectory directory;
  const RunResult result = RunFathom({"bench", "--roof-mib", "64", "--model", SyntheticModelDirectory(), "--prompt",
                                      "4000", "--repeat", "1000", "--json", directory / "b.json"},
                                     options);
  EXPECT_EQ(result.exit_code, 130) << result;
  EXPECT_NE(result.err.find("fathom: stopped by Ctrl-C\n"), std::string::npos) << result;
  EXPECT_NE(access((directory / "b.json").c_str(), F_OK), 0) << "no run was done";
}

TEST(BenchCommand, CtrlCLeavesTheRunsThatAreDone) {
  RunOptions options;
  options.interrupt_after = "a decode step took";
  const TemporaryDirectory directory;
  const RunResult result =
      RunFathom({"bench", "--roof-mib", "64", "--model", SyntheticModelDirectory(), "--prompt", "4,4000", "--generate",
                 "1", "--repeat", "1000", "--json", directory / "b.json", "--svg", directory / "b.svg"},
                options);
  EXPECT_EQ(result.exit_code, 130) << result;
  EXPECT_NE(result.err.find("fathom: stopped by Ctrl-C\n"), std::string::npos) << result;
  const Result<Json> json = ParseJson(ReadTestFile(directory / "b.json"));
  ASSERT_TRUE(json.ok()) << json.status().message();
  const std::vector<Json>& runs = json->Find("runs")->items();
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].Find("prompt")->AsInt(), 4);
  EXPECT_NE(ReadTestFile(directory / "b.svg").find("prompt 4, batch 1"), std::string::npos);
}

}  // namespace
}  // namespace fathom
