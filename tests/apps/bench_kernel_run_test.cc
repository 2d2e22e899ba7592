// How `fathom bench kernels` measures: inputs, parts of large operations, samples.
#include "apps/bench_kernel_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "apps/bench_kernel_cases.h"
#include "apps/bench_kernel_report.h"
#include "apps/bench_spread.h"
#include "apps/bench_weight_pool.h"
#include "base/signals.h"
#include "checkpoint/config_json.h"
#include "checkpoint/synth_shapes.h"
#include "kernels/kernels.h"
#include "kernels/matmul.h"

namespace fathom {
namespace {

constexpr int64_t kSmallPool = int64_t{2} << 20;

KernelOp FlashOp(std::string_view name, int64_t context = 16384) {
  const Result<CheckpointConfig> config = SyntheticShape("v4-flash");
  EXPECT_TRUE(config.ok());
  for (const KernelOp& op : KernelOpsOf(*config, context)) {
    if (op.name == name) return op;
  }
  ADD_FAILURE() << "there is no " << name;
  return {};
}

TEST(WeightPool, SamplingFindsAFewOfItsFloats) {
  ThreadPool threads(2);
  WeightPool pool(threads, int64_t{8} << 20);
  constexpr int64_t kFloats = int64_t{1} << 20;
  const float* const floats = pool.NextFloats(kFloats);
  std::vector<int32_t> ids(kFloats);
  const int64_t found = Kernels().select_at_least(floats, kFloats, kFewPoolFloats, kFloats, ids.data());
  EXPECT_GT(found, kFloats / 4096);
  EXPECT_LT(found, kFloats / 1024);
  for (int64_t at = 0; at < kFloats; ++at) {
    const float size = std::fabs(floats[at]);
    ASSERT_TRUE(size >= 0.25f && size < 0.5f) << size;
  }
}

TEST(WeightPool, ScalesAreNumbersOfTheirType) {
  ThreadPool threads(1);
  WeightPool pool(threads, kSmallPool);
  KernelOp op;
  op.type = WeightType::kFp8;
  op.rows = 256;
  op.cols = 512;
  ASSERT_EQ(op.matrix().scale_type, ScaleType::kE8m0);
  const Matrix e8m0 = pool.NextMatrix(op.matrix());
  EXPECT_EQ(*std::max_element(e8m0.scale, e8m0.scale + e8m0.scale_bytes()), 120);
  op.scale_type = ScaleType::kF32;
  ASSERT_EQ(op.matrix().scale_type, ScaleType::kF32);
  for (int round = 0; round < 1000; ++round) {  // from the beginning again and again
    const Matrix f32 = pool.NextMatrix(op.matrix());
    ASSERT_EQ(f32.scale_bytes(), 2 * 4 * 4);
    for (int64_t at = 0; at < 2 * 4; ++at) {
      float scale = 0;
      std::memcpy(&scale, f32.scale + 4 * at, 4);
      ASSERT_FLOAT_EQ(scale, 0.0079f);
    }
  }
}

TEST(RowsCase, QuantisesRowsThatHaveSmallNumbers) {
  ThreadPool threads(1);
  WeightPool pool(threads, kSmallPool);
  const KernelOp op = FlashOp("ffn.h");
  ASSERT_EQ(op.kernel, "quantize_fp8");
  ASSERT_EQ(op.rows, 7) << "six routed experts and the shared one";
  RowsCase rows(op, 2, threads, pool);
  rows.Next(3);
  ASSERT_EQ(rows.rows().size(), 3u * 2 * 7);
  std::vector<float> values(static_cast<size_t>(op.cols));
  std::vector<Fp8Chunk> chunks(static_cast<size_t>(Fp8Chunk::Count(op.cols)));
  size_t wide = 0;
  for (const float* row : rows.rows()) {
    Kernels().quantize_fp8(row, op.cols, values.data(), chunks.data(), nullptr);
    for (const Fp8Chunk& chunk : chunks) wide += chunk.residuals > 0 ? 1 : 0;
  }
  EXPECT_GT(wide, 0u);
  EXPECT_LT(wide, rows.rows().size() * chunks.size());
  for (int64_t call = 0; call < 3; ++call) rows.Run(call);
}

TEST(KernelBench, AMatrixLargerThanThePoolHasFewerRows) {
  const KernelOp wo_a = FlashOp("attn.wo_a");
  ThreadPool threads(1);
  KernelBench bench(threads, {&wo_a, 1}, kSmallPool);
  const Result<KernelMeasurement> measured = bench.Measure(wo_a, 1, 0);
  ASSERT_TRUE(measured.ok()) << measured.status().message();
  EXPECT_EQ(measured->full_rows, 8192);
  EXPECT_EQ(measured->op.rows, 128);  // 16 of each group
  EXPECT_EQ(MeasuredShape(*measured), "128 of 8192 x 4096");
  EXPECT_EQ(measured->samples, 1);
  EXPECT_EQ(measured->seconds.min, measured->seconds.max);
}

TEST(KernelBench, APartHasNoMoreWorkThanASampleShould) {
  constexpr int64_t kLargePool = int64_t{4} << 30;
  const KernelOp head = FlashOp("head");
  EXPECT_EQ(PartOf(head, 1, kLargePool, 2, 2e10).rows, 129280);
  const MeasuredPart many = PartOf(head, 512, kLargePool, 2, 2e10);
  EXPECT_EQ(many.rows, 4768);  // 2e10 / (2 * 4096 * 512), in tiles of 16
  EXPECT_EQ(many.tokens, 512);
  EXPECT_EQ(PartOf(head, 512, kLargePool, 2, 1).rows, 16) << "at least a tile";
  EXPECT_EQ(PartOf(FlashOp("attn.wo_a"), 512, kLargePool, 2, 1).rows, 128) << "of each group";
  EXPECT_EQ(PartOf(head, 1, int64_t{64} << 20, 2, 2e10).rows, 2048) << "a quarter of the pool";

  const KernelOp attend = FlashOp("attn.window+ratio4");
  EXPECT_EQ(PartOf(attend, 8, kLargePool, 2, 2e10).tokens, 8);
  const MeasuredPart some = PartOf(attend, 512, kLargePool, 2, 2e10);
  EXPECT_EQ(some.rows, 64) << "all heads";
  EXPECT_EQ(some.tokens, 238);  // 2e10 / (4 * 64 * 512 * 640)
  EXPECT_EQ(PartOf(attend, 512, kLargePool, 2, 1).tokens, 2) << "one for each thread";
  const KernelOp scores = FlashOp("attn.indexer.scores", int64_t{1} << 20);
  EXPECT_EQ(PartOf(scores, 512, kLargePool, 2, 1).tokens, 1) << "whose rows are enough for all threads";
  EXPECT_EQ(PartOf(FlashOp("norm.x"), 512, kLargePool, 2, 1).tokens, 512) << "small always";
}

TEST(KernelBench, TheReferencesSamplesHaveLessWork) {
  for (const KernelTable* table : SupportedKernels()) {
    ASSERT_TRUE(SelectKernels(table->name));
    EXPECT_EQ(MostSampleOps(4), table == &ReferenceKernels() ? 4e8 : 4e10) << table->name;
  }
  EXPECT_TRUE(SelectKernels("auto"));
}

TEST(KernelBench, AttentionIsMeasuredForSomeOfTheTokens) {
  const KernelOp attend = FlashOp("attn.window");
  ThreadPool threads(2);
  KernelBench bench(threads, {&attend, 1}, kSmallPool);
  ASSERT_TRUE(SelectKernels("reference"));
  const Result<KernelMeasurement> measured = bench.Measure(attend, 64, 0);
  ASSERT_TRUE(SelectKernels("auto"));
  ASSERT_TRUE(measured.ok()) << measured.status().message();
  EXPECT_EQ(measured->tokens, 64);
  EXPECT_EQ(measured->part_tokens, 10);  // 2e8 / (4 * 64 * 512 * 128), as many for each thread
}

TEST(KernelBench, ShortOperationsAreRepeatedWithinASample) {
  KernelOp op = FlashOp("norm.x");
  op.cols = 128;
  ThreadPool threads(1);
  KernelBench bench(threads, {&op, 1}, kSmallPool);
  int64_t ticks = 0;
  const Result<KernelMeasurement> measured = bench.Measure(op, 1, 0.05, [&] { ++ticks; });
  ASSERT_TRUE(measured.ok()) << measured.status().message();
  EXPECT_GE(measured->samples, 1);
  EXPECT_GT(measured->sample_calls, 1) << "one takes tens of nanoseconds";
  EXPECT_GE(ticks, measured->samples);
}

TEST(KernelBench, WeightsWithOtherScalesAreMeasuredWithThem) {
  KernelOp op = FlashOp("attn.wo_a");
  EXPECT_TRUE(op.round_weights);
  EXPECT_FALSE(FlashOp("attn.wo_b").round_weights);
  op.scale_type = ScaleType::kF32;
  ThreadPool threads(2);
  KernelBench bench(threads, {&op, 1}, kSmallPool);
  const Result<KernelMeasurement> measured = bench.Measure(op, 2, 0);
  ASSERT_TRUE(measured.ok()) << measured.status().message();
  EXPECT_EQ(measured->op.matrix().scale_type, ScaleType::kF32);
}

TEST(KernelBench, CtrlCEndsItBeforeWeightsAreMade) {
  const KernelOp op = FlashOp("attn.wkv");
  ThreadPool threads(2);
  RequestInterrupt();
  KernelBench bench(threads, {&op, 1}, int64_t{8} << 20);
  const Result<KernelMeasurement> measured = bench.Measure(op, 1, 3600);
  ClearInterrupt();
  EXPECT_EQ(measured.status().code(), ErrorCode::kCancelled);
}

TEST(Samples, AreKeptInBoundedMemory) {
  Samples samples(100);
  for (int value = 1; value <= 10'000; ++value) samples.Add(value);
  EXPECT_EQ(samples.count(), 10'000);
  const Spread spread = samples.spread();
  EXPECT_EQ(spread.min, 1);
  EXPECT_EQ(spread.max, 10'000);
  EXPECT_NEAR(spread.median, 5000, 300);
  Samples few(2);
  for (const double value : {3.0, 1.0}) few.Add(value);
  EXPECT_EQ(few.spread().median, 2);
  few.Add(9);
  EXPECT_EQ(few.spread().min, 1);
  EXPECT_EQ(few.spread().max, 9);
}

}  // namespace
}  // namespace fathom
