// `fathom bench`: the numbers it divides by, and the command.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "apps/bench_ceiling.h"
#include "apps/bench_cost.h"
#include "apps/bench_parts.h"
#include "apps/bench_report.h"
#include "base/cpu_features.h"
#include "base/json.h"
#include "base/strings.h"
#include "base/thread_pool.h"
#include "checkpoint/synth_shapes.h"
#include "tests/apps/bench_results.h"
#include "tests/apps/synthetic_model.h"
#include "tests/support/run_binary.h"
#include "tests/support/xml.h"

namespace fathom {
namespace {

TEST(BenchReport, SpreadOfOddAndEvenCounts) {
  const Spread odd = SpreadOf({3, 1, 2});
  EXPECT_EQ(odd.min, 1);
  EXPECT_EQ(odd.median, 2);
  EXPECT_EQ(odd.max, 3);
  EXPECT_EQ(SpreadOf({4, 1, 2, 3}).median, 2.5);
}

TEST(BenchReport, RatesAndSharesFollowFromCostAndTime) {
  PhaseResult phase;
  phase.cost.tokens = 10;
  phase.cost.parts[0] = {.weight_bytes = 30, .flops = 20, .f32_ops = 20, .int8_ops = 0};
  phase.cost.parts[1] = {.weight_bytes = 70, .flops = 40, .f32_ops = 0, .int8_ops = 80};
  phase.seconds = {2, 4, 5};
  const PhaseRates rates =
      RatesOf(phase, {.read_bytes_per_second = 50, .read_by_threads = {}, .peak = {.f32_flops = 10, .int8_ops = 40}});
  EXPECT_DOUBLE_EQ(rates.tokens_per_second.min, 2);
  EXPECT_DOUBLE_EQ(rates.tokens_per_second.median, 2.5);
  EXPECT_DOUBLE_EQ(rates.tokens_per_second.max, 5);
  EXPECT_DOUBLE_EQ(rates.bytes_per_second, 25);
  EXPECT_DOUBLE_EQ(rates.bandwidth_share, 0.5);
  EXPECT_DOUBLE_EQ(rates.flops_per_second, 15);
  EXPECT_DOUBLE_EQ(rates.compute_share, 1);  // (2 s + 2 s) of 4 s
  EXPECT_EQ(rates.token_read_share, 0);
  phase.cost.parts[0].fp8_ops = 20;
  const Roof with_pairs = {
      .read_bytes_per_second = 50, .read_by_threads = {}, .peak = {.f32_flops = 10, .int8_ops = 40, .bf16_flops = 20}};
  EXPECT_DOUBLE_EQ(RatesOf(phase, with_pairs).compute_share, 1.25) << "(2 s + 2 s + 1 s) of 4 s";
  Roof without = with_pairs;
  without.peak.bf16_flops = 0;
  EXPECT_DOUBLE_EQ(RatesOf(phase, without).compute_share, 1.5) << "as floats";
  phase.cost.parts[0].fp8_ops = 0;
  const PhaseRates with_loop = RatesOf(phase, {.read_bytes_per_second = 50,
                                               .read_by_threads = {},
                                               .token_bytes_per_second = 40,
                                               .peak = {.f32_flops = 10, .int8_ops = 40}});
  EXPECT_DOUBLE_EQ(with_loop.token_read_share, 0.625);
}

TEST(BenchReport, SharesAreOfTheRoofsBesideAPhase) {
  const Roof run = {.read_bytes_per_second = 50, .read_by_threads = {}, .peak = {.f32_flops = 10, .int8_ops = 40}};
  PhaseResult phase = Measured(1);  // a megabyte, a million float and as many byte products
  phase.roofs.read_bytes_per_second = {4e6, 1e6, 2e6};
  phase.roofs.peaks = {{.f32_flops = 8e6, .int8_ops = 8e6, .bf16_flops = 1}, {.f32_flops = 2e6, .int8_ops = 4e6}};
  const Roof beside = RoofBeside(phase.roofs, run);
  EXPECT_EQ(beside.read_bytes_per_second, 2e6) << "the median";
  EXPECT_EQ(beside.peak.f32_flops, 5e6);
  EXPECT_EQ(beside.peak.int8_ops, 6e6);
  EXPECT_EQ(beside.peak.bf16_flops, 0.5);
  EXPECT_DOUBLE_EQ(RatesOf(phase, run).bandwidth_share, 0.5);
  EXPECT_DOUBLE_EQ(RatesOf(phase, run).compute_share, 1 / 5.0 + 1 / 6.0);
  phase.roofs.read_bytes_per_second.clear();
  EXPECT_EQ(RoofBeside(phase.roofs, run).read_bytes_per_second, 50) << "not measured again";
  EXPECT_EQ(RoofBeside({}, run).peak.f32_flops, 10);

  BenchContext context = CutRelease();
  BenchResult result;
  result.settings = {.context = 0, .prompt = 1, .batch = 1, .generate = 1, .repeat = 1, .step_tokens = 512, .seed = 1};
  result.prefill = Measured(0.5);
  result.decode = Measured(0.5);
  result.decode.roofs.read_bytes_per_second = {4e9, 1e9, 2e9};
  result.decode.roofs.peaks = {{.f32_flops = 8e9, .int8_ops = 16e9, .bf16_flops = 32e9}};
  const std::string lines = BenchLines(context, result);
  EXPECT_NE(lines.find("                roofs between its steps: reads 2.0 GB/s (1.0 .. 4.0); 8.0 GFLOP/s float32;\n"
                       "                  16.0 Gop/s int8; 32.0 GFLOP/s BF16\n"),
            std::string::npos)
      << lines;
  const Json json = BenchJson(context, {result});
  const Json& run_json = json.Find("runs")->items()[0];
  EXPECT_TRUE(run_json.Find("prefill")->Find("roof")->is_null());
  const Json& roof = *run_json.Find("decode")->Find("roof");
  EXPECT_EQ(roof.Find("read_bytes_per_s")->Find("median")->AsDouble(), 2e9);
  EXPECT_EQ(roof.Find("read_bytes_per_s")->Find("max")->AsDouble(), 4e9);
  EXPECT_EQ(roof.Find("bf16_flop_per_s")->AsDouble(), 32e9);
  EXPECT_EQ(run_json.Find("decode")->Find("parts")->Find("experts")->Find("roof_share")->AsDouble(),
            1e6 / (0.5 / static_cast<double>(kStepParts)) / 2e9)
      << "of the same roofs";
  result.decode.roofs.read_bytes_per_second.clear();
  EXPECT_NE(BenchLines(context, result).find("roofs between its steps: 8.0 GFLOP/s float32; "), std::string::npos);
}

TEST(BenchReport, OnlyACutReleaseIsExtrapolated) {
  const auto full = [](const char* shape, const ShapeChanges& changes) {
    const Result<CheckpointConfig> config = SyntheticShape(shape, changes);
    EXPECT_TRUE(config.ok());
    const FullModel found = FullModelOf(config->model);
    return found.name + " " + std::to_string(found.config.layers);
  };
  EXPECT_EQ(full("v4-flash", {.layers = 4}), "V4-Flash 43");
  EXPECT_EQ(full("v4-pro", {.layers = 2}), "V4-Pro 61");
  EXPECT_EQ(full("v4-flash", {}), " 0");
  EXPECT_EQ(full("v4-flash", {.layers = 4, .experts = 64}), " 0");
  EXPECT_EQ(full("tiny", {}), " 0");
}

TEST(BenchReport, ExtrapolationScalesEachPartByTheLayersThatHaveIt) {
  ModelConfig measured;
  measured.ratios = {0, 0, 4, 128};
  measured.layers = 4;
  measured.window = 128;
  measured.index_topk = 512;
  ModelConfig full = measured;
  full.ratios = {0, 0, 4, 128, 4, 128, 4, 128, 4, 4};
  full.layers = 10;
  PhaseResult phase;
  phase.cost.tokens = 8;
  phase.seconds = {3};
  phase.head_seconds = {1};
  EXPECT_DOUBLE_EQ(*ExtrapolatedRate(phase, measured, full, 1000), 8.0 / (1 + 2 * 2.5));
  const auto spent_on = [&](StepPart part, int64_t context) {
    phase.part_seconds = {};
    phase.part_seconds[static_cast<size_t>(part)] = 7;
    phase.part_seconds[static_cast<size_t>(StepPart::kHead)] = 5;
    return (8 / *ExtrapolatedRate(phase, measured, full, context) - 1) / 2;
  };
  EXPECT_DOUBLE_EQ(spent_on(StepPart::kExperts, 1000), 2.5);
  EXPECT_DOUBLE_EQ(spent_on(StepPart::kIndexer, 1000), 5);
  EXPECT_DOUBLE_EQ(spent_on(StepPart::kCompressor, 1000), 4);
  // 128 rows of the window everywhere, and 512 of 32,000 or 1,000 compressed ones.
  EXPECT_DOUBLE_EQ(spent_on(StepPart::kAttention, 128'000), (10 * 128 + 5 * 512 + 3 * 1000.0) / (4 * 128 + 512 + 1000));
  // Half of the layers' time each.
  phase.part_seconds = {};
  phase.part_seconds[static_cast<size_t>(StepPart::kIndexer)] = 1;
  phase.part_seconds[static_cast<size_t>(StepPart::kRouter)] = 1;
  EXPECT_DOUBLE_EQ(*ExtrapolatedRate(phase, measured, full, 1000), 8.0 / (1 + 5 + 2.5));
  measured.ratios = {0, 0};
  measured.layers = 2;
  EXPECT_FALSE(ExtrapolatedRate(phase, measured, full, 1000));
}

TEST(BenchReport, APromptOfOneTokenIsExtrapolated) {
  const BenchContext context = CutRelease();
  BenchResult result;
  result.settings = {.context = 0, .prompt = 1, .batch = 1, .generate = 0, .repeat = 1, .step_tokens = 512, .seed = 1};
  result.prefill = Measured(1);
  const std::string lines = BenchLines(context, result);
  EXPECT_EQ(lines.find("nan"), std::string::npos) << lines;
  EXPECT_NE(lines.find("prefill extrapolated from 4 to the 43 layers of V4-Flash: "), std::string::npos) << lines;
  const Result<Json> json = ParseJson(BenchJson(context, {result}).DumpPretty());
  ASSERT_TRUE(json.ok()) << json.status().message();
  const Json& extrapolated = *json->Find("runs")->items()[0].Find("prefill")->Find("extrapolated");
  EXPECT_GT(extrapolated.Find("tokens_per_s")->AsDouble().value_or(0), 0);
}

TEST(BenchReport, APartThatTheMeasuredLayersDoNotHaveIsLeftOut) {
  ModelConfig measured;
  measured.ratios = {0, 0};
  measured.layers = 2;
  measured.window = 128;
  ModelConfig full = measured;
  full.ratios = {0, 0, 0, 0};
  full.layers = 4;
  PhaseResult phase = Measured(1);
  phase.part_seconds = {};
  phase.part_seconds[static_cast<size_t>(StepPart::kIndexer)] = 0.5;  // of no layer
  phase.part_seconds[static_cast<size_t>(StepPart::kExperts)] = 0.5;
  EXPECT_DOUBLE_EQ(ExtrapolatedRate(phase, measured, full, 100).value_or(0), 0.5);
}

TEST(BenchReport, ATimeTooShortForTheClockIsStillJson) {
  const BenchContext context = CutRelease();
  BenchResult result;
  result.settings = {.context = 0, .prompt = 8, .batch = 1, .generate = 1, .repeat = 1, .step_tokens = 512, .seed = 1};
  result.prefill = Measured(0);
  result.decode = Measured(1);
  const TemporaryDirectory directory;
  WriteTestFile(directory / "b.json", BenchJson(context, {result}).DumpPretty());
  const Result<Json> json = ParseJson(ReadTestFile(directory / "b.json"));
  ASSERT_TRUE(json.ok()) << json.status().message();
  const Json& prefill = *json->Find("runs")->items()[0].Find("prefill");
  EXPECT_TRUE(prefill.Find("tokens_per_s")->Find("median")->is_null());
  EXPECT_TRUE(prefill.Find("compute_share")->is_null());
}

TEST(BenchParts, TheTableHasALineForEachPartThatTookTimeTheLongestFirst) {
  PhaseResult phase;
  phase.cost.tokens = 1;
  phase.seconds = {3, 5};
  const auto part = [&](StepPart which, double seconds, const Work& work) {
    phase.part_seconds[static_cast<size_t>(which)] = seconds;
    phase.cost.parts[static_cast<size_t>(which)] = work;
  };
  part(StepPart::kCompressor, 0.5, {});  // of both together, as the ones below
  part(StepPart::kAttention, 1, {.weight_bytes = 0, .flops = 2e9, .f32_ops = 2e9, .int8_ops = 0});
  part(StepPart::kExperts, 4, {.weight_bytes = 4e9, .flops = 1e9, .f32_ops = 1e9, .int8_ops = 0});
  part(StepPart::kHead, 2, {.weight_bytes = 1e9, .flops = 6e9, .f32_ops = 2e9, .int8_ops = 8e9});
  const Roof roof = {
      .read_bytes_per_second = 4e9, .read_by_threads = {}, .peak = {.f32_flops = 10e9, .int8_ops = 20e9}};
  EXPECT_EQ(PartsTable("a decode step", phase, roof),
            "                a decode step took         ms   of time weights GB/s   GFLOP/s   of roof\n"
            "                experts               2000.00    50.0 %         2.00       0.5    50.0 % reads\n"
            "                head                  1000.00    25.0 %         1.00       6.0    60.0 % arithmetic\n"
            "                attention              500.00    12.5 %                    4.0    40.0 % arithmetic\n"
            "                compressor             250.00     6.2 %\n"
            "                between parts          250.00     6.2 %\n"
            "                together              4000.00   100.0 %         1.25       2.2    31.2 % reads\n");
  EXPECT_DOUBLE_EQ(PartSeconds(phase, StepPart::kHead), 1);
  const Json json = PartsJson(phase, roof);
  EXPECT_EQ(json.members().size(), kStepParts);
  const Json& head = *json.Find("head");
  EXPECT_EQ(head.Find("time_share")->AsDouble(), 0.25);
  EXPECT_EQ(head.Find("weight_bytes")->AsDouble(), 1e9);
  EXPECT_EQ(head.Find("flop")->AsDouble(), 6e9);
  EXPECT_EQ(head.Find("bound")->string(), "arithmetic");
  EXPECT_DOUBLE_EQ(head.Find("roof_share")->AsDouble().value_or(0), 0.6);
  EXPECT_EQ(json.Find("experts")->Find("weight_bytes_per_s")->AsDouble(), 2e9);
  EXPECT_EQ(json.Find("attention")->Find("bound")->string(), "arithmetic") << "without weights";
  EXPECT_DOUBLE_EQ(json.Find("attention")->Find("roof_share")->AsDouble().value_or(0), 0.4);
  EXPECT_TRUE(json.Find("compressor")->Find("bound")->is_null());
  EXPECT_TRUE(json.Find("compressor")->Find("roof_share")->is_null());
  EXPECT_TRUE(json.Find("router")->Find("flop_per_s")->is_null());
}

TEST(BenchReport, EveryLineOfARunFitsAHundredColumns) {
  BenchContext context = CutRelease();
  context.roof.token_bytes_per_second = 1e9;
  BenchResult result;
  result.settings = {.context = 1'000'000, .prompt = 65536, .batch = 4096, .generate = 1, .repeat = 1};
  result.prefill = Measured(1234.5);
  result.prefill.cost.tokens = 65536 * 4096;
  result.prefill.ceiling_seconds.fill(1);
  result.prefill.part_seconds.fill(1234.5 / kStepParts);
  result.decode = Measured(0.0123);
  result.decode.seconds = {0.0123, 12.3};
  const std::string lines = BenchTableHead() + BenchLines(context, result);
  for (size_t begin = 0; begin < lines.size();) {
    const size_t end = lines.find('\n', begin);
    EXPECT_LE(end - begin, 100u) << lines.substr(begin, end - begin);
    begin = end + 1;
  }
}

TEST(KernelCeiling, PoolsFitTheCaches) {
  constexpr int64_t kMiB = int64_t{1} << 20;
  EXPECT_EQ(CeilingPoolBytes(2, 32 * kMiB), 4 * kMiB);
  EXPECT_EQ(CeilingPoolBytes(64, 32 * kMiB), 16 * kMiB);
  EXPECT_EQ(CeilingPoolBytes(64, 0), 128 * kMiB);
  EXPECT_EQ(CeilingPoolBytes(1, kMiB), 2 * kMiB);
}

TEST(KernelCeiling, IsTheTimeOfAllProducts) {
  ThreadPool pool(2);
  KernelCeiling ceiling(pool, Precision::kF32);
  StepCost cost;
  cost.tokens = 24;
  for (const WeightType type : {WeightType::kFp4, WeightType::kFp8}) {
    Products products;
    products.shape.type = type;
    products.shape.rows = 64;
    products.shape.cols = 256;
    products.matrices = 4;
    products.rows = 24;
    cost.products.push_back(products);
  }
  cost.products.push_back(cost.products.front());  // an expert's: 1 x 3 + 3 x 7 inputs
  cost.products.back().matrices_by_rows = {{3, 1}, {7, 3}};
  cost.products.push_back({});  // in no step
  cost.products.front().part = StepPart::kAttentionInput;
  Result<PartTimes> seconds = ceiling.ProductSeconds(cost);
  ASSERT_TRUE(seconds.ok()) << seconds.status().message();
  const auto of = [&](StepPart part) -> double& { return (*seconds)[static_cast<size_t>(part)]; };
  EXPECT_GT(of(StepPart::kExperts), 0);
  EXPECT_GT(of(StepPart::kAttentionInput), 0);
  EXPECT_EQ(of(StepPart::kHead), 0);
  EXPECT_EQ(of(StepPart::kAttention), 0);
  cost.products.clear();
  seconds = ceiling.ProductSeconds(cost);
  ASSERT_TRUE(seconds.ok()) << seconds.status().message();
  EXPECT_EQ(*seconds, PartTimes{});

  cost.parts[static_cast<size_t>(StepPart::kAttention)].f32_ops = 3e9;
  cost.parts[static_cast<size_t>(StepPart::kIndexer)].int8_ops = 1e9;
  of(StepPart::kAttention) = 1;
  AddRowProducts(cost, {.f32_flops = 1e9, .int8_ops = 2e9}, &*seconds);
  EXPECT_DOUBLE_EQ(of(StepPart::kAttention), 4);
  EXPECT_DOUBLE_EQ(of(StepPart::kIndexer), 0.5);
}

TEST(BenchReport, ThePrefillBesideWhatTheKernelsReach) {
  const BenchContext context = CutRelease();
  BenchResult result;
  result.settings = {.context = 0, .prompt = 1, .batch = 1, .generate = 1, .repeat = 1, .step_tokens = 512, .seed = 1};
  result.prefill = Measured(0.5);
  result.decode = Measured(0.5);
  EXPECT_EQ(BenchLines(context, result).find("ceiling"), std::string::npos);
  result.prefill.ceiling_seconds[static_cast<size_t>(StepPart::kExperts)] = 0.1;
  result.prefill.ceiling_seconds[static_cast<size_t>(StepPart::kHead)] = 0.025;
  result.prefill.part_seconds[static_cast<size_t>(StepPart::kExperts)] = 0.125;
  EXPECT_NE(
      BenchLines(context, result).find("                ceiling of these kernels: 8 tokens/s; prefill is 25 % of it\n"),
      std::string::npos)
      << BenchLines(context, result);
  EXPECT_NE(BenchLines(context, result).find("experts 80 %"), std::string::npos) << BenchLines(context, result);
  const Json json = BenchJson(context, {result});
  const Json& run = json.Find("runs")->items()[0];
  EXPECT_EQ(run.Find("prefill")->Find("ceiling_tokens_per_s")->AsDouble(), 8);
  EXPECT_EQ(run.Find("prefill")->Find("ceiling_share")->AsDouble(), 0.25);
  EXPECT_TRUE(run.Find("decode")->Find("ceiling_tokens_per_s")->is_null());
  EXPECT_TRUE(run.Find("decode")->Find("ceiling_share")->is_null());
}

TEST(BenchCommand, PrintsALinePerPhaseAndWritesJson) {
  const TemporaryDirectory directory;
  const RunResult result = RunFathom({"bench", "--roof-mib", "64", "--model", SyntheticModelDirectory(), "--prompt",
                                      "8,20", "--batch", "1,3", "--generate", "2", "--repeat", "2", "--threads", "2",
                                      "--json", directory / "b.json", "--svg", directory / "b.svg"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find("roof, measured now: reads "), std::string::npos) << result;
  EXPECT_NE(result.out.find(" GB/s (threads 1: "), std::string::npos) << result;
  const auto count = [](const std::string& text, const std::string& part) {
    size_t found = 0;
    for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
    return found;
  };
  EXPECT_EQ(count(result.out, "  prefill "), 4u) << result;
  EXPECT_EQ(count(result.out, " a prefill took "), 4u) << result;
  EXPECT_EQ(count(result.out, " a decode step took "), 4u) << result;
  EXPECT_EQ(count(result.out, " experts  "), 8u) << result;
  EXPECT_EQ(count(result.out, " ceiling of these kernels: "), 4u) << result;

  const Result<Json> json = ParseJson(ReadTestFile(directory / "b.json"));
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(json->Find("format")->string(), "fathom-bench-1");
  const std::vector<Json>& by_threads = json->Find("roof")->Find("read_bytes_per_s_by_threads")->items();
  ASSERT_EQ(by_threads.size(), 2u);
  for (size_t at = 0; at < 2; ++at) {
    EXPECT_EQ(by_threads[at].Find("threads")->AsInt(), static_cast<int64_t>(at + 1));
    EXPECT_GT(by_threads[at].Find("bytes_per_s")->AsDouble(), 0);
  }
  EXPECT_GT(json->Find("roof")->Find("token_bytes_per_s")->AsDouble().value_or(0), 0);
  const std::optional<double> large_page_share = json->Find("roof")->Find("large_page_share")->AsDouble();
  EXPECT_EQ(result.out.find(" % of the weights in pages of 2 MB)") != std::string::npos, large_page_share.has_value());
  EXPECT_GE(large_page_share.value_or(0), 0);
  EXPECT_LE(large_page_share.value_or(1), 1);
  EXPECT_EQ(by_threads[1].Find("bytes_per_s")->AsDouble(), json->Find("roof")->Find("read_bytes_per_s")->AsDouble());
  EXPECT_EQ(json->Find("model")->Find("layers")->AsInt(), 4);
  const std::vector<Json>& runs = json->Find("runs")->items();
  ASSERT_EQ(runs.size(), 4u);
  EXPECT_EQ(runs[1].Find("prompt")->AsInt(), 8);
  EXPECT_EQ(runs[1].Find("batch")->AsInt(), 3);
  EXPECT_EQ(runs[1].Find("prefill")->Find("tokens")->AsInt(), 24);
  EXPECT_EQ(runs[1].Find("decode")->Find("tokens")->AsInt(), 3);
  for (const Json& run : runs) {
    for (const char* phase : {"prefill", "decode"}) {
      const Json& rates = *run.Find(phase);
      EXPECT_GT(rates.Find("tokens_per_s")->Find("median")->AsDouble(), 0);
      EXPECT_GT(rates.Find("weight_bytes")->AsDouble(), 0);
      EXPECT_TRUE(rates.Find("extrapolated")->is_null());
      double parts = 0;
      for (const auto& [name, seconds] : rates.Find("part_seconds")->members()) parts += *seconds.AsDouble();
      double bytes = 0;
      double flop = 0;
      for (const auto& [name, part] : rates.Find("parts")->members()) {
        bytes += *part.Find("weight_bytes")->AsDouble();
        flop += *part.Find("flop")->AsDouble();
      }
      EXPECT_DOUBLE_EQ(bytes, *rates.Find("weight_bytes")->AsDouble());
      EXPECT_DOUBLE_EQ(flop, *rates.Find("flop")->AsDouble());
      EXPECT_GT(parts, 0);
      EXPECT_LE(parts, *rates.Find("seconds")->Find("max")->AsDouble());
    }
  }

  // Each phase of each run is in both panels of the picture.
  const XmlTexts svg = ReadXml(ReadTestFile(directory / "b.svg"));
  EXPECT_EQ(svg.error, "");
  ASSERT_EQ(svg.texts.at("title").size(), 1u);
  for (const std::string& part :
       {GetCpuFeatures().model_name, std::string("2 threads"), json->Find("machine")->Find("isa")->string()}) {
    EXPECT_NE(svg.texts.at("title")[0].find(part), std::string::npos) << part;
  }
  const std::vector<std::string>& texts = svg.texts.at("text");
  for (const char* run : {"prompt 8, batch 1", "prompt 8, batch 3", "prompt 20, batch 1", "prompt 20, batch 3"}) {
    for (const char* phase : {", prefill", ", decode"}) {
      EXPECT_EQ(std::ranges::count(texts, std::string(run) + phase), 2) << run << phase;
    }
  }
  EXPECT_EQ(std::ranges::count_if(texts, [](const std::string& text) { return text.find("tokens/s") != text.npos; }),
            8);
}

TEST(BenchCommand, BeginsAtALongContext) {
  const TemporaryDirectory directory;
  const RunResult result =
      RunFathom({"bench", "--roof-mib", "64", "--model", SyntheticModelDirectory(), "--context", "0,3000", "--prompt",
                 "5", "--generate", "2", "--repeat", "1", "--json", directory / "b.json"});
  EXPECT_EQ(result.exit_code, 0) << result;
  const Result<Json> json = ParseJson(ReadTestFile(directory / "b.json"));
  ASSERT_TRUE(json.ok());
  const std::vector<Json>& runs = json->Find("runs")->items();
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].Find("context")->AsInt(), 0);
  EXPECT_EQ(runs[1].Find("context")->AsInt(), 3000);
  EXPECT_EQ(runs[1].Find("prefill")->Find("tokens")->AsInt(), 5);
  EXPECT_EQ(runs[1].Find("decode")->Find("tokens")->AsInt(), 1);
  const auto attention_flop = [&](size_t run, const char* phase) {
    return runs[run].Find(phase)->Find("parts")->Find("attention")->Find("flop")->AsDouble().value_or(0);
  };
  EXPECT_GT(attention_flop(0, "prefill"), 0);
  EXPECT_GT(attention_flop(1, "prefill"), 10 * attention_flop(0, "prefill")) << "3,000 tokens stand before";
  EXPECT_GT(attention_flop(1, "decode"), 2 * attention_flop(0, "decode"));
}

TEST(BenchCommand, APromptInStepsHasTheAttentionOfAWholeOne) {
  const TemporaryDirectory directory;
  double flop[2] = {};
  for (const int n : {0, 1}) {
    const RunResult result =
        RunFathom({"bench", "--roof-mib", "64", "--model", SyntheticModelDirectory(), "--prompt", "40", "--generate",
                   "0", "--repeat", "1", "--step-tokens", n == 0 ? "40" : "7", "--json", directory / "b.json"});
    ASSERT_EQ(result.exit_code, 0) << result;
    const Result<Json> json = ParseJson(ReadTestFile(directory / "b.json"));
    ASSERT_TRUE(json.ok());
    const Json& prefill = *json->Find("runs")->items()[0].Find("prefill");
    flop[n] = prefill.Find("parts")->Find("attention")->Find("flop")->AsDouble().value_or(0);
  }
  EXPECT_GT(flop[0], 0);
  EXPECT_DOUBLE_EQ(flop[0], flop[1]);
}

TEST(BenchCommand, NothingToGenerateMeasuresThePromptOnly) {
  const TemporaryDirectory directory;
  const RunResult result = RunFathom({"bench", "--roof-mib", "64", "--model", SyntheticModelDirectory(), "--prompt",
                                      "8", "--generate", "0", "--repeat", "1", "--json", directory / "b.json"});
  EXPECT_EQ(result.exit_code, 0) << result;
  EXPECT_EQ(result.out.find(" decode "), std::string::npos) << result;
  const Result<Json> json = ParseJson(ReadTestFile(directory / "b.json"));
  ASSERT_TRUE(json.ok());
  EXPECT_TRUE(json->Find("runs")->items()[0].Find("decode")->is_null());
}

TEST(BenchCommand, ResultsThatCannotBePrintedAreAnErrorAndTheFilesAreWritten) {
  if (access("/dev/full", W_OK) != 0) GTEST_SKIP() << "there is no /dev/full";
  const TemporaryDirectory directory;
  const std::string command =
      StrCat("exec ", FATHOM_EMULATOR, " ", FATHOM_BINARY, " bench --model ", SyntheticModelDirectory(),
             " --prompt 4 --generate 1 --repeat 1 --json ", directory / "b.json", " > /dev/full");
  const RunResult result = RunProgram({"bash", "-c", command});
  EXPECT_EQ(result.exit_code, 3) << result;
  EXPECT_NE(result.err.find("fathom: cannot write standard output"), std::string::npos) << result;
  EXPECT_TRUE(ParseJson(ReadTestFile(directory / "b.json")).ok());
}

TEST(BenchCommand, MistakesAreOneSentence) {
  const auto run = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"bench", "--model", SyntheticModelDirectory()});
    return RunFathom(more);
  };
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--prompt", "9000"}, "--prompt 9000 with --generate 32 needs 9032 tokens of context; this model has 8192"},
      {{"--context", "8000", "--prompt", "200"},
       "--context 8000 with --prompt 200 and --generate 32 needs 8232 tokens of context; this model has 8192"},
      {{"--prompt", "0"}, "--prompt"},
      {{"--batch", "many"}, "--batch"},
      {{"--isa", "z80"}, "--isa is 'z80'"},
      {{"--roof-mib", "3"}, "--roof-mib is '3'; accepted is a whole number, 4 to 16777216"},
      {{"--json", "/nonexistent/a.json"}, "cannot write /nonexistent/a.json: there is no directory /nonexistent"},
      {{"--svg", "/"}, "cannot write /: it is a directory; the path of a file is accepted"},
  };
  for (const auto& [arguments, message] : cases) {
    const RunResult result = run(arguments);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_NE(result.err.find(message), std::string::npos) << message << "\n" << result;
    EXPECT_EQ(result.out, "");
  }
  EXPECT_EQ(RunFathom({"bench", "--model", "/nonexistent"}).exit_code, 2);
}

}  // namespace
}  // namespace fathom
