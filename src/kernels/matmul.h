// matmul.h - matrix products over the thread pool.
#ifndef FATHOM_KERNELS_MATMUL_H_
#define FATHOM_KERNELS_MATMUL_H_

#include <span>

#include "base/thread_pool.h"
#include "kernels/kernels.h"

namespace fathom {

// A job for the product of all rows of `w` with `tokens` rows of x.
MatMulArgs MatMulJob(const Matrix& w, const Activations& x, int64_t tokens, float* y, int64_t y_stride);

// Runs all jobs (each over its [row_begin, row_end)) in one parallel region: one side of a layer's experts, or the
// projections that share an input, cost one fork and join together. Picks the kernel by weight type and by whether x
// was quantised.
void MatMul(ThreadPool& pool, std::span<const MatMulArgs> jobs);

// How many tasks MatMul() cuts a job into that runs alone on so many threads: no more of them than that take part.
int64_t MatMulTasks(const MatMulArgs& job, int threads);

// Q8_128 of x's rows [rows, cols] into `values` (same shape, contiguous; may be x when x is contiguous) and, if not
// null, `chunks` [rows, Fp8Chunk::Count(cols)] and `pairs` [rows, cols] (Activations).
void QuantizeRows(ThreadPool& pool, const float* x, int64_t x_stride, int64_t rows, int64_t cols, float* values,
                  Fp8Chunk* chunks, uint16_t* pairs = nullptr);
// The whole numbers of the same rows, for precision `int8`: `chunks` [rows, Fp8Chunk::Count(cols)].
void QuantizeRowsInt8(ThreadPool& pool, const float* x, int64_t x_stride, int64_t rows, int64_t cols, Fp8Chunk* chunks);

}  // namespace fathom

#endif  // FATHOM_KERNELS_MATMUL_H_
