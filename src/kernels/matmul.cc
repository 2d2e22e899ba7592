#include "kernels/matmul.h"

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace fathom {
namespace {

// Rows of one task: enough bytes to stream (prefetchers need some KB to start), few enough that a layer's smallest
// matrix still feeds every thread. A multiple of 4 for the kernels' row tiles; with more tokens than stream through
// registers at least two panels of 8 rows, which share the walk over the inputs.
constexpr int64_t kTaskBytes = 32 * 1024;

int64_t TaskRows(const MatMulArgs& job) {
  const int64_t rows = kTaskBytes / std::max<int64_t>(1, job.w->row_bytes());
  const int64_t least = job.tokens > 2 ? 16 : 4;
  return std::clamp<int64_t>(rows / least * least, least, 256);
}

int64_t Tasks(const MatMulArgs& job) {
  const int64_t rows = TaskRows(job);
  return (job.row_end - job.row_begin + rows - 1) / rows;
}

void RunTask(const MatMulArgs& job, int64_t task) {
  const KernelTable& kernels = Kernels();
  MatMulArgs part = job;
  const int64_t rows = TaskRows(job);
  part.row_begin = job.row_begin + task * rows;
  part.row_end = std::min(job.row_end, part.row_begin + rows);
  switch (job.w->type) {
    case WeightType::kFp4:
      return job.x.chunks != nullptr ? kernels.matmul_fp4(part) : kernels.matmul_fp4_f32(part);
    case WeightType::kFp8:
      return kernels.matmul_fp8(part);
    case WeightType::kBf16:
      return kernels.matmul_bf16(part);
    case WeightType::kF32:
      return kernels.matmul_f32(part);
  }
}

}  // namespace

MatMulArgs MatMulJob(const Matrix& w, const Activations& x, int64_t tokens, float* y, int64_t y_stride) {
  FATHOM_DCHECK(w.cols == x.cols);
  MatMulArgs job;
  job.w = &w;
  job.row_end = w.rows;
  job.x = x;
  job.tokens = tokens;
  job.y = y;
  job.y_stride = y_stride;
  return job;
}

void MatMul(ThreadPool& pool, std::span<const MatMulArgs> jobs) {
  // First task of each job; kept from call to call so that a step does not allocate.
  static thread_local std::vector<int64_t> first;
  first.clear();
  int64_t total = 0;
  for (const MatMulArgs& job : jobs) {
    first.push_back(total);
    total += job.tokens > 0 ? Tasks(job) : 0;
  }
  const std::vector<int64_t>& starts = first;  // the workers' own thread_local is another one
  pool.ParallelFor(total, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; ++task) {
      // The last job that starts at or before the task; empty jobs start where the next one does.
      const auto job = static_cast<size_t>(std::upper_bound(starts.begin(), starts.end(), task) - starts.begin() - 1);
      RunTask(jobs[job], task - starts[job]);
    }
  });
}

void QuantizeRows(ThreadPool& pool, const float* x, int64_t x_stride, int64_t rows, int64_t cols, float* values,
                  Fp8Chunk* chunks) {
  const int64_t blocks = cols / 128;
  pool.ParallelFor(rows, std::max<int64_t>(1, 4096 / cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      Kernels().quantize_fp8(x + row * x_stride, cols, values + row * cols,
                             chunks != nullptr ? chunks + row * blocks : nullptr);
    }
  });
}

}  // namespace fathom
