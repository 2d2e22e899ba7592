// bench_kernel_run.h - measures one operation of the kernel table or of the model.
//
//   KernelBench bench(pool, ops, int64_t{1} << 30);
//   FATHOM_ASSIGN_OR_RETURN(const KernelMeasurement m, bench.Measure(ops[0], 8, 0.25));
#ifndef FATHOM_APPS_BENCH_KERNEL_RUN_H_
#define FATHOM_APPS_BENCH_KERNEL_RUN_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "apps/bench_kernel_ops.h"
#include "apps/bench_spread.h"
#include "apps/bench_weight_pool.h"
#include "base/result.h"
#include "base/thread_pool.h"

namespace fathom {

// What stands for the kernel table of operations of the model.
inline constexpr char kModelTable[] = "model";

struct KernelMeasurement {
  KernelOp op;              // as measured: a large matrix has fewer rows
  int64_t full_rows = 0;    // of the model's matrix
  int64_t tokens = 0;       // of a call
  int64_t part_tokens = 0;  // so many of them were measured: all, or some of those whose work is large
  std::string isa;          // kernel table, or kModelTable
  Spread seconds;           // of one call, of that part
  int64_t samples = 0;
  int64_t sample_calls = 1;  // of each sample: more than one where the clock would count
};

// How much of a call is measured at once.
struct MeasuredPart {
  int64_t rows = 0;  // of a matrix
  int64_t tokens = 0;
};
// A matrix has no more rows than fill a quarter of the pool, and no more than take `most_ops` operations; whole tiles
// of each group, at least one. Attention and the indexer's scores, whose work grows with the context, too, are measured
// for fewer tokens instead, which are independent, but for enough to give each thread something to do.
MeasuredPart PartOf(const KernelOp& op, int64_t tokens, int64_t pool_bytes, int threads, double most_ops);

// Operations of a sample for this many threads with the kernel table in use, so that it ends within a second or little
// more: the plain loops of the reference need a hundred times as long for one.
double MostSampleOps(int threads);

class KernelBench {
 public:
  // With at least `pool_bytes` of weights, enough for a few rows of each of `ops`. Ends early after Ctrl-C.
  KernelBench(ThreadPool& threads, std::span<const KernelOp> ops, int64_t pool_bytes);

  int64_t pool_bytes() const { return pool_.bytes(); }

  // With Kernels(), again and again for about `seconds` and at least once; `tick`, if there is one, is called after
  // each sample. The first sample warms up and counts only if it is the only one. What takes less than 20 us is done
  // several times in a sample. kCancelled after Ctrl-C.
  Result<KernelMeasurement> Measure(const KernelOp& op, int64_t tokens, double seconds,
                                    const std::function<void()>& tick = {});

 private:
  ThreadPool& threads_;
  WeightPool pool_;
};

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_KERNEL_RUN_H_
