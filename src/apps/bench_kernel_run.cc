#include "apps/bench_kernel_run.h"

#include <algorithm>
#include <chrono>
#include <memory>

#include "apps/bench_kernel_cases.h"
#include "base/signals.h"
#include "kernels/kernels.h"
#include "model/attention.h"
#include "model/indexer.h"

namespace fathom {
namespace {

using KernelClock = std::chrono::steady_clock;

// Rows of a matrix that is cut: kernels take up to 16 at once.
constexpr int64_t kRowTile = 16;
// A tenth of a second of a core with AVX2, which has about a hundred GFLOP/s.
constexpr double kThreadSampleOps = 1e10;
constexpr double kReferenceThreadSampleOps = 1e8;
// The clock and the start of a sample cost some tens of nanoseconds: less than a percent of this.
constexpr double kLeastSampleSeconds = 20e-6;
constexpr int64_t kMostCalls = 1024;
// The length of samples is decided by the first few of them, since a change makes all before it void.
constexpr int64_t kSettlingSamples = 3;

int64_t Quotient(double whole, double part) { return static_cast<int64_t>(std::min(whole / part, 1e15)); }

int64_t RowsOfPart(const KernelOp& op, int64_t tokens, int64_t pool_bytes, double most_ops) {
  const auto rows = static_cast<double>(op.rows);
  const int64_t fitting =
      Quotient(static_cast<double>(pool_bytes) / 4, static_cast<double>(op.matrix().bytes()) / rows);
  const int64_t quick = Quotient(most_ops, KernelCostOf(op, tokens).ops / rows);
  const int64_t most = std::min(fitting, quick);
  if (most >= op.rows) return op.rows;
  const int64_t tile = kRowTile * op.groups;
  return std::min(op.rows, std::max(most / tile * tile, tile));
}

int64_t TokensOfPart(const KernelOp& op, int64_t tokens, int threads, double most_ops) {
  const auto parts = [](int64_t whole, int64_t part) { return (whole + part - 1) / part; };
  const int64_t tasks = op.kind == KernelKind::kAttend ? parts(op.rows, AttendTaskHeads(tokens, op.rows, threads))
                                                       : parts(op.over, IndexTaskRows(op.over, threads));
  const int64_t step = parts(threads, tasks);  // tokens that give each thread a task
  const int64_t quick = Quotient(most_ops, KernelCostOf(op, 1).ops);
  return quick >= tokens ? tokens : std::min(tokens, std::max(quick / step * step, step));
}

// The least pool that a measurement of this works with.
int64_t LeastPoolBytes(const KernelOp& op) {
  if (op.kind != KernelKind::kMatMul) return op.cols * 4;
  KernelOp few = op;
  few.rows = std::min(op.rows, kRowTile * op.groups);
  return 4 * few.matrix().bytes();
}

}  // namespace

MeasuredPart PartOf(const KernelOp& op, int64_t tokens, int64_t pool_bytes, int threads, double most_ops) {
  if (op.kind == KernelKind::kMatMul) return {RowsOfPart(op, tokens, pool_bytes, most_ops), tokens};
  const bool grows = op.kind == KernelKind::kAttend || op.kind == KernelKind::kIndexScores;
  return {op.rows, grows ? TokensOfPart(op, tokens, threads, most_ops) : tokens};
}

double MostSampleOps(int threads) {
  return (&Kernels() == &ReferenceKernels() ? kReferenceThreadSampleOps : kThreadSampleOps) * threads;
}

KernelBench::KernelBench(ThreadPool& threads, std::span<const KernelOp> ops, int64_t pool_bytes)
    : threads_(threads), pool_(threads, [&] {
        int64_t bytes = pool_bytes;
        for (const KernelOp& op : ops) bytes = std::max(bytes, LeastPoolBytes(op));
        return bytes;
      }()) {}

Result<KernelMeasurement> KernelBench::Measure(const KernelOp& op, int64_t tokens, double seconds,
                                               const std::function<void()>& tick) {
  if (InterruptRequested()) return Cancelled("stopped by Ctrl-C");
  const MeasuredPart part = PartOf(op, tokens, pool_.bytes(), threads_.threads(), MostSampleOps(threads_.threads()));
  KernelMeasurement result;
  result.op = op;
  result.op.rows = part.rows;
  result.full_rows = op.rows;
  result.tokens = tokens;
  result.part_tokens = part.tokens;
  result.isa = op.of_model() ? kModelTable : Kernels().name;
  const std::unique_ptr<KernelCase> which = MakeKernelCase(result.op, {tokens, part.tokens}, threads_, pool_);
  Samples samples;
  double last = 0;
  bool warm = false;
  int64_t calls = 1;
  const auto begin = KernelClock::now();
  do {
    if (InterruptRequested()) return Cancelled("stopped by Ctrl-C");
    which->Next(calls);
    const auto start = KernelClock::now();
    for (int64_t call = 0; call < calls; ++call) which->Run(call);
    const double elapsed = std::chrono::duration<double>(KernelClock::now() - start).count();
    // A clock that did not move still measured something.
    last = std::max(elapsed, 1e-9) / static_cast<double>(calls * which->times());
    if (elapsed < kLeastSampleSeconds && calls < kMostCalls && samples.count() < kSettlingSamples) {
      samples = Samples();
      calls *= 2;
    } else if (warm) {
      samples.Add(last);
    }
    warm = true;
    if (tick) tick();
  } while (std::chrono::duration<double>(KernelClock::now() - begin).count() < seconds);
  if (samples.count() == 0) samples.Add(last);
  result.seconds = samples.spread();
  result.samples = samples.count();
  result.sample_calls = calls;
  return result;
}

}  // namespace fathom
