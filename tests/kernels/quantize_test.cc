// Q8_128 and its integer form, and the sum of squares.
#include <algorithm>

#include "base/strings.h"
#include "tests/kernels/cases.h"

namespace fathom {
namespace {

using test::Inputs;

void ExpectSameChunk(const Fp8Chunk& expected, const Fp8Chunk& found, const std::string& what) {
  EXPECT_EQ(0, std::memcmp(expected.high, found.high, sizeof found.high)) << what;
  EXPECT_EQ(0, std::memcmp(expected.low, found.low, sizeof found.low)) << what;
  EXPECT_EQ(0, std::memcmp(expected.residual, found.residual, sizeof found.residual)) << what;
  EXPECT_EQ(0, std::memcmp(expected.offset, found.offset, sizeof found.offset)) << what;
  EXPECT_EQ(0, std::memcmp(expected.residual_offset, found.residual_offset, sizeof found.residual_offset)) << what;
  EXPECT_EQ(0, std::memcmp(expected.scale, found.scale, sizeof found.scale)) << what;
  ASSERT_EQ(expected.residuals, found.residuals) << what;
  for (uint32_t i = 0; i < std::min(found.residuals, Fp8Chunk::kListed); ++i) {
    EXPECT_EQ(expected.listed_place[i], found.listed_place[i]) << what;
    EXPECT_EQ(expected.listed[i], found.listed[i]) << what;
  }
}

void ExpectSame(const test::QuantizedInputs& expected, const test::QuantizedInputs& found, const char* table) {
  test::ExpectSameBits(expected.values, found.values, table);
  EXPECT_EQ(expected.pairs, found.pairs) << table;
  for (size_t c = 0; c < expected.chunks.size(); ++c) {
    ExpectSameChunk(expected.chunks[c], found.chunks[c], StrCat(table, " chunk ", c));
  }
}

void CompareRow(const std::vector<float>& x) {
  const auto cols = static_cast<int64_t>(x.size());
  const test::QuantizedInputs expected = test::Quantize(ReferenceKernels(), x, 1, cols);
  for (const KernelTable* table : SupportedKernels()) {
    ExpectSame(expected, test::Quantize(*table, x, 1, cols), table->name);
    test::QuantizedInputs in_place = {x, std::vector<Fp8Chunk>(expected.chunks.size()),
                                      std::vector<uint16_t>(x.size())};
    table->quantize_fp8(in_place.values.data(), cols, in_place.values.data(), in_place.chunks.data(),
                        in_place.pairs.data());
    ExpectSame(expected, in_place, StrCat(table->name, " in place").c_str());
    std::vector<float> without_chunks = x;
    table->quantize_fp8(without_chunks.data(), cols, without_chunks.data(), nullptr, nullptr);
    test::ExpectSameBits(expected.values, without_chunks, StrCat(table->name, " without chunks"));
  }
}

TEST(QuantizeFp8, RandomRows) {
  for (const Inputs inputs : {Inputs::kUsual, Inputs::kSpread, Inputs::kZero, Inputs::kSpecial}) {
    for (uint32_t seed = 0; seed < 40; ++seed) {
      CompareRow(test::RandomFloats(int64_t{128} * (1 + seed % 5), inputs, seed));
      if (HasFailure()) return;
    }
  }
}

// Every border between two codes, and the floats on either side of it, at a scale of 1.
TEST(QuantizeFp8, EveryBorder) {
  std::vector<float> borders;
  for (int code = 0; code < 0x7E; ++code) {
    const float middle = (E4m3ToFloat(static_cast<uint8_t>(code)) + E4m3ToFloat(static_cast<uint8_t>(code + 1))) / 2;
    for (const float value : {middle, std::nextafter(middle, 0.0f), std::nextafter(middle, 1000.0f)}) {
      borders.push_back(value);
      borders.push_back(-value);
    }
  }
  std::vector<float> x;
  for (const float value : borders) {
    if (x.size() % 128 == 0) x.push_back(448.0f);  // sets the scale
    x.push_back(value);
  }
  x.resize((x.size() + 127) / 128 * 128);
  CompareRow(x);
}

// The two ends of the scale: amax at and below its floor, and the largest float.
TEST(QuantizeFp8, ScaleAtItsEnds) {
  for (const float amax : {0.0f, 1e-45f, 1e-10f, 9.99e-5f, 1e-4f, 1.01e-4f, 448.0f, 448.1f, 3.4e38f, INFINITY}) {
    std::vector<float> x(128);
    for (size_t k = 0; k < x.size(); ++k) x[k] = (k % 3 == 0 ? -1.0f : 1.0f) * amax / static_cast<float>(k + 1);
    CompareRow(x);
  }
}

// The BF16 numbers are the quantised values, none rounded.
TEST(QuantizeFp8, PairsAreTheValues) {
  for (const Inputs inputs : {Inputs::kUsual, Inputs::kSpread}) {
    const std::vector<float> x = test::RandomFloats(384, inputs, 6);
    for (const KernelTable* table : SupportedKernels()) {
      const test::QuantizedInputs q = test::Quantize(*table, x, 1, 384);
      for (size_t k = 0; k < x.size(); ++k) {
        EXPECT_EQ(Bf16ToFloat(q.pairs[static_cast<size_t>(PairPlace(static_cast<int64_t>(k)))]), q.values[k])
            << table->name << " " << k;
      }
    }
  }
  EXPECT_EQ(PairPlace(0), 1);
  EXPECT_EQ(PairPlace(16), 0);
  EXPECT_EQ(PairPlace(47), 63) << "beside that of column 63";
}

// The integer form holds the quantised values exactly.
TEST(QuantizeFp8, ChunksHoldTheValues) {
  for (const KernelTable* table : SupportedKernels()) {
    const std::vector<float> x = test::RandomFloats(512, Inputs::kSpread, 3);
    const test::QuantizedInputs q = test::Quantize(*table, x, 1, 512);
    for (size_t k = 0; k < x.size(); ++k) {
      const Fp8Chunk& chunk = q.chunks[k / 512];
      const int64_t at = Fp8Chunk::BytePlace(static_cast<int64_t>(k % 512));
      const double units = 256.0 * chunk.high[at] + chunk.low[at] + chunk.residual[at] / 8.0;
      // The tables for x86 multiply words with several tokens.
      if (std::string_view(table->name).starts_with("avx")) {
        EXPECT_EQ(chunk.words[Fp8Chunk::WordPlace(static_cast<int64_t>(k % 512))],
                  256 * chunk.high[at] + chunk.low[at]);
      }
      EXPECT_EQ(units * 0x1p-6 * chunk.scale[k % 512 / 128], q.values[k]) << table->name << " " << k;
    }
  }
}

TEST(QuantizeFp8, ChunksCountAndListTheirResiduals) {
  constexpr int64_t kChunks = 64;
  const std::vector<float> x = test::RandomFloats(kChunks * Fp8Chunk::kColumns, Inputs::kFew, 4);
  for (const KernelTable* table : SupportedKernels()) {
    const test::QuantizedInputs q = test::Quantize(*table, x, kChunks, Fp8Chunk::kColumns);
    uint32_t least = Fp8Chunk::kColumns;
    uint32_t most = 0;
    for (const Fp8Chunk& chunk : q.chunks) {
      uint32_t found = 0;
      for (int64_t column = 0; column < Fp8Chunk::kColumns; ++column) {
        const int8_t residual = chunk.residual[Fp8Chunk::BytePlace(column)];
        if (residual == 0) continue;
        if (found < Fp8Chunk::kListed) {
          EXPECT_EQ(chunk.listed_place[found], Fp8Chunk::WordPlace(column)) << table->name;
          EXPECT_EQ(Fp8Chunk::LaneOfWord(chunk.listed_place[found]), Fp8Chunk::Lane(column)) << table->name;
          EXPECT_EQ(chunk.listed[found], residual) << table->name;
        }
        ++found;
      }
      EXPECT_EQ(chunk.residuals, found) << table->name;
      least = std::min(least, found);
      most = std::max(most, found);
    }
    EXPECT_LT(least, 3u);
    EXPECT_GT(most, Fp8Chunk::kListed);
  }
}

TEST(QuantizeInt8, IsTheReferenceAndNearTheInput) {
  for (const Inputs inputs : {Inputs::kUsual, Inputs::kSpread, Inputs::kZero, Inputs::kSpecial}) {
    for (uint32_t seed = 0; seed < 20; ++seed) {
      const int64_t cols = int64_t{128} * (1 + seed % 6);
      const std::vector<float> x = test::RandomFloats(cols, inputs, seed);
      const test::QuantizedInputs expected = test::QuantizeInt8(ReferenceKernels(), x, 1, cols);
      for (const KernelTable* table : test::FastTables()) {
        ExpectSame(expected, test::QuantizeInt8(*table, x, 1, cols), table->name);
      }
      if (inputs == Inputs::kSpecial) continue;
      for (int64_t block = 0; block < cols / 128; ++block) {
        float amax = 0;
        for (int64_t k = 128 * block; k < 128 * block + 128; ++k)
          amax = std::max(amax, std::fabs(x[static_cast<size_t>(k)]));
        for (int64_t k = 128 * block; k < 128 * block + 128; ++k) {
          EXPECT_LE(std::fabs(x[static_cast<size_t>(k)] - expected.values[static_cast<size_t>(k)]), amax / 253) << k;
        }
      }
    }
  }
}

TEST(SumOfSquares, IsTheReferenceBitForBit) {
  for (int64_t cols = 0; cols <= 300; ++cols) {
    const std::vector<float> x = test::RandomFloats(cols, Inputs::kUsual, static_cast<uint32_t>(cols));
    const float expected = ReferenceKernels().sum_of_squares(x.data(), cols);
    for (const KernelTable* table : test::FastTables()) {
      EXPECT_EQ(expected, table->sum_of_squares(x.data(), cols)) << table->name << " " << cols;
    }
  }
}

}  // namespace
}  // namespace fathom
