// Every table's products against the reference, bit for bit.
#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "base/strings.h"
#include "tests/kernels/cases.h"

namespace fathom {
namespace {

using test::Codes;
using test::Inputs;

struct Case {
  int64_t rows;
  int64_t cols;
  int64_t tokens;
  int64_t row_begin = 0;
  int64_t row_end = -1;  // -1: rows
  Codes codes = Codes::kUsual;
  Inputs inputs = Inputs::kUsual;
  int64_t misalignment = 0;
  bool gather = false;
  bool int8 = false;
  bool round_weights = false;
};

using Product = void (*KernelTable::*)(const MatMulArgs&);

void Compare(Product product, WeightType type, ScaleType scale_type, bool quantized, const Case& c) {
  const test::RandomMatrix w(type, scale_type, c.rows, c.cols, c.codes, 7, c.misalignment);
  const int64_t x_count = c.tokens + 3;
  const std::vector<float> x = test::RandomFloats(x_count * c.cols, c.inputs, 8);
  test::QuantizedInputs q;
  MatMulArgs args;
  args.w = &w.matrix;
  args.row_begin = c.row_begin;
  args.row_end = c.row_end < 0 ? c.rows : c.row_end;
  args.x.values = x.data();
  if (quantized) {
    const auto quantize = c.int8 ? test::QuantizeInt8 : test::Quantize;
    q = quantize(ReferenceKernels(), x, x_count, c.cols);
    args.x.values = q.values.data();
    args.x.chunks = q.chunks.data();
    args.x.pairs = q.pairs.empty() ? nullptr : q.pairs.data();
  }
  args.x.stride = c.cols;
  args.x.rows = x_count;
  args.x.cols = c.cols;
  args.x.int8 = c.int8;
  std::vector<int32_t> gather;
  if (c.gather) {
    for (int64_t t = 0; t < c.tokens; ++t) gather.push_back(static_cast<int32_t>((t * 5 + 2) % x_count));
    args.x_rows = gather.data();
  }
  args.tokens = c.tokens;
  args.y_stride = c.rows + 5;
  args.round_weights = c.round_weights;

  // What lies outside [row_begin, row_end) must stay.
  std::vector<float> expected(static_cast<size_t>(c.tokens * args.y_stride), -7.5f);
  args.y = expected.data();
  (ReferenceKernels().*product)(args);
  for (const KernelTable* table : test::FastTables()) {
    std::vector<float> found(expected.size(), -7.5f);
    args.y = found.data();
    if (quantized) {
      const auto quantize = c.int8 ? test::QuantizeInt8 : test::Quantize;
      q = quantize(*table, x, x_count, c.cols);  // a table reads the chunks that it writes
      args.x.values = q.values.data();
      args.x.chunks = q.chunks.data();
      args.x.pairs = q.pairs.empty() ? nullptr : q.pairs.data();
    }
    (table->*product)(args);
    test::ExpectSameBits(
        expected, found,
        StrCat(table->name, " ", c.rows, "x", c.cols, " tokens ", c.tokens, " rows ", args.row_begin, "..",
               args.row_end, " codes ", static_cast<int>(c.codes), " inputs ", static_cast<int>(c.inputs)));
    if (testing::Test::HasFatalFailure()) return;
  }
}

// Rows that start and end anywhere, odd token counts, misaligned weights, gathered inputs, hostile numbers.
std::vector<Case> Cases(const std::vector<int64_t>& widths) {
  std::vector<Case> cases;
  for (const int64_t cols : widths) {
    for (const int64_t rows : {1, 3, 4, 7, 19}) cases.push_back({.rows = rows, .cols = cols, .tokens = 1});
    for (int64_t tokens = 0; tokens <= 17; ++tokens) cases.push_back({.rows = 13, .cols = cols, .tokens = tokens});
    // Over the border between two blocks of FP8 scales.
    for (const int64_t tokens : {1, 2, 4, 5, 9}) {
      for (const Codes codes : {Codes::kUsual, Codes::kExtreme}) {
        cases.push_back(
            {.rows = 150, .cols = cols, .tokens = tokens, .row_begin = 121, .row_end = 142, .codes = codes});
      }
    }
    cases.push_back({.rows = 9, .cols = cols, .tokens = 70, .row_begin = 2, .row_end = 9});
    cases.push_back({.rows = 29, .cols = cols, .tokens = 67});
    cases.push_back({.rows = 61, .cols = cols, .tokens = 7});
    for (const int64_t tokens : {1, 2, 6, 9, 67}) {
      cases.push_back({.rows = 11, .cols = cols, .tokens = tokens, .misalignment = 1, .gather = true});
      for (const Inputs inputs : {Inputs::kSpread, Inputs::kZero, Inputs::kSpecial}) {
        for (const Codes codes : {Codes::kUsual, Codes::kExtreme, Codes::kZero}) {
          cases.push_back({.rows = 10, .cols = cols, .tokens = tokens, .codes = codes, .inputs = inputs});
        }
      }
    }
  }
  return cases;
}

TEST(MatMul, Fp4IsTheReferenceBitForBit) {
  for (const Case& c : Cases({128, 256, 512, 1152, 2176})) {
    Compare(&KernelTable::matmul_fp4, WeightType::kFp4, ScaleType::kE8m0, true, c);
    if (HasFatalFailure()) return;
  }
}

// A few residuals are added one by one, more of them by their whole plane.
TEST(MatMul, Fp4WithFewResidualsIsTheReferenceBitForBit) {
  for (const int64_t cols : {128, 512, 1152, 9216}) {
    for (const int64_t tokens : {1, 4, 5, 14, 70}) {
      for (const int64_t rows : {11, 24}) {
        for (const Codes codes : {Codes::kUsual, Codes::kExtreme}) {
          Compare(&KernelTable::matmul_fp4, WeightType::kFp4, ScaleType::kE8m0, true,
                  {.rows = rows,
                   .cols = cols,
                   .tokens = tokens,
                   .codes = codes,
                   .inputs = Inputs::kFew,
                   .misalignment = 1,
                   .gather = true});
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(MatMul, Fp4WithWholeNumbersIsTheReferenceBitForBit) {
  for (Case c : Cases({128, 640, 1024})) {
    c.int8 = true;
    Compare(&KernelTable::matmul_fp4, WeightType::kFp4, ScaleType::kE8m0, true, c);
    if (HasFatalFailure()) return;
  }
}

TEST(MatMul, Fp4ExactIsTheReferenceBitForBit) {
  for (const Case& c : Cases({32, 96, 512, 1056})) {
    Compare(&KernelTable::matmul_fp4_f32, WeightType::kFp4, ScaleType::kE8m0, false, c);
    if (HasFatalFailure()) return;
  }
}

TEST(MatMul, Fp8IsTheReferenceBitForBit) {
  for (const Case& c : Cases({8, 72, 128, 200, 576, 1024})) {
    Compare(&KernelTable::matmul_fp8, WeightType::kFp8, ScaleType::kE8m0, false, c);
    if (HasFatalFailure()) return;
  }
}

// Inputs that are BF16 numbers, which some tables multiply in pairs.
TEST(MatMul, Fp8WithQuantisedInputIsTheReferenceBitForBit) {
  for (const ScaleType scales : {ScaleType::kE8m0, ScaleType::kF32}) {
    for (const Case& c : Cases({128, 384, 1024, 2176})) {
      Compare(&KernelTable::matmul_fp8, WeightType::kFp8, scales, true, c);
      if (HasFatalFailure()) return;
    }
  }
}

// Rows with every FP8 code, and their product with x by every table against the reference's, which is returned.
constexpr int64_t kAllCodesRows = 13;
constexpr int64_t kAllCodesCols = 256;
std::vector<float> CompareAllCodes(const std::vector<uint8_t>& scale, const Activations& x, int64_t tokens,
                                   const std::string& what) {
  std::vector<uint8_t> codes(kAllCodesRows * kAllCodesCols);
  for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint8_t>((i + i / 256 * 37) % 256);
  const Matrix w = {.data = codes.data(),
                    .scale = scale.data(),
                    .type = WeightType::kFp8,
                    .scale_type = ScaleType::kE8m0,
                    .rows = kAllCodesRows,
                    .cols = kAllCodesCols};
  std::vector<float> expected(static_cast<size_t>(kAllCodesRows * tokens));
  MatMulArgs args = {
      .w = &w, .row_end = kAllCodesRows, .x = x, .tokens = tokens, .y = expected.data(), .y_stride = kAllCodesRows};
  ReferenceKernels().matmul_fp8(args);
  for (const KernelTable* table : test::FastTables()) {
    std::vector<float> found(expected.size());
    args.y = found.data();
    table->matmul_fp8(args);
    test::ExpectSameBits(expected, found, StrCat(table->name, " ", what, " tokens ", tokens));
  }
  return expected;
}

// Products so small that their sums leave the normal numbers, which instructions for pairs of BF16 numbers take for
// zeros: with the smallest inputs there are, and weights scaled down ever further.
TEST(MatMul, SmallFp8ProductsAreTheReferenceBitForBit) {
  constexpr int64_t kRows = 5;
  std::vector<float> x = test::RandomFloats(kRows * kAllCodesCols, Inputs::kSpread, 5);
  for (float& value : x) value *= 0x1p-30f;
  const test::QuantizedInputs q = test::Quantize(ReferenceKernels(), x, kRows, kAllCodesCols);
  const Activations inputs = {.values = q.values.data(),
                              .stride = kAllCodesCols,
                              .rows = kRows,
                              .cols = kAllCodesCols,
                              .pairs = q.pairs.data()};
  int64_t small = 0;
  for (int power = 0; power < 80; ++power) {
    const std::vector<uint8_t> scale(2, static_cast<uint8_t>(power));
    for (const int64_t tokens : {1, 2, 5}) {
      const std::vector<float> y = CompareAllCodes(scale, inputs, tokens, StrCat("power ", power));
      if (HasFatalFailure()) return;
      small += std::count_if(y.begin(), y.end(), [](float value) { return value != 0 && !std::isnormal(value); });
    }
  }
  EXPECT_GT(small, 0);
}

TEST(MatMul, Fp8WithFloatScalesIsTheReferenceBitForBit) {
  for (Case c : Cases({72, 128, 200, 576})) {
    Compare(&KernelTable::matmul_fp8, WeightType::kFp8, ScaleType::kF32, false, c);
    c.round_weights = true;
    Compare(&KernelTable::matmul_fp8, WeightType::kFp8, ScaleType::kF32, false, c);
    if (HasFatalFailure()) return;
  }
}

TEST(MatMul, RoundingWithPowerScalesChangesNothing) {
  Compare(&KernelTable::matmul_fp8, WeightType::kFp8, ScaleType::kE8m0, false,
          {.rows = 20, .cols = 256, .tokens = 3, .round_weights = true});
}

// Weights take their power of two in different ways where it leads out of the usual numbers: by tables, by one product,
// by two, by the inputs if those can hold it.
TEST(MatMul, EveryPowerOfTwoScalesFp8Exactly) {
  constexpr int64_t kRows = 8;
  const std::vector<float> x = test::RandomFloats(kRows * kAllCodesCols, Inputs::kUsual, 5);
  const Activations inputs = {.values = x.data(), .stride = kAllCodesCols, .rows = kRows, .cols = kAllCodesCols};
  for (int power = 0; power < 256; ++power) {
    const std::vector<uint8_t> scale = {static_cast<uint8_t>(power), static_cast<uint8_t>(255 - power)};
    for (const int64_t tokens : {1, 2, 4, 6, 8}) {
      CompareAllCodes(scale, inputs, tokens, StrCat("power ", power));
      if (HasFatalFailure()) return;
    }
  }
}

// Inputs that take their weights' scales, but for one that is too large for that: in the last rows, so that others are
// computed before; or too small to stay exact.
TEST(MatMul, Fp8InputsTooLargeOrSmallForTheirScales) {
  constexpr int64_t kCols = 640;
  constexpr int64_t kRows = 300;
  const test::RandomMatrix random(WeightType::kFp8, ScaleType::kE8m0, kRows, kCols, Codes::kUsual, 9, 0);
  for (const float odd : {0x1p110f, 0x1.8p-149f}) {
    for (int64_t tokens = 1; tokens <= 8; ++tokens) {
      std::vector<float> x = test::RandomFloats(tokens * kCols, Inputs::kUsual, 5);
      x.back() = odd;
      std::vector<uint8_t> scale(3 * 5, 120);
      for (size_t at = 10; at < scale.size(); ++at) scale[at] = odd > 1 ? 134 : 2;
      Matrix w = random.matrix;
      w.scale = scale.data();
      std::vector<float> expected(static_cast<size_t>(kRows * tokens));
      MatMulArgs args = {.w = &w,
                         .row_end = kRows,
                         .x = {.values = x.data(), .stride = kCols, .rows = tokens, .cols = kCols},
                         .tokens = tokens,
                         .y = expected.data(),
                         .y_stride = kRows};
      ReferenceKernels().matmul_fp8(args);
      for (const KernelTable* table : test::FastTables()) {
        std::vector<float> found(expected.size());
        args.y = found.data();
        table->matmul_fp8(args);
        test::ExpectSameBits(expected, found, StrCat(table->name, " input ", odd, " tokens ", tokens));
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Rows so long that their inputs are not scaled beforehand.
TEST(MatMul, LongFp8RowsAreTheReferenceBitForBit) {
  for (const int64_t tokens : {1, 2, 3}) {
    Compare(&KernelTable::matmul_fp8, WeightType::kFp8, ScaleType::kE8m0, false,
            {.rows = 5, .cols = 16512, .tokens = tokens});
  }
}

TEST(MatMul, Bf16IsTheReferenceBitForBit) {
  for (const Case& c : Cases({1, 16, 72, 200, 576, 1000})) {
    Compare(&KernelTable::matmul_bf16, WeightType::kBf16, ScaleType::kNone, false, c);
    if (HasFatalFailure()) return;
  }
}

TEST(MatMul, F32IsTheReferenceBitForBit) {
  for (const Case& c : Cases({1, 16, 72, 200, 576, 1000})) {
    Compare(&KernelTable::matmul_f32, WeightType::kF32, ScaleType::kNone, false, c);
    if (HasFatalFailure()) return;
  }
}

// The widths of DeepSeek-V4: 1024, 2048, 4096, 7168, 8192, 16384, on a slice of the rows.
TEST(MatMul, ModelShapes) {
  for (const int64_t cols : {1024, 2048, 4096, 7168, 16384}) {
    for (const int64_t tokens : {1, 3}) {
      const Case c = {.rows = 256, .cols = cols, .tokens = tokens, .row_begin = 120, .row_end = 140};
      Compare(&KernelTable::matmul_fp4, WeightType::kFp4, ScaleType::kE8m0, true, c);
      Compare(&KernelTable::matmul_fp8, WeightType::kFp8, ScaleType::kE8m0, true, c);
      Compare(&KernelTable::matmul_bf16, WeightType::kBf16, ScaleType::kNone, false, c);
      if (HasFatalFailure()) return;
    }
  }
}

// Every E4M3 and E2M1 code times every other place of a step: column k holds code k, the input picks one column.
// With even and odd powers, up to the ends of what tables hold; 2^119 times a code other than NaN is finite.
TEST(MatMul, EveryFp8CodeIsDecodedExactly) {
  for (const KernelTable* table : test::FastTables()) {
    for (int rotate = 0; rotate < 64; ++rotate) {
      const int power = std::array{127, 126, 10, 11, 245, 246, 9, 130}[static_cast<size_t>(rotate % 8)];
      std::vector<uint8_t> codes(256);
      std::iota(codes.begin(), codes.end(), static_cast<uint8_t>(rotate));
      const std::vector<uint8_t> scale(2, static_cast<uint8_t>(power));
      const Matrix w = {.data = codes.data(),
                        .scale = scale.data(),
                        .type = WeightType::kFp8,
                        .scale_type = ScaleType::kE8m0,
                        .rows = 1,
                        .cols = 256};
      for (int k = rotate / 8 % 4; k < 256; k += 4) {
        std::vector<float> x(256, 0.0f);
        x[static_cast<size_t>(k)] = 1;
        float y = 0;
        table->matmul_fp8({.w = &w,
                           .row_end = 1,
                           .x = {.values = x.data(), .stride = 256, .rows = 1, .cols = 256},
                           .tokens = 1,
                           .y = &y,
                           .y_stride = 1});
        const uint8_t code = codes[static_cast<size_t>(k)];
        const float number = (code & 0x7F) == 0x7F ? ((code & 0x80) != 0 ? -480.0f : 480.0f) : E4m3ToFloat(code);
        ASSERT_EQ(y, std::ldexp(number, power - 127))
            << table->name << " code " << int{code} << " column " << k << " power " << power;
      }
    }
  }
}

}  // namespace
}  // namespace fathom
