// bench_ceiling.h - how fast a phase would be if it were nothing but its products: those with weights as fast as the
// kernels are when weights lie in the cache, those with stored rows as fast as registers multiply.
//
//   KernelCeiling ceiling(pool, precision);
//   FATHOM_ASSIGN_OR_RETURN(PartTimes seconds, ceiling.ProductSeconds(phase.cost));
//   AddRowProducts(phase.cost, roof.peak, &seconds);
#ifndef FATHOM_APPS_BENCH_CEILING_H_
#define FATHOM_APPS_BENCH_CEILING_H_

#include <array>
#include <cstdint>
#include <map>
#include <tuple>

#include "apps/bench_cost.h"
#include "base/result.h"
#include "base/thread_pool.h"
#include "kernels/matrix.h"
#include "kernels/peak.h"
#include "model/model.h"

namespace fathom {

using PartTimes = std::array<double, kStepParts>;  // seconds, by StepPart

// The weights that threads multiply with again and again: 2 MiB each, so that a matrix has rows for all of them, but
// no more than half of the last-level caches (0: unknown), because inputs and sums have to fit as well.
int64_t CeilingPoolBytes(int threads, uint64_t cache_bytes);

class KernelCeiling {
 public:
  // With the threads of `pool` and the kernel table in use.
  KernelCeiling(ThreadPool& pool, Precision precision);

  // Multiplies with matrices of each shape of `cost`, fewer rows where it is large, by as many tokens as they had: the
  // seconds that the products of each part would take at the best of those speeds. About a fortieth of a second a shape
  // and number of tokens. kCancelled after Ctrl-C.
  Result<PartTimes> ProductSeconds(const StepCost& cost);

 private:
  Result<double> FlopsPerSecond(const Products& products, int64_t tokens);

  ThreadPool& pool_;
  const bool int8_;
  const int64_t pool_bytes_;
  // Of one call, by type, type of the scales, rounding of weights, activation, rows, columns and tokens.
  std::map<std::tuple<WeightType, ScaleType, bool, bool, int64_t, int64_t, int64_t>, double> measured_;
};

// Adds what the products of attention and the indexer with stored rows would take at `peak`.
void AddRowProducts(const StepCost& cost, const PeakRates& peak, PartTimes* seconds);

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_CEILING_H_
