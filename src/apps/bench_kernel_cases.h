// bench_kernel_cases.h - operations with their inputs and outputs in place, to be run again and again.
#ifndef FATHOM_APPS_BENCH_KERNEL_CASES_H_
#define FATHOM_APPS_BENCH_KERNEL_CASES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "apps/bench_kernel_ops.h"
#include "apps/bench_weight_pool.h"
#include "base/thread_pool.h"
#include "kernels/matrix.h"
#include "model/workspace.h"

namespace fathom {

// What is measured again and again.
class KernelCase {
 public:
  KernelCase() = default;
  KernelCase(const KernelCase&) = delete;
  KernelCase& operator=(const KernelCase&) = delete;
  virtual ~KernelCase() = default;
  // Chooses the inputs of the next `calls` calls of Run(); not measured.
  virtual void Next(int64_t calls) = 0;
  // Number `call` of those.
  virtual void Run(int64_t call) = 0;
  // How many times one Run() does the operation.
  virtual int64_t times() const { return 1; }
};

// How much of an operation is measured: some tokens of a call, whose work is shared out as all of the call's is.
struct CaseTokens {
  int64_t of_call = 1;
  int64_t measured = 1;
};

// Everything but what Next() adds is allocated here. `op`, `threads` and `pool` must outlive the case.
std::unique_ptr<KernelCase> MakeKernelCase(const KernelOp& op, CaseTokens tokens, ThreadPool& threads,
                                           WeightPool& pool);

// What takes rows of floats one by one: quantisation, norms, SwiGLU, sampling.
class RowsCase : public KernelCase {
 public:
  RowsCase(const KernelOp& op, int64_t tokens, ThreadPool& threads, WeightPool& pool);

  void Next(int64_t calls) override;
  void Run(int64_t call) override;
  // The inputs that Next() chose, those of the first call first.
  const std::vector<const float*>& rows() const { return rows_; }

 private:
  // Of the row `row` of a call, whose inputs are at `x`.
  using Body = std::function<void(const float* x, int64_t row, int worker)>;

  const int64_t cols_;
  const int64_t count_;  // rows of a call
  int64_t grain_ = 1;
  ThreadPool& threads_;
  WeightPool& pool_;
  Buffer<float> normal_;  // inputs of quantisation; the others' come from the pool
  Buffer<float> values_;
  Buffer<Fp8Chunk> chunks_;
  Buffer<uint16_t> pairs_;
  Buffer<int32_t> ids_;
  std::vector<const float*> rows_;
  Body body_;
};

}  // namespace fathom

#endif  // FATHOM_APPS_BENCH_KERNEL_CASES_H_
