// bench_kernel_run.h - measures one operation of the kernel table.
//
//   KernelBench bench(pool, ops, int64_t{1} << 30);
//   FATHOM_ASSIGN_OR_RETURN(const KernelMeasurement m, bench.Measure(ops[0], 8, 0.25));
#ifndef FATHOM_APPS_BENCH_KERNEL_RUN_H_
#define FATHOM_APPS_BENCH_KERNEL_RUN_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "apps/bench_kernel_ops.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "model/workspace.h"

namespace fathom {

struct KernelMeasurement {
  KernelOp op;            // as measured: a matrix that does not fit a quarter of the pool has fewer rows
  int64_t full_rows = 0;  // of the model's matrix
  int64_t tokens = 0;
  std::string isa;              // kernel table
  std::vector<double> seconds;  // of one call, of each sample
};

// Memory from which weights, floats and cache rows are taken one after the other, so that they come from memory and not
// from a cache if it is large enough. Bytes are random, with exponents of everyday numbers in every format.
class WeightPool {
 public:
  WeightPool(ThreadPool& threads, int64_t bytes);

  int64_t bytes() const { return data_.size(); }
  // The next weights of this shape; at most bytes() of them.
  Matrix NextMatrix(Matrix shape);
  const float* NextFloats(int64_t count);

 private:
  const uint8_t* NextBytes(int64_t bytes);

  Buffer<uint8_t> data_;
  Buffer<uint8_t> scales_;
  int64_t at_ = 0;
  int64_t scale_at_ = 0;
};

class KernelBench {
 public:
  // With at least `pool_bytes` of weights, enough for a few rows of each of `ops`.
  KernelBench(ThreadPool& threads, std::span<const KernelOp> ops, int64_t pool_bytes);

  int64_t pool_bytes() const { return pool_.bytes(); }

  // With Kernels(), again and again for about `seconds` and at least once. The first sample warms up and counts only if
  // it is the only one. kCancelled after Ctrl-C.
  Result<KernelMeasurement> Measure(const KernelOp& op, int64_t tokens, double seconds);

 private:
  ThreadPool& threads_;
  WeightPool pool_;
};

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_KERNEL_RUN_H_
