// The model's own operations in `fathom bench kernels`: which there are, what they cost, and that they run.
#include "apps/bench_model_ops.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "apps/bench_kernel_run.h"
#include "base/strings.h"
#include "checkpoint/config_json.h"
#include "checkpoint/synth_shapes.h"

namespace fathom {
namespace {

std::vector<KernelOp> ModelOpsOfShape(const char* shape, int64_t context = 16384) {
  const Result<CheckpointConfig> config = SyntheticShape(shape);
  EXPECT_TRUE(config.ok()) << config.status().message();
  return ModelOpsOf(*config, context);
}

KernelCost FlashModelCost(std::string_view kernel, std::string_view name, int64_t tokens) {
  const Result<CheckpointConfig> config = SyntheticShape("v4-flash");
  EXPECT_TRUE(config.ok()) << config.status().message();
  std::vector<KernelOp> ops = ModelOpsOf(*config, 16384);
  std::ranges::move(KernelOpsOf(*config, 16384), std::back_inserter(ops));
  for (const KernelOp& op : ops) {
    if (op.kernel == kernel && op.name == name) return KernelCostOf(op, tokens);
  }
  ADD_FAILURE() << "there is no " << name << " " << kernel;
  return {};
}

TEST(ModelOps, AreThoseOfTheRelease) {
  std::set<std::string> found;
  for (const KernelOp& op : ModelOpsOfShape("v4-flash")) {
    EXPECT_TRUE(op.of_model());
    EXPECT_TRUE(found.insert(StrCat(op.name, " ", op.kernel, " ", op.shape())).second) << op.name << " twice";
  }
  EXPECT_EQ(found, std::set<std::string>({
                       "norm.x rms_norm_rows 4096",
                       "norm.q rms_norm_rows 64x512",
                       "streams hc_pre 4x4096",
                       "streams hc_head 4x4096",
                       "rotary.tables rotary_table 2x32",
                       "attn.q rotate 64x64",
                       "attn.kv encode_kv_row 512",
                       "attn.compressor.ratio4 compressor_softmax_sum 8x512",
                       "attn.indexer.compressor compressor_softmax_sum 8x128",
                       "attn.indexer.q hadamard 64x128",
                       "attn.indexer.q encode_index_row 64x128",
                       "attn.indexer.rows top_rows 512 over 4096",
                       "attn.compressor.ratio128 compressor_softmax_sum 128x512",
                       "ffn.gate route_token 256",
                       "ffn.y sum_expert_outputs 7x4096",
                   }));
  Result<CheckpointConfig> window = SyntheticShape("v4-flash");
  ASSERT_TRUE(window.ok());
  std::ranges::fill(window->model.ratios, 0);
  for (const KernelOp& op : ModelOpsOf(*window, 16384)) {
    EXPECT_TRUE(op.kernel != "top_rows" && op.kernel != "compressor_softmax_sum") << op.name;
  }
}

TEST(ModelOps, CostsAreWhatIsReadAndWritten) {
  const KernelCost norm = FlashModelCost("rms_norm_rows", "norm.x", 3);
  EXPECT_DOUBLE_EQ(norm.bytes, 3 * 2 * 4 * 4096 + 2 * 4096) << "read and written, and BF16 weights once";
  EXPECT_DOUBLE_EQ(norm.ops, 3 * 4 * 4096);
  EXPECT_DOUBLE_EQ(norm.f32_ops, norm.ops);
  EXPECT_DOUBLE_EQ(norm.int8_ops, 0);
  EXPECT_DOUBLE_EQ(FlashModelCost("rms_norm_rows", "norm.q", 1).bytes, 2 * 4 * 64 * 512);
  const KernelCost post = FlashModelCost("hc_post", "streams", 2);
  EXPECT_DOUBLE_EQ(post.bytes, 2 * 4.0 * (2 * 4 * 4096 + 4096 + 4 + 16));
  EXPECT_DOUBLE_EQ(post.ops, 2 * 4.0 * 4096 * 9);
  EXPECT_DOUBLE_EQ(FlashModelCost("route_token", "ffn.gate", 3).ops, 3 * 256 * 5);
  EXPECT_DOUBLE_EQ(FlashModelCost("encode_kv_row", "attn.kv", 1).bytes, 4 * 512 + 584);
  EXPECT_DOUBLE_EQ(FlashModelCost("encode_index_row", "attn.indexer.q", 1).bytes, 64 * (4 * 128 + 68));
  EXPECT_DOUBLE_EQ(FlashModelCost("hadamard", "attn.indexer.q", 1).ops, 64 * 128 * 8);
  EXPECT_DOUBLE_EQ(FlashModelCost("top_rows", "attn.indexer.rows", 5).bytes, 5 * 4 * (4096 + 512));
  EXPECT_DOUBLE_EQ(FlashModelCost("sum_expert_outputs", "ffn.y", 1).bytes, 4 * 8 * 4096);
  const auto sum_bytes = [](int64_t tokens) {
    return FlashModelCost("compressor_softmax_sum", "attn.compressor.ratio4", tokens).bytes;
  };
  EXPECT_DOUBLE_EQ(sum_bytes(1), 8 * 8 * 512 + 4 * 512) << "at least a block";
  EXPECT_DOUBLE_EQ(sum_bytes(512), 128 * sum_bytes(1));
}

TEST(ModelOps, AllOfThemRun) {
  ThreadPool threads(2);
  for (const char* shape : {"tiny", "v4-flash"}) {
    const std::vector<KernelOp> ops = ModelOpsOfShape(shape, 4096);
    KernelBench bench(threads, ops, 0);
    for (const KernelOp& op : ops) {
      for (const int64_t tokens : {int64_t{1}, int64_t{5}, int64_t{130}}) {
        const Result<KernelMeasurement> measured = bench.Measure(op, tokens, 0.001);
        ASSERT_TRUE(measured.ok()) << op.name << ": " << measured.status().message();
        EXPECT_EQ(measured->isa, kModelTable) << op.name;
        EXPECT_EQ(measured->part_tokens, tokens) << op.name;
        EXPECT_EQ(measured->op.rows, measured->full_rows) << op.name;
        EXPECT_GT(measured->seconds.min, 0) << op.name;
        const KernelCost cost = KernelCostOf(measured->op, tokens);
        EXPECT_GT(cost.bytes, 0) << op.name;
        EXPECT_GT(cost.ops, 0) << op.name;
      }
    }
  }
}

}  // namespace
}  // namespace fathom
