#include "model/step.h"

#include <algorithm>
#include <cmath>

#include "numeric/formats.h"

namespace fathom {

Activations PlainInput(const float* x, int64_t rows, int64_t cols) { return {x, cols, nullptr, rows, cols}; }

Activations QuantizeInput(const Step& step, const float* x, int64_t rows, int64_t cols, const QuantizedBuffer& to,
                          bool fp4) {
  if (!step.quantized()) return PlainInput(x, rows, cols);
  Fp8Chunk* const chunks = fp4 ? to.chunks.data() : nullptr;
  uint16_t* const pairs = Kernels().uses_pairs ? to.pairs.data() : nullptr;
  const bool int8 = fp4 && step.int8_chunks();
  if (int8) QuantizeRowsInt8(step.pool, x, cols, rows, cols, chunks);
  QuantizeRows(step.pool, x, cols, rows, cols, to.values.data(), int8 ? nullptr : chunks, pairs);
  return {to.values.data(), cols, chunks, rows, cols, int8, pairs};
}

void QuantizeInputRow(const Step& step, float* x, int64_t cols, Fp8Chunk* chunks, uint16_t* pairs) {
  const bool int8 = chunks != nullptr && step.int8_chunks();
  if (int8) Kernels().quantize_int8(x, cols, chunks);  // before x is overwritten
  Kernels().quantize_fp8(x, cols, x, int8 ? nullptr : chunks, pairs);
}

void RmsNormRow(const float* x, const Vector& weight, int64_t cols, float eps, float* out) {
  const float mean = Kernels().sum_of_squares(x, cols) / static_cast<float>(cols);
  const float inverse = 1.0f / std::sqrt(mean + eps);
  if (weight.empty()) {
    for (int64_t i = 0; i < cols; ++i) out[i] = x[i] * inverse;
  } else if (weight.type == WeightType::kBf16) {
    for (int64_t i = 0; i < cols; ++i)
      out[i] = Bf16ToFloat(LoadUnaligned<uint16_t>(weight.data + 2 * i)) * (x[i] * inverse);
  } else {
    for (int64_t i = 0; i < cols; ++i) out[i] = LoadUnaligned<float>(weight.data + 4 * i) * (x[i] * inverse);
  }
}

void RmsNormRows(ThreadPool& pool, const float* x, const Vector& weight, int64_t rows, int64_t cols, float eps,
                 float* out) {
  pool.ParallelFor(rows, std::max<int64_t>(1, 8192 / cols), [&](int64_t begin, int64_t end, int) {
    for (int64_t row = begin; row < end; ++row) RmsNormRow(x + row * cols, weight, cols, eps, out + row * cols);
  });
}

}  // namespace fathom
