#include "kernels/matmul.h"

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace fathom {
namespace {

// Most models' calls have no more: with all 384 experts of V4-Pro and the shared one, two matrices each, it is 770.
constexpr size_t kUsualJobs = 1024;

int64_t Parts(int64_t whole, int64_t part) { return (whole + part - 1) / part; }

// What one task computes: so many rows of the matrix for so many tokens.
struct TaskShape {
  int64_t rows = 1;
  int64_t tokens = 1;
};

// The most rows up to `most` that give so many tasks; never fewer than `least`. 12 rows are a panel of AVX or one and a
// half of Neon, and a multiple of every register tile in one; 4 a tile of those that stream.
int64_t RowsOfTask(int64_t rows, int64_t most, int64_t least, int64_t wanted_tasks) {
  static constexpr int64_t kFewer[] = {120, 60, 36, 24, 12, 4};
  for (const int64_t fewer : kFewer) {
    if (fewer < least || Parts(rows, most) >= wanted_tasks) break;
    most = std::min(most, fewer);
  }
  return most;
}

// Few tokens: all of them, and rows of 128 KB, enough to stream (prefetchers need some KB to start). A multiple of 4
// for the kernels' row tiles; with more tokens than stream through registers two or three panels (of 12 or 8 rows),
// which share the walk over the inputs. Fewer rows where the call would have less tasks than threads, as with the 24
// long rows that mix the streams.
//
// Many tokens: a block whose inputs stay in a core's own cache while many rows go by. Inputs of all tokens, read again
// for every few rows, would come from the cache that all cores share, at less than the arithmetic takes.
//
// `jobs` is how many the call has. However a product is cut, its bits are the same (kernels.h): each number is computed
// whole by one task, in an order that does not depend on the rows and tokens beside it.
TaskShape ShapeOf(const MatMulArgs& job, int threads, size_t jobs) {
  constexpr int64_t kTaskBytes = 128 * 1024;
  constexpr int64_t kTaskTokens = 64;
  constexpr int64_t kMostStreamedRows = 240;
  constexpr int64_t kBlockRows = 120;  // a multiple of every kernel's panel, as 240 is
  constexpr int64_t kLeastBlockRows = 12;
  const int64_t rows = job.row_end - job.row_begin;
  if (job.tokens <= kTaskTokens) {
    const int64_t step = job.tokens > 2 ? 24 : 4;
    const int64_t streamed = kTaskBytes / std::max<int64_t>(1, job.w->row_bytes()) / step * step;
    const int64_t most = std::clamp(streamed, step, kMostStreamedRows);
    return {RowsOfTask(rows, most, 4, Parts(threads, static_cast<int64_t>(jobs))), std::max<int64_t>(1, job.tokens)};
  }
  const int64_t blocks = Parts(job.tokens, kTaskTokens);
  return {RowsOfTask(rows, kBlockRows, kLeastBlockRows, Parts(int64_t{4} * threads, blocks)),
          4 * Parts(job.tokens, 4 * blocks)};
}

int64_t Tasks(const MatMulArgs& job, const TaskShape& shape) {
  return Parts(job.row_end - job.row_begin, shape.rows) * Parts(job.tokens, shape.tokens);
}

// Tasks of the same tokens follow each other.
void RunTask(const MatMulArgs& job, const TaskShape& shape, int64_t task) {
  const KernelTable& kernels = Kernels();
  MatMulArgs part = job;
  const int64_t row_parts = Parts(job.row_end - job.row_begin, shape.rows);
  part.row_begin = job.row_begin + task % row_parts * shape.rows;
  part.row_end = std::min(job.row_end, part.row_begin + shape.rows);
  const int64_t first = task / row_parts * shape.tokens;
  part.tokens = std::min(shape.tokens, job.tokens - first);
  part.y += first * job.y_stride;
  if (job.x_rows != nullptr) {
    part.x_rows += first;
  } else {
    part.x.values += first * job.x.stride;
    if (job.x.chunks != nullptr) part.x.chunks += first * Fp8Chunk::Count(job.w->cols);
    if (job.x.pairs != nullptr) part.x.pairs += first * job.w->cols;
  }
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

int64_t MatMulTasks(const MatMulArgs& job, int threads) {
  return job.tokens > 0 ? Tasks(job, ShapeOf(job, threads, 1)) : 0;
}

void MatMul(ThreadPool& pool, std::span<const MatMulArgs> jobs) {
  // First task of each job; kept from call to call, and large enough from the first one on, so that a step does not
  // allocate however many experts its tokens choose.
  static thread_local std::vector<int64_t> first;
  first.reserve(kUsualJobs);
  first.clear();
  int64_t total = 0;
  for (const MatMulArgs& job : jobs) {
    first.push_back(total);
    total += job.tokens > 0 ? Tasks(job, ShapeOf(job, pool.threads(), jobs.size())) : 0;
  }
  const std::vector<int64_t>& starts = first;  // the workers' own thread_local is another one
  pool.ParallelFor(total, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t task = begin; task < end; ++task) {
      // The last job that starts at or before the task; empty jobs start where the next one does.
      const auto job = static_cast<size_t>(std::upper_bound(starts.begin(), starts.end(), task) - starts.begin() - 1);
      RunTask(jobs[job], ShapeOf(jobs[job], pool.threads(), jobs.size()), task - starts[job]);
    }
  });
}

void QuantizeRows(ThreadPool& pool, const float* x, int64_t x_stride, int64_t rows, int64_t cols, float* values,
                  Fp8Chunk* chunks, uint16_t* pairs) {
  const int64_t row_chunks = Fp8Chunk::Count(cols);
  pool.ParallelFor(rows, std::max<int64_t>(1, 4096 / cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      Kernels().quantize_fp8(x + row * x_stride, cols, values + row * cols,
                             chunks != nullptr ? chunks + row * row_chunks : nullptr,
                             pairs != nullptr ? pairs + row * cols : nullptr);
    }
  });
}

void QuantizeRowsInt8(ThreadPool& pool, const float* x, int64_t x_stride, int64_t rows, int64_t cols,
                      Fp8Chunk* chunks) {
  const int64_t row_chunks = Fp8Chunk::Count(cols);
  pool.ParallelFor(rows, std::max<int64_t>(1, 4096 / cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) {
      Kernels().quantize_int8(x + row * x_stride, cols, chunks + row * row_chunks);
    }
  });
}

}  // namespace fathom
