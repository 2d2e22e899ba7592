// `fathom bench kernels`: which operations of the kernel table a model has, what they cost, and the command.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "apps/bench_kernel_ops.h"
#include "apps/bench_kernel_report.h"
#include "apps/bench_kernel_run.h"
#include "apps/bench_model_ops.h"
#include "base/cpu_features.h"
#include "base/json.h"
#include "checkpoint/config_json.h"
#include "checkpoint/synth_shapes.h"
#include "kernels/kernels.h"
#include "tests/support/run_binary.h"
#include "tests/support/xml.h"

namespace fathom {
namespace {

constexpr char kNano[] = FATHOM_SOURCE_DIR "/models/nano";

std::vector<KernelOp> OpsOfShape(const char* shape, int64_t context = 16384) {
  const Result<CheckpointConfig> config = SyntheticShape(shape);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return KernelOpsOf(*config, context);
}

TEST(KernelOps, AreThoseOfTheRelease) {
  std::set<std::string> found;
  for (const KernelOp& op : OpsOfShape("v4-flash")) {
    EXPECT_TRUE(found.insert(op.name + " " + std::string(op.kernel) + " " + op.shape()).second) << op.name << " twice";
  }
  const std::set<std::string> expected = {
      "hc_attn_fn/hc_ffn_fn matmul_f32 24x16384",
      "attn.wq_a matmul_fp8 1024x4096",
      "attn.wq_b matmul_fp8 32768x1024",
      "attn.wkv matmul_fp8 512x4096",
      "attn.wo_a matmul_fp8 8192x4096",
      "attn.wo_b matmul_fp8 4096x8192",
      "attn.compressor.wkv/wgate matmul_bf16 1024x4096",
      "attn.compressor.wkv/wgate matmul_bf16 512x4096",
      "attn.indexer.wq_b matmul_fp8 8192x1024",
      "attn.indexer.weights_proj matmul_bf16 64x4096",
      "attn.indexer.compressor.wkv/wgate matmul_bf16 256x4096",
      "ffn.gate matmul_bf16 256x4096",
      "ffn.experts.w1/w3 matmul_fp4 2048x4096",
      "ffn.experts.w2 matmul_fp4 4096x2048",
      "ffn.experts.w1/w3 exact matmul_fp4_f32 2048x4096",
      "ffn.experts.w2 exact matmul_fp4_f32 4096x2048",
      "ffn.experts.w1/w3 int8 matmul_fp4 2048x4096",
      "ffn.experts.w2 int8 matmul_fp4 4096x2048",
      "ffn.shared_experts.w1/w3 matmul_fp8 2048x4096",
      "ffn.shared_experts.w2 matmul_fp8 4096x2048",
      "e_proj/h_proj matmul_fp8 4096x4096",
      "hc_head_fn matmul_f32 4x16384",
      "head matmul_bf16 129280x4096",
      "attn.x quantize_fp8 4096",
      "attn.qr quantize_fp8 1024",
      "attn.o quantize_fp8 8192",
      "ffn.x quantize_fp8 4096",
      "ffn.h quantize_fp8 7x2048",
      "ffn.x int8 quantize_int8 4096",
      "ffn.h int8 quantize_int8 7x2048",
      "norm.x sum_of_squares 4096",
      "norm.q sum_of_squares 64x512",
      "norm.streams sum_of_squares 16384",
      "ffn.h swiglu 7x2048",
      "streams hc_post 4x4096",
      "attn.window attend 64x512 over 128",
      "attn.window+ratio4 attend 64x512 over 640",
      "attn.window+ratio128 attend 64x512 over 256",
      "attn.indexer.scores index_scores 64x128 over 4096",
      "sampler.largest largest_logit 129280",
      "sampler.weights softmax_weights 129280",
      "sampler.select select_at_least 129280",
  };
  for (const std::string& op : expected) EXPECT_TRUE(found.contains(op)) << op;
  for (const std::string& op : found) EXPECT_TRUE(expected.contains(op)) << op << " is not expected";
}

TEST(KernelOps, CoverEveryEntryOfTheTable) {
  std::set<std::string_view> covered;
  for (const KernelOp& op : OpsOfShape("v4-flash")) covered.insert(op.kernel);
  using Entry = void (*)();
  EXPECT_EQ(sizeof(KernelTable), offsetof(KernelTable, quantize_fp8) + covered.size() * sizeof(Entry))
      << "KernelOpsOf() lacks an entry of KernelTable";
}

TEST(KernelOps, FollowTheConfig) {
  const auto has = [](const std::vector<KernelOp>& ops, std::string_view name, std::string_view kernel) {
    return std::ranges::any_of(ops, [&](const KernelOp& op) { return op.name == name && op.kernel == kernel; });
  };
  const auto shapes = [](const std::vector<KernelOp>& ops, std::string_view name) {
    std::set<std::string> found;
    for (const KernelOp& op : ops) {
      if (op.name == name) found.insert(op.shape());
    }
    return found;
  };
  EXPECT_EQ(shapes(OpsOfShape("v4-pro"), "attn.wkv"), std::set<std::string>({"512x7168"}));
  EXPECT_EQ(shapes(OpsOfShape("v4-pro"), "attn.compressor.wkv/wgate"),
            std::set<std::string>({"512x7168", "1024x7168"}));
  EXPECT_EQ(shapes(OpsOfShape("v4-flash", 4096), "attn.indexer.scores"), std::set<std::string>({"64x128 over 1024"}));
  EXPECT_TRUE(has(OpsOfShape("v4-pro"), "ffn.experts.w2", "matmul_fp4"));
  Result<CheckpointConfig> base = SyntheticShape("v4-flash");
  ASSERT_TRUE(base.ok());
  base->expert_dtype = "";  // V4-Flash-Base's config does not say it
  EXPECT_TRUE(has(KernelOpsOf(*base, 1024), "ffn.experts.w2", "matmul_fp8"));
  EXPECT_FALSE(has(KernelOpsOf(*base, 1024), "ffn.experts.w2 exact", "matmul_fp4_f32"));
  EXPECT_FALSE(has(KernelOpsOf(*base, 1024), "ffn.experts.w2 int8", "matmul_fp4"));
  EXPECT_FALSE(has(KernelOpsOf(*base, 1024), "ffn.h int8", "quantize_int8"));
  EXPECT_TRUE(has(KernelOpsOf(*base, 1024), "ffn.h", "quantize_fp8"));
}

TEST(KernelOps, CostsAreBytesAndProducts) {
  KernelOp op;
  op.kernel = "matmul_fp4";
  op.type = WeightType::kFp4;
  op.rows = 256;
  op.cols = 512;
  op.integers = true;
  const KernelCost fp4 = KernelCostOf(op, 3);
  EXPECT_DOUBLE_EQ(fp4.bytes, 256 * 512 / 2 + 256 * 512 / 32);
  EXPECT_DOUBLE_EQ(fp4.ops, 2.0 * 256 * 512 * 3);
  EXPECT_DOUBLE_EQ(fp4.int8_ops, 2 * fp4.ops);
  EXPECT_DOUBLE_EQ(fp4.f32_ops, 0);
  op.int8 = true;
  EXPECT_DOUBLE_EQ(KernelCostOf(op, 3).int8_ops, fp4.ops) << "one product of bytes for a weight";
  EXPECT_DOUBLE_EQ(KernelCostOf(op, 3).f32_ops, 0);
  op.int8 = false;
  op.integers = false;
  op.type = WeightType::kFp8;
  const KernelCost fp8 = KernelCostOf(op, 3);
  EXPECT_DOUBLE_EQ(fp8.bytes, 256 * 512 + 2 * 4);
  EXPECT_DOUBLE_EQ(fp8.fp8_ops, fp8.ops);
  EXPECT_DOUBLE_EQ(fp8.f32_ops, 0);
  op.round_weights = true;  // wo_a, whose inputs are floats
  EXPECT_DOUBLE_EQ(KernelCostOf(op, 3).f32_ops, fp8.ops);

  KernelOp attend;
  attend.kind = KernelKind::kAttend;
  attend.rows = 4;
  attend.cols = 512;
  attend.rope_dim = 64;
  attend.over = 10;
  EXPECT_DOUBLE_EQ(KernelCostOf(attend, 2).bytes, 2.0 * 10 * 584);
  EXPECT_DOUBLE_EQ(KernelCostOf(attend, 2).f32_ops, 4.0 * 2 * 10 * 4 * 512);
}

TEST(KernelRates, AreBoundByTheRoofThatTakesLonger) {
  KernelMeasurement measured;
  measured.op.type = WeightType::kF32;
  measured.op.rows = measured.full_rows = 10;
  measured.op.cols = 100;
  measured.tokens = measured.part_tokens = 1;
  measured.seconds = {8, 8, 8};
  Roof roof;
  roof.read_bytes_per_second = 1000;               // 4 s for 4000 bytes
  roof.peak = {.f32_flops = 1000, .int8_ops = 1};  // 2 s for 2000 operations
  const KernelRates reading = KernelRatesOf(measured, roof);
  EXPECT_STREQ(reading.bound, "reads");
  EXPECT_DOUBLE_EQ(reading.roof_share, 0.5);
  EXPECT_DOUBLE_EQ(reading.bytes_per_second, 500);
  EXPECT_DOUBLE_EQ(reading.ops_per_second, 250);
  measured.tokens = measured.part_tokens = 3;  // 6 s
  const KernelRates multiplying = KernelRatesOf(measured, roof);
  EXPECT_STREQ(multiplying.bound, "float32");
  EXPECT_DOUBLE_EQ(multiplying.roof_share, 0.75);
  measured.op.type = WeightType::kFp8;
  roof.read_bytes_per_second = 1e9;
  EXPECT_STREQ(KernelRatesOf(measured, roof).bound, "float32");
  EXPECT_DOUBLE_EQ(KernelRatesOf(measured, roof).roof_share, 0.75);
  roof.peak.bf16_flops = 2000;
  EXPECT_STREQ(KernelRatesOf(measured, roof).bound, "BF16");
  EXPECT_DOUBLE_EQ(KernelRatesOf(measured, roof).roof_share, 0.375);
  measured.tokens = 512;  // of which three were measured
  EXPECT_DOUBLE_EQ(KernelRatesOf(measured, roof).ops_per_second, multiplying.ops_per_second);
}

TEST(KernelReport, WordsAndJsonSayWhatWasMeasuredOfACall) {
  KernelBenchContext context;
  context.shape = "/models/\xff\xfe";  // a path that is no UTF-8
  context.roofs = {{"reference", {}}, {"avx2", {}}};
  for (auto& [isa, roof] : context.roofs) {
    roof.read_bytes_per_second = 1e9;
    roof.peak = {.f32_flops = isa == "avx2" ? 1e9 : 1e3, .int8_ops = 1e9};
  }
  KernelMeasurement measured;
  measured.op.name = "attn.window";
  measured.op.kernel = "attend";
  measured.op.kind = KernelKind::kAttend;
  measured.op.rows = measured.full_rows = 64;
  measured.op.cols = 512;
  measured.op.over = 128;
  measured.tokens = 512;
  measured.part_tokens = 24;
  measured.isa = "avx2";
  measured.seconds = {1, 1, 1};
  measured.samples = 5;
  EXPECT_EQ(MeasuredTokens(measured), "24 of 512");
  EXPECT_NE(KernelBenchLine(context, measured).find(" 64x512 over 128         24 of 512  avx2 "), std::string::npos)
      << KernelBenchLine(context, measured);
  const Result<Json> json = ParseJson(KernelBenchJson(context, {measured}).DumpPretty());
  ASSERT_TRUE(json.ok()) << json.status().message();
  EXPECT_EQ(json->Find("model")->Find("shape")->string(), "/models/\xEF\xBF\xBD\xEF\xBF\xBD");
  const Json& one = json->Find("measurements")->items()[0];
  EXPECT_EQ(one.Find("tokens")->AsInt(), 512);
  EXPECT_EQ(one.Find("measured_tokens")->AsInt(), 24);
  EXPECT_EQ(one.Find("samples")->AsInt(), 5);
  EXPECT_DOUBLE_EQ(one.Find("op_count")->AsDouble().value_or(0), KernelCostOf(measured.op, 24).ops);
  measured.isa = kModelTable;
  EXPECT_EQ(&RoofOf(context, measured), &context.roofs.back().second) << "they were measured with the last table";
}

void ExpectPositive(const Json& object, const char* key) {
  const Json* member = object.Find(key);
  ASSERT_NE(member, nullptr) << key;
  const std::optional<double> value = member->AsDouble();
  ASSERT_TRUE(value) << key;
  EXPECT_TRUE(std::isfinite(*value) && *value > 0) << key << " is " << *value;
}

TEST(BenchKernelsCommand, MeasuresEveryOperationOfTheModel) {
  const TemporaryDirectory directory;
  const RunResult result =
      RunFathom({"bench", "kernels", "--roof-mib", "64", "--model", kNano, "--tokens", "1,5", "--seconds", "0",
                 "--pool-mib", "4", "--threads", "2", "--json", directory / "k.json", "--svg", directory / "k.svg"});
  ASSERT_EQ(result.exit_code, 0) << result;
  EXPECT_NE(result.out.find("roof, measured now: reads "), std::string::npos) << result;
  const Result<CheckpointConfig> nano = ReadConfigJson(std::string(kNano) + "/config.json");
  ASSERT_TRUE(nano.ok());
  std::vector<KernelOp> ops = KernelOpsOf(*nano, 16384);
  for (const KernelOp& op : ModelOpsOf(*nano, 16384)) ops.push_back(op);

  const Result<Json> json = ParseJson(ReadTestFile(directory / "k.json"));
  ASSERT_TRUE(json.ok()) << json.status().message();
  EXPECT_EQ(json->Find("format")->string(), "fathom-bench-kernels-1");
  ASSERT_EQ(json->Find("roofs")->items().size(), 1u);
  const Json& roof = json->Find("roofs")->items()[0];
  const std::string table = roof.Find("isa")->string();
  for (const char* key : {"read_bytes_per_s", "f32_flop_per_s", "int8_op_per_s"}) ExpectPositive(roof, key);
  const std::vector<Json>& measurements = json->Find("measurements")->items();
  ASSERT_EQ(measurements.size(), 2 * ops.size());
  const XmlTexts svg = ReadXml(ReadTestFile(directory / "k.svg"));
  EXPECT_EQ(svg.error, "");
  EXPECT_EQ(svg.texts.at("title").size(), 1u);
  for (const std::string& part : {GetCpuFeatures().model_name, std::string("2 threads"), table}) {
    EXPECT_NE(svg.texts.at("title")[0].find(part), std::string::npos) << part;
  }
  for (size_t at = 0; at < measurements.size(); ++at) {
    const Json& measured = measurements[at];
    const KernelOp& op = ops[at / 2];
    SCOPED_TRACE(measured.Dump());
    EXPECT_EQ(measured.Find("op")->string(), op.name);
    EXPECT_EQ(measured.Find("kernel")->string(), op.kernel);
    EXPECT_EQ(measured.Find("rows")->AsInt(), op.rows);
    EXPECT_EQ(measured.Find("cols")->AsInt(), op.cols);
    EXPECT_EQ(measured.Find("tokens")->AsInt(), at % 2 == 0 ? 1 : 5);
    EXPECT_EQ(measured.Find("measured_tokens")->AsInt(), measured.Find("tokens")->AsInt());
    EXPECT_EQ(measured.Find("isa")->string(), op.of_model() ? "model" : table);
    for (const char* key : {"samples", "measured_rows", "bytes", "op_count", "bytes_per_s", "op_per_s", "roof_share"}) {
      ExpectPositive(measured, key);
    }
    for (const char* key : {"min", "median", "max"}) ExpectPositive(*measured.Find("seconds"), key);
    const std::vector<std::string>& texts = svg.texts.at("text");
    EXPECT_NE(std::ranges::find(texts, op.name), texts.end());
    EXPECT_NE(result.out.find("\n" + op.name + " "), std::string::npos);
  }
}

TEST(BenchKernelsCommand, MeasuresTheTablesThatAreNamed) {
  const TemporaryDirectory directory;
  const RunResult result = RunFathom({"bench",      "kernels",
                                      "--roof-mib", "64",
                                      "--op",       "hc_head_fn",
                                      "--tokens",   "3",
                                      "--seconds",  "0",
                                      "--pool-mib", "4",
                                      "--threads",  "1",
                                      "--isa",      "all",
                                      "--json",     directory / "k.json",
                                      "--svg",      directory / "k.svg"});
  ASSERT_EQ(result.exit_code, 0) << result;
  const Result<Json> json = ParseJson(ReadTestFile(directory / "k.json"));
  ASSERT_TRUE(json.ok()) << json.status().message();
  const std::vector<Json>& measurements = json->Find("measurements")->items();
  const std::vector<const KernelTable*> tables = SupportedKernels();
  ASSERT_EQ(measurements.size(), tables.size());
  ASSERT_EQ(json->Find("roofs")->items().size(), tables.size());
  const std::string svg = ReadTestFile(directory / "k.svg");
  EXPECT_EQ(ReadXml(svg).error, "");
  for (size_t at = 0; at < tables.size(); ++at) {
    EXPECT_EQ(measurements[at].Find("isa")->string(), tables[at]->name);
    EXPECT_NE(svg.find(std::string("hc_head_fn, ") + tables[at]->name), std::string::npos) << svg;
  }
}

TEST(BenchKernelsCommand, TheModelsOperationsAreMeasuredOnce) {
  const TemporaryDirectory directory;
  const RunResult result =
      RunFathom({"bench", "kernels", "--roof-mib", "64", "--model", kNano, "--op", "hc_pre", "--tokens", "1,3",
                 "--seconds", "0", "--threads", "1", "--isa", "all", "--json", directory / "k.json"});
  ASSERT_EQ(result.exit_code, 0) << result;
  const Result<Json> json = ParseJson(ReadTestFile(directory / "k.json"));
  ASSERT_TRUE(json.ok()) << json.status().message();
  std::vector<std::string> found;
  for (const Json& measured : json->Find("measurements")->items()) {
    found.push_back(measured.Find("kernel")->string() + " " + measured.Find("isa")->string());
  }
  EXPECT_EQ(found, std::vector<std::string>({"hc_pre model", "hc_pre model"}));
}

TEST(BenchKernelsCommand, CtrlCEndsIt) {
  RunOptions options;
  options.interrupt_after = "of roof";
  const TemporaryDirectory directory;
  const RunResult result = RunFathom({"bench", "kernels", "--roof-mib", "64", "--model", kNano, "--seconds", "60",
                                      "--pool-mib", "4", "--json", directory / "k.json"},
                                     options);
  EXPECT_FALSE(result.timed_out);
  EXPECT_EQ(result.exit_code, 130) << result;
  EXPECT_NE(result.err.find("stopped by Ctrl-C"), std::string::npos) << result;
  EXPECT_NE(access((directory / "k.json").c_str(), F_OK), 0) << "nothing was measured";
}

TEST(BenchKernelsCommand, CtrlCLeavesWhatWasMeasured) {
  RunOptions options;
  options.interrupt_after = "matmul_f32";  // the first line of the table
  const TemporaryDirectory directory;
  const RunResult result =
      RunFathom({"bench", "kernels", "--roof-mib", "64", "--model", kNano, "--seconds", "0.5", "--pool-mib", "4",
                 "--threads", "1", "--json", directory / "k.json", "--svg", directory / "k.svg"},
                options);
  EXPECT_EQ(result.exit_code, 130) << result;
  const Result<Json> json = ParseJson(ReadTestFile(directory / "k.json"));
  ASSERT_TRUE(json.ok()) << json.status().message();
  const std::vector<Json>& measurements = json->Find("measurements")->items();
  ASSERT_GE(measurements.size(), 1u);
  EXPECT_LT(measurements.size(), 50u);
  EXPECT_EQ(measurements[0].Find("kernel")->string(), "matmul_f32");
  EXPECT_EQ(ReadXml(ReadTestFile(directory / "k.svg")).error, "");
}

TEST(BenchKernelsCommand, MistakesAreOneSentence) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--op", "softmin"}, "--op is 'softmin', which no operation has in its name; there are "},
      {{"--isa", "z80"}, "--isa is 'z80'; this machine and build have all, auto, reference"},
      {{"--shape", "v3"}, "--shape: shape 'v3' is unknown; accepted are v4-flash, v4-pro and tiny"},
      {{"--shape", "tiny", "--model", kNano}, "--shape excludes --model"},
      {{"--model", "/nonexistent"}, "/nonexistent/config.json"},
      {{"--tokens", "0"}, "--tokens"},
      {{"--tokens", "8,many"}, "--tokens"},
      {{"--threads", "-1"}, "--threads is '-1'; accepted is a whole number, 0 to 1024"},
      {{"--tokens", "8,010"}, "--tokens is '010'; accepted is a whole number, 1 to 2048"},
      {{"--tokens", "1,2,3,4,5,6,7,8,9,10", "--svg", "/dev/null"},
       "--tokens has 10 different numbers; with --svg at most 9 are accepted"},
      {{"--seconds", "soon"}, "--seconds is 'soon'; accepted is a number, 0 to 3600"},
      {{"--seconds", "nan"}, "--seconds is 'nan'; accepted is a number, 0 to 3600"},
      {{"--seconds", "inf"}, "--seconds is 'inf'; accepted is a number, 0 to 3600"},
      {{"--seconds", "0x1"}, "--seconds is '0x1'; accepted is a number, 0 to 3600"},
      {{"--pool-mib", "16000000"}, "--pool-mib is 16000000; accepted are 1 to "},
      {{"--op", "hc_head_fn", "--roof-mib", "16000000"}, "--roof-mib is 16000000; accepted are 4 to "},
      {{"--context", "5"}, "--context"},
      {{"--json", "/nonexistent/a.json"}, "cannot write /nonexistent/a.json: there is no directory /nonexistent"},
      {{"--svg", "/"}, "cannot write /: it is a directory; the path of a file is accepted"},
      {{"--unknown"}, "--unknown"},
  };
  for (const auto& [arguments, message] : cases) {
    std::vector<std::string> all = {"bench", "kernels"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const RunResult result = RunFathom(all);
    EXPECT_EQ(result.exit_code, 2) << result;
    EXPECT_NE(result.err.find(message), std::string::npos) << message << "\n" << result;
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result;
    EXPECT_EQ(result.out, "");
  }
}

TEST(BenchKernelsCommand, HelpIsFoundFromBench) {
  const RunResult bench = RunFathom({"bench", "--help"});
  EXPECT_NE(bench.out.find("fathom bench kernels --help"), std::string::npos) << bench;
  const RunResult kernels = RunFathom({"bench", "kernels", "--help"});
  EXPECT_EQ(kernels.exit_code, 0);
  for (const char* flag : {"--shape", "--model", "--tokens", "--op", "--isa", "--threads", "--context", "--seconds",
                           "--pool-mib", "--json", "--svg"}) {
    EXPECT_NE(kernels.out.find(flag), std::string::npos) << flag;
  }
}

}  // namespace
}  // namespace fathom
