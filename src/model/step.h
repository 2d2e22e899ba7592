// step.h - what every layer of one forward step shares, and the row-wise helpers they use.
#ifndef FATHOM_MODEL_STEP_H_
#define FATHOM_MODEL_STEP_H_

#include <cstdint>
#include <vector>

#include "kernels/matmul.h"
#include "model/model.h"
#include "model/workspace.h"

namespace fathom {

// One forward step: the model's constants, the batch, and scratch. T = tokens.
struct Step {
  const ModelConfig& config;
  const ModelOptions& options;
  ThreadPool& pool;
  const Batch& batch;
  Workspace& ws;
  TapSink* taps;
  int64_t tokens;
  const std::vector<double>& compressed_frequencies;  // rotary frequencies of layers with compression

  bool quantized() const { return options.precision != Precision::kExact; }
  // Whether chunks, the inputs of FP4 products, are whole numbers.
  bool int8_chunks() const { return options.precision == Precision::kInt8; }
  const Segment& segment_of(int64_t token) const { return batch.segments[static_cast<size_t>(ws.segment[token])]; }

  // What was done since the last mark is this part of the layer.
  void Mark(StepPart part) const {
    if (ws.clock != nullptr) ws.clock->Mark(part);
  }

  void Tap(int64_t layer, std::string_view name, const float* values, int64_t rows, int64_t cols) const {
    if (taps != nullptr) taps->Tap(layer, name, MatView<const float>(values, rows, cols));
  }
};

// Input of products with FP8 / FP4 weights: Q8_128 of x (in `int8` whole numbers for FP4), which is written to `to`, or
// x itself in `exact`. `fp4`: whether FP4 weights follow.
Activations QuantizeInput(const Step& step, const float* x, int64_t rows, int64_t cols, const QuantizedBuffer& to,
                          bool fp4 = false);

// One row of that in place, and as `chunks` and `pairs`, where these are not null; not for `exact`. For those who have
// the row in the cache.
void QuantizeInputRow(const Step& step, float* x, int64_t cols, Fp8Chunk* chunks, uint16_t* pairs);

// Input of products with plain weights.
Activations PlainInput(const float* x, int64_t rows, int64_t cols);

// out = weight * (x / sqrt(mean(x^2) + eps)), row by row (section 7, RMS). An empty weight counts as ones. out may be
// x.
void RmsNormRows(ThreadPool& pool, const float* x, const Vector& weight, int64_t rows, int64_t cols, float eps,
                 float* out);
void RmsNormRow(const float* x, const Vector& weight, int64_t cols, float eps, float* out);

}  // namespace fathom

#endif  // FATHOM_MODEL_STEP_H_
