// The reference against the same sums in double. The other tables have the reference's bits.
//
// Bounds: every rounding of a sum errs by at most 2^-24 of what has been added so far, so n roundings in a row err by
// at most n * 2^-24 * sum |terms|.
#include <functional>

#include "base/strings.h"
#include "tests/kernels/cases.h"

namespace fathom {
namespace {

using test::Inputs;

using WeightAt = std::function<double(int64_t row, int64_t col)>;
using Product = void (*KernelTable::*)(const MatMulArgs&);

void ExpectAccurate(Product product, const Matrix& w, const WeightAt& weight, bool chunks, int64_t roundings,
                    bool int8 = false) {
  constexpr int64_t kTokens = 3;
  const std::vector<float> x = test::RandomFloats(kTokens * w.cols, Inputs::kSpread, 11);
  test::QuantizedInputs q;
  MatMulArgs args;
  args.w = &w;
  args.row_end = w.rows;
  args.tokens = kTokens;
  args.y_stride = w.rows;
  args.x = {.values = x.data(), .stride = w.cols, .rows = kTokens, .cols = w.cols};
  if (chunks) {
    const auto quantize = int8 ? test::QuantizeInt8 : test::Quantize;
    q = quantize(ReferenceKernels(), x, kTokens, w.cols);
    args.x.int8 = int8;
    args.x.values = q.values.data();
    args.x.chunks = q.chunks.data();
  }
  std::vector<float> y(static_cast<size_t>(kTokens * w.rows));
  args.y = y.data();
  (ReferenceKernels().*product)(args);
  for (int64_t token = 0; token < kTokens; ++token) {
    for (int64_t row = 0; row < w.rows; ++row) {
      double sum = 0;
      double magnitude = 0;
      for (int64_t k = 0; k < w.cols; ++k) {
        const double term = weight(row, k) * args.x.values[token * w.cols + k];
        sum += term;
        magnitude += std::fabs(term);
      }
      EXPECT_LE(std::fabs(y[static_cast<size_t>(token * w.rows + row)] - sum),
                static_cast<double>(roundings) * 0x1p-24 * magnitude)
          << "token " << token << " row " << row;
    }
  }
}

double Fp4At(const Matrix& w, int64_t row, int64_t k) {
  const uint8_t byte = w.data[row * w.cols / 2 + k / 2];
  return double{E2m1ToFloat((k & 1) != 0 ? byte >> 4 : byte & 15)} *
         double{E8m0ToFloat(w.scale[row * (w.cols / 32) + k / 32])};
}

TEST(Accuracy, Fp4WithQuantisedInput) {
  const test::RandomMatrix w(WeightType::kFp4, ScaleType::kE8m0, 16, 1024, test::Codes::kUsual, 1);
  // Two per 512 columns (main and residual), one where they meet, four of the tree.
  ExpectAccurate(
      &KernelTable::matmul_fp4, w.matrix, [&](int64_t r, int64_t k) { return Fp4At(w.matrix, r, k); }, true,
      2 * 1024 / 512 + 5);
}

TEST(Accuracy, Fp4WithWholeNumbers) {
  const test::RandomMatrix w(WeightType::kFp4, ScaleType::kE8m0, 16, 1024, test::Codes::kUsual, 1);
  // Per 512 columns one, and one of the value itself (scale times whole number); four of the tree.
  ExpectAccurate(
      &KernelTable::matmul_fp4, w.matrix, [&](int64_t r, int64_t k) { return Fp4At(w.matrix, r, k); }, true,
      2 * 1024 / 512 + 4, true);
}

TEST(Accuracy, Fp4WithFloatInput) {
  const test::RandomMatrix w(WeightType::kFp4, ScaleType::kE8m0, 16, 1024, test::Codes::kUsual, 1);
  // Per lane: two of each block, one per block of 32, four of the tree.
  ExpectAccurate(
      &KernelTable::matmul_fp4_f32, w.matrix, [&](int64_t r, int64_t k) { return Fp4At(w.matrix, r, k); }, false,
      2 + 1024 / 32 + 4);
}

TEST(Accuracy, Fp8) {
  test::RandomMatrix w(WeightType::kFp8, ScaleType::kF32, 16, 1024, test::Codes::kUsual, 2);
  for (uint8_t& code : w.data) code = (code & 0x7F) == 0x7F ? 0 : code;
  const auto weight = [&](int64_t row, int64_t k) {
    return double{E4m3ToFloat(w.matrix.data[row * 1024 + k])} *
           double{LoadUnaligned<float>(w.matrix.scale + k / 128 * 4)};
  };
  // Eight per block and lane, one per block, four of the tree.
  ExpectAccurate(&KernelTable::matmul_fp8, w.matrix, weight, false, 8 + 1024 / 128 + 4);
}

TEST(Accuracy, Bf16AndF32) {
  const test::RandomMatrix bf16(WeightType::kBf16, ScaleType::kNone, 16, 1000, test::Codes::kUsual, 3);
  const auto bf16_at = [&](int64_t row, int64_t k) {
    return double{Bf16ToFloat(LoadUnaligned<uint16_t>(bf16.matrix.data + 2 * (row * 1000 + k)))};
  };
  ExpectAccurate(&KernelTable::matmul_bf16, bf16.matrix, bf16_at, false, 1000 / 16 + 1 + 4);
  const test::RandomMatrix f32(WeightType::kF32, ScaleType::kNone, 16, 1000, test::Codes::kUsual, 4);
  const auto f32_at = [&](int64_t row, int64_t k) {
    return double{LoadUnaligned<float>(f32.matrix.data + 4 * (row * 1000 + k))};
  };
  ExpectAccurate(&KernelTable::matmul_f32, f32.matrix, f32_at, false, 1000 / 16 + 1 + 4);
}

// Softmax over the stored rows in double; 4e-6 of the largest value covers the scores' error (magnitude below 8), Exp's
// 2e-7 and the sums.
TEST(Accuracy, Attend) {
  constexpr int64_t kDim = 512;
  constexpr int64_t kHeads = 3;
  constexpr int64_t kCount = 300;
  const KvRowLayout layout = {.format = RowFormat::kQuantized, .dim = kDim, .rope_dim = 64};
  const std::vector<float> q = test::RandomFloats(kHeads * kDim, Inputs::kUsual, 21);
  const std::vector<float> values = test::RandomFloats(kCount * kDim, Inputs::kUsual, 22);
  const std::vector<float> sink = {0.5f, -1.0f, 2.0f};
  std::vector<uint8_t> stored(static_cast<size_t>(kCount * layout.bytes()));
  std::vector<const uint8_t*> rows;
  std::vector<float> decoded(values.size());
  for (int64_t j = 0; j < kCount; ++j) {
    EncodeKvRow(layout, values.data() + j * kDim, stored.data() + j * layout.bytes());
    rows.push_back(stored.data() + j * layout.bytes());
    DecodeKvRow(layout, rows.back(), decoded.data() + j * kDim);
  }
  std::vector<float> scratch(static_cast<size_t>(AttendScratchFloats(kHeads, kDim)));
  std::vector<float> out(q.size());
  ReferenceKernels().attend({.q = q.data(),
                             .heads = kHeads,
                             .sink = sink.data(),
                             .rows = rows.data(),
                             .count = kCount,
                             .layout = layout,
                             .out = out.data(),
                             .scratch = scratch.data()});
  for (int64_t head = 0; head < kHeads; ++head) {
    double total = std::exp(double{sink[static_cast<size_t>(head)]});
    std::vector<double> expected(kDim);
    for (int64_t j = 0; j < kCount; ++j) {
      double dot = 0;
      for (int64_t i = 0; i < kDim; ++i) dot += double{q[head * kDim + i]} * decoded[j * kDim + i];
      const double weight = std::exp(dot / std::sqrt(double{kDim}));
      total += weight;
      for (int64_t i = 0; i < kDim; ++i) expected[static_cast<size_t>(i)] += weight * decoded[j * kDim + i];
    }
    for (int64_t i = 0; i < kDim; ++i) {
      EXPECT_NEAR(out[head * kDim + i], expected[static_cast<size_t>(i)] / total, 4e-6) << "head " << head << " " << i;
    }
  }
}

TEST(Accuracy, IndexScores) {
  constexpr int64_t kDim = 128;
  constexpr int64_t kHeads = 8;
  constexpr double kRoundings = 4 + 8;  // one per 32 values of a dot product, one per head
  const IndexRowLayout layout = {.format = RowFormat::kQuantized, .dim = kDim};
  const std::vector<float> w = test::RandomFloats(kHeads, Inputs::kUsual, 33);
  const auto encode = [&](int64_t rows, uint32_t seed, std::vector<float>* decoded) {
    const std::vector<float> values = test::RandomFloats(rows * kDim, Inputs::kUsual, seed);
    std::vector<uint8_t> stored(static_cast<size_t>(rows * layout.bytes()));
    decoded->resize(values.size());
    for (int64_t j = 0; j < rows; ++j) {
      EncodeIndexRow(layout, values.data() + j * kDim, stored.data() + j * layout.bytes());
      DecodeIndexRow(layout, stored.data() + j * layout.bytes(), decoded->data() + j * kDim);
    }
    return stored;
  };
  std::vector<float> q;
  std::vector<float> key;
  const std::vector<uint8_t> stored_q = encode(kHeads, 31, &q);
  const std::vector<uint8_t> stored_key = encode(50, 32, &key);
  std::vector<const uint8_t*> keys;
  for (int64_t j = 0; j < 50; ++j) keys.push_back(stored_key.data() + j * layout.bytes());
  std::vector<float> scores(50);
  ReferenceKernels().index_scores({.q = stored_q.data(),
                                   .w = w.data(),
                                   .heads = kHeads,
                                   .keys = keys.data(),
                                   .count = 50,
                                   .layout = layout,
                                   .scores = scores.data()});
  for (size_t j = 0; j < 50; ++j) {
    double score = 0;
    double magnitude = 0;
    for (size_t head = 0; head < kHeads; ++head) {
      double dot = 0;
      for (size_t i = 0; i < kDim; ++i) {
        const double term = double{q[head * kDim + i]} * key[j * kDim + i];
        dot += term;
        magnitude += std::fabs(term * w[head]);
      }
      score += std::max(dot, 0.0) * w[head];
    }
    EXPECT_LE(std::fabs(scores[j] - score), kRoundings * 0x1p-24 * magnitude) << j;
  }
}

}  // namespace
}  // namespace fathom
