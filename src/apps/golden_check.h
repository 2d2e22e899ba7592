// golden_check.h - runs a model against the arrays of a golden folder (reference README, section 2) and judges the
// differences by the expectations of its section 4.
#ifndef FATHOM_APPS_GOLDEN_CHECK_H_
#define FATHOM_APPS_GOLDEN_CHECK_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/thread_pool.h"

namespace fathom {

// One compared array.
struct GoldenRow {
  std::string array;     // e.g. "A.prefill_logits"
  double max = 0;        // largest difference, relative to the largest value of the array; infinite beside a NaN
  double median = 0;     // median over rows of the row's largest difference, likewise relative
  double agreement = 1;  // share of rows with the same argmax (logits) or the same ids
  bool ids = false;      // ids: only `agreement` counts
  bool logits = false;
  bool passed = false;
  std::string limit;  // what was accepted, for the table
};

// One precision of one folder, or the units folder.
struct GoldenReport {
  std::string folder;
  std::string mode;  // "exact", "f32", "product", "int8" or "units"
  std::vector<GoldenRow> rows;
  uint64_t hash = 0;  // XXH3 of all logits computed: equal on every instruction set and thread count

  bool passed() const;
};

// What a reader of the table may expect of each mode.
//   exact    no activation quantisation; logits within 1e-4 of the largest, the same experts and rows everywhere
//   f32      the reference's f32 with KV rows' rotary part in float32
//   product  what `fathom run` computes: f32 with the rotary part stored as BF16; judged by argmax
//   int8     product with --activations int8, compared with the same arrays: its distance is shown and not judged, but
//            must be the same however a prompt is cut
enum class GoldenMode : uint8_t { kExact, kF32, kProduct, kInt8 };

// A folder with config.json, shards and golden.safetensors. An error if that file has no logits of the mode, or an
// array of a dtype or shape that cannot be compared.
Result<GoldenReport> CheckGoldenFolder(const std::string& folder, GoldenMode mode, ThreadPool& pool);

// A folder with units.safetensors.
Result<GoldenReport> CheckGoldenUnits(const std::string& folder);

// Differences of `got` from `want`, both [rows, cols]. Where one of them is not a finite number and the other not the
// same, the difference is infinite, so that no limit accepts it.
GoldenRow CompareArrays(std::string array, std::span<const float> got, std::span<const float> want, int64_t cols);

}  // namespace fathom

#endif  // FATHOM_APPS_GOLDEN_CHECK_H_
