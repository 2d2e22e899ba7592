#include "apps/bench_ceiling.h"

#include <algorithm>
#include <cmath>

#include "apps/bench_kernel_ops.h"
#include "apps/bench_kernel_run.h"
#include "base/bandwidth.h"
#include "base/topology.h"

namespace fathom {
namespace {

// A few samples even of 512 tokens and FP8 on a core, hundreds of an expert: the best is taken, since what else runs
// can only slow a sample down.
constexpr double kShapeSeconds = 0.025;

}  // namespace

int64_t CeilingPoolBytes(int threads, uint64_t cache_bytes) {
  constexpr int64_t kThreadBytes = int64_t{2} << 20;
  const int64_t wanted = threads * kThreadBytes;
  return cache_bytes == 0 ? wanted : std::min(wanted, std::max(kThreadBytes, static_cast<int64_t>(cache_bytes / 2)));
}

KernelCeiling::KernelCeiling(ThreadPool& pool, Precision precision)
    : pool_(pool),
      int8_(precision == Precision::kInt8),
      pool_bytes_(CeilingPoolBytes(pool.threads(), LastLevelCacheBytes(AllowedCpus()))) {}

Result<PartTimes> KernelCeiling::ProductSeconds(const StepCost& cost) {
  measured_.clear();
  PartTimes seconds = {};
  for (const Products& products : cost.products) {
    if (products.rows == 0) continue;
    std::map<int64_t, double> matrices_by_rows = products.matrices_by_rows;
    if (matrices_by_rows.empty()) {  // all alike, in steps that were not all of one length
      matrices_by_rows[std::max<int64_t>(1, std::llround(products.rows / products.matrices))] = products.matrices;
    }
    double rows = 0;
    double shape_seconds = 0;
    for (const auto& [tokens, matrices] : matrices_by_rows) {
      FATHOM_ASSIGN_OR_RETURN(const double speed, FlopsPerSecond(products, tokens));
      const double of_these = matrices * static_cast<double>(tokens);
      rows += of_these;
      shape_seconds += of_these / products.rows * products.flops() / speed;
    }
    // Rounding of the mean made the rows a little more or less.
    seconds[static_cast<size_t>(products.part)] += shape_seconds * products.rows / rows;
  }
  return seconds;
}

void AddRowProducts(const StepCost& cost, const PeakRates& peak, PartTimes* seconds) {
  for (const StepPart part : {StepPart::kAttention, StepPart::kIndexer}) {
    const Work& rows = cost.part(part);
    (*seconds)[static_cast<size_t>(part)] += rows.f32_ops / peak.f32_flops + rows.int8_ops / peak.int8_ops;
  }
}

Result<double> KernelCeiling::FlopsPerSecond(const Products& products, int64_t tokens) {
  KernelOp op;
  op.type = products.shape.type;
  op.scale_type = products.shape.scale_type;
  op.round_weights = products.round_weights;
  op.activated = products.activated;
  // Of groups one: a few rows of each would have the inputs of all, more than a cache holds.
  op.rows = products.shape.rows / products.groups;
  op.cols = products.shape.cols;
  op.integers = op.type == WeightType::kFp4;
  op.int8 = op.integers && int8_;
  const auto key = std::tuple(op.type, op.scale_type, op.round_weights, op.activated, op.rows, op.cols, tokens);
  if (const auto found = measured_.find(key); found != measured_.end()) return found->second;

  KernelBench bench(pool_, {&op, 1}, pool_bytes_);
  FATHOM_ASSIGN_OR_RETURN(const KernelMeasurement measured, bench.Measure(op, tokens, kShapeSeconds));
  const double speed = KernelCostOf(measured.op, measured.part_tokens).ops / measured.seconds.min;
  measured_.emplace(key, speed);
  return speed;
}

}  // namespace fathom
