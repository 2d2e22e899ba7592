// cases.h - random operands for the kernel tests, and the loop over tables.
#ifndef FATHOM_TESTS_KERNELS_CASES_H_
#define FATHOM_TESTS_KERNELS_CASES_H_

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "numeric/formats.h"

namespace fathom::test {

// Every table but the reference.
inline std::vector<const KernelTable*> FastTables() {
  std::vector<const KernelTable*> tables = SupportedKernels();
  tables.erase(tables.begin());
  return tables;
}

// What stored bytes look like.
enum class Codes {
  kUsual,    // scales near 1
  kExtreme,  // scales over the whole range, every code of the weights
  kZero,
};

struct RandomMatrix {
  RandomMatrix(WeightType type, ScaleType scale_type, int64_t rows, int64_t cols, Codes codes, uint32_t seed,
               int64_t misalignment = 0) {
    std::mt19937 random(seed);
    matrix.type = type;
    matrix.scale_type = scale_type;
    matrix.rows = rows;
    matrix.cols = cols;
    data.resize(static_cast<size_t>(rows * matrix.row_bytes() + misalignment));
    scale.resize(static_cast<size_t>(matrix.scale_bytes() + misalignment));
    matrix.data = data.data() + misalignment;
    matrix.scale = scale.data() + misalignment;
    if (codes == Codes::kZero) return;
    std::normal_distribution<float> normal(0, codes == Codes::kUsual ? 1.0f : 1e10f);
    for (int64_t i = 0; i < rows * matrix.row_bytes();) {
      uint8_t* at = data.data() + misalignment + i;
      if (type == WeightType::kF32) {
        const float value = normal(random);
        std::memcpy(at, &value, 4);
        i += 4;
      } else if (type == WeightType::kBf16) {
        const uint16_t value = FloatToBf16(normal(random));
        std::memcpy(at, &value, 2);
        i += 2;
      } else {
        *at = static_cast<uint8_t>(random());
        i += 1;
      }
    }
    for (int64_t i = 0; i < matrix.scale_bytes();) {
      uint8_t* at = scale.data() + misalignment + i;
      if (scale_type == ScaleType::kF32) {
        const float value = std::fabs(normal(random));
        std::memcpy(at, &value, 4);
        i += 4;
      } else {
        *at = static_cast<uint8_t>(codes == Codes::kUsual ? 117 + random() % 12 : 60 + random() % 130);
        i += 1;
      }
    }
  }

  Matrix matrix;
  std::vector<uint8_t> data;
  std::vector<uint8_t> scale;
};

enum class Inputs {
  kUsual,   // Gaussian
  kSpread,  // magnitudes over many powers of two: wide chunks
  kFew,     // Gaussian, with 0 to 31 small numbers in every 512: wide chunks with few residuals, and with some more
  kZero,
  kSpecial,  // with infinities and NaN
};

inline std::vector<float> RandomFloats(int64_t count, Inputs inputs, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(count));
  if (inputs == Inputs::kZero) return x;
  for (size_t i = 0; i < x.size(); ++i) {
    float& value = x[i];
    value = normal(random);
    if (inputs == Inputs::kFew && i * 37 % 512 < i / 512 % 32) value *= 0x1p-10f;
    if (inputs == Inputs::kSpread) value *= std::ldexp(1.0f, static_cast<int>(random() % 40) - 25);
    if (inputs == Inputs::kSpecial) {
      const uint32_t what = random() % 64;
      if (what == 0) value = INFINITY;
      if (what == 1) value = -INFINITY;
      if (what == 2) value = NAN;
      if (what == 3) value = 3e38f;
      if (what == 4) value = -1e-42f;
    }
  }
  return x;
}

// Bits compared, but any NaN equals any other: which of two NaNs an operation passes on is up to the processor.
inline void ExpectSameBits(const std::vector<float>& expected, const std::vector<float>& found,
                           const std::string& what) {
  ASSERT_EQ(expected.size(), found.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::isnan(expected[i]) && std::isnan(found[i])) continue;
    ASSERT_EQ(std::bit_cast<uint32_t>(expected[i]), std::bit_cast<uint32_t>(found[i]))
        << what << ": element " << i << " is " << found[i] << ", the reference has " << expected[i];
  }
}

// Quantised rows in both forms. The chunk vector needs its type's alignment, which std::vector gives in C++17.
struct QuantizedInputs {
  std::vector<float> values;
  std::vector<Fp8Chunk> chunks;
  std::vector<uint16_t> pairs = {};
};

inline QuantizedInputs Quantize(const KernelTable& table, const std::vector<float>& x, int64_t rows, int64_t cols) {
  QuantizedInputs q;
  q.values.resize(x.size());
  q.chunks.resize(static_cast<size_t>(rows * Fp8Chunk::Count(cols)));
  q.pairs.resize(x.size());
  for (int64_t row = 0; row < rows; ++row) {
    table.quantize_fp8(x.data() + row * cols, cols, q.values.data() + row * cols,
                       q.chunks.data() + row * Fp8Chunk::Count(cols), q.pairs.data() + row * cols);
  }
  return q;
}

// The same with the whole numbers of precision `int8` as chunks, and their values as `values`.
inline QuantizedInputs QuantizeInt8(const KernelTable& table, const std::vector<float>& x, int64_t rows, int64_t cols) {
  QuantizedInputs q;
  q.values.resize(x.size());
  q.chunks.resize(static_cast<size_t>(rows * Fp8Chunk::Count(cols)));
  for (int64_t row = 0; row < rows; ++row) {
    Fp8Chunk* chunks = q.chunks.data() + row * Fp8Chunk::Count(cols);
    table.quantize_int8(x.data() + row * cols, cols, chunks);
    for (int64_t k = 0; k < cols; ++k) {
      const Fp8Chunk& chunk = chunks[k / Fp8Chunk::kColumns];
      const int64_t at = k % Fp8Chunk::kColumns;
      q.values[static_cast<size_t>(row * cols + k)] = chunk.scale[at / 128] * chunk.low[Fp8Chunk::BytePlace(at)];
    }
  }
  return q;
}

}  // namespace fathom::test

#endif  // FATHOM_TESTS_KERNELS_CASES_H_
