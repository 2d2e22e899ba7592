#include "kernels/peak.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <vector>

#include "kernels/kernels.h"
#include "kernels/simd/peak_loops.h"

namespace fathom {
namespace {

// Each thread's own: all of them run the loops at once.
thread_local volatile float float_sink;
thread_local volatile int int_sink;

// What the compiler makes of plain loops for the baseline: separate products and sums.
constexpr int kPlainLanes = 16;

int64_t PlainF32(int64_t rounds) {
  float sums[kPlainLanes];
  for (int lane = 0; lane < kPlainLanes; ++lane) sums[lane] = static_cast<float>(lane);
  const float a = 0.999f + float_sink;
  for (int64_t round = 0; round < rounds * kPeakSteps; ++round) {
    for (float& sum : sums) sum = sum * a + 0.001f;
  }
  for (const float sum : sums) float_sink = sum * 0;
  return rounds * kPeakSteps * kPlainLanes * 2;
}

int64_t PlainInt8(int64_t rounds) {
  const auto a = static_cast<uint32_t>(3 + int_sink);
  uint32_t sums[kPlainLanes];
  for (int lane = 0; lane < kPlainLanes; ++lane) sums[lane] = a + static_cast<uint32_t>(lane);
  for (int64_t round = 0; round < rounds * kPeakSteps; ++round) {
    for (uint32_t& sum : sums) sum += (sum & 0xFF) * a;
  }
  for (const uint32_t sum : sums) int_sink = static_cast<int>(sum);
  return rounds * kPeakSteps * kPlainLanes * 2;
}

constexpr PeakLoops kPlainLoops = {PlainF32, PlainInt8, nullptr};

const PeakLoops& LoopsInUse() {
  const std::string_view name = Kernels().name;
#if defined(__x86_64__)
#ifdef FATHOM_AVX512_TABLE
  if (name == "avx512_bf16" || name == "avx512_bf16_panels") return avx512::kPairPeakLoops;
  if (name == "avx512") return avx512::kPeakLoops;
#endif
  if (name == "avx2") return avx2::kPeakLoops;
#elif defined(__aarch64__)
  if (name == "neon") return neon::kPeakLoops;
#endif
  static_cast<void>(name);
  return kPlainLoops;
}

double BestRate(int64_t (*loop)(int64_t), ThreadPool& pool, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kRounds = 20000;  // a few milliseconds
  const Clock::time_point end =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::vector<int64_t> operations(static_cast<size_t>(pool.threads()));
  double best = 0;
  do {
    const Clock::time_point start = Clock::now();
    pool.ParallelFor(pool.threads(), 1, [&](int64_t begin, int64_t finish, int /*worker*/) {
      for (int64_t at = begin; at < finish; ++at) operations[static_cast<size_t>(at)] = loop(kRounds);
    });
    const std::chrono::duration<double> elapsed = Clock::now() - start;
    double total = 0;
    for (const int64_t count : operations) total += static_cast<double>(count);
    best = std::max(best, total / elapsed.count());
  } while (Clock::now() < end);
  return best;
}

#ifdef FATHOM_AVX512_TABLE
// How many operations a second one loop does for one of the other's, by one thread in some microseconds each.
double RateRatio(int64_t (*loop)(int64_t), int64_t (*other)(int64_t)) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kRounds = 50;
  double rate = 0;
  double other_rate = 0;
  // An interruption only makes a rate smaller: the best of some is enough.
  for (int turn = 0; turn < 8; ++turn) {
    const Clock::time_point start = Clock::now();
    const int64_t operations = loop(kRounds);
    const Clock::time_point between = Clock::now();
    const int64_t other_operations = other(kRounds);
    const Clock::time_point end = Clock::now();
    const auto per_tick = [](int64_t count, Clock::duration time) {
      return static_cast<double>(count) / std::max(1.0, static_cast<double>(time.count()));
    };
    rate = std::max(rate, per_tick(operations, between - start));
    other_rate = std::max(other_rate, per_tick(other_operations, end - between));
  }
  return rate / other_rate;
}
#endif

}  // namespace

bool Bf16PairsAreFaster() {
#ifdef FATHOM_AVX512_TABLE
  return RateRatio(avx512::kPairPeakLoops.dot_bf16, avx512::kPairPeakLoops.fma_f32) > 1;
#else
  return false;
#endif
}

bool LongFloatsAreWhole() {
#ifdef FATHOM_AVX512_TABLE
  return RateRatio(avx512::kPeakLoops.fma_f32, avx2::kPeakLoops.fma_f32) > 1.4;
#else
  return false;
#endif
}

PeakRates MeasurePeak(ThreadPool& pool, double seconds) {
  const PeakLoops& loops = LoopsInUse();
  PeakRates rates;
  const double each = seconds / (loops.dot_bf16 != nullptr ? 3 : 2);
  rates.f32_flops = BestRate(loops.fma_f32, pool, each);
  rates.int8_ops = BestRate(loops.dot_int8, pool, each);
  if (loops.dot_bf16 != nullptr) rates.bf16_flops = BestRate(loops.dot_bf16, pool, each);
  return rates;
}

}  // namespace fathom
